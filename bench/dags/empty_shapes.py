"""DAGs of the product's shape whose tasks do nothing.

What `make bench` holds the product's DAGs against: as many tasks, mapped and joined the same way,
in the same pools, one DAG waking the other by an asset.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Asset, dag, task

START = datetime.fromisoformat("2022-01-01T00:00:00+07:00")
SERVERS = 13
WOKEN = Asset(name="empty_landed", uri="ksc-ledger://bench/empty_landed", group="bench")
PUBLISHED = Asset(name="empty_published", uri="ksc-ledger://bench/empty_published", group="bench")
DEFAULT_ARGS = {"retries": 4, "retry_delay": timedelta(seconds=30)}


@dag(schedule=None, start_date=START, catchup=False, max_active_runs=1, default_args=DEFAULT_ARGS)
def empty_collect() -> None:
    @task
    def name_servers() -> list[dict[str, str]]:
        return [{"server_code": f"s_{number:02d}"} for number in range(SERVERS)]

    @task(pool="ksc_servers", multiple_outputs=False)
    def ask_server(order: dict[str, str]) -> dict[str, str]:
        return order

    @task(trigger_rule="all_done", outlets=[WOKEN])
    def judge_landed(orders: list[dict[str, str]], landed: list[dict[str, str]]) -> int:
        return len(orders)

    orders = name_servers()
    judge_landed(orders, ask_server.expand(order=orders))


@dag(schedule=WOKEN, start_date=START, catchup=False, max_active_runs=1, default_args=DEFAULT_ARGS)
def empty_build() -> None:
    @task(pool="warehouse_writer")
    def build() -> str:
        return "built"

    @task(pool="warehouse_writer", outlets=[PUBLISHED])
    def publish(built: str) -> str:
        return built

    publish(build())


@dag(schedule=None, start_date=START, catchup=False, max_active_runs=1, default_args=DEFAULT_ARGS)
def empty_tick() -> None:
    @task
    def watch() -> bool:
        return True

    watch()


empty_collect()
empty_build()
empty_tick()
