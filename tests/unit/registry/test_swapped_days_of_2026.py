"""The swap of 2 January 2026 for Saturday 10 January, which the holiday package does not know."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ksc_ledger.registry import load, working_calendar
from unit.registry.registry_folder import CALENDAR, LETTER, write_registry

SWAPPED = (
    CALENDAR
    + f"2026-01-02,holiday,Ngày nghỉ hoán đổi,{LETTER}\n"
    + f"2026-01-10,workday,Làm bù cho ngày 02/01/2026,{LETTER}\n"
)


@pytest.mark.parametrize(
    ("rows", "off", "worked"),
    [
        pytest.param(SWAPPED, False, True, id="with the rows of the registry"),
        # Once the package knows the swap this fails: then the rows can go.
        pytest.param(CALENDAR, True, False, id="the package alone"),
    ],
)
def test_the_registrys_rows_prevail(tmp_path: Path, rows: str, off: bool, worked: bool) -> None:
    registry = load(write_registry(tmp_path, {"calendar.csv": rows}))
    calendar = working_calendar(registry, "dong_thap")
    assert calendar.is_working(date(2026, 1, 2)) is off
    assert calendar.is_working(date(2026, 1, 10)) is worked
    assert not calendar.is_working(date(2026, 1, 1))
    assert calendar.is_working(date(2026, 1, 5))
