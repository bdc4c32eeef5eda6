"""Random SIGKILLs of a process that watches and delivers: nothing lost, nothing told twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ksc_ledger.alerts.watch import run_tick
from ksc_ledger.rules.links_model import LadderStep, Limits, NoticeKind
from ksc_ledger.state import leases, links, open_state, outbox
from ksc_ledger.state.outbox import Mail, RecipientStatus, Result
from unit.alerts.crashes import opened
from unit.alerts.estates import START, TICK, a_policy, a_tick
from unit.alerts.mails import LIVE, Clock, drain

DISTRICTS = ("huyen_a", "huyen_b")
OUTAGES = 3
SEEN = ("ok", "cut", "cut", "ok", "ok") * OUTAGES
POLICY = a_policy(
    districts=DISTRICTS,
    ladder=(LadderStep(kind=NoticeKind.LOST, step=1, role="ops_team"),),
    limits=Limits(
        k_down=2,
        t_down=TICK,
        k_up=1,
        t_up=timedelta(),
        flap_start=0.99,
        flap_end=0.98,
        flap_outages=1_000,
    ),
)


class Spool:
    """A relay whose mailbox is a file: one line a mail, written in one go."""

    is_rehearsal = False

    def __init__(self, file: Path) -> None:
        self._file = file

    def send(self, mail: Mail, addresses: Sequence[str], message: bytes) -> list[Result]:
        descriptor = os.open(self._file, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(descriptor, f"{mail.message_id}\n".encode())
        os.close(descriptor)
        return [Result(address=one, status=RecipientStatus.SENT) for one in addresses]


def watch_and_deliver(url: str, spool: Path, attempt: int) -> None:
    """The whole history from its beginning: what was done before the last kill moves nothing."""
    engine = opened(url)
    # Leases and claims of former attempts have run out.
    clock = Clock(START + attempt * timedelta(hours=1))
    for number, seen in enumerate(SEEN):
        at = START + number * TICK
        lease = leases.acquire(engine, "watch:mau", f"{attempt}.{number}", 60, clock.at)
        assert lease is not None
        tick = a_tick(at, dict.fromkeys(DISTRICTS, seen), districts=DISTRICTS)
        run_tick(engine, lease, tick, POLICY, LIVE, at)
        leases.release(engine, lease)
        drain(engine, Spool(spool), clock, now=at)
    engine.dispose()


def in_a_child(url: str, spool: Path, attempt: int, kill_after: float | None) -> bool:
    """Run in a forked process; true when it came to its end before it was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            watch_and_deliver(url, spool, attempt)
            os._exit(0)
        finally:
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFEXITED(status)


def check(engine: Engine, spool: Path, kills: int) -> None:
    outages = links.outages(engine)
    assert len(outages) == OUTAGES * len(DISTRICTS)
    assert all(one.duration_seconds == 600 for one in outages)
    assert all(one.notified_at and one.recovered_notified_at for one in outages)
    rows = outbox.mails(engine)
    assert {row.status for row in rows} == {"sent"}
    assert len(rows) == 2 * len(outages)
    arrived = Counter(spool.read_text("utf-8").split())
    assert set(arrived) == {row.message_id for row in rows}, "a mail was lost or invented"
    # A kill can cost one second copy, of the mail it fell upon.
    assert sum(arrived.values()) - len(arrived) <= kills


def run_rounds(folder: Path, total: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    started = time.monotonic()
    (folder / "undisturbed").mkdir()
    url = f"sqlite:///{folder / 'undisturbed' / 'state.sqlite'}"
    assert in_a_child(url, folder / "undisturbed" / "spool", 0, None)
    whole_run = time.monotonic() - started
    killed = number = 0
    while killed < total:
        number += 1
        here = folder / str(number)
        here.mkdir()
        url = f"sqlite:///{here / 'state.sqlite'}"
        kills = 0
        while not in_a_child(url, here / "spool", kills, chance.uniform(0, whole_run / 3)):
            kills += 1
            if kills >= 20:
                assert in_a_child(url, here / "spool", kills, None)
                break
        killed += kills
        engine = open_state(url)
        check(engine, here / "spool", kills)
        engine.dispose()


def test_a_few_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    run_rounds(tmp_path, 8, seed=1)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_two_hundred_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    run_rounds(tmp_path, 200, seed=2)
