"""Accounts held back: after a refused login we never try the same password again by ourselves.

An account is a server and a fingerprint of login and password together: whoever changes the
password in the connection is not held any more, and need not know of this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine, and_, delete, insert, select
from sqlalchemy.exc import IntegrityError

from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import HELD_ACCOUNT


class HasFingerprint(Protocol):
    """An account as it would be tried now."""

    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True, slots=True)
class HeldAccount:
    """``reason`` is Vietnamese and read by officials."""

    server_code: str
    fingerprint: str
    reason: str
    held_at: datetime


def hold(engine: Engine, server_code: str, fingerprint: str, reason: str, at: datetime) -> bool:
    """Hold an account back; True if it was not held yet. The first instant and reason stay."""
    try:
        with engine.begin() as connection:
            connection.execute(
                insert(HELD_ACCOUNT).values(
                    server_code=server_code, fingerprint=fingerprint, reason=reason, held_at=at
                )
            )
    except IntegrityError:
        if not is_held(engine, server_code, fingerprint):
            raise
        return False
    return True


def is_held(engine: Engine, server_code: str, fingerprint: str) -> bool:
    """Whether this account of this server must not be tried."""
    with reading(engine) as connection:
        found = connection.execute(
            select(HELD_ACCOUNT.c.held_at).where(
                and_(
                    HELD_ACCOUNT.c.server_code == server_code,
                    HELD_ACCOUNT.c.fingerprint == fingerprint,
                )
            )
        ).first()
    return found is not None


def resume(engine: Engine, server_code: str) -> int:
    """Let every account of a server be tried again; the number of accounts that were held."""
    with engine.begin() as connection:
        return connection.execute(
            delete(HELD_ACCOUNT).where(HELD_ACCOUNT.c.server_code == server_code)
        ).rowcount


def held(engine: Engine) -> list[HeldAccount]:
    """Every account held back, by server."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(
                HELD_ACCOUNT.c.server_code,
                HELD_ACCOUNT.c.fingerprint,
                HELD_ACCOUNT.c.reason,
                HELD_ACCOUNT.c.held_at,
            ).order_by(HELD_ACCOUNT.c.server_code, HELD_ACCOUNT.c.held_at)
        ).all()
    return [HeldAccount(*row) for row in rows]


def held_of(engine: Engine, accounts: Mapping[str, HasFingerprint]) -> dict[str, HeldAccount]:
    """Those of these accounts, by server, that were refused and have not changed since.

    A fingerprint is slow on purpose: it is taken only where some account of the server is held.
    """
    return {
        one.server_code: one
        for one in held(engine)
        if one.server_code in accounts and accounts[one.server_code].fingerprint == one.fingerprint
    }
