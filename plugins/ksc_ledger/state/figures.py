"""A few counts over the operational database, cheap enough to be asked every minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from ksc_ledger.state.database import reading
from ksc_ledger.state.outbox import Channel, MailStatus
from ksc_ledger.state.tables import OUTAGE, OUTBOX


@dataclass(frozen=True, slots=True)
class Waiting:
    """Mails that are not sent yet; ``oldest_at`` None when there is none."""

    count: int
    oldest_at: datetime | None


def open_outages(engine: Engine) -> list[str]:
    """The servers of confirmed outages that are not over, one for each outage."""
    with reading(engine) as connection:
        found = connection.execute(
            select(OUTAGE.c.server_code)
            .where(OUTAGE.c.ended_at.is_(None), OUTAGE.c.is_retired.is_(False))
            .order_by(OUTAGE.c.server_code)
        )
        return [row.server_code for row in found]


def waiting_mails(engine: Engine) -> Mapping[Channel, Waiting]:
    """What lies in the outbox and is still to be sent, for every channel."""
    with reading(engine) as connection:
        found = connection.execute(
            select(OUTBOX.c.channel, func.count().label("count"), func.min(OUTBOX.c.created_at))
            .where(OUTBOX.c.status == MailStatus.PENDING.value)
            .group_by(OUTBOX.c.channel)
        ).all()
    by_channel = {Channel(channel): Waiting(count, oldest) for channel, count, oldest in found}
    return {channel: by_channel.get(channel, Waiting(0, None)) for channel in Channel}
