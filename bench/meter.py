"""What a case measures about itself, in its own process.

CPU is user and system time of the process and of its children that ended; memory is the peak
resident set that the kernel remembers (VmHWM), so nothing has to watch while it happens.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RESULT = "BENCH_RESULT"  # the file that the case writes its reading into


def cpu_seconds() -> float:
    """Of this process and of its children that were waited for. Resolution: microseconds."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def peak_mb(status: str = "") -> float:
    """The highest resident set of this process so far, in MiB."""
    text = status or Path("/proc/self/status").read_text("ascii")
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("the kernel does not tell VmHWM")


def order() -> dict[str, Any]:
    """What the case was asked to do: its one argument, a JSON object."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    return asked


class Meter:
    """Steps by name, then one report. Make it before anything heavy is imported.

    ``imports_done`` closes the step "imports", which began with the process.
    """

    def __init__(self) -> None:
        self._steps: dict[str, dict[str, float]] = {}
        self._base_mb = 0.0

    def imports_done(self) -> None:
        self._steps["imports"] = {"cpu": cpu_seconds(), "wall": 0.0}
        self._base_mb = peak_mb()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what happens inside; a name used again adds up."""
        cpu, wall = cpu_seconds(), time.perf_counter()
        yield
        spent = self._steps.setdefault(name, {"cpu": 0.0, "wall": 0.0})
        spent["cpu"] += cpu_seconds() - cpu
        spent["wall"] += time.perf_counter() - wall

    def report(self, **facts: Any) -> None:
        """Write the reading. ``facts`` are what the case says of its result."""
        reading = {
            "steps": self._steps,
            "base_mb": self._base_mb,
            "peak_mb": peak_mb(),
            "process_cpu": cpu_seconds(),
            "facts": facts,
        }
        Path(os.environ[RESULT]).write_text(json.dumps(reading), "utf-8")
