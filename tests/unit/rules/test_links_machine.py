"""The link watch under random histories: properties P1-P16, against an oracle of its own.

A world with a province and four districts is cut, mended, blinded, muted and reloaded at random;
every tick's effects are held against what the world says must and must not be told. The oracle
(``expected_outages``) reads the whole evidence of a server at once and shares no code with the
product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ksc_ledger.rules import links
from ksc_ledger.rules.links_evidence import Knock, Tick
from ksc_ledger.rules.links_model import (
    Advance,
    Interval,
    IntervalOpened,
    LinkState,
    Mute,
    MuteKind,
    Notice,
    NoticeKind,
    OutageClosed,
    OutageOpened,
    Policy,
    Watch,
)
from unit.alerts.estates import DISTRICTS, PROVINCE, START, TICK, a_policy, a_tick

AdvanceFunction = Callable[[Watch, Tick, Policy, datetime], Advance]

LOSS_KINDS = {
    NoticeKind.LOST,
    NoticeKind.PROVINCE_DOWN,
    NoticeKind.ESCALATED,
    NoticeKind.STILL_LOST,
}
LIMITS = a_policy().limits
# One district is confirmed more slowly than the others.
SLOW = DISTRICTS[1]
SERVER_LIMITS = {
    SLOW: replace(LIMITS, k_down=5, t_down=5 * TICK, k_up=3, t_up=3 * TICK),
}


def expected_outages(
    evidence: list[tuple[datetime, bool]], code: str
) -> list[tuple[datetime, datetime, datetime | None, datetime | None]]:
    """(started, confirmed, ended, recovery confirmed) of every outage in a server's evidence."""
    outages: list[tuple[datetime, datetime, datetime | None, datetime | None]] = []
    limits = SERVER_LIMITS.get(code, LIMITS)
    place = 0

    def confirmed_from(start: int, is_lost: bool, count: int, age: timedelta) -> int | None:
        for place in range(start, len(evidence)):
            if evidence[place][1] is not is_lost:
                return None
            if place - start + 1 >= count and evidence[place][0] - evidence[start][0] >= age:
                return place
        return None

    def runs(start: int, is_lost: bool) -> list[int]:
        return [
            here
            for here in range(start, len(evidence))
            if evidence[here][1] is is_lost
            and (here == start or evidence[here - 1][1] is not is_lost)
        ]

    while True:
        for start in runs(place, True):
            down = confirmed_from(start, True, limits.k_down, limits.t_down)
            if down is not None:
                break
        else:
            return outages
        for back in runs(down + 1, False):
            up = confirmed_from(back, False, limits.k_up, limits.t_up)
            if up is not None:
                break
        else:
            outages.append((evidence[start][0], evidence[down][0], None, None))
            return outages
        outages.append((evidence[start][0], evidence[down][0], evidence[back][0], evidence[up][0]))
        place = up + 1


def machine_for(advance: AdvanceFunction) -> type[RuleBasedStateMachine]:
    """The stateful test of one implementation of ``advance``."""

    class LinkWatch(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.advance = advance
            self.policy = replace(a_policy(), server_limits=SERVER_LIMITS)
            self.watch = Watch(estate_code="mau")
            self.at = START
            self.world = dict.fromkeys(DISTRICTS, "ok")
            self.province = Knock.OK
            self.province_talks = True
            self.is_way_out_open = True
            self.evidence: dict[str, list[tuple[datetime, bool]]] = {
                code: [] for code in (PROVINCE, *DISTRICTS)
            }
            self.opened: dict[str, OutageOpened] = {}
            self.closed: dict[str, OutageClosed] = {}
            self.notices: dict[tuple[str, str, int, str], Notice] = {}
            self.last: tuple[Tick, datetime] | None = None
            self.acknowledged: dict[str, datetime] = {}
            self.shown: dict[str, Interval] = {}

        # What happens in the world

        @rule(code=st.sampled_from(DISTRICTS), how=st.sampled_from(["cut", "dead", "ok"]))
        def change_a_district(self, code: str, how: str) -> None:
            self.world[code] = how

        @rule(how=st.sampled_from(["cut", "ok"]))
        def change_all_districts(self, how: str) -> None:
            self.world = dict.fromkeys(DISTRICTS, how)

        @rule(
            code=st.sampled_from(DISTRICTS),
            how=st.sampled_from(
                ["certificate", "credentials", "path", "nothing", "no word", "cut, certificate"]
            ),
        )
        def hide_a_district(self, code: str, how: str) -> None:
            self.world[code] = how

        @rule(
            knock=st.sampled_from([Knock.OK, Knock.TIMEOUT, Knock.CREDENTIALS]),
            talks=st.booleans(),
        )
        def change_the_province(self, knock: Knock, talks: bool) -> None:
            """A province in trouble may still have said its word in the same tick."""
            self.province, self.province_talks = knock, talks or knock is Knock.OK

        @rule(count=st.integers(1, 8), talks=st.booleans(), how=st.sampled_from(["cut", "ok"]))
        def the_province_falls_and_stands_up(self, count: int, talks: bool, how: str) -> None:
            """Its districts fall with it, and some of them stay down after it."""
            self.is_way_out_open = True
            self.province, self.province_talks = Knock.TIMEOUT, talks
            self.world = dict.fromkeys(DISTRICTS, "cut")
            self.some_ticks(count)
            self.province, self.province_talks = Knock.OK, True
            self.world[DISTRICTS[0]] = how
            self.some_ticks(4)

        @rule(is_open=st.booleans())
        def change_our_way_out(self, is_open: bool) -> None:
            self.is_way_out_open = is_open

        @rule(
            code=st.sampled_from((PROVINCE, *DISTRICTS)),
            kind=st.sampled_from(MuteKind),
            hours=st.integers(1, 6),
        )
        def mute(self, code: str, kind: MuteKind, hours: int) -> None:
            window = Mute(
                kind=kind,
                server_code=code,
                from_at=self.at,
                to_at=self.at + timedelta(hours=hours),
            )
            self.policy = replace(self.policy, mutes=(*self.policy.mutes, window))

        @rule(code=st.sampled_from(DISTRICTS))
        def acknowledge(self, code: str) -> None:
            link = self.watch.link(code)
            if link is None or link.outage is None:
                return
            self.acknowledged[link.outage.incident_id] = self.at + timedelta(hours=12)
            self.watch = replace(
                self.watch,
                links=tuple(
                    replace(
                        link,
                        outage=replace(
                            link.outage, acknowledged_until=self.at + timedelta(hours=12)
                        ),
                    )
                    if link.server_code == code and link.outage
                    else link
                    for link in self.watch.links
                ),
            )

        @rule(is_long=st.booleans())
        def reload_the_registry(self, is_long: bool) -> None:
            """P16: new rows, other order of servers, the same incidents."""
            ladder = a_policy().ladder
            self.policy = replace(
                self.policy,
                ladder=ladder if is_long else tuple(reversed(ladder)),
                servers=tuple(reversed(self.policy.servers)),
            )

        # Time passes

        @rule(count=st.integers(1, 12))
        def time_passes(self, count: int) -> None:
            self.some_ticks(count)

        def some_ticks(self, count: int) -> None:
            for _ in range(count):
                self.tick()

        @rule(count=st.integers(2, 24), code=st.sampled_from(DISTRICTS))
        def a_restless_link(self, count: int, code: str) -> None:
            for number in range(count):
                self.world[code] = "cut" if number % 2 else "ok"
                self.tick()

        @rule(hours=st.integers(1, 30))
        def a_gap_without_ticks(self, hours: int) -> None:
            self.at += timedelta(hours=hours)

        @rule(hours=st.integers(2, 14))
        def a_long_wait(self, hours: int) -> None:
            for _ in range(hours // 2):
                self.at += timedelta(hours=2)
                self.tick()

        def tick(self) -> None:
            self.at += TICK
            seen = dict(self.world)
            if not self.province_talks:
                seen = {code: "no word" if how != "nothing" else how for code, how in seen.items()}
            made = a_tick(
                self.at, seen, province=self.province, is_way_out_open=self.is_way_out_open
            )
            before = self.watch
            moved = self.advance(before, made, self.policy, self.at)
            # P6: an attempt that died before its commit leaves nothing; the retry says the same.
            assert self.advance(before, made, self.policy, self.at) == moved
            # P10: the order of the districts within a tick does not matter.
            turned = replace(made, evidence=dict(reversed(list(made.evidence.items()))))
            other = replace(self.policy, servers=tuple(reversed(self.policy.servers)))
            assert self.advance(before, turned, other, self.at) == moved
            assert moved.has_moved
            self.watch = moved.watch
            self.last = (made, self.at)
            verdicts = self.verdicts(seen)
            for code, is_lost in verdicts.items():
                if is_lost is not None:
                    self.evidence[code].append((self.at, is_lost))
            self.take(moved, verdicts)

        def verdicts(self, seen: dict[str, str]) -> dict[str, bool | None]:
            """What the world says was seen: lost, not lost, or nothing (None)."""
            if not self.is_way_out_open:
                return dict.fromkeys((PROVINCE, *DISTRICTS), None)
            said: dict[str, bool | None] = {PROVINCE: self.province is Knock.TIMEOUT}
            for code, how in seen.items():
                said[code] = (
                    None if how in ("nothing", "no word") else how.startswith(("cut", "dead"))
                )
            return said

        # What must hold of a tick's effects

        def take(self, moved: Advance, verdicts: dict[str, bool | None]) -> None:
            for effect in moved.effects:
                if isinstance(effect, OutageOpened):
                    assert effect.outage.incident_id not in self.opened
                    self.opened[effect.outage.incident_id] = effect
                elif isinstance(effect, OutageClosed):
                    assert effect.incident_id not in self.closed
                    self.closed[effect.incident_id] = effect
                elif isinstance(effect, IntervalOpened):
                    before = self.shown.get(effect.server_code)
                    assert before is None or before.started_at <= effect.interval.started_at
                    assert before != effect.interval
                    self.shown[effect.server_code] = effect.interval
                elif isinstance(effect, Notice):
                    self.take_notice(effect, verdicts)
            for code, is_lost in verdicts.items():
                if is_lost:
                    self.must_be_told(code)

        def take_notice(self, notice: Notice, verdicts: dict[str, bool | None]) -> None:
            key = (notice.incident_id, notice.kind.value, notice.step, notice.role)
            assert key not in self.notices, "the same mail twice"
            told = self.roles_told(notice.incident_id)
            self.notices[key] = notice
            code = notice.server_code
            if notice.kind in LOSS_KINDS:
                assert code is not None
                assert verdicts[code], "a mail says lost on a tick that does not"
                assert notice.incident_id in self.opened
                assert notice.incident_id not in self.closed, "P1: lost after back"
                assert not self.is_muted(code), "muted"
                assert not (code != PROVINCE and self.province_inhibits()), "P4: inhibition"
            if notice.kind in (NoticeKind.STILL_LOST, NoticeKind.ESCALATED):
                until = self.acknowledged.get(notice.incident_id, START)
                assert notice.created_at >= until, "acknowledged"
            if notice.kind is NoticeKind.STILL_LOST:
                assert notice.role in told, "reminded without having been told"
            if notice.kind is NoticeKind.ESCALATED:
                # P11: nobody is escalated to before those who come first.
                assert "ops_team" in told
                first = self.notices_of(notice.incident_id, NoticeKind.LOST)
                assert notice.created_at > min(one.created_at for one in first)
            if notice.kind is NoticeKind.BACK:
                assert notice.role in told, "P12: back to somebody who was not told"
                known = expected_outages(self.evidence[str(code)], str(code))
                assert known, "P2: back from an outage that never was"
                start, _, end, _ = known[-1]
                assert end is not None
                # P7: the duration follows from the evidence alone.
                assert notice.facts["started_at"] == start.isoformat()
                assert notice.facts["duration_seconds"] == (end - start).total_seconds()
            if notice.kind is NoticeKind.COLLECTOR_BLIND:
                assert not self.is_way_out_open or all(one is None for one in verdicts.values()), (
                    "blind while something is seen"
                )

        def must_be_told(self, code: str) -> None:
            """P3 and P5: a confirmed loss that nothing holds has been told to the ops team."""
            outages = expected_outages(self.evidence[code], code)
            if not outages or outages[-1][2] is not None:
                return
            link = self.watch.link(code)
            assert link is not None
            assert link.outage is not None, "P3: a loss without an outage"
            is_held = (
                self.is_muted(code)
                or (code != PROVINCE and self.province_inhibits())
                or (link.flapping and self.at - outages[-1][0] < LIMITS.flap_min)
            )
            if not is_held:
                assert "ops_team" in self.roles_told(link.outage.incident_id), "P3, P5: liveness"

        def roles_told(self, incident_id: str) -> set[str]:
            return {
                notice.role
                for notice in self.notices.values()
                if notice.incident_id == incident_id
                and notice.kind in LOSS_KINDS - {NoticeKind.STILL_LOST}
            }

        def notices_of(self, incident_id: str, kind: NoticeKind) -> list[Notice]:
            return [
                notice
                for notice in self.notices.values()
                if notice.incident_id == incident_id and notice.kind is kind
            ]

        def is_muted(self, code: str) -> bool:
            return any(
                mute.server_code == code and mute.from_at <= self.at < mute.to_at
                for mute in self.policy.mutes
            )

        def province_inhibits(self) -> bool:
            """From the province's own evidence: on suspicion, while down, until it has settled."""
            evidence = self.evidence[PROVINCE]
            if not evidence or not any(is_lost for _, is_lost in evidence):
                return False
            if evidence[-1][1]:
                return True
            outages = expected_outages(evidence, PROVINCE)
            last_lost = max(at for at, is_lost in evidence if is_lost)
            up_at = next(at for at, is_lost in evidence if at > last_lost)
            if outages:
                *_, recovered = outages[-1]
                if recovered is None:
                    return True
                if last_lost < recovered:
                    up_at = recovered
            return sum(at > up_at for at, _ in evidence) < LIMITS.settle_ticks

        # What moves nothing (P9), at any moment

        @rule(
            minutes=st.sampled_from([0, 5, 10, 600]), how=st.sampled_from(["cut", "ok", "nothing"])
        )
        def a_backfill(self, minutes: int, how: str) -> None:
            at = self.at - timedelta(minutes=minutes)
            seen = dict.fromkeys(DISTRICTS, how)
            moved = self.advance(
                self.watch, a_tick(at, seen, is_backfill=True), self.policy, self.at
            )
            assert (moved.watch, moved.effects) == (self.watch, ()), "P9: a backfill moved"

        @rule(how=st.sampled_from(["cut", "ok", "nothing"]))
        def the_last_tick_again(self, how: str) -> None:
            if self.last is None:
                return
            made, at = self.last
            again = a_tick(made.at, dict.fromkeys(DISTRICTS, how))
            for tick in (made, again):
                moved = self.advance(self.watch, tick, self.policy, at)
                assert (moved.watch, moved.effects) == (self.watch, ()), "a replay moved"

        # What holds always

        @invariant()
        def the_outages_are_those_of_the_evidence(self) -> None:
            """P1, P2, P7, P8: neither more nor fewer, from first bad to first good evidence."""
            for code, evidence in self.evidence.items():
                mine = [
                    (
                        effect.outage.started_at,
                        effect.outage.confirmed_at,
                        self.closed[incident_id].ended_at if incident_id in self.closed else None,
                    )
                    for incident_id, effect in self.opened.items()
                    if effect.server_code == code
                ]
                assert mine == [one[:3] for one in expected_outages(evidence, code)], code

        @invariant()
        def those_told_hear_of_the_end(self) -> None:
            """P12: recovery goes to exactly the roles that were told."""
            for incident_id in self.closed:
                back = {one.role for one in self.notices_of(incident_id, NoticeKind.BACK)}
                assert back == self.roles_told(incident_id)

        @invariant()
        def mails_are_bounded(self) -> None:
            """P13: per outage and role one loss, its reminders, one return."""
            per_role: dict[tuple[str, str], int] = {}
            for notice in self.notices.values():
                if notice.incident_id in self.opened:
                    key = (notice.incident_id, notice.role)
                    per_role[key] = per_role.get(key, 0) + 1
            assert all(count <= 2 + len(LIMITS.reminders) for count in per_role.values())

        @invariant()
        def the_state_beneath_is_never_unknown(self) -> None:
            for link in self.watch.links:
                assert link.state is not LinkState.UNKNOWN
                assert link.interval == self.shown.get(link.server_code)
                assert link.interval is not None
                if link.evidence_at == self.watch.ticked_at:
                    assert link.interval.state is link.state
                elif self.watch.ticked_at is not None and link.evidence_at is not None:
                    is_long = self.watch.ticked_at - link.evidence_at >= LIMITS.unknown_after
                    assert (link.interval.state is LinkState.UNKNOWN) == is_long
                assert (link.outage is not None) == (
                    link.state in (LinkState.DOWN, LinkState.RECOVERING)
                )

    return LinkWatch


def run(advance: AdvanceFunction, *, examples: int, steps: int, **options: Any) -> None:
    run_state_machine_as_test(
        machine_for(advance),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **options,
        ),
    )


def test_random_histories_keep_the_properties() -> None:
    run(links.advance, examples=40, steps=20, derandomize=True)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_many_random_histories_keep_the_properties() -> None:
    run(links.advance, examples=400, steps=50, phases=[Phase.generate])
