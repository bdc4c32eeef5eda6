"""A real api-server with production's auth manager, on a throwaway SQLite, with four people in it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from cryptography.fernet import Fernet

from ksc_ledger.ops_room.access import Role
from ksc_ledger.rehearsal.airflow_process import free_port
from ksc_ledger.settings import REPOSITORY, Settings

PYTHON = REPOSITORY / ".venv-production" / "bin" / "python"
START_SECONDS = 300
CONFIG = REPOSITORY / "deploy" / "airflow"
KEYS = {"fernet_key": "CORE__FERNET_KEY", "jwt": "API_AUTH__JWT_SECRET", "api": "API__SECRET_KEY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: str
    headers: Mapping[str, str]

    def json(self) -> dict[str, object]:
        return dict(json.loads(self.body))


@dataclass
class RealAirflow:
    """One home; ``start`` and ``stop`` may follow each other."""

    settings: Settings
    port: int = field(default_factory=lambda: free_port(0))
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def airflow_home(self) -> Path:
        return self.settings.places.airflow

    def key_file(self, name: str) -> Path:
        return self.airflow_home / "keys" / name

    @property
    def env(self) -> dict[str, str]:
        """Production's own settings, but for places and ports; keys come from files, as there."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        of_files = {
            f"AIRFLOW__{option}_CMD": f"cat {self.key_file(name)}" for name, option in KEYS.items()
        }
        url = f"http://127.0.0.1:{self.port}"
        return {
            **kept,
            **of_files,
            "KSC_LEDGER_HOME": str(self.settings.home),
            "GX_ANALYTICS_ENABLED": "false",
            "PYTHONWARNINGS": "ignore",
            "AIRFLOW_HOME": str(self.airflow_home),
            "AIRFLOW_CONFIG": str(CONFIG / "airflow.cfg"),
            "AIRFLOW__FAB__CONFIG_FILE": str(CONFIG / "webserver_config.py"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.airflow_home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.airflow_home / "logs"),
        }

    def write_keys(self) -> None:
        self.key_file("").mkdir(parents=True, exist_ok=True, mode=0o700)
        self.write_key("fernet_key", Fernet.generate_key().decode())
        self.write_key("jwt", secrets.token_hex(64))
        self.write_key("api", secrets.token_hex(32))

    def write_key(self, name: str, text: str) -> None:
        self.key_file(name).write_text(text)
        self.key_file(name).chmod(0o600)

    def run(self, *words: str) -> str:
        """A program of production's environment; what it printed."""
        assert PYTHON.is_file(), f"{PYTHON} is missing: make test-roles makes it"
        done = subprocess.run(
            [str(PYTHON), *words],
            env=self.env,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def cli(self, *words: str) -> str:
        return self.run("-m", "airflow", *words)

    def install(self, people: Mapping[str, Role]) -> None:
        """What the first start of a deployment does: database, roles (twice), people, DAGs."""
        self.write_keys()
        self.cli("db", "migrate")
        order = json.dumps({name: str(role) for name, role in people.items()})
        said = self.run(str(Path(__file__).with_name("first_start.py")), order)
        self.passwords = json.loads(said.strip().splitlines()[-1])["passwords"]
        self.cli("dags", "reserialize")

    def start(self) -> None:
        with (self.airflow_home / "api-server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(PYTHON), "-m", "airflow", "api-server"],
                env=self.env,
                cwd=REPOSITORY,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while True:
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("GET", "/api/v2/monitor/health").status == 200:
                    return
            time.sleep(0.5)

    def stop(self) -> None:
        if self._process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=15)
        self._process = None

    def log(self) -> str:
        return (self.airflow_home / "api-server.log").read_text("utf-8", "replace")[-6000:]

    def token(self, user_name: str) -> str:
        body = {"username": user_name, "password": self.passwords[user_name]}
        answer = self.ask("POST", "/auth/token", json_body=body)
        assert answer.status == 201, (answer.status, answer.body)
        return str(answer.json()["access_token"])

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        cookie: str | None = None,
        json_body: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, redirects not followed. ``cookie`` is the token as a browser sends it."""
        sent = {"Accept": "application/json, text/html;q=0.5", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if cookie:
            sent["Cookie"] = f"_token={cookie}"
        content: bytes | None = None
        if form is not None:
            content = urlencode(form).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        elif json_body is not None:
            content = json.dumps(json_body).encode()
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return Answer(
                status=answer.status,
                body=answer.read().decode("utf-8", "replace"),
                headers={name.lower(): value for name, value in answer.getheaders()},
            )
        finally:
            connection.close()


@contextlib.contextmanager
def started(settings: Settings, people: Mapping[str, Role]) -> Iterator[RealAirflow]:
    airflow = RealAirflow(settings)
    airflow.install(people)
    try:
        airflow.start()
        yield airflow
    finally:
        airflow.stop()
