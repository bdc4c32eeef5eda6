"""What all our DAGs share. The DAG policy test holds every DAG file against this."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ksc_ledger.clock import VIETNAM

START = datetime(2022, 1, 1, tzinfo=VIETNAM)


class Queue(StrEnum):
    """Where Celery's workers find their tasks (docs/deployment.md); the LocalExecutor has no queues.

    The pool keeps tasks apart in time, the queue on one machine: the writer's file and its lock are
    on a disk of that machine, which no lock of another machine reaches.
    """

    # Asks, mails, judges what landed, writes letters: any worker with the shared folders.
    DEFAULT = "default"
    # Writes the warehouse, publishes, keeps house: one worker, one task at a time.
    WAREHOUSE = "warehouse"


# An outage of the API server burns retries, and effects are idempotent: so, many and patient.
DEFAULT_ARGS: dict[str, Any] = {
    "owner": "ksc-ledger",
    "retries": 4,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(minutes=20),
    "queue": Queue.DEFAULT,
}


class Tag(StrEnum):
    """The closed list of tags."""

    SOURCE = "nguồn"
    MARTS = "kho số liệu"
    ALERT = "cảnh báo"
    REPORT = "báo cáo"
    HOUSE = "vận hành"


class Pool(StrEnum):
    """Airflow pools; `ksc-ledger pools` and the demo create them."""

    KSC_SERVERS = "ksc_servers"  # how many servers are asked at a time
    WAREHOUSE_WRITER = "warehouse_writer"  # one: DuckDB has one writer


POOL_SLOTS: dict[Pool, int] = {Pool.KSC_SERVERS: 12, Pool.WAREHOUSE_WRITER: 1}
