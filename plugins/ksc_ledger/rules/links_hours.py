"""Office hours: when an office can be told, and how long it has had to act.

Which days are worked on comes from the calendar in force, the hours of a day from the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from ksc_ledger.clock import VIETNAM, vietnamese_date
from ksc_ledger.errors import LedgerError

# A longer closure than this is a calendar without a single working day: a mistake, not a holiday.
_LONGEST_CLOSURE_DAYS = 60


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """The working time of an office, in Vietnamese local time.

    ``spans`` are the day's half-open periods in ascending order, without overlap.
    """

    spans: tuple[tuple[time, time], ...]
    is_working_day: Callable[[date], bool]

    def __post_init__(self) -> None:
        edges = [edge for span in self.spans for edge in span]
        if not edges or any(low >= high for low, high in pairwise(edges)):
            raise LedgerError(
                "office_hours_wrong",
                "Giờ làm việc bị trống, chồng lấn hoặc không theo thứ tự tăng dần.",
                "Sửa các dòng giờ làm việc: giờ đầu nhỏ hơn giờ cuối, buổi sáng trước buổi chiều.",
            )

    def is_open(self, at: datetime) -> bool:
        local = at.astimezone(VIETNAM)
        return self.is_working_day(local.date()) and any(
            low <= local.time() < high for low, high in self.spans
        )

    def next_open(self, at: datetime) -> datetime:
        """The first instant at or after ``at`` that lies in working time, in UTC."""
        return max(self._span_at_or_after(at)[0], at.astimezone(UTC))

    def after_hours(self, at: datetime, amount: timedelta) -> datetime:
        """The instant at which ``amount`` of working time has passed since ``at``.

        An amount that ends with a span ends with that span, not with the beginning of the next.
        """
        moment, left = self.next_open(at), amount
        while True:
            _, end = self._span_at_or_after(moment)
            if left <= end - moment:
                return moment + left
            left -= end - moment
            moment = self.next_open(end)

    def after_days(self, at: datetime, count: int) -> datetime:
        """The same time of day, ``count`` working days after the first working time from ``at``."""
        moment = self.next_open(at)
        for _ in range(count):
            local = moment.astimezone(VIETNAM)
            moment = self.next_open(
                datetime.combine(local.date() + timedelta(days=1), local.time(), VIETNAM)
            )
            if vietnamese_date(moment) != local.date() + timedelta(days=1):
                # Closed days were skipped to an opening: keep the time of day.
                moment = datetime.combine(vietnamese_date(moment), local.time(), VIETNAM)
        return moment.astimezone(UTC)

    def _span_at_or_after(self, at: datetime) -> tuple[datetime, datetime]:
        """The first span that ends after ``at``."""
        first = vietnamese_date(at)
        for days in range(_LONGEST_CLOSURE_DAYS + 1):
            day = first + timedelta(days=days)
            if not self.is_working_day(day):
                continue
            for low, high in self.spans:
                end = datetime.combine(day, high, VIETNAM).astimezone(UTC)
                if end > at:
                    return datetime.combine(day, low, VIETNAM).astimezone(UTC), end
        raise LedgerError(
            "calendar_never_open",
            f"Lịch làm việc không có ngày làm việc nào trong {_LONGEST_CLOSURE_DAYS} ngày kể từ "
            f"{first:%d/%m/%Y}.",
            "Kiểm tra calendar.csv và lịch nghỉ lễ đang dùng.",
        )
