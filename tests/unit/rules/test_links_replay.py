"""Scripted link events replayed tick by tick: every true outage reported once, no false alarm.

Three weeks around Tết 2024 hold one event of each kind; two years of seeded events are `long`.
A naive watch that mails every failed check is counted in the same run.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ksc_ledger.rules.links import advance
from ksc_ledger.rules.links_evidence import Knock
from ksc_ledger.rules.links_hours import OfficeHours
from ksc_ledger.rules.links_model import Mute, MuteKind, Notice, NoticeKind, OutageOpened, Watch
from unit.alerts.estates import HOURS, MINUTE, PROVINCE, TICK, a_policy, a_tick

CODES = tuple(f"huyen_{number:02}" for number in range(1, 13))
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# Two intervals after the time that confirms a loss.
LATEST = 15 * MINUTE + 2 * TICK
TET = {date(2023, 1, 20) + timedelta(days=n) for n in range(7)} | {
    date(2024, 2, 8) + timedelta(days=n) for n in range(7)
}
OFFICE = OfficeHours(
    spans=HOURS.spans, is_working_day=lambda day: day.weekday() < 5 and day not in TET
)


def vn(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+07:00").astimezone(UTC)


@dataclass(frozen=True)
class Event:
    """A server (or the province, or ``us``) is seen as ``how`` from ``start`` until ``end``."""

    code: str
    how: str
    start: datetime
    end: datetime
    is_planned: bool = False

    @property
    def is_outage(self) -> bool:
        """Whether somebody must be told of a district lost."""
        is_loss = self.how.startswith(("cut", "dead"))
        return is_loss and not self.is_planned and self.end - self.start >= LATEST


@dataclass
class Replay:
    start: datetime
    end: datetime
    events: list[Event]
    notices: list[Notice] = field(default_factory=list)
    outages: list[OutageOpened] = field(default_factory=list)
    naive: int = 0

    def run(self) -> None:
        mutes = tuple(
            Mute(
                kind=MuteKind.MAINTENANCE,
                server_code=one.code,
                from_at=one.start - HOUR,
                to_at=one.end + HOUR,
            )
            for one in self.events
            if one.is_planned
        )
        policy = a_policy(districts=CODES, mutes=mutes, hours=OFFICE)
        watch = Watch(estate_code="mau")
        ahead = sorted(self.events, key=lambda one: one.start, reverse=True)
        now_on: list[Event] = []
        at = self.start
        while at < self.end:
            while ahead and ahead[-1].start <= at:
                now_on.append(ahead.pop())
            now_on = [one for one in now_on if one.end > at]
            seen = {one.code: one.how for one in now_on}
            is_open, is_province_down = "us" not in seen, PROVINCE in seen
            if is_province_down:
                seen.update(dict.fromkeys(CODES, "no word"))
            tick = a_tick(
                at,
                seen,
                province=Knock.TIMEOUT if is_province_down else Knock.OK,
                is_way_out_open=is_open,
                districts=CODES,
            )
            moved = advance(watch, tick, policy, at)
            watch = moved.watch
            for effect in moved.effects:
                if isinstance(effect, Notice):
                    self.notices.append(effect)
                elif isinstance(effect, OutageOpened):
                    self.outages.append(effect)
            self.naive += len(CODES) + 1 if not is_open or is_province_down else len(seen)
            at += TICK

    def of(self, kind: NoticeKind, role: str = "ops_team") -> dict[str | None, list[Notice]]:
        found = defaultdict(list)
        for one in self.notices:
            if one.kind is kind and one.role == role:
                found[one.server_code].append(one)
        return found

    def check(self) -> None:
        """Every true outage once, in time, and back; nothing else called lost."""
        for code in CODES:
            true = sorted(
                (one for one in self.events if one.code == code and one.is_outage),
                key=lambda one: one.start,
            )
            lost = self.of(NoticeKind.LOST)[code]
            back = self.of(NoticeKind.BACK)[code]
            assert len(lost) == len(back) == len(true), code
            for event, told, returned in zip(true, lost, back, strict=True):
                assert event.start <= told.created_at <= event.start + LATEST
                assert event.end <= returned.created_at <= event.end + 10 * MINUTE + 2 * TICK
                seconds = (event.end - event.start).total_seconds()
                assert abs(returned.facts["duration_seconds"] - seconds) <= TICK.total_seconds()
                self.check_unit(event, told)

    def check_unit(self, event: Event, told: Notice) -> None:
        first_working_moment = OFFICE.next_open(told.created_at)
        heard = [
            one
            for one in self.of(NoticeKind.LOST, "unit")[event.code]
            if one.incident_id == told.incident_id
        ]
        if first_working_moment + TICK < event.end:
            (one,) = heard
            assert first_working_moment <= one.created_at <= first_working_moment + TICK


def a_flapping_morning(code: str, start: datetime, chance: random.Random) -> list[Event]:
    """Twenty breaks of 2 to 6 minutes within four hours."""
    return [
        Event(code, "cut", begun, begun + chance.randint(120, 360) * timedelta(seconds=1))
        for begun in (start + number * 12 * MINUTE for number in range(20))
    ]


def three_weeks() -> Replay:
    chance = random.Random(1)  # noqa: S311
    events = [
        *a_flapping_morning(CODES[1], vn("2024-01-30T08:00"), chance),
        Event(CODES[2], "dead", vn("2024-02-12T20:00"), vn("2024-02-15T20:00")),
        Event(CODES[3], "cut, certificate", vn("2024-01-31T09:02"), vn("2024-01-31T15:00")),
        Event(CODES[4], "dead", vn("2024-02-01T18:00"), vn("2024-02-01T19:30"), is_planned=True),
        Event("us", "blind", vn("2024-02-02T01:00"), vn("2024-02-02T03:00")),
        Event(PROVINCE, "down", vn("2024-02-05T10:00"), vn("2024-02-05T11:00")),
        Event(CODES[5], "cut", vn("2024-02-06T23:41"), vn("2024-02-07T00:30")),
        Event(CODES[6], "credentials", vn("2024-02-01T00:00"), vn("2024-02-04T00:00")),
        Event(CODES[7], "dead", vn("2024-02-17T03:03"), vn("2024-02-17T03:16")),
    ]
    return Replay(start=vn("2024-01-29T00:00"), end=vn("2024-02-19T00:00"), events=events)


def two_years() -> Replay:
    """Domain 5.5 spread over 24 months, and seeded outages of 12 servers besides."""
    chance = random.Random(20221001)  # noqa: S311
    start, end = vn("2022-10-01T00:00"), vn("2024-10-01T00:00")
    events = list(three_weeks().events)
    quiet = [(one.start - DAY, one.end + DAY) for one in events]
    events += a_flapping_morning(CODES[1], vn("2023-04-11T07:30"), chance)
    quiet.append((vn("2023-04-10T00:00"), vn("2023-04-12T12:00")))
    at = start + DAY
    while at < end - 3 * DAY:
        # One thing at a time: what the truth is must not depend on the watch's own rules.
        length = chance.choice([7, 13, 26, 40, 90, 200, 700, 2_000]) * MINUTE
        kind = chance.random()
        if any(low < at + length and at < high for low, high in quiet):
            at += DAY
            continue
        if kind < 0.85:
            how = chance.choice(["cut", "dead", "cut, certificate"])
            events.append(Event(chance.choice(CODES[1:]), how, at, at + length))
        elif kind < 0.90:
            events.append(Event("us", "blind", at, at + length))
        elif kind < 0.95:
            events.append(Event(PROVINCE, "down", at, at + length))
        else:
            events.append(Event(chance.choice(CODES), "dead", at, at + length, is_planned=True))
        at += length + chance.randint(300, 4_000) * MINUTE
    return Replay(start=start, end=end, events=events)


def test_three_weeks_around_tet_are_told_as_they_were() -> None:
    replay = three_weeks()
    replay.run()
    replay.check()
    # The cut over Tết: the operations team at once, the unit on the first working hour after it.
    (tet,) = replay.of(NoticeKind.LOST)[CODES[2]]
    assert tet.created_at == vn("2024-02-12T20:15")
    (unit,) = replay.of(NoticeKind.LOST, "unit")[CODES[2]]
    assert unit.created_at == vn("2024-02-15T07:30")
    assert [one.step for one in replay.of(NoticeKind.FLAPPING)[CODES[1]]] == [0, 1]
    assert replay.of(NoticeKind.LOST)[CODES[1]] == []
    assert len(replay.of(NoticeKind.COLLECTOR_BLIND)[None]) == 1
    assert len(replay.of(NoticeKind.PROVINCE_DOWN)[PROVINCE]) == 1
    assert {one.server_code for one in replay.notices if one.kind is NoticeKind.TROUBLE} == {
        CODES[3],
        CODES[6],
    }
    regular = (NoticeKind.DIGEST, NoticeKind.SELF_TEST)
    mails = [one for one in replay.notices if one.kind not in regular]
    assert len(mails) < replay.naive / 50


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_two_years_of_link_events_are_told_as_they_were() -> None:
    replay = two_years()
    replay.run()
    replay.check()
    provinces = [one for one in replay.events if one.code == PROVINCE]
    told = replay.of(NoticeKind.PROVINCE_DOWN)[PROVINCE]
    assert len(told) == sum(one.end - one.start >= LATEST for one in provinces)
    regular = (NoticeKind.DIGEST, NoticeKind.SELF_TEST)
    mails = [one for one in replay.notices if one.kind not in regular]
    assert len(mails) < replay.naive / 20
    outages = [one for one in replay.events if one.code in CODES and one.is_outage]
    told = [one for found in replay.of(NoticeKind.LOST).values() for one in found]
    began = {(one.code, one.start) for one in outages}
    latest = max(
        min(
            lost.created_at - start
            for code, start in began
            if code == lost.server_code and start <= lost.created_at
        )
        for lost in told
    )
    figures = (
        len(outages),
        len(told),
        len(told) - len(outages),
        f"{latest // MINUTE} min",
        len(mails),
        len(replay.notices) - len(mails),
        replay.naive,
    )
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text("utf-8")
    assert f"| {' | '.join(map(str, figures))} |" in page
