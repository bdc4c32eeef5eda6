"""What is remembered of obligations: their last status, the reminders given, the last digest.

One judgement of one estate is one transaction: the statuses, the keys of the reminders and the
mails that follow from them. A reminder whose key is there is never given again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, insert, select

from ksc_ledger.state import leases, outbox
from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import OBLIGATION_NOTICE, OBLIGATION_STATUS, OBLIGATION_WATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """A row of fct_obligation_status. ``changed_at``: when the status last became another one."""

    obligation_code: str
    unit_code: str
    estate_code: str
    directive_code: str
    document_number: str | None
    obligation_kind: str
    wording: str
    due_at: datetime
    status: str
    met_at: datetime | None
    overdue_days: int
    evidence: str
    changed_at: datetime

    @property
    def key(self) -> tuple[str, str]:
        return self.obligation_code, self.unit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What an estate's last judgement left behind. ``judged_at`` None: there was none."""

    estate_code: str
    rows: Sequence[StatusRow] = ()
    notice_keys: frozenset[str] = frozenset()
    judged_at: datetime | None = None
    digest_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one judgement of an estate leaves behind; ``digest_at`` None: no digest this time."""

    estate_code: str
    judged_at: datetime
    rows: Sequence[StatusRow]
    notice_keys: Sequence[str] = ()
    mails: Sequence[outbox.NewMail] = ()
    digest_at: datetime | None = None


def load(engine: Engine, estate_code: str) -> Remembered:
    """What is remembered of an estate; nothing of one that was never judged."""
    with reading(engine) as connection:
        watch = connection.execute(
            select(OBLIGATION_WATCH.c.judged_at, OBLIGATION_WATCH.c.digest_at).where(
                OBLIGATION_WATCH.c.estate_code == estate_code
            )
        ).one_or_none()
        keys = connection.execute(
            select(OBLIGATION_NOTICE.c.notice_key).where(
                OBLIGATION_NOTICE.c.estate_code == estate_code
            )
        ).scalars()
        return Remembered(
            estate_code=estate_code,
            rows=_rows(connection, [estate_code]),
            notice_keys=frozenset(keys),
            judged_at=watch.judged_at if watch else None,
            digest_at=watch.digest_at if watch else None,
        )


def statuses(engine: Engine) -> list[StatusRow]:
    """The last status of every obligation of every estate."""
    with reading(engine) as connection:
        return _rows(connection, None)


def commit(
    engine: Engine, lease: leases.Lease, judgement: Judgement, identity: outbox.MailIdentity
) -> list[str]:
    """Keep a judgement, whole or not at all; return the Message-IDs minted.

    Raise LeaseLost when the lease is no longer the caller's. A notice that was given before breaks
    the transaction (IntegrityError).
    """
    code = judgement.estate_code
    with engine.begin() as connection:
        leases.guard(connection, lease)
        before = connection.execute(
            select(OBLIGATION_WATCH.c.digest_at).where(OBLIGATION_WATCH.c.estate_code == code)
        ).scalar_one_or_none()
        for table in (OBLIGATION_WATCH, OBLIGATION_STATUS):
            connection.execute(delete(table).where(table.c.estate_code == code))
        connection.execute(
            insert(OBLIGATION_WATCH).values(
                estate_code=code,
                judged_at=judgement.judged_at,
                digest_at=judgement.digest_at or before,
            )
        )
        if judgement.rows:
            connection.execute(insert(OBLIGATION_STATUS), [asdict(row) for row in judgement.rows])
        if judgement.notice_keys:
            connection.execute(
                insert(OBLIGATION_NOTICE),
                [
                    {"notice_key": key, "estate_code": code, "given_at": judgement.judged_at}
                    for key in judgement.notice_keys
                ],
            )
        return outbox.enqueue(connection, judgement.mails, identity)


def _rows(connection: Connection, estate_codes: Iterable[str] | None) -> list[StatusRow]:
    wanted = select(*(OBLIGATION_STATUS.c[name] for name in StatusRow.__dataclass_fields__))
    if estate_codes is not None:
        wanted = wanted.where(OBLIGATION_STATUS.c.estate_code.in_(list(estate_codes)))
    ordered = wanted.order_by(
        OBLIGATION_STATUS.c.estate_code,
        OBLIGATION_STATUS.c.obligation_code,
        OBLIGATION_STATUS.c.unit_code,
    )
    return [StatusRow(**row) for row in connection.execute(ordered).mappings()]
