"""The estate's clock: it stands still while it is driven, and runs at real speed otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class VirtualClock:
    """Thread-safe. ``monotonic`` gives real seconds and exists for tests."""

    def __init__(
        self,
        at: datetime,
        *,
        is_driven: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._at = at.astimezone(UTC)
        self._set_at = monotonic()
        self._is_driven = is_driven

    @property
    def is_driven(self) -> bool:
        return self._is_driven

    def now(self) -> datetime:
        """The aware instant in UTC, by the whole second: the protocol knows nothing finer."""
        with self._lock:
            at = self._at
            if not self._is_driven:
                at += timedelta(seconds=self._monotonic() - self._set_at)
        return at.replace(microsecond=0)

    def set(self, at: datetime, *, is_driven: bool) -> None:
        with self._lock:
            self._at = at.astimezone(UTC)
            self._set_at = self._monotonic()
            self._is_driven = is_driven
