"""From what was seen to what must be said: each trouble once when it begins and once when it ends.

``decide(memory, sighting, limits)`` is pure. A trouble counts only after it lasted, and so does its
end, so that a restart or a busy minute is no news. Ages count from when the watchdog began to look
without a gap: after the machine was off, everything has its time to start.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Check(StrEnum):
    """What is looked at. The value is kept in files and never changes."""

    STATE = "state"  # the operational database can be read
    TICKS = "ticks"  # the link watch finishes its runs
    LOADS = "loads"  # servers are asked
    PUBLISHED = "published"  # the marts are published
    MAILS_WAITING = "mails_waiting"  # mails leave
    MAILS_DEAD = "mails_dead"  # no mail was given up on lately
    DISK = "disk"  # there is room to write


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long is too long, and how little is too little."""

    tick_age: timedelta = timedelta(minutes=15)
    load_age: timedelta = timedelta(hours=3)
    published_age: timedelta = timedelta(hours=26)
    mail_age: timedelta = timedelta(minutes=30)
    free_bytes: int = 2 * 1024**3
    # For how long a trouble must be seen, and its end.
    begins_after: timedelta = timedelta(minutes=2)
    ends_after: timedelta = timedelta(minutes=10)
    # The same trouble is not told again sooner than this.
    repeat_after: timedelta = timedelta(hours=1)
    # A longer break between two looks begins the watch anew.
    gap: timedelta = timedelta(minutes=15)


USUAL_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One look, at ``at`` on the mode's clock.

    An age of None: there never was one. With ``state_error`` nothing is known of ticks and mails.
    ``dead_count`` counts mails given up on during the last day.
    """

    at: datetime
    free_bytes: int
    load_age: timedelta | None = None
    published_age: timedelta | None = None
    tick_age: timedelta | None = None
    waiting_age: timedelta | None = None
    waiting_count: int = 0
    dead_count: int = 0
    state_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One check over time. ``since`` is when it began to be as it was last seen."""

    check: Check
    is_bad: bool
    since: datetime
    is_told: bool = False
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One mail. Notices of one ``episode`` (from well to well again) hang together.

    ``ages`` are whole seconds or counts for the reader, by check.
    """

    number: int
    at: datetime
    episode: str
    began: tuple[Check, ...] = ()
    ended: tuple[Check, ...] = ()
    lasting: tuple[Check, ...] = ()
    figures: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What identifies the mail, also after the memory was lost."""
        return f"{self.episode}.{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is kept between two looks. ``unsaid`` are the notices nobody has taken yet."""

    watching_since: datetime | None = None
    looked_at: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    last_number: int = 0
    episode: str | None = None
    unsaid: tuple[Notice, ...] = ()
    send_failures: int = 0
    try_again_at: datetime | None = None

    @property
    def told(self) -> tuple[Check, ...]:
        return tuple(one.check for one in self.conditions if one.is_told)


def decide(memory: Memory, sighting: Sighting, limits: Limits) -> Memory:
    """The memory after a look, with a notice more in ``unsaid`` when something must be said."""
    at = sighting.at
    since = memory.watching_since
    is_gap = (
        since is None
        or memory.looked_at is None
        or not timedelta() <= at - memory.looked_at <= limits.gap
    )
    if since is None or is_gap:
        since = at
    seen = judge(sighting, at - since, limits, told=memory.told)
    known = {one.check: one for one in memory.conditions}
    began: list[Check] = []
    ended: list[Check] = []
    conditions: list[Condition] = []
    for check in Check:
        condition = known.get(check)
        if check in seen:
            is_same = condition is not None and condition.is_bad is seen[check] and not is_gap
            if condition is None:
                condition = Condition(check=check, is_bad=seen[check], since=at)
            elif not is_same:
                condition = replace(condition, is_bad=seen[check], since=at)
            condition = _told(condition, at, limits)
        if condition is None:
            continue
        was_told = check in memory.told
        if condition.is_told and not was_told:
            began.append(check)
        if was_told and not condition.is_told:
            ended.append(check)
        conditions.append(condition)
    memory = replace(memory, watching_since=since, looked_at=at, conditions=tuple(conditions))
    if not began and not ended:
        return memory
    number = memory.last_number + 1
    notice = Notice(
        number=number,
        at=at,
        episode=memory.episode or f"{at:%Y%m%dT%H%M%S}",
        began=tuple(began),
        ended=tuple(ended),
        lasting=tuple(check for check in memory.told if check not in began),
        figures=_figures(sighting),
    )
    return replace(
        memory,
        last_number=number,
        episode=notice.episode if memory.told else None,
        unsaid=(*memory.unsaid, notice),
    )


def judge(
    sighting: Sighting, watched_for: timedelta, limits: Limits, told: Collection[Check] = ()
) -> dict[Check, bool]:
    """Which checks are bad, of those about which something is known.

    Nothing is older than the watch itself, save what was told before: a pause of the watch must
    not make it well again.
    """

    def is_old(check: Check, age: timedelta | None, limit: timedelta) -> bool:
        if check in told:
            return age is None or age >= limit
        return min(watched_for if age is None else age, watched_for) >= limit

    judged = {
        Check.STATE: sighting.state_error is not None,
        Check.LOADS: is_old(Check.LOADS, sighting.load_age, limits.load_age),
        Check.PUBLISHED: is_old(Check.PUBLISHED, sighting.published_age, limits.published_age),
        Check.DISK: sighting.free_bytes < limits.free_bytes,
    }
    if sighting.state_error is None:
        judged[Check.TICKS] = is_old(Check.TICKS, sighting.tick_age, limits.tick_age)
        waiting = sighting.waiting_age
        judged[Check.MAILS_WAITING] = waiting is not None and is_old(
            Check.MAILS_WAITING, waiting, limits.mail_age
        )
        judged[Check.MAILS_DEAD] = sighting.dead_count > 0
    return judged


def _told(condition: Condition, at: datetime, limits: Limits) -> Condition:
    """Tell of a trouble that has lasted, and of an end that has lasted."""
    lasted = at - condition.since
    if condition.is_told:
        if not condition.is_bad and lasted >= limits.ends_after:
            return replace(condition, is_told=False)
        return condition
    told_at = condition.told_at
    is_news = told_at is None or not timedelta() <= at - told_at < limits.repeat_after
    if condition.is_bad and lasted >= limits.begins_after and is_news:
        return replace(condition, is_told=True, told_at=at)
    return condition


def _figures(sighting: Sighting) -> dict[str, int]:
    ages = {
        Check.TICKS: sighting.tick_age,
        Check.LOADS: sighting.load_age,
        Check.PUBLISHED: sighting.published_age,
        Check.MAILS_WAITING: sighting.waiting_age,
    }
    figures = {
        f"{check.value}_seconds": int(age.total_seconds()) for check, age in ages.items() if age
    }
    figures["waiting_count"] = sighting.waiting_count
    figures["dead_count"] = sighting.dead_count
    figures["free_bytes"] = sighting.free_bytes
    return figures
