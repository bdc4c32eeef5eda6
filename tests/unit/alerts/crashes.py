"""A short outage told by mail, with the process killed wherever the caller wants.

The road is the real one: ``run_tick`` and ``deliver`` on a real database. After a kill everything in
memory is gone; a new process repeats the tick it was in, as Airflow does, and goes on. Orders of
sending other than ours are played on the same road, to be compared.
"""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, event

from ksc_ledger.alerts.compose import compose
from ksc_ledger.alerts.watch import run_tick
from ksc_ledger.rules.links_model import LadderStep, Limits, NoticeKind
from ksc_ledger.state import leases, links, open_state, outbox
from ksc_ledger.state.links import Reached
from ksc_ledger.state.outbox import Channel, Mail, RecipientStatus, Result
from unit.alerts.estates import START, TICK, a_policy, a_tick
from unit.alerts.mails import DIRECTORY, LIVE, SENDER, Clock, Mailbox, drain, parsed

DISTRICTS = ("huyen_a",)
POLICY = a_policy(
    districts=DISTRICTS,
    ladder=(LadderStep(kind=NoticeKind.LOST, step=1, role="ops_team"),),
    limits=Limits(k_down=2, t_down=TICK, k_up=1, t_up=timedelta()),
)
SEEN = ("ok", "cut", "cut", "ok", "ok")


class Killed(BaseException):
    """The process is gone: no handler of the product may catch this."""


class Killer:
    """Counts the named points that are passed and kills at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.points: list[str] = []
        self._kill_at = kill_at

    def __call__(self, point: str) -> None:
        self.points.append(point)
        if len(self.points) - 1 == self._kill_at:
            raise Killed(point)


@dataclass
class Outcome:
    """What is there at the end of a run."""

    points: list[str]
    watch: object
    outages: list[object]
    intervals: list[object]
    statuses: dict[str, str]
    taken: list[tuple[str, str]] = field(default_factory=list)  # (what it says, Message-ID)

    @property
    def lost(self) -> int:
        """Mails that are in the outbox and in nobody's mailbox."""
        arrived = {says for says, _ in self.taken}
        return sum(_says(message_id) not in arrived for message_id in self.statuses)

    @property
    def twice(self) -> int:
        """Mails that were handed over more than once."""
        return sum(count > 1 for count in Counter(says for says, _ in self.taken).values())

    @property
    def twice_after_dedupe(self) -> int:
        """The same where a mailbox keeps one copy of each Message-ID."""
        return sum(count > 1 for count in Counter(says for says, _ in set(self.taken)).values())


Send = Callable[[Engine, Mailbox, Clock, Reached], object]


def ours(engine: Engine, box: Mailbox, clock: Clock, reached: Reached) -> None:
    """Claim, send, note; the Message-ID came with the decision."""
    drain(engine, box, clock, now=clock.at, reached=reached)


def mark_then_send(engine: Engine, box: Mailbox, clock: Clock, reached: Reached) -> None:
    """Note the mail as sent, then send it."""
    for mail, addresses in _claimed(engine, clock, reached):
        _note(engine, mail, addresses, clock)
        reached("mail:noted")
        box.send(mail, addresses, _written(mail, addresses))
        reached("mail:sent")


def send_then_mark(engine: Engine, box: Mailbox, clock: Clock, reached: Reached) -> None:
    """Send the mail under a Message-ID made while sending, then note it."""
    for mail, addresses in _claimed(engine, clock, reached):
        fresh = f"<{_says(mail.message_id)}.{uuid.uuid4()}@ksc.tinh.example>"
        message = _written(mail, addresses).replace(mail.message_id.encode(), fresh.encode())
        box.send(mail, addresses, message)
        reached("mail:sent")
        _note(engine, mail, addresses, clock)
        reached("mail:noted")


def play(folder: Path, send: Send = ours, kill_at: int | None = None) -> Outcome:
    """Play the outage once in a fresh folder, killed at the given point of the whole run."""
    box, clock, killer = Mailbox(), Clock(START), Killer(kill_at)
    migrated = folder.parent / "migrated.sqlite"
    if not migrated.exists():  # migrating costs more than all the rest of a run
        open_state(f"sqlite:///{migrated}").dispose()
    folder.mkdir()
    shutil.copy(migrated, folder / "state.sqlite")
    url = f"sqlite:///{folder / 'state.sqlite'}"
    engine = opened(url)
    for number, seen in enumerate(SEEN):
        at = START + number * TICK
        while True:
            try:
                _tick(engine, at, seen, clock, killer)
                send(engine, box, clock, killer)
                break
            except Killed:
                engine.dispose()
                engine = opened(url)
                clock.pass_by(minutes=10)  # leases and claims of the dead run out
        clock.pass_by(minutes=5)
    for _ in range(2):
        clock.pass_by(minutes=10)
        send(engine, box, clock, killer)
    kept = links.load(engine, POLICY.estate_code)
    outcome = Outcome(
        points=killer.points,
        watch=kept.watch,
        outages=[
            # When a mail left may differ after a kill; that it left may not.
            (one.incident_id, one.started_at, one.ended_at, one.notified_at is not None)
            for one in links.outages(engine)
        ],
        intervals=list(links.intervals(engine)),
        statuses={row.message_id: row.status for row in outbox.mails(engine)},
        taken=[
            (_says(message_id), str(parsed(message)["Message-ID"]))
            for message_id, _, message in box.taken
        ],
    )
    engine.dispose()
    return outcome


def _tick(engine: Engine, at: datetime, seen: str, clock: Clock, killer: Killer) -> None:
    tick = a_tick(at, {"huyen_a": seen}, districts=DISTRICTS)
    lease = leases.acquire(engine, "watch:mau", str(uuid.uuid4()), 300, clock.at)
    assert lease is not None
    run_tick(engine, lease, tick, POLICY, LIVE, tick.at, reached=killer)
    leases.release(engine, lease)


def opened(url: str) -> Engine:
    engine = open_state(url)
    # The kills here are of the process, not of the machine: nothing need reach the disk.
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
    return engine


def _claimed(engine: Engine, clock: Clock, reached: Reached) -> Iterator[tuple[Mail, list[str]]]:
    while mail := outbox.claim_next(engine, Channel.ALERTS, "other", 300, clock.at):
        reached("mail:claimed")
        holders = DIRECTORY.recipients(mail.role, mail.unit_code)
        outbox.bind(engine, mail, holders, clock.at)
        reached("mail:bound")
        yield mail, [one.address for one in holders]


def _written(mail: Mail, addresses: Sequence[str]) -> bytes:
    holders = [outbox.Recipient(address=one) for one in addresses]
    return compose(mail, holders, SENDER)


def _note(engine: Engine, mail: Mail, addresses: Sequence[str], clock: Clock) -> None:
    outbox.settle(
        engine,
        mail,
        [Result(address=one, status=RecipientStatus.SENT) for one in addresses],
        now=clock.at,
        retry_at=clock.at,
        is_last_try=False,
    )


def _says(message_id: str) -> str:
    """What a mail says: its incident, kind, step and role."""
    return message_id.strip("<").partition("@")[0]
