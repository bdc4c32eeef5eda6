"""A day of a real Airflow with servers that repeat every password: `python -m contract.indiscreet_day ORDER`.

Runs the DAGs in a process of their own, in the home that KSC_LEDGER_HOME names. ORDER is JSON:
``connection`` (fields of the two servers' connections), ``begins_at``, ``rounds``.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.models.connection import Connection
from airflow.models.pool import Pool
from airflow.utils.session import create_session

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import RehearsalClock
from ksc_ledger.settings import REPOSITORY
from ksc_ledger.state import accounts, open_state

SERVERS = ("dtp", "dtp_872")


def main() -> None:
    order: dict[str, Any] = json.loads(sys.argv[1])
    settings = settings_module.load()
    with create_session() as session:
        for code in SERVERS:
            session.add(Connection(conn_id=f"ksc_{code}", conn_type="ksc", **order["connection"]))
    for pool in ("ksc_servers", "warehouse_writer"):
        Pool.create_or_update_pool(pool, slots=2, description="", include_deferred=False)
    dags = DagBag(str(REPOSITORY / "dags")).dags
    for dag in dags.values():
        dag.deadline = None  # dag.test() looks for its row in the database, where none is
    clock = RehearsalClock(settings.places.clock_file)
    begins_at = datetime.fromisoformat(order["begins_at"])
    engine = open_state(settings.state_url)
    for number in range(order["rounds"]):
        at = begins_at + timedelta(hours=number)  # by then the province's word is due again
        clock.set(at, is_driven=True)
        for code in SERVERS:
            accounts.resume(engine, code)
        conf = {"as_of_at": at.isoformat()}
        for dag_id in ("collect_endpoints", "watch_server_links"):
            dags[dag_id].test(run_conf=conf)
    for dag_id in ("deliver_mail", "build_marts"):
        dags[dag_id].test(run_conf=conf)


if __name__ == "__main__":
    main()
