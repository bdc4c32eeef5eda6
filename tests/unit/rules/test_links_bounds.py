"""How many mails at most, and that only instants change when all clocks are moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ksc_ledger.rules.links import advance
from ksc_ledger.rules.links_model import Notice, NoticeKind, Watch
from unit.alerts.estates import START, TICK, a_policy, a_tick

A = "huyen_a"
POLICY = a_policy(districts=(A,))
LIMITS = POLICY.limits
TWO_DAYS = timedelta(hours=48)
TICKS = int(TWO_DAYS / TICK)


def mails(history: list[str], start: datetime = START) -> list[Notice]:
    """What the operations team receives about one server whose evidence is the history."""
    watch = Watch(estate_code="mau")
    sent: list[Notice] = []
    for number, seen in enumerate(history):
        at = start + number * TICK
        moved = advance(watch, a_tick(at, {A: seen}, districts=(A,)), POLICY, at)
        watch = moved.watch
        sent += [
            one
            for one in moved.effects
            if isinstance(one, Notice) and one.role == "ops_team" and one.server_code == A
        ]
    return sent


def most_mails() -> int:
    """P14 from the limits alone: flapping lasts a while, and outages in it are told late or not."""
    flapping = 2 * (TWO_DAYS / LIMITS.flap_min)
    quick = 2 * (LIMITS.flap_outages - 1) * (TWO_DAYS / LIMITS.flap_outages_within + 1)
    long_ones = 2 * (TWO_DAYS / LIMITS.flap_min)
    reminders = TWO_DAYS / LIMITS.reminders[0]
    return int(flapping + quick + long_ones + reminders)


@given(
    st.lists(
        st.tuples(st.sampled_from(["ok", "cut", "dead", "nothing"]), st.integers(1, 40)),
        min_size=30,
        max_size=150,
    )
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_no_two_days_of_evidence_bring_more_mails_than_the_limits_allow(
    runs: list[tuple[str, int]],
) -> None:
    history = [seen for seen, count in runs for _ in range(count)][:TICKS]
    assert len(mails(history)) <= most_mails()


@pytest.mark.parametrize(
    ("bad", "good", "most"),
    [(1, 1, 2), (2, 2, 2), (1, 3, 30), (4, 3, 12), (4, 20, 12), (25, 5, 42)],
)
def test_a_link_made_to_annoy_stays_within_few_mails(bad: int, good: int, most: int) -> None:
    """F52: of 576 checks, of which a naive watch mails every failed one."""
    history = (["cut"] * bad + ["ok"] * good) * (TICKS // (bad + good))
    assert 1 <= len(mails(history)) <= most


@given(
    st.lists(
        st.tuples(st.sampled_from(["ok", "cut", "nothing"]), st.integers(1, 60)),
        min_size=3,
        max_size=20,
    ),
    st.integers(-300, 300),
)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_moving_all_clocks_by_whole_weeks_changes_nothing_but_instants(
    runs: list[tuple[str, int]], weeks: int
) -> None:
    """P15. Whole weeks, because office hours and digests follow the calendar."""
    history = [seen for seen, count in runs for _ in range(count)][:TICKS]
    moved_by = timedelta(weeks=weeks)

    def told(notices: list[Notice], by: timedelta) -> list[tuple[Any, ...]]:
        return [
            (one.kind, one.incident_id, one.step, one.role, one.created_at - by)
            for one in notices
            if one.kind not in (NoticeKind.DIGEST, NoticeKind.SELF_TEST)
        ]

    assert told(mails(history, START + moved_by), moved_by) == told(mails(history), timedelta())


def test_a_tick_of_another_estate_is_another_watch() -> None:
    """The state belongs to one estate: nothing is shared but the code."""
    other = replace(POLICY, estate_code="khac")
    moved = advance(Watch(estate_code="khac"), a_tick(START, districts=(A,)), other, START)
    assert moved.watch.estate_code == "khac"
