"""Start a real Airflow on embedded defaults (SQLite, LocalExecutor), and stop all of it again."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from ksc_ledger.errors import LedgerError
from ksc_ledger.rehearsal.home import USERS, Secrets, passwords_file
from ksc_ledger.settings import REPOSITORY, Places

COMPONENTS: dict[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    # Logs are read from the folder; the log servers would listen on every address.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
PARALLEL_TASKS = 4
# Every component reads it; only the scheduler then imports what the tasks it forks need.
LOCAL_SETTINGS = """from ksc_ledger.orchestration.preload import preload

__all__ = ()

preload()
"""
STOP_SECONDS = 6


def environment(
    places: Places, registry: Path, made: Secrets, port: int, base: dict[str, str]
) -> dict[str, str]:
    """Airflow's whole environment; nothing of the caller's own AIRFLOW__ settings gets through."""
    kept = {name: value for name, value in base.items() if not name.startswith("AIRFLOW")}
    url = f"http://127.0.0.1:{port}"
    return kept | {
        "KSC_LEDGER_HOME": str(places.home),
        "KSC_LEDGER_REGISTRY": str(registry),
        "KSC_LEDGER_PAGE_URL": f"{url}/tinh-hinh",
        "GX_ANALYTICS_ENABLED": "false",
        "AIRFLOW_HOME": str(places.airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(PARALLEL_TASKS),
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Ho_Chi_Minh",
        # The driver unpauses them when every component answers: a task that starts before the
        # API server does burns a try and half a minute.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__FERNET_KEY": made.fernet_key,
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{user}:{role}" for user, role in USERS.items()
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(places)),
        "AIRFLOW__API_AUTH__JWT_SECRET": made.jwt_secret,
        "AIRFLOW__API__SECRET_KEY": made.api_secret,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{places.airflow / 'airflow.db'}",
        # As in deploy/airflow/airflow.cfg, which says why.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
        "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "20",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


@dataclass
class Airflow:
    """A running Airflow. Every component has a process group of its own, written down in a file,.

    so that an aborted rehearsal leaves nothing behind that the next one could not end.
    """

    places: Places
    env: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def migrate(self) -> None:
        """Create or upgrade Airflow's own database, and write its local settings."""
        local_settings = self.places.airflow / "config" / "airflow_local_settings.py"
        local_settings.parent.mkdir(parents=True, exist_ok=True)
        local_settings.write_text(LOCAL_SETTINGS, "utf-8")
        log = self._log("db-migrate")
        with log.open("wb") as output:
            done = subprocess.run(
                [sys.executable, "-m", "airflow", "db", "migrate"],
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise LedgerError(
                "airflow_migrate_failed",
                f"Airflow không tạo được cơ sở dữ liệu của nó:\n{_tail(log)}",
                f"Xem {log}; thường do hết đĩa hoặc thư mục không ghi được.",
            )
        # Kept in the file: readers no longer hold up the one writer that SQLite allows.
        with contextlib.closing(sqlite3.connect(self.places.airflow / "airflow.db")) as database:
            database.execute("pragma journal_mode = wal")

    def start(self) -> None:
        for name in COMPONENTS:
            self.start_component(name)

    def start_component(self, name: str) -> None:
        """Start one of COMPONENTS; its log goes on where a former process of it ended."""
        with self._log(name).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *COMPONENTS[name]],
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self.processes[name] = process
        remember_processes(self.places, [process.pid])

    def check_alive(self) -> None:
        """Raise when a component has ended, with the end of its log."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise LedgerError(
                    "airflow_component_ended",
                    f"Thành phần {name} của Airflow đã dừng:\n{_tail(self._log(name))}",
                    f"Xem {self._log(name)}.",
                )

    def stop(self) -> None:
        end_groups([process.pid for process in self.processes.values()])
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
        self.processes.clear()

    def _log(self, name: str) -> Path:
        folder = self.places.airflow / "component-logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"


def free_port(wished: int) -> int:
    """The wished port when nobody listens there, else any free one."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise LedgerError(
        "no_free_port", "Không còn cổng trống trên 127.0.0.1.", "Thử lại với PORT= khác."
    )


def remember_processes(places: Places, groups: list[int]) -> None:
    """Write down process groups, each with its start time: a number alone may be re-used."""
    file = _groups_file(places)
    known = json.loads(file.read_text()) if file.exists() else {}
    known.update({str(group): _started(group) for group in groups})
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(known))


def end_leftovers(places: Places) -> int:
    """End what an aborted rehearsal left running in this home; returns how many groups."""
    file = _groups_file(places)
    if not file.exists():
        return 0
    known: dict[str, str | None] = json.loads(file.read_text())
    alive = [
        int(group)
        for group, started in known.items()
        if started and _started(int(group)) == started
    ]
    end_groups(alive)
    file.unlink()
    return len(alive)


def end_groups(groups: list[int]) -> None:
    """SIGTERM to whole process groups, SIGKILL to what is left after a while."""
    for sign, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 2)):
        for group in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, sign)
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(_group_is_alive(group) for group in groups):
            time.sleep(0.1)


def _groups_file(places: Places) -> Path:
    return places.home / "run" / "processes.json"


def _group_is_alive(group: int) -> bool:
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            words = status.read_text().rsplit(")", 1)[1].split()
            if int(words[2]) == group and words[0] not in {"Z", "X"}:
                return True
    return False


def _started(pid: int) -> str | None:
    """The kernel's start time of a process, None when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
