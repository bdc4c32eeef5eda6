"""Running cases: each in a process of its own, in turn, with nothing of this shell in its way."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.meter import RESULT
from bench.standin import Listening

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_SECONDS = 1200.0

# A library that is told of authorities or proxies by the environment asks another server than the
# stand-in, or none (REQUESTS_CA_BUNDLE even outweighs what requests is given in the call).
_NOT_FOR_CASES = frozenset(
    {
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "PYTHONPATH",
        "PYTHONSTARTUP",
    }
)


class CaseFailed(RuntimeError):  # noqa: N818 - it says what happened
    """A case ended with an error or gave no reading; the text ends with what it said last."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to do the work. ``module`` is run with the order as its argument."""

    name: str
    module: str
    order: Mapping[str, Any] = field(default_factory=dict)
    python: Path = Path(sys.executable)
    reps: int | None = None  # fewer turns than the others get


@dataclass(frozen=True, slots=True)
class Reading:
    """What one turn of a case measured. ``cpu`` in seconds by step, ``peak_mb`` in MiB."""

    cpu: Mapping[str, float]
    wall: Mapping[str, float]
    base_mb: float
    peak_mb: float
    process_cpu: float
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Reading:
        return cls(
            cpu={name: spent["cpu"] for name, spent in raw["steps"].items()},
            wall={name: spent["wall"] for name, spent in raw["steps"].items()},
            base_mb=raw["base_mb"],
            peak_mb=raw["peak_mb"],
            process_cpu=raw["process_cpu"],
            facts=raw["facts"],
        )


@dataclass(frozen=True, slots=True)
class Readings:
    """All turns of one case; ``failure`` says why there are none to rely on."""

    case: Case
    turns: tuple[Reading, ...]
    failure: str | None = None

    @property
    def name(self) -> str:
        return self.case.name

    def cpu(self, step: str) -> float:
        """The median of the turns."""
        return statistics.median(one.cpu[step] for one in self.turns)

    def spread(self, step: str) -> float:
        """Slowest over fastest turn: how far the machine was from quiet."""
        values = [one.cpu[step] for one in self.turns]
        return max(values) / min(values)

    @property
    def peak_mb(self) -> float:
        return max(one.peak_mb for one in self.turns)

    @property
    def base_mb(self) -> float:
        return statistics.median(one.base_mb for one in self.turns)

    @property
    def process_cpu(self) -> float:
        return statistics.median(one.process_cpu for one in self.turns)

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.turns[0].facts


def environment(home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """What a case sees: the shell's environment without authorities, proxies and our settings."""
    kept = {
        name: value
        for name, value in given.items()
        if name.upper() not in _NOT_FOR_CASES and not name.startswith(("KSC_LEDGER_", "AIRFLOW"))
    }
    return kept | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "DLT_DATA_DIR": str(home / "dlt"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
    }


def run_case(case: Case, work: Path, *, timeout_seconds: float = TIMEOUT_SECONDS) -> Reading:
    """One turn of a case in a fresh home below ``work``, which is gone afterwards."""
    work.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="case-", dir=work))
    result = home / "reading.json"
    command = [
        str(case.python),
        "-m",
        case.module,
        json.dumps({"home": str(home), **case.order}),
    ]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(home, os.environ) | {RESULT: str(result)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if done.returncode or not result.exists():
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
            raise CaseFailed(f"{case.name} ended with status {done.returncode}:\n{said}")
        return Reading.of(json.loads(result.read_text("utf-8")))
    except subprocess.TimeoutExpired as error:
        raise CaseFailed(f"{case.name} took longer than {timeout_seconds:g} s") from error
    finally:
        shutil.rmtree(home, ignore_errors=True)


def in_turn(
    cases: Sequence[Case], reps: int, work: Path, say: Callable[[str], None]
) -> dict[str, Readings]:
    """Every case ``reps`` times, round robin, so that a busy spell of the machine hits all alike.

    A case that fails is not tried again; its readings say why.
    """
    turns: dict[str, list[Reading]] = {case.name: [] for case in cases}
    failures: dict[str, str] = {}
    for rep in range(reps):
        for case in cases:
            if case.name in failures or rep >= (case.reps or reps):
                continue
            say(f"{case.name} ({rep + 1}/{case.reps or reps})")
            try:
                turns[case.name].append(run_case(case, work))
            except CaseFailed as error:
                failures[case.name] = str(error)
                say(str(error))
    return {
        case.name: Readings(case, tuple(turns[case.name]), failures.get(case.name))
        for case in cases
    }


@contextmanager
def standin(folder: Path, *, wait_seconds: float = 30.0) -> Iterator[Listening]:
    """The stand-in server on the prepared days of a folder."""
    (folder / "standin.json").unlink(missing_ok=True)
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.standin", str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        if server.stdout is None or server.stdin is None:
            raise CaseFailed("the stand-in has no pipes")
        if server.stdout.readline().strip() != b"listening":
            raise CaseFailed(f"the stand-in ended with status {server.wait(wait_seconds)}")
        yield Listening.read(folder)
    finally:
        if server.stdin is not None:
            server.stdin.close()
        try:
            server.wait(wait_seconds)
        finally:
            server.kill()
            server.wait()
            if server.stdout is not None:
                server.stdout.close()
