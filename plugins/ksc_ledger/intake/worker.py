"""The sandbox's process: ``python -m ksc_ledger.intake.worker``, asked and answering by lines.

It loads the readers once and forks a child for each file. The child takes its limits (address
space, CPU time, no file may be written, no core), reads one file and dies; whatever happens in it
touches neither this process nor the pipeline. Its environment is empty: no secret to be found.

A question is ``{"path": …, "limits": {…}}``, an answer ``{"document": …}``, ``{"refusal": …}`` or
``{"failure": traceback}``; one line each. End of input ends the process.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

# openpyxl would load numpy for its number types (100 MB of address space, and threads in a process
# that forks) and prefer lxml to the parser that defusedxml guards. It takes their absence as an
# answer.
for _unwanted in ("numpy", "lxml"):
    sys.modules[_unwanted] = None  # type: ignore[assignment]

import openpyxl  # noqa: E402

from ksc_ledger.intake import readers  # noqa: E402
from ksc_ledger.intake.document import to_json  # noqa: E402
from ksc_ledger.intake.limits import Limits  # noqa: E402
from ksc_ledger.intake.reasons import Reason, Refused  # noqa: E402

_PIECE = 1 << 16
_OPEN_FILES = 16
_KILLED_FOR_TIME = {signal.SIGXCPU, signal.SIGALRM}


def main() -> None:
    """Answer questions until the input ends."""
    if not openpyxl.DEFUSEDXML:
        raise SystemExit("openpyxl does not use defusedxml: refusing to read foreign files")
    gc.freeze()  # a child that collects would otherwise copy every page it was given
    for line in sys.stdin.buffer:
        question = json.loads(line)
        answer = _ask_child(question["path"], Limits(**question["limits"]))
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


def _ask_child(path: str, limits: Limits) -> bytes:
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receiving)
        _be_child(path, limits, sending)
    os.close(sending)
    try:
        answer, reason = _answer_of(receiving, limits)
    finally:
        os.close(receiving)
    if reason is not None:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if reason is None and status != 0:
        # Stopped by its own limits, by the system for want of memory, or without the memory to
        # say so itself.
        is_late = os.WIFSIGNALED(status) and os.WTERMSIG(status) in _KILLED_FOR_TIME
        reason = Reason.TOO_SLOW if is_late else Reason.TOO_MUCH_MEMORY
    if reason is not None:
        return _refusal(Refused(reason))
    return answer


def _answer_of(receiving: int, limits: Limits) -> tuple[bytes, Reason | None]:
    """What the child wrote, or why it is to be killed."""
    ends_at = time.monotonic() + limits.wall_seconds
    pieces: list[bytes] = []
    size = 0
    while True:
        ready, _, _ = select.select([receiving], [], [], max(0.0, ends_at - time.monotonic()))
        if not ready:
            return b"", Reason.TOO_SLOW
        piece = os.read(receiving, _PIECE)
        if not piece:
            return b"".join(pieces), None
        size += len(piece)
        if size > limits.answer_bytes:
            return b"", Reason.TOO_MUCH_MEMORY
        pieces.append(piece)


def _be_child(path: str, limits: Limits, sending: int) -> NoReturn:
    code = 1
    try:
        answer = _read(path, limits)
        while answer:
            answer = answer[os.write(sending, answer) :]
        code = 0
    finally:
        os._exit(code)  # never back into the loop above


def _read(path: str, limits: Limits) -> bytes:
    try:
        _limit(limits)
        document = to_json(readers.read(_bytes_of(path, limits), limits))
        return b'{"document":%s}' % document.encode()
    except Refused as refused:
        return _refusal(refused)
    except MemoryError:
        return _refusal(Refused(Reason.TOO_MUCH_MEMORY))
    except Exception:
        # Ours: told to the engineers by the process that asked.
        return json.dumps({"failure": traceback.format_exc()}).encode()


def _bytes_of(path: str, limits: Limits) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(limits.file_bytes + 1)


def _limit(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds)


def _refusal(refused: Refused) -> bytes:
    raw: dict[str, Any] = {
        "reason": refused.reason.value,
        "text": refused.text,
        "remedy": refused.remedy,
        "sheet": refused.sheet,
        "cell": refused.cell,
    }
    return json.dumps({"refusal": raw}).encode()


if __name__ == "__main__":
    main()
