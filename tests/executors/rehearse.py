"""``rehearse.py``: the rehearsal as ``make demo`` runs it, on the executor that is asked for.

usage: rehearse.py --home HOME --aside FOLDER [--broker URL --database URL] SCENARIO…
A program of production's environment, which alone has Celery. With a broker the tasks are Celery's, on
two workers that collect and one that writes the warehouse; before the last instant the marts are laid
aside, and at that instant one of the collecting workers is killed in the middle of its tasks.
``FOLDER/report.json`` says what was seen.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console

from ksc_ledger.errors import LedgerError
from ksc_ledger.rehearsal import airflow_process, timeline
from ksc_ledger.rehearsal.airflow_api import AirflowApi, ApiError
from ksc_ledger.rehearsal.airflow_process import Airflow
from ksc_ledger.rehearsal.driver import Rehearsal
from ksc_ledger.settings import REPOSITORY, Places

PRODUCTION = REPOSITORY / "deploy" / "airflow" / "airflow.cfg"
WORKER = "celery worker --skip-serve-logs --without-mingle --without-gossip"
COLLECTING = ("collecting-1", "collecting-2")
COLLECTING_SLOTS = 2
WORKERS: Mapping[str, tuple[str, ...]] = {
    name: (
        *WORKER.split(),
        "--celery-hostname",
        name,
        "--queues",
        queue,
        "--concurrency",
        str(slots),
    )
    for name, queue, slots in (
        *((name, "default", COLLECTING_SLOTS) for name in COLLECTING),
        ("warehouse", "warehouse", 1),
    )
}
SLOW_SECONDS = 25  # below the client's patience, far above what a task needs
# Shorter than in production, so that what the dead worker held comes back while somebody looks.
VISIBILITY_SECONDS = 120
PATIENCE_SECONDS = 240


def celery_environment(broker: str, database: str) -> dict[str, str]:
    """What production sets for Celery and against dead workers, and where broker and database are."""
    production = configparser.ConfigParser(interpolation=None)
    production.read(PRODUCTION, "utf-8")
    settings = {
        f"AIRFLOW__{section.upper()}__{name.upper()}": value
        for section in ("celery", "celery_broker_transport_options")
        for name, value in production[section].items()
        if not name.endswith("_cmd")
    }
    heartbeat = production["scheduler"]["task_instance_heartbeat_timeout"]
    return settings | {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": "5",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database,
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": str(VISIBILITY_SECONDS),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": heartbeat,
    }


@dataclass
class WatchedRehearsal(Rehearsal):
    """``aside``: where marts are laid aside and the report is written."""

    aside: Path = field(kw_only=True)
    more: Mapping[str, str] = field(kw_only=True)
    report: dict[str, Any] = field(default_factory=dict)
    running: Airflow = field(init=False)

    @property
    def is_celery(self) -> bool:
        return bool(self.more)

    def begin(self) -> int:
        with self._on_the_executor():
            status = self.run(once=True)
        self._lay_aside("after")
        if self.is_celery:
            self.report["refused"] = sorted(self._refused())
        (self.aside / "report.json").write_text(json.dumps(self.report, indent=1), "utf-8")
        return status

    @contextlib.contextmanager
    def _on_the_executor(self) -> Iterator[None]:
        """Airflow's environment and components of the rehearsal, with Celery's where it is asked for."""
        plain, components = airflow_process.environment, airflow_process.COMPONENTS
        if self.is_celery:
            airflow_process.environment = lambda *given: plain(*given) | self.more
            airflow_process.COMPONENTS = components | WORKERS
        try:
            yield
        finally:
            airflow_process.environment, airflow_process.COMPONENTS = plain, components

    def _do(self, step: timeline.Step, airflow: Airflow, api: AirflowApi) -> None:
        self.running = airflow
        last = timeline.merged(self.scenarios).steps[-1]
        if not self.is_celery or step != last:
            super()._do(step, airflow, api)
        else:
            killer = Killer(self, airflow, api)
            killer.begin()
            super()._do(step, airflow, api)
            killer.join()
            self.report |= killer.seen
            seconds = time.monotonic() - killer.killed_at
            self.report["published_after_seconds"] = round(seconds, 1)
            self.say(f"published {seconds:.0f} s after the kill")
        self._settle("deliver_mail", step, api)
        if step == timeline.merged(self.scenarios).steps[-2]:
            self._settle("build_marts", step, api)  # what became of the mails
            self._lay_aside("before")
        if step == last:
            self._wait_for_refusals()
            path = "/api/v2/dags/~/dagRuns/~/taskInstances?limit=1000"
            tasks = api.get(path)["task_instances"]
            named = {(one["dag_id"], one["task_id"], str(one["queue"])) for one in tasks}
            self.report["queues"] = sorted(named)

    def _receive(
        self, step: timeline.Step, airflow: Airflow, api: AirflowApi, note: str
    ) -> str | None:
        """And wait for what it wakes: the servers are asked afterwards, not at the same time.

        Side by side, speed decides whether a build of the reports alone comes first, and that build
        is of the new instant with the old devices: a unit may be told of something that is over.
        """
        run = super()._receive(step, airflow, api, note)
        if run is not None:
            self._wait_for_run(airflow, api, "receive_unit_reports", run)
            self._wait_until_nothing_waits(api)
        return run

    def _ask_for_letters(self, api: AirflowApi, published_at: datetime | None) -> None:
        """And wait for them: what a mail of theirs says of its instant is no matter of speed."""
        super()._ask_for_letters(api, published_at)
        self._wait_for_letters(self.running, api)

    def _settle(self, dag: str, step: timeline.Step, api: AirflowApi) -> None:
        """Run a DAG when nothing follows from this instant any more, and wait for what it wakes.

        A rehearsal moves on earlier, and then it is a matter of speed which instant sees which mail.
        """
        self._wait_until_nothing_waits(api)
        conf = {"as_of_at": step.at.isoformat()}
        run = api.trigger(dag, conf, "Chờ xong việc của thời điểm này")
        self._wait_for_run(self.running, api, dag, run)
        self._wait_until_nothing_waits(api)

    def _wait_until_nothing_waits(self, api: AirflowApi) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            self._wait_until_quiet(self.running, api)
            if not any(_has_waiting_events(api, dag) for dag in ("build_marts", "watch_deadlines")):
                return
            time.sleep(0.5)
        raise TimeoutError("events still wait for their runs")

    def _wait_for_refusals(self) -> None:
        """Redis gives back what a dead worker held; who looks for it does so every 100 seconds."""
        if not self.is_celery:
            return
        end = time.monotonic() + VISIBILITY_SECONDS + 150
        while time.monotonic() < end and self._refused() != set(self.report["messages"]):
            time.sleep(1)

    def _refused(self) -> set[str]:
        """The dead worker's messages that the other one was given, and Airflow did not let it take."""
        refused = _messages(self.worker_log(COLLECTING[1]), "raised unexpected: ServerResp")
        return refused & set(self.report["messages"])

    def worker_log(self, name: str) -> str:
        return (self.home / "airflow" / "component-logs" / f"{name}.log").read_text("utf-8")

    def _lay_aside(self, name: str) -> None:
        folder = self.aside / name
        folder.mkdir(parents=True)
        shutil.copy(Places(self.home).named_marts_file.resolve(), folder / "marts.duckdb")


def _messages(log: str, what: str) -> set[str]:
    """The messages of which a worker's log says this."""
    return set(re.findall(rf"execute_workload\[([0-9a-f-]+)\] {what}", log))


def _has_waiting_events(api: AirflowApi, dag: str) -> bool:
    """Whether an asset's event waits for a run of this DAG that the scheduler has not made yet."""
    try:
        return bool(api.get(f"/api/v2/dags/{dag}/assets/queuedEvents")["total_entries"])
    except ApiError as error:
        if error.status != 404:
            raise
        return False


class Killer(threading.Thread):
    """Waits until a collecting worker is inside a task that reads a slow server, and kills it.

    By the pid that Airflow has of the task; with SIGKILL, the worker and all that it has started.
    """

    def __init__(self, rehearsal: WatchedRehearsal, airflow: Airflow, api: AirflowApi) -> None:
        super().__init__(daemon=True)
        self.rehearsal = rehearsal
        self.airflow = airflow
        self.api = AirflowApi(api.url, api.user, api.password)  # a session is one thread's
        ports = json.loads((rehearsal.home / "simulator" / "ports.json").read_text("utf-8"))
        self.control = ports["control"]["port"]
        self.killed_at = 0.0
        self.seen: dict[str, Any] = {}

    def begin(self) -> None:
        """Make every server slow in the middle of what it is asked, then look on."""
        for code in self._servers():
            self._ask_simulator(
                "POST",
                "/faults",
                {
                    "server_code": code,
                    "kind": "slow",
                    "value": SLOW_SECONDS,
                    "method": "HostGroup.FindHosts",
                },
            )
        self.start()

    def run(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError, ValueError, LedgerError):
                victims = self._inside_their_tasks()
                if victims:
                    self._kill(victims)
                    return
            time.sleep(0.5)

    def _inside_their_tasks(self) -> dict[str, dict[str, Any]]:
        """The tasks of the first collecting worker by server, once each waits for an answer."""
        run = f"/api/v2/dags/collect_endpoints/dagRuns/{self._run()}/taskInstances"
        orders = self.api.get(f"{run}/name_servers/xcomEntries/return_value?deserialize=true")
        codes = [one["server_code"] for one in orders["value"]]
        worker = self.airflow.processes[COLLECTING[0]].pid
        held = {
            codes[one["map_index"]]: one
            for one in self.api.get(run)["task_instances"]
            if one["task_id"] == "ask_server"
            and one["state"] == "running"
            and one["pid"]
            and _session_of(int(one["pid"])) == worker
        }
        waiting = {
            code
            for code, requests in self._ask_simulator("GET", "/log").items()
            if any(
                one["method"] == "HostGroup.FindHosts" and one["status"] is None for one in requests
            )
        }
        return held if len(held) == COLLECTING_SLOTS and held.keys() <= waiting else {}

    def _kill(self, victims: dict[str, dict[str, Any]]) -> None:
        worker = self.airflow.processes.pop(COLLECTING[0])
        log = self.rehearsal.worker_log(COLLECTING[0])
        family = [pid for pid in _pids() if _session_of(pid) == worker.pid]
        self.killed_at = time.monotonic()
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        worker.wait(timeout=30)
        self.seen |= {
            "worker_pid": worker.pid,
            "processes_killed": len(family),
            "servers": sorted(victims),
            "messages": sorted(_messages(log, "received") - _messages(log, "succeeded")),
        }
        for code in self._servers():
            self._ask_simulator("DELETE", f"/faults/{code}", None)
        self.rehearsal.say(f"killed {COLLECTING[0]} (pid {worker.pid}): {self.seen}")

    def _run(self) -> str:
        """The newest run: the driver has just started it."""
        runs = self.api.get("/api/v2/dags/collect_endpoints/dagRuns?limit=20&order_by=-run_after")
        started = [one for one in runs["dag_runs"] if one["run_type"] == "manual"]
        return quote(started[0]["dag_run_id"], safe="")

    def _servers(self) -> list[str]:
        state = self._ask_simulator("GET", "/state", None)
        return sorted(state["servers"])

    def _ask_simulator(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.control}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return dict(json.loads(answer.read() or b"{}"))


def _pids() -> list[int]:
    return [int(one.name) for one in Path("/proc").glob("[0-9]*")]


def _session_of(pid: int) -> int | None:
    """The session of a process, which begins with the worker; None when there is no such process."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def main() -> int:
    words = argparse.ArgumentParser()
    words.add_argument("--home", type=Path, required=True)
    words.add_argument("--aside", type=Path, required=True)
    words.add_argument("--broker")
    words.add_argument("--database")
    words.add_argument("scenarios", type=Path, nargs="+")
    given = words.parse_args()
    more = celery_environment(given.broker, given.database) if given.broker else {}
    return WatchedRehearsal(
        scenarios=given.scenarios,
        home=given.home,
        port=0,
        console=Console(width=160),
        aside=given.aside,
        more=more,
    ).begin()


if __name__ == "__main__":
    sys.exit(main())
