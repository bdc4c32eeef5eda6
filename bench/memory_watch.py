"""The memory of a tree of processes, looked at again and again while it works."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from bench.machine import tree

EVERY_SECONDS = 2.0


class MemoryWatch(threading.Thread):
    """The most that a tree held at once: what is shared is counted once (PSS), in MB.

    ``at_peak`` says which processes held how much at that moment, the largest first. A spike shorter than
    ``EVERY_SECONDS`` may be missed.
    """

    def __init__(self, roots: Callable[[], Iterable[int]]) -> None:
        super().__init__(daemon=True)
        self._roots = roots
        self._done = threading.Event()
        self.peak_mb = 0.0
        self.at_peak: list[tuple[str, float]] = []

    def run(self) -> None:
        self.look()
        while not self._done.wait(EVERY_SECONDS):
            self.look()

    def look(self) -> None:
        held = [(_title(pid), _pss_mb(pid)) for pid in tree(self._roots())]
        total = sum(mb for _, mb in held)
        if total > self.peak_mb:
            self.peak_mb = total
            self.at_peak = sorted(held, key=lambda one: -one[1])

    def __enter__(self) -> MemoryWatch:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self.join()


def _pss_mb(pid: int) -> float:
    """0 for a process that has just ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _title(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b" ".join(words[:5]).decode("utf-8", "replace")[:80]
    return str(pid)
