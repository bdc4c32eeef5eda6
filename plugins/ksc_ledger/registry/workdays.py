"""The working calendar of an estate: Vietnam's public holidays, corrected by the officers' rows."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from ksc_ledger.registry.model import CalendarKind, Registry
from ksc_ledger.rules.working_days import SATURDAY, WorkingCalendar

# Substitute days and working Saturdays are decreed a few months ahead: for years that the package
# does not know yet, calendar.csv has them. Beyond LAST_YEAR only weekends are days off.
FIRST_YEAR = 2021
LAST_YEAR = 2035


def working_calendar(registry: Registry, estate_code: str) -> WorkingCalendar:
    """Public holidays with their substitutes and working Saturdays, then the estate's own days."""
    closed, open_weekend = map(set, _public())
    for override in registry.calendar_overrides:
        if override.estate_code != estate_code:
            continue
        if override.kind is CalendarKind.HOLIDAY:
            closed.add(override.date)  # prevails over a weekend day that was to be worked
        else:
            closed.discard(override.date)
            if override.date.weekday() >= SATURDAY:
                open_weekend.add(override.date)
    return WorkingCalendar(frozenset(closed), frozenset(open_weekend))


@lru_cache(maxsize=1)
def _public() -> tuple[frozenset[date], frozenset[date]]:
    import holidays  # a quarter of a second that most tasks need not spend

    known = holidays.country_holidays("VN", years=range(FIRST_YEAR, LAST_YEAR + 1))
    # A substitute day and the weekend day worked for it are decreed together.
    return frozenset(known), frozenset(known.weekend_workdays)
