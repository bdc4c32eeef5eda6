"""Which versions of the registry were seen, when, and whether they could be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import REGISTRY_VERSION


@dataclass(frozen=True, slots=True)
class RegistryVersion:
    """``mistakes`` as the registry room wrote them (file, row, field, text, remedy)."""

    sha256: str
    first_seen_at: datetime
    last_seen_at: datetime
    is_good: bool
    mistakes: tuple[dict[str, Any], ...]


def record(
    engine: Engine,
    sha256: str,
    at: datetime,
    *,
    is_good: bool,
    mistakes: Sequence[dict[str, Any]] = (),
) -> bool:
    """Note that a version was read; True when it was never seen before.

    ``first_seen_at`` stays. The verdict is the newest one: newer code may judge the same files
    otherwise.
    """
    verdict = {"is_good": is_good, "mistakes": list(mistakes), "last_seen_at": at}
    seen = update(REGISTRY_VERSION).where(REGISTRY_VERSION.c.sha256 == sha256).values(**verdict)
    with engine.begin() as connection:
        if connection.execute(seen).rowcount == 1:
            return False
        try:
            with connection.begin_nested():
                connection.execute(
                    insert(REGISTRY_VERSION).values(sha256=sha256, first_seen_at=at, **verdict)
                )
        except IntegrityError:
            # Another process inserted it between our two statements.
            connection.execute(seen)
            return False
    return True


def last_good(engine: Engine) -> RegistryVersion | None:
    """The usable version that was seen last; not the newest one when files were put back."""
    versions = _read(
        engine,
        _select()
        .where(REGISTRY_VERSION.c.is_good)
        .order_by(REGISTRY_VERSION.c.last_seen_at.desc(), REGISTRY_VERSION.c.sha256)
        .limit(1),
    )
    return versions[0] if versions else None


def versions(engine: Engine) -> list[RegistryVersion]:
    """Every version, in the order in which they were first seen."""
    return _read(
        engine,
        _select().order_by(REGISTRY_VERSION.c.first_seen_at, REGISTRY_VERSION.c.sha256),
    )


def _select() -> Select[Any]:
    return select(
        REGISTRY_VERSION.c.sha256,
        REGISTRY_VERSION.c.first_seen_at,
        REGISTRY_VERSION.c.last_seen_at,
        REGISTRY_VERSION.c.is_good,
        REGISTRY_VERSION.c.mistakes,
    )


def _read(engine: Engine, query: Select[Any]) -> list[RegistryVersion]:
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    return [
        RegistryVersion(
            sha256=row.sha256,
            first_seen_at=row.first_seen_at,
            last_seen_at=row.last_seen_at,
            is_good=row.is_good,
            mistakes=tuple(row.mistakes),
        )
        for row in rows
    ]
