"""A real Airflow with the product's DAGs and empty ones, and what running them costs.

The DAGs are the product's files with their clock taken out (``schedule=None``), so that nothing
runs but what is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.machine import tree
from bench.process import ROOT, CaseFailed
from ksc_ledger.clock import RehearsalClock
from ksc_ledger.errors import LedgerError
from ksc_ledger.orchestration.defaults import POOL_SLOTS
from ksc_ledger.rehearsal import airflow_process, home
from ksc_ledger.rehearsal.airflow_api import AirflowApi
from ksc_ledger.rehearsal.airflow_process import Airflow
from ksc_ledger.settings import Places

START_SECONDS = 240.0
RUN_SECONDS = 600.0
_PAGE = 100  # rows that the API gives at a time
SETTLE_SECONDS = 1.0  # until the last task's process is gone and its parent has counted it
_TICKS = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.2
_STATE = "select state from dag_run where dag_id = ? and run_id = ?"
_WOKEN = """
select woken.run_id
from asset_event as event
join dagrun_asset_event as link on link.event_id = event.id
join dag_run as woken on woken.id = link.dag_run_id
where event.source_run_id = ?
"""
_CLOCK = re.compile(r'schedule="[^"]+"')


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run cost: all of Airflow's processes together, in seconds."""

    cpu: float
    wall: float
    runs: tuple[tuple[str, str], ...] = ()  # DAG and run, as they came


@dataclass
class Installation:
    """A running Airflow, with the simulated servers it asks."""

    places: Places
    airflow: Airflow
    api: AirflowApi
    simulator: Mapping[str, Any]

    def move(self, at: datetime, *, is_driven: bool = True) -> None:
        """Set the rehearsal's clock, and the simulated servers' with it."""
        set_clock(self.simulator, at, is_driven=is_driven)
        RehearsalClock(self.places.clock_file).set(at, is_driven=is_driven)

    def connect(self, simulator: Mapping[str, Any]) -> None:
        """Make an Airflow connection for each simulated server."""
        for code, server in simulator["servers"].items():
            self.api.put_connection(f"ksc_{code}", _connection(server))

    def spent_on(
        self,
        dag_id: str,
        conf: Mapping[str, Any],
        then: str | None = None,
        *,
        within_seconds: float = RUN_SECONDS,
    ) -> Spent:
        """Run a DAG, and the one that it wakes, to their ends.

        Raises CaseFailed when one of them fails or does not end in time.
        """
        self.wait_until_quiet()
        cpu, wall = self.cpu_seconds(), time.monotonic()
        run = self.api.trigger(dag_id, conf, "bench")
        runs = [(dag_id, run)]
        self._finish(dag_id, run, within_seconds)
        if then is not None:
            runs.append((then, self._woken(run)))
            self._finish(*runs[-1], within_seconds)
        ended = time.monotonic() - wall
        time.sleep(SETTLE_SECONDS)
        return Spent(self.cpu_seconds() - cpu, ended, tuple(runs))

    def phases(self, spent: Spent) -> dict[str, float]:
        """Of each task of the runs, seconds from its first start to its last end."""
        found: dict[str, tuple[datetime, datetime]] = {}
        for dag_id, run_id in spent.runs:
            for task in self._tasks(dag_id, run_id):
                if not task["start_date"] or not task["end_date"]:
                    continue
                begun, ended = map(datetime.fromisoformat, (task["start_date"], task["end_date"]))
                before = found.get(task["task_id"], (begun, ended))
                found[task["task_id"]] = min(begun, before[0]), max(ended, before[1])
        return {name: (ended - begun).total_seconds() for name, (begun, ended) in found.items()}

    def _tasks(self, dag_id: str, run_id: str) -> Iterator[Mapping[str, Any]]:
        offset = 0
        while True:
            page = self.api.get(
                f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
                f"?limit={_PAGE}&offset={offset}"
            )
            yield from page["task_instances"]
            offset += len(page["task_instances"])
            if offset >= page["total_entries"] or not page["task_instances"]:
                return

    def cpu_seconds(self) -> float:
        """Of every component and of all that it started."""
        return tree_cpu_seconds(process.pid for process in self.airflow.processes.values())

    def wait_until_quiet(self) -> None:
        """Until no run of any DAG is queued or running."""
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            if not self.api.unfinished("~"):
                time.sleep(SETTLE_SECONDS)
                return
            time.sleep(0.5)
        raise CaseFailed("the installation did not come to rest")

    def _woken(self, run_id: str) -> str:
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            if woken := self._look(_WOKEN, run_id):
                return woken
            time.sleep(POLL_SECONDS)
        raise CaseFailed(f"{run_id} woke no other run")

    def _finish(self, dag_id: str, run_id: str, within_seconds: float) -> None:
        end = time.monotonic() + within_seconds
        while time.monotonic() < end:
            self.airflow.check_alive()
            state = self._look(_STATE, dag_id, run_id)
            if state == "success":
                return
            if state == "failed":
                raise CaseFailed(f"{dag_id} failed")
            time.sleep(POLL_SECONDS)
        raise CaseFailed(f"{dag_id} did not end in time")

    def _look(self, question: str, *names: str) -> str | None:
        """The first answer in Airflow's own database.

        Not by its API: answering three times a second would be counted as work of the run.
        """
        file = self.places.airflow / "airflow.db"
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as con:
            row = con.execute(question, names).fetchone()
        return row and str(row[0])


def tree_cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of processes, of their children, and of those that were waited for."""
    return sum(
        sum(int(one) for one in words[11:15]) / _TICKS for words in tree(roots).values() if words
    )


@contextlib.contextmanager
def installation(
    folder: Path,
    scenarios: Sequence[Path],
    at: datetime,
    dag_ids: Sequence[str],
    serve: Sequence[str] | None = None,
) -> Iterator[Installation]:
    """An Airflow on embedded defaults and the scenarios' servers, both gone afterwards.

    ``dag_ids`` are unpaused; ``serve`` as ``simulated`` has it. Raises LedgerError or CaseFailed
    when something does not start.
    """
    with home.opened(folder) as places, simulated(folder, scenarios, at, serve) as simulator:
        registry = home.gather_registry(list(scenarios), folder / "registry")
        home.gather_contacts(list(scenarios), folder / "contacts.csv")
        made = home.make_secrets(places)
        port = airflow_process.free_port(0)
        dags = folder / "dags"
        _copy_dags(dags)
        env = airflow_process.environment(places, registry, made, port, _shell())
        env |= {
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            # Once: reading the files again would be counted as work of whatever runs then.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        }
        RehearsalClock(places.clock_file).set(at, is_driven=True)
        airflow = Airflow(places, env)
        airflow.migrate()
        api = AirflowApi(f"http://127.0.0.1:{port}", "quantri", made.passwords["quantri"])
        try:
            airflow.start()
            found = Installation(places, airflow, api, simulator)
            _wait_until_healthy(found)
            for name, slots in POOL_SLOTS.items():
                api.put_pool(name, slots, "bench")
            found.connect(simulator)
            _unpause(found, dag_ids)
            yield found
        finally:
            airflow.stop()


@contextlib.contextmanager
def simulated(
    folder: Path,
    scenarios: Sequence[Path],
    at: datetime,
    serve: Sequence[str] | None = None,
    *,
    wait_seconds: float = 120.0,
) -> Iterator[Mapping[str, Any]]:
    """The scenarios' servers as a process of their own; gives its ``ports.json``.

    ``serve``: a module and its arguments that stand in for the simulator and leave such a file in
    ``folder/simulator``.
    """
    run_dir = folder / "simulator"
    run_dir.mkdir(parents=True, exist_ok=True)
    words = serve or [
        "ksc_ledger.simulator",
        *map(str, scenarios),
        *("--port", "0", "--run-dir", str(run_dir), "--clock", at.isoformat()),
    ]
    with (run_dir / "simulator.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        ports = run_dir / "ports.json"
        end = time.monotonic() + wait_seconds
        while not ports.exists():
            if process.poll() is not None or time.monotonic() > end:
                said = (run_dir / "simulator.log").read_text("utf-8", "replace")[-2000:]
                raise CaseFailed(f"the simulated servers did not start:\n{said}")
            time.sleep(0.1)
        found: Mapping[str, Any] = json.loads(ports.read_text("utf-8"))
        yield found
    finally:
        airflow_process.end_groups([process.pid])
        process.wait(timeout=5)


def set_clock(simulator: Mapping[str, Any], at: datetime, *, is_driven: bool = True) -> None:
    """Set the clock of the simulated servers."""
    body = json.dumps({"at": at.isoformat(), "is_driven": is_driven}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{simulator['control']['port']}/clock", method="PUT", data=body
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(request, timeout=30).close()


def _copy_dags(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "bench" / "dags", target, ignore=shutil.ignore_patterns("__*"))
    for file in (ROOT / "dags").glob("*.py"):
        (target / file.name).write_text(
            _CLOCK.sub("schedule=None", file.read_text("utf-8")), "utf-8"
        )


def _shell() -> dict[str, str]:
    """The shell's environment without settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KSC_LEDGER_")}


def _connection(server: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "conn_type": "ksc",
        "host": "127.0.0.1",
        "port": server["port"],
        "login": server["login"],
        "password": Path(server["password_file"]).read_text("utf-8").strip(),
        "extra": json.dumps({"certificate_sha256": server["sha256"]}),
    }


def _wait_until_healthy(found: Installation) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        found.airflow.check_alive()
        with contextlib.suppress(OSError, ValueError, LedgerError):
            health = found.api.health()
            parts = ("metadatabase", "scheduler", "dag_processor")
            if all(health[part]["status"] == "healthy" for part in parts):
                return
        time.sleep(0.5)
    raise CaseFailed("Airflow did not start in time")


def _unpause(found: Installation, dag_ids: Sequence[str]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        found.airflow.check_alive()
        if errors := found.api.get("/api/v2/importErrors")["import_errors"]:
            raise CaseFailed(f"{errors[0]['filename']}:\n{errors[0]['stack_trace']}")
        known = {one["dag_id"] for one in found.api.get("/api/v2/dags?limit=100")["dags"]}
        if set(dag_ids) <= known:
            for dag_id in dag_ids:
                found.api.unpause(dag_id)
            return
        time.sleep(0.5)
    raise CaseFailed("Airflow did not find the DAGs in time")
