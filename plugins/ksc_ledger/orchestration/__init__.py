"""The only room that imports Airflow: assets, defaults, the `ksc` connection, the bodies of tasks.

DAG files import names from here and nothing else, so they stay thin and quick to parse. Heavy
libraries are imported inside task bodies, once a run and not once a server.
"""
