"""What time it is, in each of the three modes (live, rehearsal, backfill).

Rules never look at a clock: they are given ``now``. A task asks this room once, at its start.
Leases, timeouts and TLS use real time and do not come here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Places

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")


class Clock(Protocol):
    """``now()`` is an aware instant in UTC."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """Live: now is now."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FixedClock:
    """Backfill and tests: an instant that does not move."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True)
class RehearsalClock:
    """The rehearsal's clock, kept in a small file that the driver writes and every task reads.

    ``is_driven`` is true while the driver moves the clock from instant to instant: the clock
    stands still, and scheduled runs end at once. Afterwards it runs on at real speed.
    """

    file: Path

    def now(self) -> datetime:
        state = self._state()
        at = datetime.fromisoformat(state["at"])
        if state["is_driven"]:
            return at
        return at + (datetime.now(UTC) - datetime.fromisoformat(state["set_at"]))

    @property
    def is_driven(self) -> bool:
        return bool(self._state()["is_driven"])

    def set(self, at: datetime, *, is_driven: bool) -> None:
        """Move the clock. Written whole, so that a reader never sees half of it."""
        state = {
            "at": at.astimezone(UTC).isoformat(),
            "set_at": datetime.now(UTC).isoformat(),
            "is_driven": is_driven,
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        beside = self.file.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps(state), "utf-8")
        beside.replace(self.file)

    def _state(self) -> dict[str, str]:
        try:
            state: dict[str, str] = json.loads(self.file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise LedgerError(
                "rehearsal_clock_missing",
                f"Thư mục này là diễn tập nhưng không đọc được đồng hồ diễn tập {self.file}.",
                "Chạy lại make demo, hoặc xóa thư mục dữ liệu diễn tập.",
            ) from error
        return state


def clock_of(places: Places) -> Clock:
    """The clock of a home: the rehearsal's where the home carries the mark, else the system's."""
    if places.rehearsal_mark.exists():
        return RehearsalClock(places.clock_file)
    return SystemClock()


def vietnamese_date(instant: datetime) -> date:
    """The Vietnamese calendar day in which an instant lies."""
    return instant.astimezone(VIETNAM).date()


def end_of_day(day: date) -> datetime:
    """The last second of a Vietnamese day, in UTC: 23:59:59 +07:00."""
    return datetime.combine(day, time(23, 59, 59), VIETNAM).astimezone(UTC)


def start_of_day(day: date) -> datetime:
    """The first instant of a Vietnamese day, in UTC."""
    return end_of_day(day - timedelta(days=1)) + timedelta(seconds=1)
