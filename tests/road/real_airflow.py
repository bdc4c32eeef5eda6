"""A real Airflow over a small rehearsal, whose parts a test may kill and start again.

The home is a rehearsal's and its clock is driven, so that what is read at an instant is known; the
scheduler, its tasks, the API server and the database behind them are what they are in production.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import RehearsalClock
from ksc_ledger.errors import LedgerError
from ksc_ledger.rehearsal import airflow_process, home
from ksc_ledger.rehearsal.airflow_api import AirflowApi
from ksc_ledger.rehearsal.airflow_process import Airflow
from ksc_ledger.rehearsal.driver import POOLS
from ksc_ledger.settings import Places, Settings
from ksc_ledger.simulator import Simulator
from ksc_ledger.warehouse.reader import query

SCENARIO = Path(__file__).resolve().parent / "scenario"
DAGS = ("collect_endpoints", "build_marts", "watch_server_links", "deliver_mail")
# A machine that does other things besides is slow, not wrong.
PATIENCE = 600.0
FINISHED = {"success", "failed"}


@dataclass
class RealAirflow:
    """``restarts``: how often each component was started again after it had ended by itself."""

    places: Places
    simulator: Simulator
    env: dict[str, str]
    api: AirflowApi
    airflow: Airflow = field(init=False)
    restarts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.airflow = Airflow(self.places, self.env)

    @property
    def settings(self) -> Settings:
        return settings_module.load(self.env)

    def begin(self) -> None:
        """Start everything, and enter what an operator enters."""
        self.airflow.start()
        self.wait_for("Airflow answers", self.is_healthy)
        self.wait_for("the DAGs are there", self._has_dags)
        for name, (slots, description) in POOLS.items():
            self.api.put_pool(name, slots, description)
        for code, described in self.simulator.ports["servers"].items():
            self.api.put_connection(
                f"ksc_{code}",
                {
                    "conn_type": "ksc",
                    "host": "127.0.0.1",
                    "port": described["port"],
                    "login": described["login"],
                    "password": self.simulator.password(code),
                    "extra": json.dumps({"certificate_sha256": described["sha256"]}),
                },
            )
        for dag in DAGS:
            self.api.unpause(dag)

    def move(self, at: datetime) -> None:
        """Set the rehearsal's clock and the servers'."""
        self.simulator.set_clock(at)
        RehearsalClock(self.places.clock_file).set(at, is_driven=True)

    def trigger(self, dag: str, at: datetime) -> str:
        return self.api.trigger(dag, {"as_of_at": at.isoformat()}, "thử")

    def run(self, dag: str, at: datetime) -> str:
        """Trigger a run and wait for its end; its state."""
        self.move(at)
        return self.end_of(dag, self.trigger(dag, at))

    def end_of(self, dag: str, run: str) -> str:
        self.wait_for(f"{dag} ends", lambda: self.state_of(dag, run) in FINISHED)
        return self.state_of(dag, run)

    def state_of(self, dag: str, run: str) -> str:
        """Blank while Airflow cannot tell."""
        with contextlib.suppress(OSError, ValueError, LedgerError):
            return self.api.run_state(dag, run)
        return ""

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        path = f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances"
        return list(self.api.get(path)["task_instances"])

    def is_running(self, dag: str, run: str, task: str) -> bool:
        """Whether some instance of the task has begun its work."""
        return any(
            one["task_id"] == task and one["state"] == "running" for one in self.tasks(dag, run)
        )

    def built_since(self, version: str | None) -> bool:
        """Whether marts were published after this version, and no build waits any more."""
        with contextlib.suppress(OSError, ValueError, LedgerError):
            return self.version() != version and not self.api.unfinished("build_marts")
        return False

    def version(self) -> str | None:
        file = self.places.marts_file
        return file.resolve().name if file.exists() else None

    def figures(self, unit_code: str) -> tuple[int, int, int]:
        """Allocated, installed and rightly named, as published last."""
        row = query(
            self.places.marts_file,
            "select * from marts.fct_unit_coverage_daily where unit_code = ?"
            " order by snapshot_date desc limit 1",
            [unit_code],
        )[0]
        return row["allocated_count"], row["installed_count"], row["correctly_named_count"]

    def loads(self, at: datetime) -> dict[str, list[str]]:
        """The status of every load of an instant, by server."""
        found: dict[str, list[str]] = {}
        for path in self.places.snapshot.glob("*/*/*.json"):
            raw = json.loads(path.read_text("utf-8"))
            if datetime.fromisoformat(raw["as_of_at"]) == at:
                found.setdefault(raw["server_code"], []).append(raw["status"])
        return found

    def state_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A question to the operational database."""
        with contextlib.closing(sqlite3.connect(self.places.state_database)) as database:
            return database.execute(sql).fetchall()

    def kill(self, name: str) -> None:
        """SIGKILL for one component with everything it has started."""
        process = self.airflow.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)

    def start_again(self, name: str) -> None:
        self.airflow.start_component(name)

    def nurse(self) -> None:
        """Start what has ended by itself, as a restart policy or a service manager does."""
        for name, process in list(self.airflow.processes.items()):
            if process.poll() is not None:
                self.restarts[name] = self.restarts.get(name, 0) + 1
                airflow_process.end_groups([process.pid])
                self.airflow.start_component(name)

    def wait_for(self, what: str, has_come: Callable[[], bool], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not has_come():
            assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
            time.sleep(1)
            self.nurse()

    def is_healthy(self) -> bool:
        with contextlib.suppress(OSError, ValueError, LedgerError):
            health = self.api.health()
            return all(
                health[part]["status"] == "healthy"
                for part in ("metadatabase", "scheduler", "dag_processor")
            )
        return False

    def _has_dags(self) -> bool:
        with contextlib.suppress(OSError, ValueError, LedgerError):
            found = self.api.get("/api/v2/dags?limit=100")["dags"]
            return set(DAGS) <= {one["dag_id"] for one in found}
        return False


@contextmanager
def real_airflow(
    folder: Path, at: datetime, more: Mapping[str, str] | None = None
) -> Iterator[RealAirflow]:
    """Everything started at an instant of the scenario; ``more`` goes into Airflow's environment."""
    places = Places(folder / "home")
    places.home.mkdir(mode=0o750)
    places.rehearsal_mark.touch()
    registry = home.gather_registry([SCENARIO], places.home / "registry")
    home.gather_contacts([SCENARIO], places.home / "contacts.csv")
    made = home.make_secrets(places)
    port = airflow_process.free_port(0)
    env = airflow_process.environment(places, registry, made, port, dict(os.environ)) | {
        # A task that lost its supervisor is given up soon; slow is not dead for the health page.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_DETECTION_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
        **(more or {}),
    }
    with Simulator([SCENARIO], folder / "simulator", port=0, at=at) as simulator:
        RehearsalClock(places.clock_file).set(at, is_driven=True)
        api = AirflowApi(f"http://127.0.0.1:{port}", "quantri", made.passwords["quantri"])
        one = RealAirflow(places, simulator, env, api)
        one.airflow.migrate()
        try:
            one.begin()
            yield one
        finally:
            one.airflow.stop()
