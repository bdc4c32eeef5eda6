from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Engine, select

from ksc_ledger.alerts.watch import Ticked, run_tick
from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.links import advance
from ksc_ledger.rules.links_evidence import Cause, Knock
from ksc_ledger.rules.links_model import Limits, LinkState, Mute, MuteKind, NoticeKind
from ksc_ledger.state import leases, links, outbox, reading
from ksc_ledger.state.leases import Lease, LeaseLost
from ksc_ledger.state.links import LinksMoved
from ksc_ledger.state.tables import LINK, LINK_INTERVAL, LINK_WATCH, OUTAGE, OUTBOX
from unit.alerts.estates import PROVINCE, START, TICK, a_policy, a_tick
from unit.alerts.mails import LIVE

A, B = "huyen_a", "huyen_b"
# Quick to confirm: two ticks down, one tick up.
POLICY = a_policy(districts=(A, B), limits=Limits(k_down=2, t_down=TICK, k_up=1, t_up=timedelta()))


def a_lease(engine: Engine, owner: str = "attempt-1") -> Lease:
    lease = leases.acquire(engine, "watch:mau", owner, 300, START)
    assert lease is not None
    return lease


def ticked(engine: Engine, lease: Lease, number: int, seen: str = "ok") -> Ticked:
    at = START + number * TICK
    return run_tick(engine, lease, a_tick(at, {A: seen}, districts=(A, B)), POLICY, LIVE, at)


def everything(engine: Engine) -> list[object]:
    with reading(engine) as connection:
        return [
            connection.execute(select(table)).all()
            for table in (LINK_WATCH, LINK, LINK_INTERVAL, OUTAGE, OUTBOX)
        ]


def test_a_watch_comes_back_as_it_was_left(engine: Engine) -> None:
    lease = a_lease(engine)
    watch = links.load(engine, "mau").watch
    for number, seen in enumerate(["ok", "cut", "cut", "certificate", "nothing", "ok", "cut"]):
        at = START + number * TICK
        tick = a_tick(at, {A: seen}, districts=(A, B))
        watch = advance(watch, tick, POLICY, at).watch
        run_tick(engine, lease, tick, POLICY, LIVE, at)
        assert links.load(engine, "mau").watch == watch


def test_the_truth_and_its_mails_are_committed_together(engine: Engine) -> None:
    lease = a_lease(engine)
    ticked(engine, lease, 0)
    ticked(engine, lease, 1, "cut")
    message_ids = ticked(engine, lease, 2, "cut").message_ids
    (outage,) = links.outages(engine)
    assert (outage.server_code, outage.cause) == (A, Cause.LINK)
    assert outage.started_at == START + TICK
    assert outage.notified_at is None
    lost = [one for one in outbox.mails(engine) if one.mail_kind == "lost"]
    assert [one.recipient_role for one in lost] == ["ops_team", "unit"]
    assert {one.message_id for one in lost} == set(message_ids)
    assert all(one.incident_id == outage.incident_id for one in lost)
    assert lost[0].message_id == f"<{outage.incident_id}.lost.1.ops_team@ksc.tinh.example>"


@pytest.mark.parametrize("point", ["watch:begun", "watch:links", "watch:effects", "watch:outbox"])
def test_a_commit_that_fails_halfway_leaves_nothing(engine: Engine, point: str) -> None:
    lease = a_lease(engine)
    ticked(engine, lease, 0)
    ticked(engine, lease, 1, "cut")
    before = everything(engine)

    def fail(reached: str) -> None:
        if reached == point:
            raise RuntimeError("power cut")

    at = START + 2 * TICK
    with pytest.raises(RuntimeError, match="power cut"):
        run_tick(
            engine,
            lease,
            a_tick(at, {A: "cut"}, districts=(A, B)),
            POLICY,
            LIVE,
            at,
            reached=fail,
        )
    assert everything(engine) == before


def test_a_replay_a_backfill_and_old_news_write_nothing(engine: Engine) -> None:
    lease = a_lease(engine)
    ticked(engine, lease, 0)
    ticked(engine, lease, 1, "cut")
    before = everything(engine)
    assert not ticked(engine, lease, 1, "cut").has_moved
    assert not ticked(engine, lease, 0, "ok").has_moved
    at = START + 2 * TICK
    backfill = a_tick(at, {A: "cut"}, districts=(A, B), is_backfill=True)
    assert not run_tick(engine, lease, backfill, POLICY, LIVE, at).has_moved
    old = a_tick(at, {A: "cut"}, districts=(A, B))
    assert not run_tick(engine, lease, old, POLICY, LIVE, at + 4 * TICK).has_moved
    assert everything(engine) == before


def test_a_zombie_without_the_lease_commits_nothing(engine: Engine) -> None:
    zombie = a_lease(engine)
    ticked(engine, zombie, 0)
    leases.release(engine, zombie)
    a_lease(engine, "attempt-2")
    before = everything(engine)
    with pytest.raises(LeaseLost):
        ticked(engine, zombie, 1, "cut")
    assert everything(engine) == before


def test_of_two_watchers_that_read_the_same_state_one_commits(engine: Engine) -> None:
    """Even under one lease: the revisions decide."""
    lease = a_lease(engine)
    ticked(engine, lease, 0)
    kept = links.load(engine, "mau")
    at = START + TICK
    moved = advance(kept.watch, a_tick(at, {A: "cut"}, districts=(A, B)), POLICY, at)
    links.commit(engine, lease, kept, moved, LIVE)
    before = everything(engine)
    with pytest.raises(LinksMoved):
        links.commit(engine, lease, kept, moved, LIVE)
    assert everything(engine) == before


def test_of_two_first_ticks_at_once_one_commits(engine: Engine) -> None:
    lease = a_lease(engine)
    kept = links.load(engine, "mau")
    moved = advance(kept.watch, a_tick(START, districts=(A, B)), POLICY, START)
    raised: list[Exception] = []

    def commit() -> None:
        try:
            links.commit(engine, lease, kept, moved, LIVE)
        except LinksMoved as error:
            raised.append(error)

    threads = [threading.Thread(target=commit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(raised) == 1
    assert len(outbox.mails(engine)) == 1  # the weekly self-test, once


def test_a_single_server_moved_by_somebody_else_stops_the_whole_tick(engine: Engine) -> None:
    lease = a_lease(engine)
    ticked(engine, lease, 0)
    kept = links.load(engine, "mau")
    stale = replace(kept, revisions={**kept.revisions, B: 0})
    at = START + TICK
    moved = advance(kept.watch, a_tick(at, districts=(A, B)), POLICY, at)
    before = everything(engine)
    with pytest.raises(LinksMoved, match=B):
        links.commit(engine, lease, stale, moved, LIVE)
    assert everything(engine) == before


def test_intervals_join_without_gap_or_overlap(engine: Engine) -> None:
    lease = a_lease(engine)
    history = ["ok"] * 2 + ["cut"] * 3 + ["nothing"] * 5 + ["ok"] * 3 + ["cut"] + ["ok"]
    for number, seen in enumerate(history):
        ticked(engine, lease, number, seen)
    rows = [one for one in links.intervals(engine) if one.server_code == A]
    assert [(one.state, (one.started_at - START) / TICK) for one in rows] == [
        (LinkState.UP, 0),
        (LinkState.SUSPECT, 2),
        (LinkState.DOWN, 3),
        (LinkState.UNKNOWN, 4),
        (LinkState.UP, 10),
        (LinkState.SUSPECT, 13),
        (LinkState.UP, 14),
    ]
    for one, following in pairwise(rows):
        assert one.ended_at == following.started_at
        assert one.started_at < following.started_at
    assert rows[-1].ended_at is None


def test_an_outage_row_tells_its_whole_story(engine: Engine) -> None:
    lease = a_lease(engine)
    for number, seen in enumerate(["ok", "cut", "cut", "cut", "ok"]):
        ticked(engine, lease, number, seen)
    (outage,) = links.outages(engine)
    assert outage.confirmed_at == START + 2 * TICK
    assert outage.ended_at == START + 4 * TICK
    assert outage.duration_seconds == 15 * 60
    assert outage.inhibited_by is None
    assert not outage.is_retired


def test_a_district_lost_with_its_province_says_who_inhibited_it(engine: Engine) -> None:
    lease = a_lease(engine)
    for number in range(3):
        at = START + number * TICK
        tick = a_tick(at, {A: "cut"}, province=Knock.TIMEOUT, districts=(A, B))
        run_tick(engine, lease, tick, POLICY, LIVE, at)
    by_server = {one.server_code: one for one in links.outages(engine)}
    assert by_server[A].inhibited_by == PROVINCE
    assert by_server[PROVINCE].inhibited_by is None
    kinds = {one.mail_kind for one in outbox.mails(engine)} - {"self_test"}
    assert kinds == {"province_down"}


def test_a_retired_server_keeps_its_history_and_its_numbers(engine: Engine) -> None:
    lease = a_lease(engine)
    for number, seen in enumerate(["ok", "cut", "cut"]):
        ticked(engine, lease, number, seen)
    without = replace(POLICY, servers=tuple(one for one in POLICY.servers if one.server_code != A))
    at = START + 3 * TICK
    run_tick(engine, lease, a_tick(at, districts=(B,)), without, LIVE, at)
    (outage,) = links.outages(engine)
    assert outage.is_retired
    assert all(one.ended_at for one in links.intervals(engine) if one.server_code == A)
    for number, seen in enumerate(["cut", "cut"], start=4):
        ticked(engine, lease, number, seen)
    assert len({one.incident_id for one in links.outages(engine)}) == 2
    assert "back" not in {one.mail_kind for one in outbox.mails(engine)}


def test_estates_do_not_touch_each_other(engine: Engine) -> None:
    lease = a_lease(engine)
    ticked(engine, lease, 0)
    other = leases.acquire(engine, "watch:khac", "attempt-1", 300, START)
    assert other is not None
    renamed = tuple(
        replace(one, server_code=f"{one.server_code}2", parent_code=None) for one in POLICY.servers
    )
    policy = replace(POLICY, estate_code="khac", servers=renamed)
    run_tick(engine, other, a_tick(START), policy, LIVE, START)
    assert {one.server_code for one in links.load(engine, "mau").watch.links} == {A, B, PROVINCE}
    assert len(links.load(engine, "khac").watch.links) == 3


# What operators say


def test_an_acknowledgement_holds_reminders_and_the_newest_counts(engine: Engine) -> None:
    lease = a_lease(engine)
    for number, seen in enumerate(["ok", "cut", "cut"]):
        ticked(engine, lease, number, seen)
    (outage,) = links.outages(engine)
    until = START + timedelta(hours=10)
    for hours, end in [(1, START + timedelta(hours=2)), (2, until)]:
        links.acknowledge(
            engine,
            outage.incident_id,
            until_at=end,
            owner="Tổ vận hành",
            note="đang xử lý",
            made_at=START + timedelta(hours=hours),
        )
    kept = links.load(engine, "mau").watch.link(A)
    assert kept is not None
    assert kept.outage is not None
    assert kept.outage.acknowledged_until == until
    at = START + timedelta(hours=9)
    run_tick(engine, lease, a_tick(at, {A: "cut"}, districts=(A, B)), POLICY, LIVE, at)
    assert "still_lost" not in {one.mail_kind for one in outbox.mails(engine)}
    run_tick(engine, lease, a_tick(until, {A: "cut"}, districts=(A, B)), POLICY, LIVE, until)
    assert "still_lost" in {one.mail_kind for one in outbox.mails(engine)}


def test_only_an_open_outage_can_be_acknowledged_and_only_ahead(engine: Engine) -> None:
    lease = a_lease(engine)
    for number, seen in enumerate(["ok", "cut", "cut"]):
        ticked(engine, lease, number, seen)
    (outage,) = links.outages(engine)
    for incident_id, until in [("unheard-of", START + TICK), (outage.incident_id, START)]:
        with pytest.raises(LedgerError) as raised:
            links.acknowledge(
                engine, incident_id, until_at=until, owner="a", note="", made_at=START
            )
        assert raised.value.code == "acknowledgement_refused"


def test_the_second_of_two_acknowledgements_at_one_instant_is_told_and_the_first_stays(
    engine: Engine,
) -> None:
    lease = a_lease(engine)
    for number, seen in enumerate(["ok", "cut", "cut"]):
        ticked(engine, lease, number, seen)
    (outage,) = links.outages(engine)
    at = START + timedelta(hours=1)

    def acknowledge(until: datetime) -> None:
        links.acknowledge(
            engine, outage.incident_id, until_at=until, owner="a", note="", made_at=at
        )

    acknowledge(at + TICK)
    with pytest.raises(LedgerError, match="vừa được tiếp nhận"):
        acknowledge(at + 2 * TICK)
    kept = links.load(engine, "mau").watch.link(A)
    assert kept is not None
    assert kept.outage is not None
    assert kept.outage.acknowledged_until == at + TICK


def a_silence(hours: float) -> Mute:
    return Mute(
        kind=MuteKind.SILENCE,
        server_code=A,
        from_at=START,
        to_at=START + timedelta(hours=hours),
    )


def test_a_silence_made_by_an_operator_holds_the_mails_until_it_ends(engine: Engine) -> None:
    lease = a_lease(engine)
    links.silence(
        engine, "s1", a_silence(0.5), reason="đấu nối lại", owner="Tổ vận hành", made_at=START
    )
    for number, seen in enumerate(["ok", *["cut"] * 5]):
        ticked(engine, lease, number, seen)
    assert len(links.outages(engine)) == 1
    assert NoticeKind.LOST not in {one.mail_kind for one in outbox.mails(engine)}
    ticked(engine, lease, 6, "cut")
    assert NoticeKind.LOST in {one.mail_kind for one in outbox.mails(engine)}
    assert links.silences(engine, START + TICK) == (a_silence(0.5),)
    assert links.silences(engine, START + timedelta(hours=0.5)) == ()


@pytest.mark.parametrize(
    ("reason", "owner", "hours"), [("", "a", 1), ("vì", " ", 1), ("vì", "a", 0), ("vì", "a", -1)]
)
def test_a_silence_without_reason_owner_or_end_is_refused(
    engine: Engine, reason: str, owner: str, hours: float
) -> None:
    with pytest.raises(LedgerError) as raised:
        links.silence(engine, "s1", a_silence(hours), reason=reason, owner=owner, made_at=START)
    assert raised.value.code == "silence_incomplete"
