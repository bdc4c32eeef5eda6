"""Read foreign files in a process of their own (``worker``), bounded in time and memory.

One worker serves a whole run: starting Python and loading the readers for every file would cost
more than reading. The worker forks a child for each file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

import ksc_ledger
from ksc_ledger.errors import LedgerError
from ksc_ledger.intake.document import Document, from_raw
from ksc_ledger.intake.limits import LIMITS, Limits
from ksc_ledger.intake.reasons import Finding, Reason, finding

_STOP_SECONDS = 5.0


class ReaderFailed(LedgerError):  # noqa: N818 - an error of ours, told as such
    """The reader itself failed on a file: our mistake, not the file's. ``details`` is for us."""

    def __init__(self, details: str) -> None:
        one = finding(Reason.INTERNAL)
        super().__init__(Reason.INTERNAL.value, one.text, one.remedy)
        self.details = details


class Sandbox:
    """A context manager; ``read`` may be called any number of times within it.

    The worker is started by the first file, and again should it die. Not for several threads.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def read(self, path: Path) -> Document | Finding:
        """The file's cells, or why it was refused. Raises ReaderFailed for a mistake of ours."""
        question = {"path": str(path.resolve()), "limits": asdict(self._limits)}
        line = self._ask(json.dumps(question).encode() + b"\n")
        answer = json.loads(line)
        if "document" in answer:
            return from_raw(answer["document"])
        if "failure" in answer:
            raise ReaderFailed(answer["failure"])
        raw = answer["refusal"]
        return Finding(
            reason=Reason(raw["reason"]),
            text=raw["text"],
            remedy=raw["remedy"],
            sheet=raw["sheet"],
            cell=raw["cell"],
        )

    def _ask(self, question: bytes) -> bytes:
        worker = self._worker or self._start()
        if worker.stdin is None or worker.stdout is None:
            raise ReaderFailed("the worker has no pipes")
        try:
            worker.stdin.write(question)
            worker.stdin.flush()
            line = worker.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            self._stop()
            raise ReaderFailed(f"the worker ended with status {worker.returncode}")
        return line

    def _start(self) -> subprocess.Popen[bytes]:
        package = Path(ksc_ledger.__file__).resolve().parents[1]
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "ksc_ledger.intake.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Nothing of the pipeline's environment: it holds secrets.
            env={
                "PYTHONPATH": str(package),
                "PYTHONUTF8": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd="/",
            close_fds=True,
            start_new_session=True,
        )
        return self._worker

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        with suppress(BrokenPipeError):  # it is gone already
            if worker.stdin is not None:
                worker.stdin.close()
        try:
            worker.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        if worker.stdout is not None:
            worker.stdout.close()
