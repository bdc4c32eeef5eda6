"""The working-day engine against a table of every day that was written by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ksc_ledger.registry import working_calendar
from ksc_ledger.registry.model import CalendarKind, CalendarOverride, Registry
from ksc_ledger.rules.deadlines import read_deadline
from unit.rules.deadline_days import every_day, table_calendar

# Decreed on 25/12/2025, after the release of the package: a row of calendar.csv has to say it.
NEW_YEAR_2026 = {date(2026, 1, 2): CalendarKind.HOLIDAY, date(2026, 1, 10): CalendarKind.WORKDAY}


def a_registry(days: dict[date, CalendarKind]) -> Registry:
    rows = tuple(
        CalendarOverride(
            estate_code="dong_thap",
            date=day,
            kind=kind,
            name="Hoán đổi ngày làm việc dịp Tết Dương lịch 2026",
            source_document="Thông báo hoán đổi ngày làm việc, 25/12/2025",
        )
        for day, kind in days.items()
    )
    return Registry(sha256="", calendar_overrides=rows)


def test_the_table_has_every_day_of_five_years() -> None:
    days = sorted(every_day())
    assert (days[0], days[-1], len(days)) == (date(2022, 1, 1), date(2026, 12, 31), 1826)


def test_every_day_of_the_table_is_what_the_calendar_says() -> None:
    calendar = working_calendar(a_registry(NEW_YEAR_2026), "dong_thap")
    wrong = [day for day, works in every_day().items() if calendar.is_working(day) is not works]
    assert wrong == []


def test_without_the_officers_row_only_the_late_decree_is_missing() -> None:
    calendar = working_calendar(a_registry({}), "dong_thap")
    wrong = {day for day, works in every_day().items() if calendar.is_working(day) is not works}
    assert wrong <= set(NEW_YEAR_2026)


@pytest.mark.parametrize(
    ("first", "last", "number"),
    [
        pytest.param(date(2022, 10, 12), date(2022, 10, 19), 6, id="Tháp Mười, 12 to 19/10/2022"),
        pytest.param(date(2024, 1, 5), date(2024, 1, 15), 7, id="Kon Plông, 5 to 15/01/2024"),
        pytest.param(date(2024, 2, 8), date(2024, 2, 14), 0, id="Tết 2024"),
        pytest.param(date(2024, 4, 27), date(2024, 5, 5), 3, id="a substituted Monday"),
    ],
)
def test_working_days_counted_at_both_ends(first: date, last: date, number: int) -> None:
    assert table_calendar().working_days_between(first, last) == number


def test_a_term_of_working_days_from_any_day_is_what_walking_the_table_gives() -> None:
    """Each of 1,700 first days, terms of 1, 3, 5 and 10 working days, counted by hand."""
    days = every_day()
    calendar = table_calendar()
    for start in list(days)[:1700]:
        walked, worked = start, 0
        for number in (1, 3, 5, 10):
            while worked < number:
                walked += timedelta(days=1)
                worked += days[walked]
            wording = f"trong {number:02d} ngày làm việc kể từ ngày {start:%d/%m/%Y}"
            due = read_deadline(wording, calendar).due_at
            end = datetime(walked.year, walked.month, walked.day, 16, 59, 59, tzinfo=UTC)
            assert due == end, wording
