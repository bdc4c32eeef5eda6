"""Every day from 2022 to 2026 as the decrees had it, written down by hand (deadline_days.csv)."""

from __future__ import annotations

import csv
from datetime import date
from functools import cache
from pathlib import Path

from ksc_ledger.rules.working_days import WorkingCalendar

TABLE = Path(__file__).with_name("deadline_days.csv")


@cache
def every_day() -> dict[date, bool]:
    """Whether public offices work, by day."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            date.fromisoformat(row["date"]): row["is_working"] == "1"
            for row in csv.DictReader(file)
        }


@cache
def table_calendar() -> WorkingCalendar:
    """A calendar that knows nothing but the table."""
    days = every_day()
    return WorkingCalendar(
        closed=frozenset(day for day, is_working in days.items() if not is_working),
        open_weekend=frozenset(
            day for day, is_working in days.items() if is_working and day.weekday() >= 5
        ),
    )
