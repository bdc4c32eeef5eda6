"""The outbox: mails that must go, committed together with the truth that calls for them.

A mail's Message-ID is minted in the transaction that decides on the mail and never changes: a
sender that dies between the relay's answer and its own note sends the same message again, not
another one. Who receives it is bound at the first attempt and kept, a result for each address.

Two kinds of time are kept apart: ``created_at``, ``sent_at`` and the age of a mail are on the mode's
clock; claims and waiting times are real time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    and_,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import OUTBOX, OUTBOX_RECIPIENT, RELAY_TROUBLE, Instant

# Kinds that tell of a loss: whoever received one is told when it is over.
REMINDER_KIND = "still_lost"
LOSS_KINDS = ("lost", "province_down", "escalated", REMINDER_KIND)
ENDING_KIND = "back"


class Channel(StrEnum):
    ALERTS = "alerts"  # the operations team and the units
    ENGINEERS = "engineers"  # those who keep this product running


class MailStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"  # at least one recipient has it, nobody is left to try
    DEAD = "dead"  # given up; seen and may be sent again by hand
    MERGED = "merged"  # overtaken: a later mail of its thread says it as well


class RecipientStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    REFUSED = "refused"  # the relay said no for good
    DEAD = "dead"  # given up after trying long enough
    MERGED = "merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMail:
    """A mail to be put into the outbox. ``facts`` are JSON values for the template."""

    kind: str
    incident_id: str
    role: str
    estate_code: str
    unit_code: str
    created_at: datetime
    step: int = 0
    server_code: str | None = None
    channel: Channel = Channel.ALERTS
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailIdentity:
    """Where Message-IDs are minted (``domain``) and whether this is a rehearsal."""

    domain: str
    is_rehearsal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    address: str
    name: str = ""
    status: RecipientStatus = RecipientStatus.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail of the outbox. ``attempt_count`` of a claimed mail fences its claim."""

    message_id: str
    thread_id: str
    kind: str
    channel: Channel
    incident_id: str
    step: int
    role: str
    estate_code: str
    unit_code: str
    server_code: str | None
    facts: Mapping[str, Any]
    is_rehearsal: bool
    created_at: datetime
    status: MailStatus
    attempt_count: int
    claim_owner: str | None
    last_error: str | None


def enqueue(connection: Connection, mails: Iterable[NewMail], identity: MailIdentity) -> list[str]:
    """Put mails into the outbox inside the caller's transaction; return their Message-IDs.

    A second mail of the same incident, kind, step and role breaks the transaction
    (IntegrityError): it would be a second mail for one truth.
    """
    rows = [
        {
            "message_id": f"<{mail.incident_id}.{mail.kind}.{mail.step}.{mail.role}@{identity.domain}>",
            "thread_id": f"<{mail.incident_id}@{identity.domain}>",
            "mail_kind": mail.kind,
            "channel": mail.channel.value,
            "incident_id": mail.incident_id,
            "step": mail.step,
            "recipient_role": mail.role,
            "estate_code": mail.estate_code,
            "unit_code": mail.unit_code,
            "server_code": mail.server_code,
            "facts": json.dumps(dict(mail.facts), sort_keys=True),
            "is_rehearsal": identity.is_rehearsal,
            "created_at": mail.created_at,
            "status": MailStatus.PENDING.value,
            "attempt_count": 0,
        }
        for mail in mails
    ]
    if rows:
        connection.execute(insert(OUTBOX), rows)
    return [str(row["message_id"]) for row in rows]


def enqueue_missing(
    connection: Connection, mails: Iterable[NewMail], identity: MailIdentity
) -> list[str]:
    """Like ``enqueue``, but a mail that lies in the outbox already is left as it is."""
    fresh = [
        mail
        for mail in mails
        if connection.execute(
            select(OUTBOX.c.message_id).where(
                OUTBOX.c.incident_id == mail.incident_id,
                OUTBOX.c.mail_kind == mail.kind,
                OUTBOX.c.step == mail.step,
                OUTBOX.c.recipient_role == mail.role,
            )
        ).first()
        is None
    ]
    return enqueue(connection, fresh, identity)


# Sending


def claim_next(
    engine: Engine, channel: Channel, owner: str, seconds: float, real_now: datetime
) -> Mail | None:
    """Take the oldest mail that is due, for ``seconds``; None when nothing is.

    A claim that ran out is taken over: its holder is dead or will find itself fenced off.
    """
    is_due = and_(
        OUTBOX.c.channel == channel.value,
        OUTBOX.c.status == MailStatus.PENDING.value,
        or_(OUTBOX.c.claim_until.is_(None), OUTBOX.c.claim_until <= real_now),
        or_(OUTBOX.c.not_before_at.is_(None), OUTBOX.c.not_before_at <= real_now),
    )
    oldest = (
        select(OUTBOX.c.message_id)
        .where(is_due)
        .order_by(OUTBOX.c.created_at, OUTBOX.c.message_id)
        .limit(1)
    )
    while True:
        with engine.begin() as connection:
            message_id = connection.execute(oldest).scalar_one_or_none()
            if message_id is None:
                return None
            # Somebody else may have taken it since it was looked up: then look again.
            row = (
                connection.execute(
                    update(OUTBOX)
                    .where(OUTBOX.c.message_id == message_id, is_due)
                    .values(
                        claim_owner=owner,
                        claim_until=real_now + timedelta(seconds=seconds),
                        attempt_count=OUTBOX.c.attempt_count + 1,
                    )
                    .returning(*OUTBOX.c)
                )
                .mappings()
                .one_or_none()
            )
        if row is not None:
            return _mail(row)


def recipients_of(engine: Engine, message_id: str) -> list[Recipient]:
    """Whom a mail goes to, as bound at its first attempt, with what became of each."""
    with reading(engine) as connection:
        return _recipients(connection, message_id)


def bind(
    engine: Engine, mail: Mail, recipients: Sequence[Recipient], now: datetime
) -> list[Recipient] | None:
    """Keep who receives a claimed mail, unless that was kept before; None if the claim is lost."""
    with engine.begin() as connection:
        if not _holds(connection, mail):
            return None
        return _bind(connection, mail, recipients, now)


def yield_to_newer(engine: Engine, mail: Mail, now: datetime) -> str | None:
    """Give way to a mail of the same incident and role that says more, if one is waiting.

    News of a loss gives way to the news that it is over, a reminder to a later one. Return the
    Message-ID of the mail that now speaks for both; None when this one has to go.
    """
    if mail.kind not in LOSS_KINDS:
        return None
    says_more = OUTBOX.c.mail_kind == ENDING_KIND
    if mail.kind == REMINDER_KIND:
        is_later = and_(OUTBOX.c.mail_kind == REMINDER_KIND, OUTBOX.c.step > mail.step)
        says_more = or_(says_more, is_later)
    with engine.begin() as connection:
        if not _holds(connection, mail):
            return None
        newer = connection.execute(
            select(OUTBOX.c.message_id)
            .where(
                OUTBOX.c.incident_id == mail.incident_id,
                OUTBOX.c.recipient_role == mail.role,
                OUTBOX.c.status == MailStatus.PENDING.value,
                says_more,
            )
            .order_by(OUTBOX.c.created_at.desc(), OUTBOX.c.message_id)
            .limit(1)
        ).scalar_one_or_none()
        if newer is not None:
            _merge(connection, [mail.message_id], newer, now)
    return newer


@dataclass(frozen=True, slots=True)
class Ending:
    """Who is to hear that an outage is over, and whether the news of its loss was still unsent."""

    recipients: list[Recipient]
    is_merged: bool


def bind_ending(
    engine: Engine, mail: Mail, fallback: Sequence[Recipient], now: datetime, real_now: datetime
) -> Ending | None:
    """Bind the mail that ends an outage to exactly those who were told of the loss.

    News of the loss that is still waiting is not sent any more: this mail carries it, to those
    who waited for it as well. ``fallback`` is used when nobody could be told at all. None when the
    claim is lost or such news is being sent at this very moment: then try again shortly.
    """
    with engine.begin() as connection:
        if not _holds(connection, mail):
            return None
        bound = _recipients(connection, mail.message_id)
        if not bound:
            news = (
                connection.execute(
                    select(OUTBOX.c.message_id, OUTBOX.c.status, OUTBOX.c.claim_until)
                    .where(
                        OUTBOX.c.incident_id == mail.incident_id,
                        OUTBOX.c.recipient_role == mail.role,
                        OUTBOX.c.mail_kind.in_(LOSS_KINDS),
                    )
                    .with_for_update()
                )
                .mappings()
                .all()
            )
            waiting = [row for row in news if row["status"] == MailStatus.PENDING.value]
            if any(row["claim_until"] and row["claim_until"] > real_now for row in waiting):
                return None
            _merge(connection, [row["message_id"] for row in waiting], mail.message_id, now)
            heard = _heard(connection, [row["message_id"] for row in news])
            bound = _bind(connection, mail, heard or fallback, now)
        is_merged = connection.execute(
            select(OUTBOX.c.message_id).where(OUTBOX.c.merged_into == mail.message_id).limit(1)
        ).first()
        return Ending(bound, is_merged is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one recipient in one attempt; PENDING means: try again later."""

    address: str
    status: RecipientStatus
    reply: str = ""


def settle(
    engine: Engine,
    mail: Mail,
    results: Sequence[Result],
    *,
    now: datetime,
    retry_at: datetime,
    is_last_try: bool,
    error: str | None = None,
) -> MailStatus | None:
    """Note the results of an attempt and end the claim; None if the claim is lost.

    Whoever is left to try is tried again at ``retry_at`` (real time), or given up on after the
    last try.
    """
    with engine.begin() as connection:
        if not _holds(connection, mail):
            return None
        for result in results:
            connection.execute(
                update(OUTBOX_RECIPIENT)
                .where(
                    OUTBOX_RECIPIENT.c.message_id == mail.message_id,
                    OUTBOX_RECIPIENT.c.address == result.address,
                )
                .values(status=result.status.value, reply=result.reply, changed_at=now)
            )
        if is_last_try:
            connection.execute(
                update(OUTBOX_RECIPIENT)
                .where(
                    OUTBOX_RECIPIENT.c.message_id == mail.message_id,
                    OUTBOX_RECIPIENT.c.status == RecipientStatus.PENDING.value,
                )
                .values(status=RecipientStatus.DEAD.value, changed_at=now)
            )
        states = {one.status for one in _recipients(connection, mail.message_id)}
        if RecipientStatus.PENDING in states or (not states and not is_last_try):
            status = MailStatus.PENDING
        elif RecipientStatus.SENT in states:
            status = MailStatus.SENT
        else:
            status = MailStatus.DEAD
        values: dict[str, Any] = {
            "status": status.value,
            "claim_owner": None,
            "claim_until": None,
            "not_before_at": retry_at if status is MailStatus.PENDING else None,
            "last_error": error,
        }
        if any(result.status is RecipientStatus.SENT for result in results):
            values["sent_at"] = func.coalesce(OUTBOX.c.sent_at, literal(now, Instant))
        if status is not MailStatus.PENDING:
            values["finished_at"] = now
        connection.execute(
            update(OUTBOX).where(OUTBOX.c.message_id == mail.message_id).values(**values)
        )
    return status


def put_back(engine: Engine, mail: Mail, retry_at: datetime, error: str | None = None) -> bool:
    """End a claim without an attempt at anybody; False if the claim is lost."""
    with engine.begin() as connection:
        changed = connection.execute(
            update(OUTBOX)
            .where(_is_claim(mail))
            .values(claim_owner=None, claim_until=None, not_before_at=retry_at, last_error=error)
        )
    return changed.rowcount == 1


def requeue(engine: Engine, message_id: str) -> bool:
    """Send a dead mail again (the same Message-ID), to those who do not have it."""
    with engine.begin() as connection:
        changed = connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.message_id == message_id, OUTBOX.c.status == MailStatus.DEAD.value)
            .values(
                status=MailStatus.PENDING.value,
                not_before_at=None,
                finished_at=None,
            )
        )
        connection.execute(
            update(OUTBOX_RECIPIENT)
            .where(
                OUTBOX_RECIPIENT.c.message_id == message_id,
                OUTBOX_RECIPIENT.c.status == RecipientStatus.DEAD.value,
            )
            .values(status=RecipientStatus.PENDING.value)
        )
    return changed.rowcount == 1


# The relay of a channel


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayTrouble:
    """A relay that takes no mail at all. Instants are real time."""

    channel: Channel
    failing_since_at: datetime
    failure_count: int
    next_try_at: datetime
    last_error: str


def relay_trouble(engine: Engine, channel: Channel) -> RelayTrouble | None:
    with reading(engine) as connection:
        row = (
            connection.execute(select(RELAY_TROUBLE).where(_is_relay(channel)))
            .mappings()
            .one_or_none()
        )
    if row is None:
        return None
    return RelayTrouble(**{**row, "channel": channel})


def note_relay_failed(
    engine: Engine, channel: Channel, error: str, real_now: datetime, next_try_at: datetime
) -> None:
    """Remember that the relay takes no mail, and when to knock again."""
    with engine.begin() as connection:
        changed = connection.execute(
            update(RELAY_TROUBLE)
            .where(_is_relay(channel))
            .values(
                failure_count=RELAY_TROUBLE.c.failure_count + 1,
                next_try_at=next_try_at,
                last_error=error,
            )
        )
        if changed.rowcount == 0:
            connection.execute(
                insert(RELAY_TROUBLE).values(
                    channel=channel.value,
                    failing_since_at=real_now,
                    failure_count=1,
                    next_try_at=next_try_at,
                    last_error=error,
                )
            )


def note_relay_works(engine: Engine, channel: Channel) -> None:
    with engine.begin() as connection:
        connection.execute(RELAY_TROUBLE.delete().where(_is_relay(channel)))


# Looking at it


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRow:
    """A row of fct_mail."""

    message_id: str
    mail_kind: str
    incident_id: str
    recipient_role: str
    created_at: datetime
    sent_at: datetime | None
    status: str


def mails(engine: Engine) -> list[MailRow]:
    """Every mail there ever was, oldest first."""
    names = MailRow.__dataclass_fields__
    with reading(engine) as connection:
        rows = connection.execute(
            select(*(OUTBOX.c[name] for name in names)).order_by(
                OUTBOX.c.created_at, OUTBOX.c.message_id
            )
        ).mappings()
        return [MailRow(**row) for row in rows]


def facts_since(connection: Connection, kind: str, since: datetime) -> list[Mapping[str, Any]]:
    """The facts of the mails of a kind that were called for after an instant, newest first."""
    rows = connection.execute(
        select(OUTBOX.c.facts)
        .where(OUTBOX.c.mail_kind == kind, OUTBOX.c.created_at > since)
        .order_by(OUTBOX.c.created_at.desc())
    ).scalars()
    return [json.loads(facts) for facts in rows]


def waiting_channels(engine: Engine) -> set[Channel]:
    """The channels on which a mail waits to be sent: a cheap look before anything heavier."""
    with reading(engine) as connection:
        found = connection.execute(
            select(OUTBOX.c.channel).where(OUTBOX.c.status == MailStatus.PENDING.value).distinct()
        ).scalars()
        return {Channel(channel) for channel in found}


def erase_address(engine: Engine, address: str) -> int:
    """Forget a person: the address and name go, the fact that a role was told stays."""
    with engine.begin() as connection:
        ids = (
            connection.execute(
                select(OUTBOX_RECIPIENT.c.message_id).where(OUTBOX_RECIPIENT.c.address == address)
            )
            .scalars()
            .all()
        )
        for message_id in ids:
            taken = connection.execute(
                select(func.count()).where(
                    OUTBOX_RECIPIENT.c.message_id == message_id,
                    OUTBOX_RECIPIENT.c.address.like("erased-%"),
                )
            ).scalar_one()
            connection.execute(
                update(OUTBOX_RECIPIENT)
                .where(
                    OUTBOX_RECIPIENT.c.message_id == message_id,
                    OUTBOX_RECIPIENT.c.address == address,
                )
                .values(address=f"erased-{taken + 1}", name="", reply=None)
            )
        # Nobody is there to be written to any more.
        connection.execute(
            update(OUTBOX_RECIPIENT)
            .where(
                OUTBOX_RECIPIENT.c.address.like("erased-%"),
                OUTBOX_RECIPIENT.c.status == RecipientStatus.PENDING.value,
            )
            .values(status=RecipientStatus.DEAD.value)
        )
    return len(ids)


def _is_relay(channel: Channel) -> ColumnElement[bool]:
    return RELAY_TROUBLE.c.channel == channel.value


def _is_claim(mail: Mail) -> ColumnElement[bool]:
    return and_(
        OUTBOX.c.message_id == mail.message_id,
        OUTBOX.c.claim_owner == mail.claim_owner,
        OUTBOX.c.attempt_count == mail.attempt_count,
    )


def _holds(connection: Connection, mail: Mail) -> bool:
    """Whether the claim is still the caller's; until the transaction ends nobody can take it."""
    found = connection.execute(
        select(OUTBOX.c.message_id).where(_is_claim(mail)).with_for_update()
    ).first()
    return found is not None


def _merge(connection: Connection, message_ids: Sequence[str], into: str, now: datetime) -> None:
    """End mails that another one now speaks for; whoever still waited for them waits for that."""
    if not message_ids:
        return
    connection.execute(
        update(OUTBOX_RECIPIENT)
        .where(
            OUTBOX_RECIPIENT.c.message_id.in_(message_ids),
            OUTBOX_RECIPIENT.c.status == RecipientStatus.PENDING.value,
        )
        .values(status=RecipientStatus.MERGED.value, changed_at=now)
    )
    connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.message_id.in_(message_ids))
        .values(
            status=MailStatus.MERGED.value,
            merged_into=into,
            finished_at=now,
            claim_owner=None,
            claim_until=None,
        )
    )


def _heard(connection: Connection, message_ids: Sequence[str]) -> list[Recipient]:
    """Who has, or was waiting for, any of these mails; not those the relay refused."""
    rows = connection.execute(
        select(OUTBOX_RECIPIENT.c.address, OUTBOX_RECIPIENT.c.name)
        .where(
            OUTBOX_RECIPIENT.c.message_id.in_(message_ids),
            OUTBOX_RECIPIENT.c.status.in_(
                [RecipientStatus.SENT.value, RecipientStatus.MERGED.value]
            ),
        )
        .order_by(OUTBOX_RECIPIENT.c.address)
    ).all()
    names: dict[str, str] = {row.address: row.name for row in rows}
    return [Recipient(address=address, name=name) for address, name in names.items()]


def _bind(
    connection: Connection, mail: Mail, recipients: Sequence[Recipient], now: datetime
) -> list[Recipient]:
    bound = _recipients(connection, mail.message_id)
    if bound or not recipients:
        return bound
    connection.execute(
        insert(OUTBOX_RECIPIENT),
        [
            {
                "message_id": mail.message_id,
                "address": recipient.address,
                "name": recipient.name,
                "status": RecipientStatus.PENDING.value,
                "changed_at": now,
            }
            for recipient in recipients
        ],
    )
    return _recipients(connection, mail.message_id)


def _recipients(connection: Connection, message_id: str) -> list[Recipient]:
    rows = connection.execute(
        select(OUTBOX_RECIPIENT.c.address, OUTBOX_RECIPIENT.c.name, OUTBOX_RECIPIENT.c.status)
        .where(OUTBOX_RECIPIENT.c.message_id == message_id)
        .order_by(OUTBOX_RECIPIENT.c.address)
    ).all()
    return [
        Recipient(address=address, name=name, status=RecipientStatus(status))
        for address, name, status in rows
    ]


def _mail(row: RowMapping) -> Mail:
    return Mail(
        message_id=row["message_id"],
        thread_id=row["thread_id"],
        kind=row["mail_kind"],
        channel=Channel(row["channel"]),
        incident_id=row["incident_id"],
        step=row["step"],
        role=row["recipient_role"],
        estate_code=row["estate_code"],
        unit_code=row["unit_code"],
        server_code=row["server_code"],
        facts=json.loads(row["facts"]),
        is_rehearsal=row["is_rehearsal"],
        created_at=row["created_at"],
        status=MailStatus(row["status"]),
        attempt_count=row["attempt_count"],
        claim_owner=row["claim_owner"],
        last_error=row["last_error"],
    )
