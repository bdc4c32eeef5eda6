"""What a server was asked, for tests and for people. Credentials and bodies never come here."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

KEPT: Final = 20_000


@dataclass(slots=True)
class Entry:
    """One request. ``at`` is real time, ``clock_at`` the estate's clock; ``status`` None = none sent.

    ``method`` is ``Class.Method``, ``login``, or ``VERB /path`` for anything else.
    """

    at: str
    clock_at: str
    method: str
    had_authorization: bool
    status: int | None = None


class RequestLog:
    """The newest entries of every server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, deque[Entry]] = {}

    def add(
        self, server_code: str, clock_at: datetime, method: str, *, had_authorization: bool
    ) -> Entry:
        entry = Entry(
            datetime.now(UTC).isoformat(), clock_at.isoformat(), method, had_authorization
        )
        with self._lock:
            self._entries.setdefault(server_code, deque(maxlen=KEPT)).append(entry)
        return entry

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        with self._lock:
            return {code: [asdict(e) for e in entries] for code, entries in self._entries.items()}
