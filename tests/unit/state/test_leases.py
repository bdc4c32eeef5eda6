from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)
from sqlalchemy import Engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError

from ksc_ledger.state import leases, open_state
from ksc_ledger.state.leases import Lease, LeaseLost

NOW = datetime(2023, 10, 20, 1, 0, tzinfo=UTC)
TTL = 60


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def acquired(engine: Engine, owner: str = "first", now: datetime = NOW) -> Lease:
    lease = leases.acquire(engine, "writer", owner, TTL, now)
    assert lease is not None
    return lease


class Clock:
    """``now`` as given; ``asked(n)`` waits until it was asked so often."""

    def __init__(self, *seconds: float) -> None:
        self.instants = [after(one) for one in seconds]
        self.count = 0
        self.changed = threading.Condition()

    def __call__(self) -> datetime:
        with self.changed:
            at = self.instants[min(self.count, len(self.instants) - 1)]
            self.count += 1
            self.changed.notify_all()
            return at

    def asked(self, times: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.count >= times, timeout=30)


def beat(at_most_seconds: float) -> leases.Beat:
    return leases.Beat(ttl_seconds=TTL, every_seconds=0.01, at_most_seconds=at_most_seconds)


def test_a_lease_is_kept_while_its_process_lives(engine: Engine) -> None:
    lease = acquired(engine)
    clock = Clock(0, 50, 100)
    with leases.kept(engine, lease, beat(600), clock):
        clock.asked(5)
    held = leases.holder(engine, "writer", after(TTL + 1))
    assert held is not None
    assert (held.token, held.expires_at) == (lease.token, after(100 + TTL))
    assert leases.acquire(engine, "writer", "second", TTL, after(100 + TTL)) is not None


def test_a_lease_is_kept_no_longer_than_was_said(engine: Engine) -> None:
    """Who takes so long hangs: another may take over, and the token does the rest."""
    acquired_at_once = acquired(engine)
    clock = Clock(0, 600)
    with leases.kept(engine, acquired_at_once, beat(600), clock):
        clock.asked(2)
    assert clock.count == 2
    assert leases.holder(engine, "writer", NOW) == acquired_at_once


def test_a_lost_lease_is_not_taken_back(engine: Engine) -> None:
    lease = acquired(engine)
    other = acquired(engine, "second", after(TTL))
    clock = Clock(0, TTL + 1)
    with leases.kept(engine, lease, beat(600), clock):
        clock.asked(2)
    assert leases.holder(engine, "writer", after(TTL)) == other


def test_a_database_that_is_away_for_a_moment_is_asked_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = acquired(engine)
    clock = Clock(0, 10, 20)
    real, answers = leases.renew, iter([OperationalError("away", {}, Exception())])

    def away_at_first(*given: Any) -> Lease:
        for error in answers:
            raise error
        return real(*given)

    monkeypatch.setattr(leases, "renew", away_at_first)
    with leases.kept(engine, lease, beat(600), clock):
        clock.asked(5)
    held = leases.holder(engine, "writer", NOW)
    assert held is not None
    assert held.expires_at == after(20 + TTL)


def test_a_free_lease_is_given_with_its_first_token(engine: Engine) -> None:
    assert acquired(engine) == Lease("writer", "first", 1, after(TTL))


def test_a_held_lease_is_not_given_to_another(engine: Engine) -> None:
    acquired(engine)
    assert leases.acquire(engine, "writer", "second", TTL, after(TTL - 0.001)) is None


def test_a_lease_that_ran_out_is_given_with_a_greater_token(engine: Engine) -> None:
    acquired(engine)
    assert acquired(engine, "second", after(TTL)).token == 2


def test_the_same_owner_is_not_trusted_to_be_the_same_process(engine: Engine) -> None:
    acquired(engine)
    assert leases.acquire(engine, "writer", "first", TTL, after(1)) is None


def test_leases_of_other_names_are_independent(engine: Engine) -> None:
    acquired(engine)
    assert leases.acquire(engine, "collect/dtp_872", "second", TTL, NOW) is not None


def test_the_token_grows_over_releases_too(engine: Engine) -> None:
    tokens = []
    for _ in range(3):
        lease = acquired(engine)
        tokens.append(lease.token)
        assert leases.release(engine, lease)
    assert tokens == [1, 2, 3]


def test_a_released_lease_is_nobodys(engine: Engine) -> None:
    lease = acquired(engine)
    leases.release(engine, lease)
    assert not leases.is_current(engine, lease)
    assert leases.holder(engine, "writer", NOW) is None
    with pytest.raises(LeaseLost):
        leases.renew(engine, lease, TTL, NOW)


def test_releasing_what_another_took_does_no_harm(engine: Engine) -> None:
    late = acquired(engine)
    current = acquired(engine, "second", after(TTL))
    assert not leases.release(engine, late)
    assert leases.is_current(engine, current)


def test_renewing_moves_the_end(engine: Engine) -> None:
    renewed = leases.renew(engine, acquired(engine), TTL, after(59))
    assert renewed.expires_at == after(59 + TTL)
    assert leases.acquire(engine, "writer", "second", TTL, after(59 + TTL - 1)) is None
    assert leases.holder(engine, "writer", after(100)) == renewed


def test_a_lease_that_ran_out_unnoticed_may_be_renewed(engine: Engine) -> None:
    lease = acquired(engine)
    assert leases.is_current(engine, lease)
    assert leases.renew(engine, lease, TTL, after(TTL + 5)).token == lease.token


def test_a_lease_that_another_took_may_not(engine: Engine) -> None:
    late = acquired(engine)
    acquired(engine, "second", after(TTL))
    assert not leases.is_current(engine, late)
    with pytest.raises(LeaseLost, match="không còn hiệu lực"):
        leases.renew(engine, late, TTL, after(TTL + 1))


def test_the_same_owner_of_a_later_turn_does_not_pass_for_the_former(engine: Engine) -> None:
    late = acquired(engine)
    acquired(engine, "first", after(TTL))
    assert not leases.is_current(engine, late)


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_lease_lives_some_time(engine: Engine, ttl: float) -> None:
    with pytest.raises(ValueError, match="longer"):
        leases.acquire(engine, "writer", "first", ttl, NOW)


def test_a_guarded_transaction_commits_under_a_current_lease(engine: Engine) -> None:
    lease = acquired(engine)
    with engine.begin() as connection:
        connection.execute(text("create table effect (x integer)"))
        leases.guard(connection, lease)
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from effect")).scalar() == 0


def test_a_zombie_commits_nothing(engine: Engine) -> None:
    zombie = acquired(engine)
    acquired(engine, "second", after(TTL))

    def effect() -> None:
        with engine.begin() as connection:
            connection.execute(text("create table effect (x integer)"))
            leases.guard(connection, zombie)

    with pytest.raises(LeaseLost):
        effect()
    with engine.connect() as connection:
        tables = connection.execute(text("select name from sqlite_master where name = 'effect'"))
        assert tables.all() == []


def test_nobody_takes_the_lease_between_guard_and_commit(engine: Engine) -> None:
    lease = acquired(engine)
    order: list[str] = []

    def take() -> None:
        assert leases.acquire(engine, "writer", "second", TTL, after(TTL)) is not None
        order.append("taken")

    taker = threading.Thread(target=take)
    with engine.begin() as connection:
        leases.guard(connection, lease)
        taker.start()
        taker.join(timeout=0.2)
        assert taker.is_alive()
        order.append("committing")
    taker.join()
    assert order == ["committing", "taken"]


def test_on_postgresql_the_guard_locks_the_row() -> None:
    lease = Lease("writer", "first", 1, NOW)
    statement = leases._token_of(lease).with_for_update()
    assert str(statement.compile(dialect=postgresql.dialect())).endswith("FOR UPDATE")


def test_threads_that_ask_at_once_get_it_once(engine: Engine) -> None:
    start = threading.Barrier(8)
    won: list[Lease] = []

    def ask(number: int) -> None:
        for turn in range(5):
            start.wait()
            lease = leases.acquire(engine, "writer", f"{number}", TTL, after(TTL * turn))
            if lease is not None:
                won.append(lease)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [lease.token for lease in won] == [1, 2, 3, 4, 5]


RACER = """
import json, sys
from datetime import datetime, timedelta
from ksc_ledger.state import leases, open_state
url, owner, start = sys.argv[1:]
engine, start = open_state(url), datetime.fromisoformat(start)
print("ready", flush=True)
for line in sys.stdin:
    turn = int(line)
    name = f"new/{turn}" if turn % 2 else "same"
    lease = leases.acquire(engine, name, owner, 1, start + timedelta(seconds=turn))
    print(json.dumps(lease and lease.token), flush=True)
"""


@pytest.fixture
def racers(url: str) -> Iterator[list[subprocess.Popen[str]]]:
    open_state(url)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, url, owner, NOW.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for owner in ("left", "right")
    ]
    yield processes
    for process in processes:
        process.communicate(timeout=30)


def test_two_processes_racing_200_times_never_both_win(
    racers: list[subprocess.Popen[str]],
) -> None:
    """Each turn both are let go at once: by turns on a lease never held and on one that ran out."""

    def answer(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    assert [answer(process) for process in racers] == ["ready", "ready"]
    winners, tokens = set(), []
    for turn in range(200):
        for process in racers if turn % 4 < 2 else reversed(racers):
            assert process.stdin is not None
            process.stdin.write(f"{turn}\n")
            process.stdin.flush()
        got = [json.loads(answer(process)) for process in racers]
        assert sorted(token is None for token in got) == [False, True], (turn, got)
        winners.add(got.index(None))
        [token] = [token for token in got if token is not None]
        if turn % 2:
            assert token == 1
        else:
            tokens.append(token)
    assert tokens == list(range(1, 101))
    assert winners == {0, 1}  # or there was no race


class Leases(RuleBasedStateMachine):
    """Any order of asking, renewing, releasing and waiting, against a model in three lines."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.engine = open_state(f"sqlite:///{Path(self.folder.name) / 'state.sqlite'}")
        self.now = NOW
        self.current: Lease | None = None  # held, perhaps run out, taken by nobody
        self.greatest = 0
        self.all: list[Lease] = []

    def teardown(self) -> None:
        self.engine.dispose()
        self.folder.cleanup()

    @rule(seconds=st.sampled_from([1, 29, 30, 31]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(target=held, owner=st.sampled_from("ab"))
    def ask(self, owner: str) -> object:
        lease = leases.acquire(self.engine, "writer", owner, 30, self.now)
        is_free = self.current is None or self.current.expires_at <= self.now
        assert (lease is not None) == is_free
        if lease is None:
            return multiple()
        assert lease.token > self.greatest
        self.greatest, self.current = lease.token, lease
        self.all.append(lease)
        return lease

    @rule(lease=held)
    def renew(self, lease: Lease) -> None:
        if self.current is not None and self.current.token == lease.token:
            self.current = leases.renew(self.engine, lease, 30, self.now)
        else:
            with pytest.raises(LeaseLost):
                leases.renew(self.engine, lease, 30, self.now)

    @rule(lease=consumes(held))
    def release(self, lease: Lease) -> None:
        is_mine = self.current is not None and self.current.token == lease.token
        assert leases.release(self.engine, lease) == is_mine
        if is_mine:
            self.current = None

    @invariant()
    def only_the_last_one_is_current(self) -> None:
        token = None if self.current is None else self.current.token
        for lease in self.all:
            assert leases.is_current(self.engine, lease) == (lease.token == token)


TestLeases = Leases.TestCase
TestLeases.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
