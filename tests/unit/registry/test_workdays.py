"""The package's holidays are what the decrees said, and the officers' rows have the last word."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ksc_ledger.registry import load, working_calendar
from ksc_ledger.rules.working_days import WorkingCalendar
from unit.registry.registry_folder import LETTER, write_registry

HEADER = "date,kind,name,source_document\n"


@pytest.fixture
def calendar(tmp_path: Path) -> WorkingCalendar:
    return working_calendar(load(write_registry(tmp_path, {"calendar.csv": None})), "dong_thap")


@pytest.mark.parametrize(
    ("day", "is_working"),
    [
        pytest.param(date(2022, 10, 12), True, id="an ordinary Wednesday"),
        pytest.param(date(2022, 10, 15), False, id="an ordinary Saturday"),
        pytest.param(date(2023, 1, 19), True, id="the day before Tết 2023"),
        pytest.param(date(2023, 1, 20), False, id="Tết 2023, first day off"),
        pytest.param(date(2023, 1, 26), False, id="Tết 2023, last day off"),
        pytest.param(date(2023, 1, 27), True, id="the day after Tết 2023"),
        pytest.param(date(2024, 2, 7), True, id="the day before Tết 2024"),
        pytest.param(date(2024, 2, 8), False, id="Tết 2024, first day off"),
        pytest.param(date(2024, 2, 14), False, id="Tết 2024, last day off"),
        pytest.param(date(2024, 2, 15), True, id="the day after Tết 2024"),
        pytest.param(date(2024, 4, 29), False, id="a substituted day off"),
        pytest.param(date(2024, 5, 4), True, id="the Saturday worked for it"),
        pytest.param(date(2024, 5, 5), False, id="the Sunday after"),
        pytest.param(date(2022, 1, 3), False, id="a holiday made up for"),
        pytest.param(date(2025, 5, 2), False, id="2 May 2025"),
        pytest.param(date(2025, 4, 26), True, id="26 April 2025, a Saturday"),
        pytest.param(date(2030, 9, 2), False, id="a national day far ahead"),
    ],
)
def test_days_off_are_those_decreed(calendar: WorkingCalendar, day: date, is_working: bool) -> None:
    assert calendar.is_working(day) is is_working


@pytest.mark.parametrize(
    ("day", "kind", "is_working"),
    [
        pytest.param("2022-10-12", "holiday", False, id="a Wednesday taken off"),
        pytest.param("2022-10-15", "workday", True, id="a Saturday worked"),
        pytest.param("2024-05-04", "holiday", False, id="a working Saturday called off"),
        pytest.param("2024-04-29", "workday", True, id="a substituted day called off"),
        pytest.param("2024-02-10", "workday", True, id="a holiday on a Saturday that is worked"),
    ],
)
def test_the_officers_rows_have_the_last_word(
    tmp_path: Path, day: str, kind: str, is_working: bool
) -> None:
    text = f"{HEADER}{day},{kind},Theo quyết định,{LETTER}\n"
    registry = load(write_registry(tmp_path, {"calendar.csv": text}))
    calendar = working_calendar(registry, "dong_thap")
    assert calendar.is_working(date.fromisoformat(day)) is is_working
    # An estate's rows are its own.
    elsewhere = working_calendar(registry, "kon_tum")
    assert elsewhere.is_working(date.fromisoformat(day)) is not is_working
