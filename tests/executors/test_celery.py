"""The same rehearsal through the LocalExecutor and through Celery, of whose workers one is killed."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from executors.cut import cut
from executors.redis_server import a_redis
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.orchestration.defaults import Queue
from ksc_ledger.settings import REPOSITORY, Places
from road.stoppable_postgresql import a_postgres
from unit.state.postgresql import create, url_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(2_400)]

PROGRAM = Path(__file__).parent / "rehearse.py"
PYTHON = REPOSITORY / ".venv-production" / "bin" / "python"
# A district's letter; two estates with fifteen servers; an outage that is told; two days after it.
INSTANTS = {
    "dong_thap": frozenset(
        f"{instant}:00+07:00"
        for instant in (
            *("2022-10-12T08:00", "2024-01-08T08:00", "2024-01-10T09:35"),
            *("2024-01-10T09:45", "2024-01-10T09:55", "2024-01-16T08:00"),
        )
    ),
    "kon_tum": frozenset({"2024-01-08T08:00:00+07:00", "2024-01-16T08:00:00+07:00"}),
}
LAST = datetime.fromisoformat("2024-01-16T08:00:00+07:00").astimezone(UTC)
# What two runs of the same rehearsal cannot share, whatever runs their tasks. No figure is made of it.
OF_ONE_RUN: dict[str, str] = {
    "_published": "version_id",  # when it was published, by the wall clock
    "fct_source_load": "collected_at",  # when it was read, by the wall clock
}


def rehearse(folder: Path, scenarios: list[Path], *words: str, **more: str) -> dict[str, Any]:
    """Run it to its end; what was seen."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        [PYTHON, PROGRAM, "--home", folder / "home", "--aside", folder, *words, *scenarios],
        cwd=REPOSITORY,
        env=env | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return dict(json.loads((folder / "report.json").read_text("utf-8")))


def differences(one: Path, other: Path) -> dict[str, str]:
    """By table: rows that only one of two marts has, every column compared but those of one run."""
    found: dict[str, str] = {}
    with duckdb.connect() as con:
        for name, file in (("one", one), ("other", other)):
            con.execute(f"attach '{file}' as {name} (read_only)")
        tables = {
            name: {
                row[0]
                for row in con.execute(
                    "select table_name from duckdb_tables() where database_name = ?", [name]
                ).fetchall()
            }
            for name in ("one", "other")
        }
        assert tables["one"] == tables["other"]
        assert len(tables["one"]) > 30
        for table in sorted(tables["one"]):
            but = f"exclude ({OF_ONE_RUN[table]})" if table in OF_ONE_RUN else ""
            rows = f"select * {but} from {{}}.marts.{table}"
            for a, b in (("one", "other"), ("other", "one")):
                only = con.sql(f"{rows.format(a)} except all {rows.format(b)}")
                if len(only):
                    found[f"{table}, only in {a}"] = str(only.limit(5))
        assert con.sql("select count(*) > 1000 from one.marts.dim_endpoint").fetchone() == (True,)
    return found


def test_celery_gives_the_local_executors_figures_also_after_a_worker_was_killed_in_mid_task(
    tmp_path: Path,
) -> None:
    scenarios = [
        cut(REPOSITORY / "scenarios" / name, tmp_path / "scenarios" / name, instants)
        for name, instants in INSTANTS.items()
    ]
    local, celery = tmp_path / "local", tmp_path / "celery"
    rehearse(local, scenarios)
    with a_postgres() as cluster, a_redis() as broker:
        create(cluster.folder, "ledger", "template0")
        seen = rehearse(
            celery,
            scenarios,
            *("--broker", broker, "--database", cluster.url),
            KSC_LEDGER_STATE_URL=url_of(cluster.folder, "ledger"),
        )

    # Undisturbed: every row of every mart.
    assert differences(local / "before/marts.duckdb", celery / "before/marts.duckdb") == {}

    # Each task waited in the one queue it belongs to.
    writing = {(dag, task) for dag, task, queue in seen["queues"] if queue == Queue.WAREHOUSE}
    assert {("build_marts", "build"), ("build_marts", "publish")} <= writing
    assert {queue for _, _, queue in seen["queues"]} == {Queue.WAREHOUSE, Queue.DEFAULT}

    # Killed while its tasks read: every server of that instant landed once and whole.
    assert len(seen["servers"]) == 2
    landed = {
        at: Counter(
            (load.server_code, load.status)
            for load in manifest.read_all(Places(folder / "home"))
            if load.as_of_at == LAST
        )
        for at, folder in (("local", local), ("celery", celery))
    }
    assert landed["celery"] == landed["local"]
    # Redis gave the dead worker's messages to the other one, and Airflow took neither.
    assert len(seen["messages"]) == len(seen["servers"])
    assert seen["refused"] == seen["messages"]
    assert all(landed["celery"][code, LoadStatus.COMPLETE] == 1 for code in seen["servers"])
    assert differences(local / "after/marts.duckdb", celery / "after/marts.duckdb") == {}
