"""The rehearsal: a real Airflow on embedded defaults, simulated servers, and a clock that is moved.

``home`` prepares the data folder, ``airflow_process`` starts and stops Airflow, ``airflow_api``
talks to it, ``driver`` walks the timeline, ``summary`` prints the figures beside the letters'.
"""
