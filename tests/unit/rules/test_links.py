"""The link watch by example: each rule at both sides of its boundary."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.links import advance, flap_score, incident_id_of, wants_word
from ksc_ledger.rules.links_evidence import (
    Cause,
    Knock,
    ProvinceWord,
    ServerEvidence,
    Tick,
)
from ksc_ledger.rules.links_model import (
    Advance,
    IntervalClosed,
    IntervalOpened,
    Limits,
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
from unit.alerts.estates import DISTRICTS, MINUTE, PROVINCE, START, TICK, a_policy, a_tick

A = "huyen_a"
HOUR = 60 * MINUTE


class Estate:
    """An estate whose time a test moves; ``notices`` collects what was sent."""

    def __init__(self, policy: Policy | None = None, at: datetime = START) -> None:
        self.policy = policy or a_policy(districts=(A, "huyen_b"))
        self.districts = tuple(
            one.server_code for one in self.policy.servers if one.parent_code is not None
        )
        self.watch = Watch(estate_code="mau")
        self.at = at - TICK
        self.notices: list[Notice] = []
        self.effects: list[object] = []

    def tick(
        self,
        seen: str | dict[str, str] = "ok",
        *,
        after: timedelta = TICK,
        province: Knock = Knock.OK,
        is_way_out_open: bool | None = True,
    ) -> Advance:
        self.at += after
        by_server = {A: seen} if isinstance(seen, str) else seen
        made = a_tick(
            self.at,
            by_server,
            province=province,
            is_way_out_open=is_way_out_open,
            districts=self.districts,
        )
        moved = advance(self.watch, made, self.policy, self.at)
        self.watch = moved.watch
        self.effects += moved.effects
        self.notices += [one for one in moved.effects if isinstance(one, Notice)]
        return moved

    def ticks(self, count: int, seen: str | dict[str, str] = "ok", **options: Any) -> None:
        for _ in range(count):
            self.tick(seen, **options)

    def until(self, at: datetime, seen: str | dict[str, str], **options: Any) -> None:
        while self.at + TICK <= at:
            self.tick(seen, **options)

    def state(self, code: str = A) -> LinkState:
        link = self.watch.link(code)
        assert link is not None
        return link.state

    def shown(self, code: str = A) -> tuple[LinkState, Cause | None]:
        link = self.watch.link(code)
        assert link is not None
        assert link.interval is not None
        return link.interval.state, link.interval.cause

    def sent(self, *kinds: NoticeKind) -> list[tuple[str, str, str | None]]:
        return [
            (one.kind.value, one.role, one.server_code)
            for one in self.notices
            if (kinds and one.kind in kinds)
            or (not kinds and one.kind not in (NoticeKind.DIGEST, NoticeKind.SELF_TEST))
        ]

    def of(self, kind: type) -> list[Any]:
        return [one for one in self.effects if isinstance(one, kind)]


def an_estate_that_is_up(**options: Any) -> Estate:
    estate = Estate(**options)
    estate.ticks(3)
    estate.effects.clear()
    estate.notices.clear()
    return estate


def test_the_first_answer_of_a_healthy_server_is_no_news() -> None:
    estate = Estate()
    estate.tick("nothing")
    assert estate.state() is LinkState.NEW
    estate.tick("ok")
    assert estate.state() is LinkState.UP
    assert estate.sent() == []


def test_a_server_that_never_connected_is_lost_and_said_to_be_new() -> None:
    estate = Estate()
    estate.ticks(3, "dead")
    assert estate.state() is LinkState.NEW
    estate.tick("dead")
    assert estate.state() is LinkState.DOWN
    (opened,) = estate.of(OutageOpened)
    assert opened.outage.was_never_connected
    lost = next(one for one in estate.notices if one.kind is NoticeKind.LOST)
    assert lost.facts["was_never_connected"]


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        pytest.param([0, 5, 10], LinkState.SUSPECT, id="three, 10 minutes"),
        pytest.param([0, 14.99], LinkState.SUSPECT, id="two, almost 15 minutes"),
        pytest.param([0, 60], LinkState.SUSPECT, id="two, an hour"),
        pytest.param([0, 5, 14.99], LinkState.SUSPECT, id="three, almost 15 minutes"),
        pytest.param([0, 5, 15], LinkState.DOWN, id="three, 15 minutes"),
    ],
)
def test_a_loss_needs_three_pieces_of_evidence_and_fifteen_minutes(
    steps: list[float], state: LinkState
) -> None:
    estate = an_estate_that_is_up()
    begun = estate.at + TICK
    for minutes in steps:
        estate.tick("cut", after=begun + minutes * MINUTE - estate.at)
    assert estate.state() is state
    assert bool(estate.sent(NoticeKind.LOST)) is (state is LinkState.DOWN)


def test_an_outage_begins_at_its_first_bad_evidence_and_ends_at_its_first_good_one() -> None:
    estate = an_estate_that_is_up()
    begun = estate.at + TICK
    estate.ticks(5, "cut")
    ended = estate.at + TICK
    estate.ticks(3, "ok")
    (opened,), (closed,) = estate.of(OutageOpened), estate.of(OutageClosed)
    assert opened.outage.started_at == begun
    assert opened.outage.confirmed_at == begun + 15 * MINUTE
    assert closed.ended_at == ended
    (back,) = (one for one in estate.notices if one.kind is NoticeKind.BACK and one.role == "unit")
    assert back.facts["duration_seconds"] == 25 * 60


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        pytest.param([0], LinkState.RECOVERING, id="one"),
        pytest.param([0, 9.99], LinkState.RECOVERING, id="two, almost 10 minutes"),
        pytest.param([0, 10], LinkState.UP, id="two, 10 minutes"),
    ],
)
def test_a_recovery_needs_two_pieces_of_evidence_and_ten_minutes(
    steps: list[float], state: LinkState
) -> None:
    estate = an_estate_that_is_up()
    estate.ticks(4, "cut")
    begun = estate.at + TICK
    for minutes in steps:
        estate.tick("ok", after=begun + minutes * MINUTE - estate.at)
    assert estate.state() is state
    assert bool(estate.sent(NoticeKind.BACK)) is (state is LinkState.UP)


def test_a_relapse_while_recovering_is_the_same_outage_and_no_mail() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(4, "cut")
    estate.tick("ok")
    estate.notices.clear()
    estate.ticks(3, "cut")
    estate.ticks(3, "ok")
    assert len(estate.of(OutageOpened)) == len(estate.of(OutageClosed)) == 1
    assert {kind for kind, _, _ in estate.sent()} == {"back"}


def test_a_short_break_is_no_outage() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(3, "cut")
    estate.tick("ok")
    assert estate.state() is LinkState.UP
    assert estate.of(OutageOpened) == []


@pytest.mark.parametrize(("seen", "cause"), [("cut", Cause.LINK), ("dead", Cause.SERVER)])
def test_the_cause_tells_a_cut_link_from_a_dead_server(seen: str, cause: Cause) -> None:
    estate = an_estate_that_is_up()
    estate.ticks(4, seen)
    (opened,) = estate.of(OutageOpened)
    assert opened.outage.cause is cause
    assert estate.shown() == (LinkState.DOWN, cause)


# No evidence


@pytest.mark.parametrize(("minutes", "shown"), [(14.99, LinkState.UP), (15, LinkState.UNKNOWN)])
def test_a_link_is_unknown_after_fifteen_minutes_without_evidence(
    minutes: float, shown: LinkState
) -> None:
    estate = an_estate_that_is_up()
    known_until = estate.at
    estate.tick("nothing", after=minutes * MINUTE)
    assert estate.shown()[0] is shown
    assert estate.state() is LinkState.UP
    if shown is LinkState.UNKNOWN:
        (opened,) = (one for one in estate.of(IntervalOpened) if one.server_code == A)
        assert opened.interval.started_at == known_until


def test_no_evidence_moves_no_counter() -> None:
    estate = an_estate_that_is_up()
    begun = estate.at + TICK
    estate.ticks(2, "cut")
    estate.ticks(12, "nothing")
    assert estate.state() is LinkState.SUSPECT
    estate.tick("cut")
    (opened,) = estate.of(OutageOpened)
    assert opened.outage.started_at == begun


def test_ticks_that_never_ran_are_unknown_time_too() -> None:
    estate = an_estate_that_is_up()
    before = estate.at
    estate.tick("ok", after=2 * HOUR)
    intervals = [one.interval for one in estate.of(IntervalOpened) if one.server_code == A]
    assert [(one.state, one.started_at) for one in intervals] == [
        (LinkState.UNKNOWN, before),
        (LinkState.UP, estate.at),
    ]


def test_a_mail_that_says_lost_leaves_only_on_a_tick_that_says_so() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(4, "cut")
    estate.notices.clear()
    estate.tick("nothing", after=4 * HOUR)
    assert estate.sent() == []
    estate.tick("cut")
    assert ("still_lost", "ops_team", A) in estate.sent()


@pytest.mark.parametrize(
    ("history", "is_wanted"),
    [
        ([], True),
        (["ok"], False),
        (["ok", "cut"], True),
        (["ok", *["cut"] * 9], True),
        (["ok", *["cut"] * 5, "ok"], True),
        (["ok", *["cut"] * 5, "ok", "ok", "ok"], False),
        (["ok", "nothing"], True),
        (["ok", *["nothing"] * 7], True),
        (["ok", *["nothing"] * 8], False),
        (["nothing"], False),
        (["certificate"], False),
    ],
)
def test_the_province_is_wanted_while_something_is_in_doubt(
    history: list[str], is_wanted: bool
) -> None:
    """A district silent for long, or never heard of, is no reason to log in at every tick."""
    estate = Estate()
    for seen in history:
        estate.tick(seen)
    assert wants_word(estate.watch, estate.policy.limits) is is_wanted


@pytest.mark.parametrize("seen", [Knock.TIMEOUT, Knock.REFUSED])
def test_a_dead_server_is_told_in_time_though_the_province_is_asked_every_half_hour(
    seen: Knock,
) -> None:
    """Two intervals after the time that confirms a loss, with seven questions in all."""
    policy = a_policy(districts=(A,))
    watch = Watch(estate_code="mau")
    died_at, asked, word, told_at = START + 62 * MINUTE, 0, None, None
    for number in range(24):
        at = START + number * TICK
        is_dead = at >= died_at
        is_due = word is None or at - word.read_at >= 30 * MINUTE
        if is_due or wants_word(watch, policy.limits):
            word, asked = ProvinceWord(is_active=not is_dead, read_at=at), asked + 1
        tick = Tick(
            at=at,
            evidence={
                PROVINCE: ServerEvidence(knock=Knock.OK),
                A: ServerEvidence(knock=seen if is_dead else Knock.OK, province_word=word),
            },
            is_way_out_open=True,
        )
        moved = advance(watch, tick, policy, at)
        watch = moved.watch
        kinds = {one.kind for one in moved.effects if isinstance(one, Notice)}
        if NoticeKind.LOST in kinds:
            told_at = at
            break
    assert told_at is not None
    assert told_at - died_at <= 25 * MINUTE
    assert asked == 1 + 2 + 4


# Our own blindness


def test_a_blind_collector_is_one_mail_to_the_operations_team_and_none_to_districts() -> None:
    """F04, and two hours without any evidence (domain 5.5)."""
    estate = an_estate_that_is_up(policy=a_policy())
    estate.ticks(24, {}, province=Knock.TIMEOUT, is_way_out_open=False)
    assert estate.sent() == [("collector_blind", "ops_team", None)]
    assert all(estate.shown(code)[0] is LinkState.UNKNOWN for code in (PROVINCE, *DISTRICTS))
    estate.ticks(3, {})
    assert estate.of(OutageOpened) == []
    assert len(estate.sent()) == 1


@pytest.mark.parametrize(("ticks", "is_told"), [(3, False), (4, True)])
def test_blindness_is_told_after_fifteen_minutes(ticks: int, is_told: bool) -> None:
    estate = an_estate_that_is_up()
    estate.ticks(ticks, is_way_out_open=False)
    assert bool(estate.sent()) is is_told


def test_blindness_that_comes_and_goes_is_not_told_each_time() -> None:
    estate = an_estate_that_is_up()
    for _ in range(5):
        estate.ticks(4, is_way_out_open=False)
        estate.tick()
    assert len(estate.sent(NoticeKind.COLLECTOR_BLIND)) == 1


# The province


def test_a_province_that_is_down_is_one_mail_naming_its_districts() -> None:
    """F50."""
    estate = an_estate_that_is_up(policy=a_policy())
    estate.ticks(6, dict.fromkeys(DISTRICTS, "no word"), province=Knock.TIMEOUT)
    assert estate.sent() == [
        ("province_down", "ops_team", PROVINCE),
        ("province_down", "so", PROVINCE),
    ]
    assert estate.notices[0].facts["districts"] == [
        "Huyện Kon Plông",
        "Huyện Tháp Mười",
        "Thành phố Cao Lãnh",
        "Thị xã Hồng Ngự",
    ]
    (opened,) = estate.of(OutageOpened)
    assert opened.outage.cause is Cause.PROVINCE
    assert estate.shown(A) == (LinkState.UNKNOWN, Cause.PROVINCE)


def test_districts_lost_with_their_province_are_told_only_if_they_stay_lost() -> None:
    """F51: of four that fell with the province three come back."""
    estate = an_estate_that_is_up(policy=a_policy())
    all_cut = dict.fromkeys(DISTRICTS, "cut")
    estate.ticks(6, all_cut, province=Knock.TIMEOUT)
    assert {one.inhibited_by for one in (each.outage for each in estate.of(OutageOpened))} == {
        None,
        PROVINCE,
    }
    estate.notices.clear()
    estate.ticks(12, {A: "cut"})
    lost = estate.sent(NoticeKind.LOST)
    assert lost == [("lost", "ops_team", A), ("lost", "unit", A)]
    assert [one for one in estate.sent(NoticeKind.BACK) if one[2] != PROVINCE] == []


def test_a_district_is_held_back_already_while_its_province_is_only_suspected() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(3, "cut")
    estate.tick("cut", province=Knock.TIMEOUT)
    assert estate.state() is LinkState.DOWN
    assert estate.state(PROVINCE) is LinkState.SUSPECT
    assert estate.sent() == []


def test_after_the_province_two_ticks_settle_before_districts_are_told() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(4, "cut", province=Knock.TIMEOUT)
    estate.ticks(3, "cut")
    assert estate.state(PROVINCE) is LinkState.UP
    assert estate.sent(NoticeKind.LOST) == []
    estate.tick("cut")
    assert estate.sent(NoticeKind.LOST) == []
    estate.tick("cut")
    assert ("lost", "ops_team", A) in estate.sent(NoticeKind.LOST)
    assert estate.notices[-1].facts["was_inhibited"]


# Trouble that is not loss


@pytest.mark.parametrize("seen", ["certificate", "credentials"])
def test_certificate_and_credentials_are_told_to_the_engineers_once_and_never_called_a_loss(
    seen: str,
) -> None:
    """F05, F08."""
    estate = an_estate_that_is_up()
    estate.ticks(40, seen)
    assert estate.state() is LinkState.UP
    assert estate.shown() == (LinkState.UP, Cause(seen))
    assert estate.sent() == [("trouble", "engineers", A)]


def test_a_console_we_cannot_reach_is_our_trouble_once_it_is_certain() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(3, "path")
    assert estate.sent() == []
    estate.tick("path")
    assert estate.sent() == [("trouble", "engineers", A)]
    assert estate.shown() == (LinkState.UP, Cause.PATH)


def test_trouble_neither_makes_a_loss_nor_hides_one() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(4, "cut, certificate")
    assert estate.state() is LinkState.DOWN
    assert ("lost", "ops_team", A) in estate.sent()
    assert ("trouble", "engineers", A) in estate.sent()
    (opened,) = estate.of(OutageOpened)
    assert opened.outage.cause is Cause.LINK


def test_the_same_trouble_is_told_again_only_after_a_day() -> None:
    estate = an_estate_that_is_up()
    for _ in range(3):
        estate.tick("certificate")
        estate.tick("ok")
    assert len(estate.sent(NoticeKind.TROUBLE)) == 1
    estate.tick("certificate", after=24 * HOUR)
    assert len(estate.sent(NoticeKind.TROUBLE)) == 2


# The ladder

FRIDAY_NIGHT = START + timedelta(days=3, hours=13)  # 22:00 in Vietnam
MONDAY_OPENING = START + timedelta(days=5, hours=22, minutes=30)  # 07:30 in Vietnam


def test_at_night_the_operations_team_hears_at_once_and_the_unit_at_the_first_working_hour() -> (
    None
):
    estate = an_estate_that_is_up(at=FRIDAY_NIGHT)
    estate.until(MONDAY_OPENING - TICK, "cut")
    assert estate.sent(NoticeKind.LOST) == [("lost", "ops_team", A)]
    estate.until(MONDAY_OPENING, "cut")
    assert ("lost", "unit", A) in estate.sent(NoticeKind.LOST)
    told = next(one for one in estate.notices if one.role == "unit")
    assert told.created_at == MONDAY_OPENING


def test_the_department_hears_after_four_working_hours_and_the_so_after_a_working_day() -> None:
    estate = an_estate_that_is_up(at=FRIDAY_NIGHT)
    estate.until(MONDAY_OPENING + timedelta(days=1), "cut")
    escalated = {one.role: one.created_at for one in estate.notices if one.kind == "escalated"}
    # Monday's four hours are its whole morning: 11:30 is closed, so 13:30 it is.
    assert escalated["department"] == MONDAY_OPENING + 6 * HOUR
    assert escalated["so"] == MONDAY_OPENING + timedelta(days=1)


def test_reminders_come_after_four_twelve_and_twenty_four_hours_to_each_who_was_told() -> None:
    estate = an_estate_that_is_up(policy=a_policy(districts=(A,)))
    estate.ticks(4, "cut")
    told_at = estate.at
    estate.until(told_at + timedelta(days=3), "cut")
    reminders = [one for one in estate.notices if one.kind is NoticeKind.STILL_LOST]
    assert [
        (one.step, one.created_at - told_at) for one in reminders if one.role == "ops_team"
    ] == [(1, 4 * HOUR), (2, 12 * HOUR), (3, 24 * HOUR)]
    unit = [one.created_at - told_at for one in reminders if one.role == "unit"]
    # The unit is reminded in office hours only: the 12 hours fall into the night.
    assert unit == [4 * HOUR, 22 * HOUR, 24 * HOUR]


def test_of_reminders_missed_only_the_newest_is_sent() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(4, "cut")
    estate.notices.clear()
    estate.tick("cut", after=13 * HOUR)
    reminders = [one for one in estate.notices if one.kind is NoticeKind.STILL_LOST]
    assert [(one.role, one.step) for one in reminders if one.role == "ops_team"] == [
        ("ops_team", 2)
    ]


def test_after_the_last_reminder_the_outage_stays_in_the_daily_digest() -> None:
    estate = an_estate_that_is_up()
    estate.until(START + timedelta(days=4), "cut")
    digests = [one for one in estate.notices if one.kind is NoticeKind.DIGEST]
    assert [one.created_at.hour for one in digests] == [1, 1, 1, 1]  # 08:00 in Vietnam
    assert digests[-1].facts["rows"][0]["place"] == "Huyện Tháp Mười"
    assert digests[-1].facts["rows"][0]["is_lost"]


def test_a_quiet_day_has_no_digest_and_every_week_a_self_test() -> None:
    estate = Estate()
    estate.until(START + timedelta(days=14), "ok", after=HOUR)
    assert estate.sent(NoticeKind.DIGEST) == []
    tests = [one.created_at for one in estate.notices if one.kind is NoticeKind.SELF_TEST]
    assert len(tests) == 3
    assert (tests[2] - tests[1]) == timedelta(days=7)
    assert len({one.incident_id for one in estate.notices}) == 3


def test_an_acknowledgement_holds_reminders_and_escalation_until_it_ends() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(4, "cut")
    link = estate.watch.link(A)
    assert link is not None
    assert link.outage is not None
    until = estate.at + 25 * HOUR
    acknowledged = replace(link, outage=replace(link.outage, acknowledged_until=until))
    estate.watch = replace(
        estate.watch,
        links=tuple(acknowledged if one.server_code == A else one for one in estate.watch.links),
    )
    estate.notices.clear()
    estate.until(until - TICK, "cut")
    assert estate.sent() == []
    estate.until(until + TICK, "cut")
    assert {kind for kind, _, _ in estate.sent()} == {"still_lost", "escalated"}
    estate.ticks(3, "ok")
    assert ("back", "ops_team", A) in estate.sent()


# Maintenance, silence, flapping


def a_mute(kind: MuteKind, start: datetime, length: timedelta) -> Mute:
    return Mute(kind=kind, server_code=A, from_at=start, to_at=start + length)


def test_an_outage_of_a_planned_window_is_told_at_its_end_if_it_lasts() -> None:
    """F53."""
    window = a_mute(MuteKind.MAINTENANCE, START + HOUR, 2 * HOUR)
    estate = an_estate_that_is_up(policy=a_policy(districts=(A,), mutes=(window,)))
    estate.until(START + HOUR, "ok")
    estate.until(window.to_at - TICK, "cut")
    assert estate.sent() == []
    (opened,) = estate.of(OutageOpened)
    assert opened.outage.is_in_maintenance
    estate.tick("cut")
    assert ("lost", "ops_team", A) in estate.sent()
    assert estate.notices[0].created_at == window.to_at
    assert estate.notices[0].facts["is_in_maintenance"]


def test_an_outage_over_before_the_window_ends_is_recorded_and_not_told() -> None:
    window = a_mute(MuteKind.MAINTENANCE, START + HOUR, 2 * HOUR)
    estate = an_estate_that_is_up(policy=a_policy(districts=(A,), mutes=(window,)))
    estate.until(START + HOUR, "ok")
    estate.ticks(6, "cut")
    estate.until(window.to_at + HOUR, "ok")
    assert estate.sent() == []
    assert len(estate.of(OutageClosed)) == 1
    marked = [one.interval.is_maintenance for one in estate.of(IntervalOpened)]
    assert True in marked
    assert marked[-1] is False


def test_a_silence_holds_mails_without_calling_it_maintenance() -> None:
    silence = a_mute(MuteKind.SILENCE, START, 2 * HOUR)
    estate = an_estate_that_is_up(policy=a_policy(districts=(A,), mutes=(silence,)))
    estate.until(silence.to_at - TICK, "cut")
    assert estate.sent() == []
    assert not any(one.interval.is_maintenance for one in estate.of(IntervalOpened))
    estate.tick("cut")
    assert ("lost", "ops_team", A) in estate.sent()


def test_a_server_may_have_limits_of_its_own() -> None:
    """Both districts are cut at once; the second is on a satellite and confirmed more slowly."""
    slow = Limits(k_down=6, t_down=30 * MINUTE, reminders=(8 * HOUR,))
    policy = replace(a_policy(districts=(A, "huyen_b")), server_limits={"huyen_b": slow})
    estate = an_estate_that_is_up(policy=policy)
    cut = {A: "cut", "huyen_b": "cut"}
    estate.ticks(4, cut)
    assert (estate.state(A), estate.state("huyen_b")) == (LinkState.DOWN, LinkState.SUSPECT)
    estate.ticks(2, cut)
    assert estate.state("huyen_b") is LinkState.SUSPECT
    estate.tick(cut)
    assert estate.state("huyen_b") is LinkState.DOWN
    estate.ticks(int(5 * HOUR / TICK), cut)
    assert ("still_lost", "ops_team", A) in estate.sent(NoticeKind.STILL_LOST)
    assert ("still_lost", "ops_team", "huyen_b") not in estate.sent(NoticeKind.STILL_LOST)


@pytest.mark.parametrize(
    ("k_down", "state"), [(3, LinkState.DOWN), (4, LinkState.DOWN), (5, LinkState.SUSPECT)]
)
def test_new_limits_count_from_the_next_tick_and_keep_what_was_counted(
    k_down: int, state: LinkState
) -> None:
    """P16: three bad ticks were counted under patient limits when the row was changed."""
    patient = Limits(k_down=50)
    estate = an_estate_that_is_up(
        policy=replace(a_policy(districts=(A, "huyen_b")), server_limits={A: patient})
    )
    estate.ticks(3, "cut")
    estate.policy = replace(estate.policy, server_limits={A: Limits(k_down=k_down)})
    estate.tick("cut")
    assert estate.state(A) is state


def test_limits_that_change_during_an_outage_keep_its_incident() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(4, "cut")
    (opened,) = estate.of(OutageOpened)
    estate.policy = replace(estate.policy, server_limits={A: Limits(k_down=50, k_up=1)})
    estate.ticks(10, "cut")
    estate.ticks(3, "ok")
    (closed,) = estate.of(OutageClosed)
    assert closed.incident_id == opened.outage.incident_id
    assert len(estate.of(OutageOpened)) == 1


def test_whoever_was_told_hears_of_the_return_even_inside_a_window() -> None:
    window = a_mute(MuteKind.MAINTENANCE, START + HOUR, 2 * HOUR)
    estate = an_estate_that_is_up(policy=a_policy(districts=(A,), mutes=(window,)))
    estate.until(START + HOUR, "cut")
    assert ("lost", "ops_team", A) in estate.sent()
    estate.ticks(4, "ok")
    assert ("back", "ops_team", A) in estate.sent()


def test_flapping_is_one_mail_when_it_begins_and_one_when_it_ends() -> None:
    """F52."""
    estate = an_estate_that_is_up()
    for number in range(48):
        estate.tick("cut" if number % 2 else "ok")
    estate.ticks(40, "ok")
    assert [(one.kind.value, one.step) for one in estate.notices] == [
        ("flapping", 0),
        ("flapping", 1),
    ]
    assert estate.notices[1].facts["state"] == "up"
    assert len({one.incident_id for one in estate.notices}) == 1


def test_an_outage_inside_flapping_is_held_but_not_for_ever() -> None:
    estate = an_estate_that_is_up()
    for _ in range(6):
        estate.ticks(5, "cut")
        estate.ticks(15, "ok")
    estate.notices.clear()
    begun = estate.at + TICK
    estate.until(begun + 2 * HOUR - TICK, "cut")
    assert estate.sent(NoticeKind.LOST) == []
    estate.tick("cut")
    assert ("lost", "ops_team", A) in estate.sent(NoticeKind.LOST)


def test_a_link_that_breaks_slowly_but_often_flaps_as_well() -> None:
    estate = an_estate_that_is_up()
    for _ in range(8):
        estate.ticks(5, "cut")
        estate.ticks(15, "ok")
    assert len(estate.of(OutageOpened)) == 8
    assert (
        len([one for one in estate.notices if one.role == "ops_team" and one.kind == "lost"]) == 5
    )
    assert len(estate.sent(NoticeKind.FLAPPING)) == 1


def test_the_flap_score_weighs_newer_changes_more() -> None:
    assert flap_score("", 20) == 0
    assert flap_score("1" * 20, 20) == pytest.approx(0.99)
    assert flap_score("1" + "0" * 19, 20) == pytest.approx(0.8 / 20)
    assert flap_score("0" * 19 + "1", 20) == pytest.approx(1.18 / 20)
    assert flap_score("1", 20) == pytest.approx(1.18 / 20)


# What moves nothing, and what a registry change does


def test_a_replay_a_backfill_and_old_news_move_nothing() -> None:
    estate = an_estate_that_is_up()
    estate.ticks(2, "cut")
    now = estate.at
    for tick, at in [
        (a_tick(now, {A: "cut"}, districts=(A, "huyen_b")), now),
        (a_tick(now - TICK, {A: "cut"}, districts=(A, "huyen_b")), now),
        (a_tick(now + TICK, {A: "cut"}, districts=(A, "huyen_b"), is_backfill=True), now + TICK),
        (a_tick(now + TICK, {A: "cut"}, districts=(A, "huyen_b")), now + TICK + 15.01 * MINUTE),
    ]:
        moved = advance(estate.watch, tick, estate.policy, at)
        assert (moved.watch, moved.effects, moved.has_moved) == (estate.watch, (), False)
    just_in_time = advance(
        estate.watch,
        a_tick(now + TICK, {A: "cut"}, districts=(A, "huyen_b")),
        estate.policy,
        now + TICK + 15 * MINUTE,
    )
    assert just_in_time.has_moved


def test_evidence_from_the_future_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="after now"):
        advance(Watch(estate_code="mau"), a_tick(START + TICK), a_policy(), START)


def test_a_server_that_leaves_the_registry_is_retired_and_not_called_back() -> None:
    """F61."""
    estate = an_estate_that_is_up()
    estate.ticks(5, "cut")
    estate.policy = replace(
        estate.policy, servers=tuple(one for one in estate.policy.servers if one.server_code != A)
    )
    estate.notices.clear()
    estate.tick()
    (closed,) = estate.of(OutageClosed)
    assert closed.is_retired
    assert [one.server_code for one in estate.of(IntervalClosed)] == [A]
    assert estate.sent() == []
    estate.policy = a_policy(districts=(A, "huyen_b"))
    estate.tick("ok")
    assert estate.state() is LinkState.UP
    estate.ticks(5, "cut")
    first, second = (one.outage.incident_id for one in estate.of(OutageOpened))
    assert first != second


def test_a_changed_ladder_keeps_the_incident_and_tells_those_it_adds() -> None:
    """F62, P16."""
    full = a_policy(districts=(A,)).ladder
    estate = an_estate_that_is_up(policy=a_policy(districts=(A,), ladder=full[:1]))
    estate.ticks(5, "cut")
    incident = estate.notices[0].incident_id
    estate.policy = replace(estate.policy, ladder=full)
    estate.tick("cut")
    assert [(one.role, one.incident_id) for one in estate.notices] == [
        ("ops_team", incident),
        ("unit", incident),
    ]


def test_incident_ids_do_not_depend_on_the_machine_or_the_moment() -> None:
    assert incident_id_of("outage", "dtp_872", 1) == "3ec63d99-0921-5b08-a6b0-fbf9deff7a6c"


@pytest.mark.parametrize(
    "wrong",
    [
        {"k_down": 0},
        {"k_up": 0},
        {"t_down": -MINUTE},
        {"t_up": -MINUTE},
        {"unknown_after": timedelta()},
        {"reminders": (12 * HOUR, 4 * HOUR)},
        {"reminders": (timedelta(),)},
        {"flap_start": 0.2, "flap_end": 0.3},
        {"flap_start": 1.0},
        {"settle_ticks": -1},
        {"flap_results": 1},
    ],
    ids=str,
)
def test_limits_that_make_no_sense_are_refused_by_name(wrong: dict[str, Any]) -> None:
    """D12."""
    with pytest.raises(LedgerError) as raised:
        Limits(**wrong)
    assert raised.value.code == "link_limits_wrong"
    assert next(iter(wrong)) in raised.value.text


def test_the_digest_hour_is_a_boundary() -> None:
    limits = Limits(digest_at=time(9, 5))
    estate = Estate(policy=a_policy(districts=(A,), limits=limits))
    estate.tick()
    assert estate.sent(NoticeKind.SELF_TEST) == []
    estate.tick()
    assert len(estate.sent(NoticeKind.SELF_TEST)) == 1
