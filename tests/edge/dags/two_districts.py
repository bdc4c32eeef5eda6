"""A task for the worker of one district, as it would stand in a DAG."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def two_districts() -> None:
    @task(queue="dtp_613")
    def ask_server() -> None:
        """Never runs here: the test takes it as a worker would, and looks what it was given."""

    ask_server()


two_districts()
