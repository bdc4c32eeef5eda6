"""Working days and silence, above all around Tết, weekends and a Saturday that was worked.

The days off are written here as the decrees gave them, so that the rule is judged without the
package that fills the calendar in the product.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksc_ledger.rules.working_days import VIETNAM, WorkingCalendar


def days(first: date, last: date) -> set[date]:
    return {first + timedelta(days=n) for n in range((last - first).days + 1)}


CALENDAR = WorkingCalendar(
    closed=frozenset(
        days(date(2023, 1, 20), date(2023, 1, 26))  # Tết 2023
        | days(date(2024, 2, 8), date(2024, 2, 14))  # Tết 2024
        | {date(2024, 1, 1), date(2024, 4, 29), date(2024, 4, 30), date(2024, 5, 1)}
    ),
    open_weekend=frozenset({date(2024, 5, 4)}),
)


def at(text: str) -> datetime:
    """An instant in Vietnam."""
    return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)


def test_a_working_saturday_is_worked_and_the_day_it_stands_for_is_not() -> None:
    assert CALENDAR.is_working(date(2024, 5, 4))
    assert not CALENDAR.is_working(date(2024, 5, 5))
    assert not CALENDAR.is_working(date(2024, 4, 29))
    assert not CALENDAR.is_working(date(2024, 4, 27))


@pytest.mark.parametrize(
    ("day", "n", "expected"),
    [
        pytest.param(date(2022, 10, 12), 1, date(2022, 10, 13), id="the next day"),
        pytest.param(date(2022, 10, 14), 1, date(2022, 10, 17), id="Friday to Monday"),
        pytest.param(date(2022, 10, 15), 1, date(2022, 10, 17), id="Saturday to Monday"),
        pytest.param(date(2022, 10, 16), 1, date(2022, 10, 17), id="Sunday to Monday"),
        pytest.param(date(2022, 10, 12), 5, date(2022, 10, 19), id="over a weekend"),
        pytest.param(date(2023, 1, 19), 1, date(2023, 1, 27), id="over Tết 2023"),
        pytest.param(date(2024, 2, 7), 1, date(2024, 2, 15), id="over Tết 2024"),
        pytest.param(date(2024, 5, 3), 1, date(2024, 5, 4), id="to the working Saturday"),
        pytest.param(date(2024, 5, 3), 2, date(2024, 5, 6), id="beyond the working Saturday"),
        pytest.param(date(2022, 10, 15), 0, date(2022, 10, 15), id="none"),
        pytest.param(date(2022, 10, 17), -1, date(2022, 10, 14), id="Monday back to Friday"),
        pytest.param(date(2024, 2, 15), -2, date(2024, 2, 6), id="back over Tết 2024"),
    ],
)
def test_working_days_are_added_without_counting_the_first(
    day: date, n: int, expected: date
) -> None:
    assert CALENDAR.add(day, n) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2022, 10, 14), date(2022, 10, 14)),
        (date(2022, 10, 15), date(2022, 10, 17)),
        (date(2024, 2, 8), date(2024, 2, 15)),
    ],
)
def test_a_day_off_rolls_to_the_next_working_day(day: date, expected: date) -> None:
    assert CALENDAR.on_or_after(day) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param(date(2022, 10, 12), date(2022, 10, 19), 6, id="the letter of Tháp Mười"),
        pytest.param(date(2024, 1, 5), date(2024, 1, 15), 7, id="the letter of Kon Plông"),
        pytest.param(date(2022, 10, 12), date(2022, 10, 12), 1, id="one day"),
        pytest.param(date(2022, 10, 15), date(2022, 10, 16), 0, id="a weekend"),
        pytest.param(date(2024, 2, 8), date(2024, 2, 14), 0, id="Tết 2024"),
        pytest.param(date(2024, 4, 29), date(2024, 5, 5), 3, id="2, 3 and 4 May 2024"),
        pytest.param(date(2022, 10, 19), date(2022, 10, 12), 0, id="reversed"),
    ],
)
def test_working_days_between_counts_both_ends(first: date, last: date, expected: int) -> None:
    assert CALENDAR.working_days_between(first, last) == expected


@pytest.mark.parametrize(
    ("observed", "n", "cutoff"),
    [
        pytest.param("2022-10-12T10:00", 1, "2022-10-11T10:00", id="the same hour, a day before"),
        pytest.param("2022-10-17T10:00", 1, "2022-10-14T10:00", id="Monday back to Friday"),
        pytest.param("2022-10-12T08:00", 7, "2022-10-03T08:00", id="seven days, one weekend"),
        pytest.param("2023-01-27T08:00", 1, "2023-01-19T08:00", id="the day after Tết 2023"),
        pytest.param("2023-01-27T08:00", 7, "2023-01-11T08:00", id="seven days over Tết 2023"),
        pytest.param("2024-02-15T08:00", 7, "2024-01-30T08:00", id="seven days over Tết 2024"),
        pytest.param("2024-02-10T08:00", 7, "2024-01-30T00:00", id="seen on a day of Tết"),
        pytest.param("2022-10-15T10:00", 1, "2022-10-14T00:00", id="seen on a Saturday"),
        pytest.param("2022-10-16T23:00", 1, "2022-10-14T00:00", id="seen on a Sunday"),
        pytest.param("2022-10-15T10:00", 5, "2022-10-08T00:00", id="a whole week: the weekend too"),
        pytest.param("2024-05-06T10:00", 1, "2024-05-04T10:00", id="back to a worked Saturday"),
        pytest.param("2024-05-04T10:00", 1, "2024-05-03T10:00", id="seen on a worked Saturday"),
        pytest.param("2024-05-02T10:00", 1, "2024-04-26T10:00", id="over the days off of May"),
        pytest.param("2022-10-12T00:00", 1, "2022-10-11T00:00", id="seen at midnight"),
        pytest.param("2022-10-18T00:00", 1, "2022-10-15T00:00", id="midnight after a Monday"),
        pytest.param("2022-10-12T10:00", 0, "2022-10-12T10:00", id="no silence is allowed"),
        pytest.param("2022-10-16T10:00", 0, "2022-10-15T00:00", id="a weekend is no silence"),
    ],
)
def test_the_cutoff_of_silence(observed: str, n: int, cutoff: str) -> None:
    assert CALENDAR.stale_cutoff(at(observed), n) == at(cutoff)


def test_the_cutoff_is_an_instant_in_utc_whatever_the_zone_of_the_question() -> None:
    here = CALENDAR.stale_cutoff(at("2022-10-12T06:00"), 1)
    there = CALENDAR.stale_cutoff(datetime(2022, 10, 11, 23, tzinfo=UTC), 1)
    elsewhere = CALENDAR.stale_cutoff(
        datetime(2022, 10, 11, 18, tzinfo=timezone(timedelta(hours=-5))), 1
    )
    assert here == there == elsewhere == datetime(2022, 10, 10, 23, tzinfo=UTC)
    assert here.tzinfo is UTC


def test_nobody_is_stale_because_of_tet() -> None:
    """On the last evening before Tết 2024 it was connected, on the first morning it is looked at."""
    connected = at("2024-02-07T17:00")
    assert connected >= CALENDAR.stale_cutoff(at("2024-02-15T07:00"), 1)
    assert connected < CALENDAR.stale_cutoff(at("2024-02-16T07:00"), 1)


def test_a_negative_number_of_days_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        CALENDAR.stale_cutoff(at("2022-10-12T10:00"), -1)


INSTANTS = st.datetimes(
    datetime.fromisoformat("2023-01-10"),
    datetime.fromisoformat("2024-05-20"),
    timezones=st.just(VIETNAM),
)


def silence(connected: datetime, observed: datetime) -> timedelta:
    """Time inside working days between two instants, summed day by day: the definition itself."""
    total = timedelta(0)
    day = connected.astimezone(VIETNAM).date()
    while (start := datetime(day.year, day.month, day.day, tzinfo=VIETNAM)) < observed:
        end = start + timedelta(days=1)
        if CALENDAR.is_working(day):
            total += max(timedelta(0), min(end, observed) - max(start, connected))
        day += timedelta(days=1)
    return total


@given(
    observed=INSTANTS,
    ago=st.timedeltas(timedelta(0), timedelta(days=25)),
    n=st.integers(0, 9),
)
def test_stale_is_more_silence_than_so_many_working_days(
    observed: datetime, ago: timedelta, n: int
) -> None:
    connected = observed - ago
    is_stale = connected < CALENDAR.stale_cutoff(observed, n)
    assert is_stale is (silence(connected, observed) > n * timedelta(days=1))


@given(observed=INSTANTS, n=st.integers(0, 9))
def test_the_cutoff_itself_is_the_last_instant_that_is_not_stale(
    observed: datetime, n: int
) -> None:
    cutoff = CALENDAR.stale_cutoff(observed, n)
    assert silence(cutoff, observed) == n * timedelta(days=1)
    assert silence(cutoff - timedelta(microseconds=1), observed) > n * timedelta(days=1)
