"""Leases with fencing tokens: who may write now, and a number that a former holder cannot forge.

A lease ends by time, since a process can die or hang without a word. Its holder may wake up
later and still believe in it; therefore every effect carries the lease's token, and ``guard``
is called inside the transaction that commits the effect: a token that is no longer current
commits nothing. Time here is real time, given as ``now``; the mode's clock has no part in it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ksc_ledger.errors import LedgerError
from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import LEASE

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """Held by ``owner`` until ``expires_at``; a later holder always has a greater ``token``."""

    name: str
    owner: str
    token: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """How a lease is kept: each time for ``ttl_seconds``, ``at_most_seconds`` in all."""

    ttl_seconds: float
    every_seconds: float
    at_most_seconds: float


class LeaseLost(LedgerError):  # noqa: N818 - named for what happened, as SourceFault
    """Another process took the lease, or it was released: nothing may be written under it."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(
            "lease_lost",
            f"Quyền ghi «{lease.name}» (lượt {lease.token}) của {lease.owner} không còn hiệu lực: "
            "đã có lượt chạy khác thay thế nên lượt này không ghi gì.",
            "Không cần làm gì nếu lượt chạy sau thành công; nếu lặp lại nhiều lần, kiểm tra xem "
            "có tác vụ nào bị treo.",
        )
        self.lease = lease


def acquire(
    engine: Engine, name: str, owner: str, ttl_seconds: float, now: datetime
) -> Lease | None:
    """Take the lease if nobody holds it at ``now``; None if somebody does.

    ``owner`` names one attempt of one process. It is not re-entrant: the same owner asking
    again is somebody else, because a retry cannot know that its former self is dead.
    """
    expires_at = now + _lifetime(ttl_seconds)
    values = {"owner": owner, "acquired_at": now, "expires_at": expires_at}
    is_free = or_(LEASE.c.owner.is_(None), LEASE.c.expires_at <= now)
    with engine.begin() as connection:
        # One conditional statement decides. A second acquirer waits for this row and then finds
        # the condition false.
        token = connection.execute(
            update(LEASE)
            .where(LEASE.c.name == name, is_free)
            .values(token=LEASE.c.token + 1, **values)
            .returning(LEASE.c.token)
        ).scalar_one_or_none()
        if token is None and not _insert_first(connection, {"name": name, "token": 1, **values}):
            return None
    return Lease(name, owner, 1 if token is None else token, expires_at)


def renew(engine: Engine, lease: Lease, ttl_seconds: float, now: datetime) -> Lease:
    """Prolong a lease to ``now`` + ``ttl_seconds``, also one that ran out and nobody took.

    Raise LeaseLost when it is no longer the holder's.
    """
    expires_at = now + _lifetime(ttl_seconds)
    with engine.begin() as connection:
        changed = connection.execute(
            update(LEASE).where(_is_of(lease)).values(expires_at=expires_at)
        )
        if changed.rowcount != 1:
            raise LeaseLost(lease)
    return Lease(lease.name, lease.owner, lease.token, expires_at)


@contextmanager
def kept(
    engine: Engine, lease: Lease, beat: Beat, real_now: Callable[[], datetime]
) -> Iterator[None]:
    """Prolong the lease from a thread while this process lives and the block lasts.

    Whether it is still ours is not decided here but by the ``guard`` of whoever records: a lost
    lease ends the prolonging without a word. A database that does not answer is asked again.
    """
    is_over = threading.Event()
    ends_at = real_now() + timedelta(seconds=beat.at_most_seconds)

    def prolong() -> None:
        while not is_over.wait(beat.every_seconds) and (now := real_now()) < ends_at:
            try:
                renew(engine, lease, beat.ttl_seconds, now)
            except LeaseLost:
                return
            except SQLAlchemyError as error:
                log.warning("%s: chưa gia hạn được, sẽ thử lại: %s", lease.name, error)

    beating = threading.Thread(target=prolong, name=f"lease {lease.name}", daemon=True)
    beating.start()
    try:
        yield
    finally:
        is_over.set()
        beating.join()


def release(engine: Engine, lease: Lease) -> bool:
    """Give the lease back; False, and no harm, when it is no longer the holder's."""
    with engine.begin() as connection:
        changed = connection.execute(update(LEASE).where(_is_of(lease)).values(owner=None))
    return changed.rowcount == 1


def is_current(engine: Engine, lease: Lease) -> bool:
    """Whether nobody took the lease since and it was not released.

    A lease that ran out unnoticed is still current: nobody else can have written under it. The
    answer may be stale as soon as it is given; ``guard`` is the one that binds.
    """
    with reading(engine) as connection:
        return connection.execute(_token_of(lease)).first() is not None


def guard(connection: Connection, lease: Lease) -> None:
    """Let the transaction of ``connection`` commit only under a current lease.

    Until that transaction ends nobody else can take the lease. Raise LeaseLost otherwise; the
    caller then rolls back. On SQLite the transaction must be a writing one (``engine.begin()``).
    """
    if connection.execute(_token_of(lease).with_for_update()).first() is None:
        raise LeaseLost(lease)


def holder(engine: Engine, name: str, now: datetime) -> Lease | None:
    """Who holds a lease at ``now``."""
    with reading(engine) as connection:
        row = (
            connection.execute(
                select(LEASE.c.name, LEASE.c.owner, LEASE.c.token, LEASE.c.expires_at).where(
                    LEASE.c.name == name, LEASE.c.owner.is_not(None), LEASE.c.expires_at > now
                )
            )
            .mappings()
            .first()
        )
    return None if row is None else _lease(row)


def _insert_first(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Insert the row of a lease that was never held; False if there is one already."""
    try:
        with connection.begin_nested():
            connection.execute(insert(LEASE).values(**values))
    except IntegrityError:
        return False
    return True


def _is_of(lease: Lease) -> Any:
    return and_(
        LEASE.c.name == lease.name,
        LEASE.c.token == lease.token,
        LEASE.c.owner == lease.owner,
    )


def _token_of(lease: Lease) -> Select[tuple[int]]:
    return select(LEASE.c.token).where(_is_of(lease))


def _lease(row: RowMapping) -> Lease:
    return Lease(row["name"], row["owner"], row["token"], row["expires_at"])


def _lifetime(ttl_seconds: float) -> timedelta:
    if ttl_seconds <= 0:
        raise ValueError(f"a lease lives longer than {ttl_seconds} s")
    return timedelta(seconds=ttl_seconds)
