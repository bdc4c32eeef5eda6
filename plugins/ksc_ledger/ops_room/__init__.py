"""The page "Tình hình" in Airflow's navigation: the province on one screen, from the marts.

A FastAPI application without Airflow in it: who the reader is comes in from outside
(``page.Gate``), so that this room can be tested and measured alone. ``orchestration.ops_plugin``
hangs it into Airflow behind Airflow's own authentication.
"""
