"""What people did by hand: who, when, what, to what. A row is written with the deed or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, insert, select

from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import AUDIT


class Action(StrEnum):
    ACKNOWLEDGED = "outage_acknowledged"
    SILENCED = "server_silenced"
    SILENCE_ENDED = "silence_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """``subject`` is the incident, server or silence it was done to; ``details`` are JSON values."""

    made_at: datetime
    actor: str
    action: Action
    subject: str
    details: Mapping[str, Any] = field(default_factory=dict)


def note(connection: Connection, deed: Deed) -> None:
    """Keep a deed inside the caller's transaction."""
    connection.execute(
        insert(AUDIT).values(
            audit_id=uuid4().hex,
            made_at=deed.made_at,
            actor=deed.actor,
            action=deed.action.value,
            subject=deed.subject,
            details=dict(deed.details),
        )
    )


def deeds(engine: Engine) -> list[Deed]:
    """Everything that was done by hand, oldest first."""
    with reading(engine) as connection:
        rows = connection.execute(select(AUDIT).order_by(AUDIT.c.made_at, AUDIT.c.audit_id)).all()
    return [
        Deed(
            made_at=row.made_at,
            actor=row.actor,
            action=Action(row.action),
            subject=row.subject,
            details=row.details,
        )
        for row in rows
    ]
