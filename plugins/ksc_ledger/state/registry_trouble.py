"""What the engineers were told of a registry that is wrong: once, when it changes, when it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from ksc_ledger.state import outbox
from ksc_ledger.state.tables import REGISTRY_TROUBLE

# Whoever mends a registry saves it more than once; other mistakes are news at most so often.
CHANGE_AGAIN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is to be told; ``step`` counts the mails of one incident from 0 on."""

    incident_id: str
    step: int
    since_at: datetime
    is_over: bool = False


def note(
    engine: Engine,
    estate_code: str,
    told_sha256: str | None,
    now: datetime,
    mail_of: Callable[[News], outbox.NewMail],
    identity: outbox.MailIdentity,
    new_incident: Callable[[], str],
) -> list[str]:
    """Compare an estate's mistakes with what was told; what is news is kept and mailed together.

    ``told_sha256`` identifies the mistakes, None: there are none. Returns the Message-IDs minted.
    Of two processes that see the same news one mails it.
    """
    try:
        with engine.begin() as connection:
            news = _news(connection, estate_code, told_sha256, now, new_incident)
            if news is None:
                return []
            connection.execute(
                delete(REGISTRY_TROUBLE).where(REGISTRY_TROUBLE.c.estate_code == estate_code)
            )
            connection.execute(
                insert(REGISTRY_TROUBLE).values(
                    estate_code=estate_code,
                    incident_id=news.incident_id,
                    since_at=news.since_at,
                    told_at=now,
                    told_sha256=told_sha256 or "",
                    step=news.step,
                    ended_at=now if news.is_over else None,
                )
            )
            return outbox.enqueue(connection, [mail_of(news)], identity)
    except IntegrityError:
        return []  # another process was faster with the same news


def _news(
    connection: Connection,
    estate_code: str,
    told_sha256: str | None,
    now: datetime,
    new_incident: Callable[[], str],
) -> News | None:
    row = connection.execute(
        select(REGISTRY_TROUBLE)
        .where(REGISTRY_TROUBLE.c.estate_code == estate_code)
        .with_for_update()
    ).one_or_none()
    if row is not None and now < row.told_at:
        return None  # a clock that was put back, or a run of the past
    if row is None or row.ended_at is not None:
        if told_sha256 is None:
            return None
        return News(incident_id=new_incident(), step=0, since_at=now)
    news = News(incident_id=row.incident_id, step=row.step + 1, since_at=row.since_at)
    if told_sha256 is None:
        return News(
            incident_id=news.incident_id, step=news.step, since_at=news.since_at, is_over=True
        )
    if told_sha256 == row.told_sha256 or now - row.told_at < CHANGE_AGAIN_AFTER:
        return None
    return news
