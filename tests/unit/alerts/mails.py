"""Mails, people and a drain for the tests of delivery."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

from sqlalchemy import Engine

from ksc_ledger.alerts.compose import Sender
from ksc_ledger.alerts.deliver import Delivered, Patience, deliver
from ksc_ledger.alerts.outlets import Outlet, RelayDown
from ksc_ledger.alerts.roles import Contact, Directory
from ksc_ledger.state import outbox
from ksc_ledger.state.links import Reached, nothing
from ksc_ledger.state.outbox import (
    Channel,
    Mail,
    MailIdentity,
    MailStatus,
    NewMail,
    RecipientStatus,
    Result,
)

AT = datetime(2024, 1, 9, 2, 0, tzinfo=UTC)
LIVE = MailIdentity(domain="ksc.tinh.example", is_rehearsal=False)
REHEARSAL = MailIdentity(domain="ksc.tinh.example", is_rehearsal=True)
SENDER = Sender(
    address="ksc@tinh.example", name="Hệ thống giám sát KSC", reply_to="van-hanh@tinh.example"
)
DIRECTORY = Directory(
    contacts=(
        Contact(role="ops_team", unit_code="tinh", name="Tổ vận hành", address="ops@tinh.example"),
        Contact(role="ops_team", unit_code="tinh", name="Trực ca", address="truc@tinh.example"),
        Contact(role="unit", unit_code="huyen_a", name="Huyện A", address="a@huyen.example"),
        Contact(role="engineers", unit_code="tinh", name="Kỹ thuật", address="kt@tinh.example"),
    ),
    parents={"huyen_a": "tinh", "huyen_b": "tinh", "tinh": None},
)
FACTS: dict[str, Any] = {
    "place": "Huyện Tháp Mười",
    "started_at": "2024-01-09T01:40:00+00:00",
    "confirmed_at": "2024-01-09T01:55:00+00:00",
    "ended_at": "2024-01-09T05:10:00+00:00",
    "duration_seconds": 12_600,
    "lasted_seconds": 14_400,
    "cause": "link",
    "last_contact_at": "2024-01-09T01:35:00+00:00",
    "was_never_connected": False,
    "is_in_maintenance": False,
    "was_inhibited": False,
}


def a_new_mail(kind: str = "lost", **changes: Any) -> NewMail:
    values: dict[str, Any] = {
        "kind": kind,
        "incident_id": "incident-1",
        "step": 1,
        "role": "ops_team",
        "estate_code": "mau",
        "unit_code": "huyen_a",
        "server_code": "huyen_a",
        "created_at": AT,
        "facts": FACTS,
    }
    return NewMail(**{**values, **changes})


def a_mail(kind: str = "lost", **changes: Any) -> Mail:
    values: dict[str, Any] = {
        "message_id": f"<incident-1.{kind}.1.ops_team@ksc.tinh.example>",
        "thread_id": "<incident-1@ksc.tinh.example>",
        "kind": kind,
        "channel": Channel.ALERTS,
        "incident_id": "incident-1",
        "step": 1,
        "role": "ops_team",
        "estate_code": "mau",
        "unit_code": "huyen_a",
        "server_code": "huyen_a",
        "facts": FACTS,
        "is_rehearsal": False,
        "created_at": AT,
        "status": MailStatus.PENDING,
        "attempt_count": 1,
        "claim_owner": "test",
        "last_error": None,
    }
    return Mail(**{**values, **changes})


def put(engine: Engine, *mails: NewMail, identity: MailIdentity = LIVE) -> list[str]:
    with engine.begin() as connection:
        return outbox.enqueue(connection, mails, identity)


class Clock:
    """Real time that a test moves."""

    def __init__(self, at: datetime = AT) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **amount: float) -> None:
        self.at += timedelta(**amount)


class Mailbox:
    """An outlet in memory. ``answers`` overrides what becomes of an address; ``is_down`` refuses."""

    is_rehearsal = False

    def __init__(self) -> None:
        self.taken: list[tuple[str, tuple[str, ...], bytes]] = []
        self.answers: dict[str, RecipientStatus] = {}
        self.is_down = False

    def send(self, mail: Mail, addresses: Sequence[str], message: bytes) -> list[Result]:
        if self.is_down:
            raise RelayDown("421 not now")
        said = {one: self.answers.get(one, RecipientStatus.SENT) for one in addresses}
        took = tuple(one for one, status in said.items() if status is RecipientStatus.SENT)
        if took:
            self.taken.append((mail.message_id, took, message))
        return [
            Result(address=one, status=status, reply=status.value) for one, status in said.items()
        ]

    def seen_by(self, address: str) -> list[EmailMessage]:
        return [parsed(message) for _, took, message in self.taken if address in took]


def drain(
    engine: Engine,
    outlet: Outlet,
    clock: Clock,
    *,
    channel: Channel = Channel.ALERTS,
    directory: Directory = DIRECTORY,
    owner: str = "drain-1",
    now: datetime | None = None,
    patience: Patience | None = None,
    reached: Reached = nothing,
) -> Delivered:
    return deliver(
        engine,
        channel,
        outlet,
        directory,
        SENDER,
        owner=owner,
        now=now or clock.at,
        real_clock=clock,
        patience=patience or Patience(),
        jitter=lambda: 0.0,
        reached=reached,
    )


def parsed(message: bytes) -> EmailMessage:
    read = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    return read
