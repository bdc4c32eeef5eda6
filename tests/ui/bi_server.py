"""Superset as `make bi` starts it, over the home of the rehearsal, for the tests in a browser."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300
PUBLISH = (
    "from ksc_ledger import settings; from ksc_ledger.warehouse import publish;"
    " print(publish(settings.load()))"
)
ASK = (
    "import duckdb, json, sys;"
    " con = duckdb.connect(sys.argv[1], read_only=True);"
    " print(json.dumps(con.execute(sys.argv[2]).fetchall()))"
)


@dataclass
class Dashboard:
    """A running dashboard. ``passwords`` by user name."""

    url: str
    page: str
    home: Path
    passwords: dict[str, str]
    process: subprocess.Popen[bytes]

    def stop(self) -> int:
        """As Ctrl-C does; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return kept | {"KSC_LEDGER_HOME": str(home), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}


def start(home: Path, log: Path) -> Dashboard:
    """`make bi PORT=0`, without make; waits until it says where it is."""
    with log.open("w") as out:
        process = subprocess.Popen(
            [str(ROOT / ".venv-bi" / "bin" / "python"), "-m", "bi", "--port", "0"],
            cwd=ROOT,
            env=environment(home),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    end = time.monotonic() + START_SECONDS
    while not (found := re.search(r"(http://127\.0\.0\.1:\d+)(/\S+)", log.read_text("utf-8"))):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise AssertionError(f"the dashboard did not start:\n{log.read_text('utf-8')}")
        time.sleep(0.3)
    passwords = json.loads((home / "bi" / "passwords.json").read_text("utf-8"))
    return Dashboard(found[1], found[1] + found[2], home, passwords, process)


def publish(home: Path) -> str:
    """A new version of what was built last, by the product itself; its id."""
    return subprocess.run(
        [str(ROOT / ".venv" / "bin" / "python"), "-c", PUBLISH],
        cwd=ROOT,
        env=environment(home),
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def provision(home: Path) -> dict[str, int]:
    """Provision, whatever is there; how many things of each kind there are then."""
    superset = {
        "SUPERSET_CONFIG_PATH": str(ROOT / "bi" / "superset_config.py"),
        "SUPERSET_HOME": str(home / "bi"),
    }
    said = subprocess.run(
        [str(ROOT / ".venv-bi" / "bin" / "python"), "-m", "bi.provision"],
        cwd=ROOT,
        env=environment(home) | superset,
        check=True,
        capture_output=True,
        text=True,
    )
    counts: dict[str, int] = json.loads(said.stdout.strip().splitlines()[-1])
    return counts


def ask_file(home: Path, sql: str) -> list[list[Any]]:
    """Rows of the published file, read by the product's own environment."""
    said = subprocess.run(
        [
            str(ROOT / ".venv" / "bin" / "python"),
            "-c",
            ASK,
            str((home / "marts" / "ksc_ledger.duckdb").resolve()),
            sql,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    rows: list[list[Any]] = json.loads(said.stdout)
    return rows


class Publishing:
    """The pipeline publishes one version after the other while the block runs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.versions: list[str] = []
        self.failure: BaseException | None = None
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self._enough.is_set():
                self.versions.append(publish(self.home))
        except BaseException as error:  # told to the test, in its own thread
            self.failure = error

    def __enter__(self) -> Publishing:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._enough.set()
        self._thread.join(120)
        assert self.failure is None, self.failure
