"""Many estates in one tick: side by side, within its time, and none of them at another's cost."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ksc_ledger.alerts.rounds import Pace, Round, provinces_to_ask, run_round
from ksc_ledger.collection.witness import look
from ksc_ledger.rules.links_evidence import (
    Knock,
    ProvinceWord,
    Role,
    ServerEvidence,
    Tick,
    WatchedServer,
)
from ksc_ledger.rules.links_model import Limits, Link, LinkState, Policy, Watch
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.state import leases, links, open_state, outbox
from unit.alerts.estates import MINUTE, START, TICK, a_policy
from unit.alerts.mails import LIVE

PROMPTLY = Limits(k_down=1, t_down=timedelta(), unknown_after=15 * MINUTE)
HALF_HOUR = timedelta(minutes=30)
PATIENT = Pace(seconds=60)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("state") / "state.sqlite"
    open_state(f"sqlite:///{file}").dispose()
    return file


@pytest.fixture
def engine(migrated: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(migrated, tmp_path / "state.sqlite")
    engine = open_state(f"sqlite:///{tmp_path / 'state.sqlite'}")
    yield engine
    engine.dispose()


def an_estate(number: int, districts: int = 2, limits: Limits = PROMPTLY) -> Policy:
    """One province and some districts, all with codes of their own."""
    code = f"t{number:02}"
    province = WatchedServer(
        server_code=code, role=Role.PROVINCE, unit_code=code, place=f"Tỉnh {number}"
    )
    below = (
        WatchedServer(
            server_code=f"{code}_h{one:02}",
            role=Role.DISTRICT,
            unit_code=f"{code}_h{one:02}",
            place=f"Huyện {one} tỉnh {number}",
            parent_code=code,
        )
        for one in range(districts)
    )
    return replace(
        a_policy(limits=limits),
        estate_code=code,
        unit_code=code,
        servers=(province, *below),
    )


def estates(count: int, districts: int = 2) -> dict[str, Policy]:
    made = [an_estate(number, districts) for number in range(count)]
    return {one.estate_code: one for one in made}


@dataclass(frozen=True)
class Looked:
    tick: Tick
    new_words: Mapping[str, ProvinceWord] = field(default_factory=dict)


def seen(policy: Policy, at: timedelta = timedelta(), knock: Knock = Knock.OK) -> Looked:
    """Every district answers and the province knows it; with another knock all are lost."""
    now = START + at
    words = {
        one.server_code: ProvinceWord(is_active=knock is Knock.OK, read_at=now)
        for one in policy.servers
        if one.parent_code
    }
    evidence = {
        one.server_code: ServerEvidence(
            knock=knock if one.parent_code else Knock.OK, province_word=words.get(one.server_code)
        )
        for one in policy.servers
    }
    return Looked(Tick(at=now, evidence=evidence, is_way_out_open=True), words)


@dataclass
class Eyes:
    """Looks at estates; those in ``blocked`` only when ``open`` is set. Notes how many at a time."""

    at: timedelta = timedelta()
    blocked: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    meet: threading.Barrier | None = None
    open: threading.Event = field(default_factory=threading.Event)
    order: list[str] = field(default_factory=list)

    def __call__(
        self, policy: Policy, known: Mapping[str, ProvinceWord], ask: Sequence[str]
    ) -> Looked:
        self.order.append(policy.estate_code)
        if policy.estate_code in self.broken:
            raise RuntimeError("no eyes")
        if policy.estate_code in self.blocked:
            assert self.open.wait(30)
        if self.meet is not None:
            self.meet.wait(30)
        return seen(policy, self.at)


def go(
    engine: Engine,
    policies: Mapping[str, Policy],
    eyes: Eyes,
    pace: Pace = PATIENT,
    at: timedelta = timedelta(),
) -> Round:
    eyes.at = at
    return run_round(
        engine,
        policies,
        dict.fromkeys(policies, HALF_HOUR),
        eyes,
        LIVE,
        START + at,
        owner="test",
        pace=pace,
    )


def states(engine: Engine, code: str) -> set[LinkState]:
    return {one.state for one in links.load(engine, code).watch.links}


def test_estates_are_looked_at_side_by_side(engine: Engine) -> None:
    """Each of four waits for the three others: one after the other they would wait for ever."""
    eyes = Eyes(meet=threading.Barrier(4))
    done = go(engine, estates(4), eyes, Pace(estates_at_a_time=4, seconds=60))
    assert set(done.effects) == {"t00", "t01", "t02", "t03"}
    assert (done.late, done.busy, done.failed) == ([], [], {})
    assert all(states(engine, code) == {LinkState.UP} for code in done.effects)


def test_an_estate_not_seen_in_time_has_no_evidence_and_the_others_are_not_kept_waiting(
    engine: Engine,
) -> None:
    policies = estates(3)
    go(engine, policies, Eyes())
    eyes = Eyes(blocked=frozenset({"t01"}))
    try:
        done = go(engine, policies, eyes, Pace(estates_at_a_time=3, seconds=0.5), at=TICK)
    finally:
        eyes.open.set()
    assert done.late == ["t01"]
    watch = links.load(engine, "t01").watch
    assert watch.ticked_at == START + TICK  # it is known that nothing was seen
    assert {one.evidence_at for one in watch.links} == {START}
    assert {one.bad_count for one in watch.links} == {0}
    assert {one.evidence_at for one in links.load(engine, "t00").watch.links} == {START + TICK}


def test_an_estate_without_a_turn_is_never_a_loss_however_long_it_lasts(engine: Engine) -> None:
    """Five rounds in which one estate blocks the only thread: unknown, one blind mail, no loss."""
    policies = estates(2)
    go(engine, policies, Eyes())
    for number in range(1, 6):
        eyes = Eyes(blocked=frozenset(policies))
        try:
            done = go(
                engine,
                policies,
                eyes,
                Pace(estates_at_a_time=1, seconds=0.05),
                at=number * TICK,
            )
        finally:
            eyes.open.set()
        assert sorted(done.late) == ["t00", "t01"]
    for code in policies:
        watch = links.load(engine, code).watch
        assert {one.interval.state for one in watch.links if one.interval} == {LinkState.UNKNOWN}
        assert {one.state for one in watch.links} == {LinkState.UP}
    kinds = Counter(one.mail_kind for one in outbox.mails(engine))
    assert kinds == {"collector_blind": 2, "self_test": 2}  # the latter by the calendar
    assert links.outages(engine) == []


def test_who_was_late_is_looked_at_first_the_next_time(engine: Engine) -> None:
    policies = estates(3)
    go(engine, policies, Eyes())
    eyes = Eyes(blocked=frozenset({"t02"}))
    try:
        go(engine, policies, eyes, Pace(estates_at_a_time=3, seconds=0.3), at=TICK)
    finally:
        eyes.open.set()
    later = Eyes()
    go(engine, policies, later, Pace(estates_at_a_time=1, seconds=60), at=2 * TICK)
    assert later.order == ["t02", "t00", "t01"]


def test_one_estate_that_fails_is_named_and_the_others_move(engine: Engine) -> None:
    done = go(engine, estates(3), Eyes(broken=frozenset({"t01"})))
    assert done.failed == {"t01": "RuntimeError: no eyes"}
    assert states(engine, "t00") == states(engine, "t02") == {LinkState.UP}
    assert states(engine, "t01") == {LinkState.NEW}  # ticked, without evidence
    assert links.load(engine, "t01").watch.ticked_at == START


def test_an_estate_somebody_else_is_watching_is_left_to_him(engine: Engine) -> None:
    policies = estates(2)
    other = leases.acquire(engine, "watch:t01", "somebody", 60, datetime.now(UTC))
    assert other is not None
    eyes = Eyes()
    done = go(engine, policies, eyes)
    assert (done.busy, eyes.order) == (["t01"], ["t00"])
    assert links.load(engine, "t01").watch.ticked_at is None
    assert leases.is_current(engine, other)


def test_a_round_gives_its_leases_back(engine: Engine) -> None:
    policies = estates(2)
    go(engine, policies, Eyes(broken=frozenset({"t01"})))
    done = go(engine, policies, Eyes(), at=TICK)
    assert done.busy == []


def test_nothing_to_watch_is_no_mistake(engine: Engine) -> None:
    assert go(engine, {}, Eyes()) == Round()


WORD = ProvinceWord(is_active=True, read_at=START)


@pytest.mark.parametrize(
    ("known", "minutes", "is_asked"),
    [
        pytest.param({}, 0, True, id="never asked"),
        pytest.param({"t00_h00": WORD}, 5, True, id="one district was never spoken of"),
        pytest.param({"t00_h00": WORD, "t00_h01": WORD}, 29, False, id="not due"),
        pytest.param({"t00_h00": WORD, "t00_h01": WORD}, 30, True, id="due"),
    ],
)
def test_a_province_is_asked_when_its_word_is_due(
    known: dict[str, ProvinceWord], minutes: int, is_asked: bool
) -> None:
    policy = an_estate(0)
    up = tuple(
        Link(server_code=one.server_code, state=LinkState.UP, evidence_at=START)
        for one in policy.servers
    )
    watch = Watch(estate_code="t00", ticked_at=START, links=up)
    asked = provinces_to_ask(policy, watch, known, START + minutes * MINUTE, HALF_HOUR)
    assert asked == (["t00"] if is_asked else [])


def test_an_estate_without_districts_needs_no_word(engine: Engine) -> None:
    policy = an_estate(0, districts=0)
    assert provinces_to_ask(policy, Watch(estate_code="t00"), {}, START, HALF_HOUR) == []


class Silent:
    """A port that takes connections and never says a word: what a dead KSC service looks like."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(1024)
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@pytest.mark.parametrize(
    ("count", "districts", "silent_seconds"),
    [
        pytest.param(9, 3, 0.5, id="9 estates"),
        pytest.param(63, 10, 5.0, id="63 estates, 693 servers", marks=pytest.mark.long),
    ],
)
def test_a_silent_server_in_every_estate_costs_a_tick_little(
    engine: Engine, count: int, districts: int, silent_seconds: float
) -> None:
    """Every estate has one server that takes the connection and is silent: by turns it would cost
    ``silent_seconds`` each. The others refuse, which costs nothing; 693 servers in the long case.
    """
    policies = estates(count, districts)
    budget = Budget(connect_seconds=silent_seconds, call_seconds=5, server_seconds=5)
    with ExitStack() as open_ones:
        silent = open_ones.enter_context(Silent())

        def endpoint_of(code: str) -> Endpoint:
            is_silent = code.endswith("_h00")
            return Endpoint(
                server_code=code,
                host="127.0.0.1",
                port=silent.port if is_silent else 1,
                login="doc",
                password="x",
                certificate_sha256=("0" * 64,),
            )

        def knock_at(
            policy: Policy, known: Mapping[str, ProvinceWord], ask: Sequence[str]
        ) -> Looked:
            found = look(
                engine, policy.servers, {}, endpoint_of, budget, now=START, words=known, ask=ask
            )
            return Looked(found.tick, found.new_words)

        begun = time.monotonic()
        done = run_round(
            engine,
            policies,
            dict.fromkeys(policies, HALF_HOUR),
            knock_at,
            LIVE,
            START,
            owner="test",
        )
        took = time.monotonic() - begun
    assert (done.late, done.busy, done.failed) == ([], [], {})
    assert len(done.effects) == count
    assert took < count * silent_seconds / 2
    assert took < 100  # of the 300 seconds between two ticks, also on a slow machine
