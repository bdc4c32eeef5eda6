"""On what a run was made, and how busy that was."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterable
from pathlib import Path


def described() -> str:
    """Processor, cores, memory and Python, in one line."""
    cpu = _first("/proc/cpuinfo", "model name") or platform.machine()
    total = _first("/proc/meminfo", "MemTotal")
    memory = f"{int(total.split()[0]) / 2**20:.0f} GiB" if total else "memory unknown"
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores ({cpu}), {memory}, Python {platform.python_version()}"


def load() -> str:
    """The load averages of the last 1, 5 and 15 minutes."""
    return " / ".join(f"{one:.1f}" for one in os.getloadavg())


def tree(roots: Iterable[int]) -> dict[int, list[str]]:
    """The processes and all that descend from them: of each, /proc/<pid>/stat after its name.

    Nothing of a root that is gone.
    """
    words: dict[int, list[str]] = {}
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            pid = int(stat.parent.name)
            words[pid] = stat.read_text("utf-8", "replace").rsplit(")", 1)[1].split()
            children.setdefault(int(words[pid][1]), []).append(pid)
    found: dict[int, list[str]] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found[pid] = words.get(pid, [])
        waiting += children.get(pid, [])
    return found


def _first(file: str, name: str) -> str:
    path = Path(file)
    if not path.exists():
        return ""
    for line in path.read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
