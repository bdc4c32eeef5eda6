from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from ksc_ledger.clock import VIETNAM
from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.links_hours import OfficeHours

HOLIDAY = date(2024, 1, 17)
SPANS = ((time(7, 30), time(11, 30)), (time(13, 30), time(17, 0)))
HOURS = OfficeHours(spans=SPANS, is_working_day=lambda day: day.weekday() < 5 and day != HOLIDAY)


def at(day: int, clock: str) -> datetime:
    """A day of January 2024 in Vietnam; the 15th is a Monday."""
    return datetime.combine(date(2024, 1, day), time.fromisoformat(clock), VIETNAM)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (at(15, "07:29:59"), False),
        (at(15, "07:30"), True),
        (at(15, "11:29:59"), True),
        (at(15, "11:30"), False),
        (at(15, "13:30"), True),
        (at(15, "17:00"), False),
        (at(17, "09:00"), False),
        (at(20, "09:00"), False),
    ],
)
def test_an_office_is_open_from_the_first_minute_until_before_the_last(
    moment: datetime, is_open: bool
) -> None:
    assert HOURS.is_open(moment) is is_open


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        (at(15, "09:00"), at(15, "09:00")),
        (at(15, "11:30"), at(15, "13:30")),
        (at(15, "17:00"), at(16, "07:30")),
        (at(16, "20:00"), at(18, "07:30")),
        (at(19, "17:00"), at(22, "07:30")),
        (at(15, "00:30"), at(15, "07:30")),
    ],
)
def test_the_next_opening_skips_nights_week_ends_and_holidays(
    moment: datetime, opening: datetime
) -> None:
    found = HOURS.next_open(moment)
    assert found == opening
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("moment", "hours", "end"),
    [
        (at(15, "08:00"), 1, at(15, "09:00")),
        (at(15, "07:30"), 4, at(15, "11:30")),
        (at(15, "08:00"), 4, at(15, "14:00")),
        (at(19, "16:00"), 4, at(22, "10:30")),
        (at(16, "16:30"), 1, at(18, "08:00")),
        (at(20, "03:00"), 0, at(22, "07:30")),
    ],
)
def test_working_hours_run_only_while_the_office_is_open(
    moment: datetime, hours: int, end: datetime
) -> None:
    assert HOURS.after_hours(moment, timedelta(hours=hours)) == end


@pytest.mark.parametrize(
    ("moment", "days", "end"),
    [
        (at(15, "09:00"), 1, at(16, "09:00")),
        (at(16, "09:00"), 1, at(18, "09:00")),
        (at(19, "16:59"), 1, at(22, "16:59")),
        (at(20, "03:00"), 1, at(23, "07:30")),
        (at(15, "12:00"), 2, at(18, "13:30")),
    ],
)
def test_a_working_day_ends_at_the_same_time_of_the_next_one(
    moment: datetime, days: int, end: datetime
) -> None:
    assert HOURS.after_days(moment, days) == end


@pytest.mark.parametrize(
    "spans",
    [
        (),
        ((time(11, 30), time(7, 30)),),
        ((time(7, 30), time(7, 30)),),
        ((time(7, 30), time(14, 0)), (time(13, 30), time(17, 0))),
        ((time(13, 30), time(17, 0)), (time(7, 30), time(11, 30))),
    ],
)
def test_hours_that_overlap_or_run_backwards_are_refused(
    spans: tuple[tuple[time, time], ...],
) -> None:
    with pytest.raises(LedgerError, match="Giờ làm việc"):
        OfficeHours(spans=spans, is_working_day=lambda _: True)


def test_a_calendar_that_never_opens_is_a_mistake_and_not_an_endless_search() -> None:
    with pytest.raises(LedgerError) as raised:
        OfficeHours(spans=SPANS, is_working_day=lambda _: False).next_open(at(15, "09:00"))
    assert raised.value.code == "calendar_never_open"
