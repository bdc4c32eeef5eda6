"""Keep a task from outliving the supervisor that answers for it."""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies.

    Measured: a killed LocalExecutor supervisor leaves its task running, and the retry then runs
    beside it, even inside a pool of one slot.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
