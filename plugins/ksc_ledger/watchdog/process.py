"""One look of the watchdog from beginning to end, and the files it keeps.

``state/watchdog.json`` is its memory; ``state/watchdog_heartbeat.json`` is rewritten by every look
that came to its end, for a dead-man switch outside: it must look at the age of that file.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ksc_ledger.alerts.compose import Sender
from ksc_ledger.alerts.outlets import Outlet, RelayDown
from ksc_ledger.clock import Clock, RehearsalClock
from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Places, Settings
from ksc_ledger.state.outbox import RecipientStatus
from ksc_ledger.watchdog import switch
from ksc_ledger.watchdog.judging import (
    USUAL_LIMITS,
    Check,
    Condition,
    Limits,
    Memory,
    Notice,
    decide,
)
from ksc_ledger.watchdog.looking import look
from ksc_ledger.watchdog.writing import compose, mail_of

log = logging.getLogger(__name__)

_LONGEST_WAIT = timedelta(minutes=15)

OutletOf = Callable[[], AbstractContextManager[Outlet]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """How the watchdog's own mails leave. ``addresses`` is asked anew for each mail."""

    open: OutletOf
    addresses: Callable[[], Sequence[str]]
    sender: Sender
    domain: str
    is_rehearsal: bool


def memory_file(places: Places) -> Path:
    return places.state / "watchdog.json"


def heartbeat_file(places: Places) -> Path:
    return places.state / "watchdog_heartbeat.json"


def look_once(
    settings: Settings,
    post: Post,
    clock: Clock,
    real_now: datetime,
    limits: Limits = USUAL_LIMITS,
) -> Memory:
    """Look, say what must be said, remember, and leave a heartbeat.

    While a rehearsal's clock is driven nothing is judged: time jumps and schedules stand still.
    A mail that nobody takes is kept and tried again, less and less often.
    """
    places = settings.places
    memory = load(memory_file(places))
    if isinstance(clock, RehearsalClock) and clock.is_driven:
        memory = replace(memory, watching_since=None, looked_at=None, conditions=(), episode=None)
        save(memory, memory_file(places))
        _beat(places, memory, real_now, is_driven=True)
        return memory
    sighting = look(settings, clock.now(), real_now)
    if sighting.state_error is not None:
        log.warning("the operational database cannot be read: %s", sighting.state_error)
    memory = decide(memory, sighting, limits)
    save(memory, memory_file(places))  # the notice is kept before it goes: a kill loses none
    memory = _say(memory, post, sighting.at)
    save(memory, memory_file(places))
    _beat(places, memory, real_now, is_driven=False)
    switch.signal(settings, is_well=not memory.told and not memory.unsaid)
    return memory


def _say(memory: Memory, post: Post, at: datetime) -> Memory:
    if not memory.unsaid or (memory.try_again_at is not None and at < memory.try_again_at):
        return memory
    try:
        addresses = list(post.addresses())
        with post.open() as outlet:
            for notice in memory.unsaid:
                _send(outlet, notice, addresses, post)
                memory = replace(
                    memory, unsaid=memory.unsaid[1:], send_failures=0, try_again_at=None
                )
    except (RelayDown, LedgerError) as error:
        failures = memory.send_failures + 1
        wait = min(timedelta(minutes=2 ** min(failures - 1, 8)), _LONGEST_WAIT)
        log.error("%d mails of the watchdog were not taken: %s", len(memory.unsaid), error)
        memory = replace(memory, send_failures=failures, try_again_at=at + wait)
    return memory


def _send(outlet: Outlet, notice: Notice, addresses: list[str], post: Post) -> None:
    """Hand one notice over; it counts as said as soon as anybody has it."""
    mail = mail_of(notice, domain=post.domain, is_rehearsal=post.is_rehearsal)
    results = outlet.send(mail, addresses, compose(notice, mail, addresses, post.sender))
    if not any(one.status is RecipientStatus.SENT for one in results):
        raise RelayDown("; ".join(one.reply for one in results) or "nobody to write to")
    for one in results:
        if one.status is not RecipientStatus.SENT:
            log.warning("%s did not get %s: %s", one.address, mail.message_id, one.reply)


# Files


def load(file: Path) -> Memory:
    """The memory of former looks; a new one when there is none or it cannot be read."""
    try:
        raw = json.loads(file.read_text("utf-8"))
        return Memory(
            watching_since=_instant(raw["watching_since"]),
            looked_at=_instant(raw["looked_at"]),
            conditions=tuple(_condition(one) for one in raw["conditions"]),
            last_number=int(raw["last_number"]),
            episode=raw["episode"],
            unsaid=tuple(_notice(one) for one in raw["unsaid"]),
            send_failures=int(raw["send_failures"]),
            try_again_at=_instant(raw["try_again_at"]),
        )
    except FileNotFoundError:
        return Memory()
    except (OSError, ValueError, KeyError, TypeError) as error:
        # A watchdog that dies of its own file is worse than one that says something twice.
        log.warning("%s cannot be read and is begun anew: %r", file, error)
        return Memory()


def save(memory: Memory, file: Path) -> None:
    """Keep the memory, whole or not at all."""
    _write(file, asdict(memory))


def _beat(places: Places, memory: Memory, real_now: datetime, *, is_driven: bool) -> None:
    _write(
        heartbeat_file(places),
        {
            "at": real_now,
            "is_well": not memory.told,
            "troubles": list(memory.told),
            "unsaid_count": len(memory.unsaid),
            "is_driven": is_driven,
        },
    )


def _write(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{os.getpid()}.tmp")
    text = json.dumps(content, ensure_ascii=False, indent=1, default=_text)
    with open(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o640), "w") as out:  # noqa: PTH123
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)


@contextmanager
def alone(places: Places) -> Iterator[None]:
    """Be the only watchdog of a home; raise LedgerError when there is one already."""
    places.state.mkdir(parents=True, exist_ok=True)
    with (places.state / "watchdog.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(
                "watchdog_already_running",
                f"Đã có một tiến trình giám sát đang chạy cho thư mục {places.home}.",
                "Chỉ chạy một tiến trình giám sát cho mỗi thư mục dữ liệu.",
            ) from error
        yield


def _condition(raw: dict[str, Any]) -> Condition:
    since = _instant(raw["since"])
    if since is None:
        raise ValueError("a condition without its beginning")
    return Condition(
        check=Check(raw["check"]),
        is_bad=bool(raw["is_bad"]),
        since=since,
        is_told=bool(raw["is_told"]),
        told_at=_instant(raw["told_at"]),
    )


def _notice(raw: dict[str, Any]) -> Notice:
    at = _instant(raw["at"])
    if at is None:
        raise ValueError("a notice without its instant")
    return Notice(
        number=int(raw["number"]),
        at=at,
        episode=str(raw["episode"]),
        began=tuple(Check(one) for one in raw["began"]),
        ended=tuple(Check(one) for one in raw["ended"]),
        lasting=tuple(Check(one) for one in raw["lasting"]),
        figures={str(name): int(value) for name, value in raw["figures"].items()},
    )


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"a naive instant: {text}")
    return at


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")
