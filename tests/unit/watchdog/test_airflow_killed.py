"""F42 with nothing played: a real Airflow is killed with SIGKILL, and a process outside says so.

Airflow runs in a scratch home, live; the watchdog is a process of its own with a relay of its own,
an SMTP server on loopback. Its patience is shortened by its settings, nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.rehearsal import airflow_process, home
from ksc_ledger.rehearsal.airflow_api import AirflowApi
from ksc_ledger.rehearsal.airflow_process import Airflow
from ksc_ledger.settings import Places
from ksc_ledger.state import links, open_state
from ksc_ledger.watchdog.process import heartbeat_file
from unit.alerts.post_office import PostOffice
from unit.registry.registry_folder import write_registry

TO = "kt@tinh.example"
DAG = "watch_server_links"
QUIET_SECONDS = 15
TICK_MINUTES = 2.0
# A machine that does other things besides is slow, not wrong.
PATIENCE = 600.0


def wait_for(what: str, has_come: Callable[[], bool], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not has_come():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(1)


@dataclass
class House:
    """A real Airflow whose only DAG at work is the link watch."""

    places: Places
    made: home.Secrets
    env: dict[str, str]
    api: AirflowApi
    airflow: Airflow = field(init=False)

    def __post_init__(self) -> None:
        self.airflow = Airflow(self.places, self.env)

    def start(self) -> None:
        self.airflow = Airflow(self.places, self.env)
        self.airflow.start()
        wait_for("Airflow answers", self._is_healthy)
        wait_for("the DAG is there", self._has_dag)
        # The province's door is closed; its district has no connection at all.
        self.api.put_connection(
            "ksc_dtp",
            {
                "conn_type": "ksc",
                "host": "127.0.0.1",
                "port": 1,
                "login": "doc",
                "password": "x",
                "extra": json.dumps({"certificate_sha256": "0" * 64}),
            },
        )
        self.api.unpause(DAG)

    def tick(self) -> None:
        """One run of the link watch, from its trigger to its end."""
        run = self.api.trigger(DAG, {}, "thử tiến trình giám sát")
        wait_for("the run ends", lambda: self.api.run_state(DAG, run) in {"success", "failed"})
        assert self.api.run_state(DAG, run) == "success"

    def kill(self) -> None:
        """SIGKILL for every component, all at once, as when a machine dies."""
        groups = [process.pid for process in self.airflow.processes.values()]
        for group in groups:
            os.killpg(group, signal.SIGKILL)
        for process in self.airflow.processes.values():
            process.wait(timeout=30)
        self.airflow.processes.clear()
        airflow_process.end_groups(groups)

    def _is_healthy(self) -> bool:
        self.airflow.check_alive()
        with contextlib.suppress(OSError, ValueError, LedgerError):
            health = self.api.health()
            return all(
                health[part]["status"] == "healthy"
                for part in ("metadatabase", "scheduler", "dag_processor")
            )
        return False

    def _has_dag(self) -> bool:
        found = self.api.get("/api/v2/dags?limit=100")["dags"]
        return DAG in {one["dag_id"] for one in found}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    places = Places(tmp_path / "home")
    places.home.mkdir()
    registry = write_registry(tmp_path / "registry")
    made = home.make_secrets(places)
    home.write_private(
        places.home / "contacts.csv", f"role,unit_code,name,address\nengineers,dtp,Kỹ thuật,{TO}\n"
    )
    port = airflow_process.free_port(0)
    env = airflow_process.environment(places, registry, made, port, dict(os.environ)) | {
        # A run that died with Airflow is given up soon and does not hold up the next one.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_DETECTION_INTERVAL": "5",
        # Slow is not dead: by these the page says that a component is healthy.
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
    }
    api = AirflowApi(f"http://127.0.0.1:{port}", "quantri", made.passwords["quantri"])
    one = House(places, made, env, api)
    one.airflow.migrate()
    try:
        yield one
    finally:
        one.airflow.stop()


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with PostOffice() as office:
        yield office


@contextlib.contextmanager
def a_watchdog(house: House, office: PostOffice) -> Iterator[subprocess.Popen[bytes]]:
    """The process as it is run in production; its relay comes from its own settings."""
    env = house.env | {
        "KSC_LEDGER_WATCHDOG_RELAY_HOST": "127.0.0.1",
        "KSC_LEDGER_WATCHDOG_RELAY_PORT": str(office.port),
        "KSC_LEDGER_WATCHDOG_RELAY_SECURITY": "none",
        "KSC_LEDGER_WATCHDOG_TICK_MINUTES": str(TICK_MINUTES),
        "KSC_LEDGER_WATCHDOG_BEGINS_AFTER_MINUTES": "0.05",
        "KSC_LEDGER_WATCHDOG_ENDS_AFTER_MINUTES": "0.1",
        "PYTHONPATH": str(Path(__file__).parents[3] / "plugins"),
    }
    log = house.places.home / "watchdog.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ksc_ledger.watchdog", "--every", "1"],
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
        assert process.poll() is None, log.read_text("utf-8", "replace")[-2000:]
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.long
@pytest.mark.timeout(2_400)
def test_f42_airflow_killed_is_told_once_by_the_process_outside_and_once_when_it_is_back(
    house: House, office: PostOffice
) -> None:
    house.start()
    house.tick()
    engine = open_state(f"sqlite:///{house.places.state_database}")
    watch = links.load(engine, "dong_thap").watch
    # The task asked Airflow for its connections from the threads that look: the province was
    # knocked at and refused, which is evidence; the district was not tried, which is none.
    bad = {one.server_code: one.bad_count for one in watch.links}
    assert (bad["dtp"] > 0, bad["dtp_872"]) == (True, 0)
    with a_watchdog(house, office):
        wait_for("the watchdog looks", heartbeat_file(house.places).exists)
        house.tick()
        time.sleep(QUIET_SECONDS)
        assert office.received == []  # while Airflow runs there is nothing to say
        house.kill()
        wait_for("the watchdog says so", lambda: len(office.received) >= 1)
        time.sleep(QUIET_SECONDS)
        assert office.subjects(TO) == [
            "[KSC][TỰ KIỂM TRA] Hệ thống có sự cố: việc theo dõi kết nối đã ngừng chạy"
        ]
        assert json.loads(heartbeat_file(house.places).read_text("utf-8"))["is_well"] is False
        house.start()
        end = time.monotonic() + PATIENCE
        while len(office.received) < 2 and time.monotonic() < end:
            house.tick()
            time.sleep(1)
        time.sleep(QUIET_SECONDS)
        first, second = office.read_by(TO)
        assert str(second["Subject"]) == "[KSC][TỰ KIỂM TRA] Hệ thống đã chạy lại bình thường"
        assert first["References"] == second["References"]
    # Nobody was called lost for want of data; the province's closed door is no want of it.
    assert {one.server_code for one in links.outages(engine)} <= {"dtp"}
    engine.dispose()
