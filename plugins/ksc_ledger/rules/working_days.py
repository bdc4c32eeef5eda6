"""Working days: which days are, what lies so many of them ahead, how long somebody was silent.

A day is a Vietnamese calendar day. The calendar itself (public holidays, their substitutes,
working Saturdays) is filled by ``registry.workdays``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")  # no daylight saving: every day has 24 hours
ONE_DAY = timedelta(days=1)
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """Monday to Friday, but not ``closed``; a weekend day only when it is in ``open_weekend``.

    A day in both sets is closed.
    """

    closed: frozenset[date]
    open_weekend: frozenset[date]

    def is_working(self, day: date) -> bool:
        return day not in self.closed and (day.weekday() < SATURDAY or day in self.open_weekend)

    def add(self, day: date, n: int) -> date:
        """The ``n``-th working day after ``day`` (before it when negative); ``day`` itself for 0.

        The first day is not counted (Civil Code 2015, article 147): from a Friday, one working day
        ahead is Monday, and from the Saturday and the Sunday after it as well.
        """
        step = ONE_DAY if n > 0 else -ONE_DAY
        left = abs(n)
        while left:
            day += step
            left -= self.is_working(day)
        return day

    def on_or_after(self, day: date) -> date:
        """``day``, or the next working day when it is none (Civil Code 2015, article 148)."""
        while not self.is_working(day):
            day += ONE_DAY
        return day

    def working_days_between(self, first: date, last: date) -> int:
        """How many working days lie from ``first`` to ``last``, both counted; 0 when reversed."""
        days = (last - first).days + 1
        return sum(self.is_working(first + timedelta(days=n)) for n in range(days))

    def stale_cutoff(self, observed_at: datetime, n: int) -> datetime:
        """The instant (UTC) before which a last connection means MORE than ``n`` working days.

        Silence is measured in time, and only the time inside working days counts, each of them for
        24 hours from midnight to midnight in Vietnam. A machine is stale at ``observed_at`` exactly
        when ``last_connected_at < stale_cutoff``: connected at the cutoff itself, it has been
        silent for just ``n`` working days. Observed on a working day at 10:00, the cutoff is 10:00
        of the ``n``-th working day before; observed on a day off, it is the start of the ``n``-th.
        Where days off adjoin that start, the cutoff lies at their beginning, because a connection
        during them is no longer ago in working time.
        """
        if n < 0:
            raise ValueError("n is a number of working days, 0 or more")
        day = observed_at.astimezone(VIETNAM).date()
        left = n * ONE_DAY
        end = observed_at.astimezone(UTC)
        while True:
            start = datetime.combine(day, time(0), VIETNAM).astimezone(UTC)
            counted = end - start if self.is_working(day) else timedelta(0)
            if counted > left:
                return end - left
            left -= counted
            end = start
            day -= ONE_DAY
