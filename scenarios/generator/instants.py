"""Instants in Vietnamese time, and the ages that the simulator counts back from its clock."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone
from itertools import pairwise

VIETNAM = timezone(timedelta(hours=7))
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    """`2022-10-12 08:00` in Vietnamese time."""
    return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)


def written(instant: datetime | None) -> str:
    return "" if instant is None else instant.isoformat()


def age(span: timedelta) -> str:
    """A span as the simulator reads it, in the largest unit that keeps it whole."""
    minutes = int(span / MINUTE)
    if minutes % 1440 == 0 and minutes:
        return f"-{minutes // 1440}d"
    if minutes % 60 == 0 and minutes:
        return f"-{minutes // 60}h"
    return f"-{minutes}m"


def office_hour(rng: random.Random, day: date) -> datetime:
    """An instant between 09:00 and 16:00 of that day; Saturday and Sunday move to Monday."""
    if day.weekday() > 4:
        day += timedelta(days=7 - day.weekday())
    return datetime.combine(day, time(9), VIETNAM) + rng.randrange(420) * MINUTE


def along_curve(rng: random.Random, curve: Sequence[tuple[str, float]], point: float) -> datetime:
    """The office hour at which a cumulative share is reached; the curve is piecewise linear."""
    for (day, low), (next_day, high) in pairwise(curve):
        if point <= high:
            first, last = date.fromisoformat(day), date.fromisoformat(next_day)
            part = 0.0 if high == low else max(0.0, (point - low) / (high - low))
            return office_hour(rng, first + timedelta(days=int(part * (last - first).days)))
    return office_hour(rng, date.fromisoformat(curve[-1][0]))
