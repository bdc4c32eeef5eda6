"""docker-compose.yaml under a project, folders and a port of its own. Standard library only."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
ESTATE = REPOSITORY / "scenarios" / "kon_tum"
USERS = "quantri:engineer vanhanh:ops kiemtra:auditor canbo:unit_officer"
# The watch's patience is a fact of this test's own registry: two ticks, no minutes.
PATIENCE = (
    "server_code,loss_count,loss_minutes,return_count,return_minutes,reminder_hours,"
    "valid_from_date,valid_to_date,source_document\n"
    ",2,0,2,0,,2023-10-31,,Quy chế trực: số liệu dựng cho kịch bản\n"
)
LOCAL = ("127.0.0.1", 0)


class StepError(AssertionError):
    """What did not hold, in words."""


def check(holds: object, said: str) -> None:
    if not holds:
        raise StepError(said)


@dataclass
class Stack:
    """One run of the compose file. ``folder`` holds what a province would keep beside it."""

    folder: Path
    project: str
    port: int
    began: float = field(default_factory=time.monotonic)
    token: str = ""

    def prepare(self) -> None:
        """The registry, the private files and .env, as an administrator would have them."""
        shutil.copytree(ESTATE / "registry", self.folder / "registry")
        (self.folder / "registry" / "kon_tum" / "link_limits.csv").write_text(PATIENCE, "utf-8")
        (self.folder / "private").mkdir()
        for name in ("contacts.csv", "page_users.csv"):
            shutil.copy(ESTATE / name, self.folder / "private")
        (self.folder / "secrets").mkdir(mode=0o750)
        values = {
            "COMPOSE_PROFILES": "demo",
            "KSC_LEDGER_IMAGE": f"{self.project}:test",
            "KSC_LEDGER_DEMO_IMAGE": f"{self.project}-demo:test",
            "KSC_LEDGER_REGISTRY_DIR": self.folder / "registry",
            "KSC_LEDGER_PRIVATE_DIR": self.folder / "private",
            "KSC_LEDGER_SECRETS_DIR": self.folder / "secrets",
            "KSC_LEDGER_DEMO_SCENARIOS_DIR": ESTATE.parent,
            "KSC_LEDGER_DEMO_SCENARIO": ESTATE.name,
            "KSC_LEDGER_DAGS_ARE_PAUSED": "False",
            "KSC_LEDGER_INITIAL_USERS": USERS,
            "KSC_LEDGER_WATCHDOG_RELAY_HOST": "mail",
            "KSC_LEDGER_WATCHDOG_RELAY_PORT": "1025",
            "KSC_LEDGER_WATCHDOG_RELAY_SECURITY": "none",
            "KSC_LEDGER_PORT": self.port,
            "KSC_LEDGER_PUBLIC_URL": self.url,
        }
        lines = [f"{name}={value}" for name, value in values.items()]
        (self.folder / ".env").write_text("\n".join(lines) + "\n", "utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def say(self, text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self.began:6.1f} s  {text}\n")
        sys.stdout.flush()

    # The engine

    def compose(
        self, *words: str, seconds: float = 900, may_fail: bool = False, given: str | None = None
    ) -> str:
        """``docker compose …`` on this project; what it printed. Raises StepError with its errors."""
        command = [
            "docker",
            "compose",
            "--progress",
            "quiet",
            "--ansi",
            "never",
            "--project-directory",
        ]
        command += [str(REPOSITORY), "--project-name", self.project]
        command += ["--env-file", str(self.folder / ".env"), *words]
        return run(command, seconds=seconds, may_fail=may_fail, given=given)

    def tool(self, *words: str) -> str:
        """A program of the product in a container of its own, with init's secrets and folders."""
        return self.compose("run", "--rm", "--no-deps", "-T", "init", *words)

    def inside(self, service: str, *words: str) -> str:
        return self.compose("exec", "-T", service, *words)

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).strip()

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def inspected(self, service: str) -> dict[str, Any]:
        return dict(json.loads(run(["docker", "inspect", self.container(service)]))[0])

    def kill(self, service: str) -> None:
        """As a crash does: the engine's own `kill` counts as a wish and is not restarted from."""
        os.kill(int(self.inspected(service)["State"]["Pid"]), 9)

    def wait_alive(self, since: datetime, seconds: float = 240) -> None:
        """Until Airflow itself has heard from each of its components after an instant."""

        def alive() -> bool:
            health = self.ask("GET", "/api/v2/monitor/health")
            return health["metadatabase"]["status"] == "healthy" and all(
                health[part]["status"] == "healthy"
                and datetime.fromisoformat(health[part][f"latest_{part}_heartbeat"]) > since
                for part in ("scheduler", "triggerer", "dag_processor")
            )

        wait(alive, f"every component alive after {since}", seconds)

    # Airflow

    def password(self, user: str) -> str:
        file = self.folder / "secrets" / "initial_passwords.json"
        return str(json.loads(file.read_text("utf-8"))[user])

    def sign_in(self, user: str) -> None:
        body = {"username": user, "password": self.password(user)}
        self.token = str(self.ask("POST", "/auth/token", body)["access_token"])

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One question to Airflow's API, as whoever is signed in. Raises HTTPError."""
        request = urllib.request.Request(  # noqa: S310 (our own address)
            self.url + path,
            method=method,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
            data=None if body is None else json.dumps(body).encode(),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return dict(json.loads(answer.read() or b"{}"))

    def status_of(self, path: str) -> int:
        """The status of a question that nobody has signed in for."""
        kept, self.token = self.token, ""
        try:
            self.ask("GET", path)
        except urllib.error.HTTPError as error:
            return error.code
        finally:
            self.token = kept
        return 200

    def trigger(self, dag_id: str) -> str:
        body = {"logical_date": None, "conf": {}}
        return str(self.ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Newest first."""
        path = f"/api/v2/dags/{dag_id}/dagRuns?limit=50&order_by=-run_after"
        return list(self.ask("GET", path)["dag_runs"])

    def state_of(self, dag_id: str, run_id: str) -> str:
        return next(
            (str(one["state"]) for one in self.runs(dag_id) if one["dag_run_id"] == run_id), ""
        )

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 240) -> None:
        def finished() -> bool:
            return self.state_of(dag_id, run_id) in {"success", "failed"}

        wait(finished, f"{dag_id} {run_id} finished", seconds)
        state = self.state_of(dag_id, run_id)
        check(state == "success", f"{dag_id} {run_id} is {state}")

    # What is published, as another container sees it

    def published(self, question: str) -> list[list[Any]]:
        """Ask the masked marts from the reader's container, which has nothing else."""
        program = (
            "import duckdb,json,sys\n"
            "con = duckdb.connect('/marts/ksc_ledger.duckdb', read_only=True)\n"
            "print(json.dumps(con.sql(sys.argv[1]).fetchall(), default=str))"
        )
        said = self.compose("run", "--rm", "-T", "marts-reader", "python", "-c", program, question)
        return list(json.loads(said.strip().splitlines()[-1]))

    def version(self) -> str:
        """The id of the published version; '' before the first."""
        try:
            return str(self.published("select version_id from marts._published")[0][0])
        except StepError:
            return ""

    def mails(self) -> list[str]:
        """The caught mails' subjects, decoded."""
        program = (
            "import email,email.policy,json,pathlib\n"
            "print(json.dumps([str(email.message_from_bytes(f.read_bytes(),"
            " policy=email.policy.default)['Subject'])"
            " for f in sorted(pathlib.Path('/var/lib/ksc-ledger-demo/mail').glob('*.eml'))]))"
        )
        return list(json.loads(self.inside("mail", "python", "-c", program)))


def run(
    command: list[str], *, seconds: float = 120, may_fail: bool = False, given: str | None = None
) -> str:
    """Run a command without the caller's settings of the product; its standard output."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KSC_LEDGER_", "COMPOSE_", "AIRFLOW"))
    }
    done = subprocess.run(
        command,
        env=env,
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode and not may_fail:
        tail = (done.stdout + done.stderr)[-6000:]
        raise StepError(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
    return done.stdout


def wait(is_so: Callable[[], bool], what: str, seconds: float, every: float = 1.0) -> float:
    """Wait until something is so; how long it took. An API that is just coming back is no answer."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if is_so():
                return time.monotonic() - began
        except (OSError, ValueError, KeyError, StepError):
            pass  # asked again below; the last word is the time that is up
        time.sleep(every)
    raise StepError(f"after {seconds:.0f} s still not: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(LOCAL)
        return int(probe.getsockname()[1])


@contextmanager
def taken_down(stack: Stack) -> Iterator[None]:
    """Whatever happens, nothing of the project stays: containers, networks, volumes, images."""
    try:
        yield
    finally:
        stack.compose(
            "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20",
            may_fail=True,
        )  # fmt: skip
        run(
            ["docker", "image", "rm", f"{stack.project}:test", f"{stack.project}-demo:test"],
            may_fail=True,
        )
