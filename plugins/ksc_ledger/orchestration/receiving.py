"""What the tasks of ``receive_unit_reports`` do."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import clock_of, vietnamese_date
from ksc_ledger.orchestration.assets import REPORTS_ACCEPTED
from ksc_ledger.orchestration.instants import as_of_at
from ksc_ledger.orchestration.links import shows_checks
from ksc_ledger.orchestration.process import die_with_parent

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from ksc_ledger.intake.examining import Directory
    from ksc_ledger.intake.imap_inbox import Mailbox
    from ksc_ledger.intake.reasons import Finding
    from ksc_ledger.intake.receipts import Receipt
    from ksc_ledger.intake.receive import Gate, GateFinding
    from ksc_ledger.registry import Registry
    from ksc_ledger.settings import Settings
    from ksc_ledger.state.outbox import NewMail

log = logging.getLogger(__name__)

IMAP_CONNECTION = "imap_reports"
LEASE_SECONDS = 600
# Receipts that were put in their place this long ago have their mails, or a person has looked.
MAILED_WITHIN = timedelta(days=2)
RECEIPT_MAIL = "receipt"
SENDER_ROLE, ENGINEERS_ROLE = "unit", "engineers"
FINDINGS_TOLD = 30


def fetch_mailbox() -> int:
    """Put the attachments of new mails into the inbox; how many files came.

    Skipped where no mailbox is set up and in a rehearsal, which opens no connection. A mailbox
    that does not answer is a red cell, not tried again in this run: the next comes in ten minutes.
    """
    from ksc_ledger.errors import LedgerError
    from ksc_ledger.intake.imap_inbox import fetch

    die_with_parent()
    context = get_current_context()
    settings = settings_module.load()
    now = _instant(context, settings)
    if settings.places.rehearsal_mark.exists():
        raise AirflowSkipException("Đang diễn tập: không mở kết nối tới hộp thư.")
    mailbox = _mailbox()
    if mailbox is None:
        raise AirflowSkipException(f"Chưa có kết nối {IMAP_CONNECTION}: chỉ nhận tệp trong inbox.")
    try:
        done = fetch(mailbox, _senders(settings, now), settings.places.inbox)
    except LedgerError as error:
        raise AirflowFailException(str(error)) from error
    for line in done.passed_over:
        log.warning("%s", line)
    if not done.files:
        raise AirflowSkipException("Hộp thư không có tệp mới.")
    return len(done.files)


def receive_reports() -> dict[str, Any]:
    """Take what lies in the inbox, answer each file once, and wake the marts.

    Returns how many files ended in which way, and under ``failed`` the receipts of files on which
    our own code failed. Skipped when there is nothing to take.
    """
    from ksc_ledger.intake.inbox import waiting
    from ksc_ledger.intake.receive import receive
    from ksc_ledger.registry import in_force
    from ksc_ledger.state import leases, open_state

    die_with_parent()
    context = get_current_context()
    settings = settings_module.load()
    now = _instant(context, settings)
    places = settings.places
    engine = open_state(settings.state_url)
    registry = in_force(settings).registry
    _answer(engine, registry, settings, now)  # what a run that died had taken, but not answered
    if not waiting(places.inbox, now, lambda: None):
        raise AirflowSkipException("Không có tệp nào đang chờ.")
    owner = f"{socket.gethostname()}:{os.getpid()}:{context['run_id']}"
    lease = leases.acquire(engine, "receive:inbox", owner, LEASE_SECONDS, datetime.now(UTC))
    if lease is None:
        raise AirflowSkipException("Một lượt nhận báo cáo khác đang chạy.")
    try:
        receipts = receive(
            places.inbox,
            places,
            directory_of(registry),
            now=now,
            gate=gate_of(settings, now, lambda page: shows_checks(context, page)),
        )
    finally:
        leases.release(engine, lease)
        _answer(engine, registry, settings, now)
    for receipt in receipts:
        log.info("%s: %s %s", receipt.receipt_id, receipt.verdict.value, receipt.reason_code)
        if receipt.failure:
            log.error("%s: lỗi của hệ thống:\n%s", receipt.receipt_id, receipt.failure)
    if not receipts:
        raise AirflowSkipException("Các tệp đang chờ còn được ghi dở.")
    context["outlet_events"][REPORTS_ACCEPTED].extra = {"as_of_at": now.isoformat()}
    counts: dict[str, Any] = {"failed": [one.receipt_id for one in receipts if one.failure]}
    for receipt in receipts:
        counts[receipt.verdict.value] = counts.get(receipt.verdict.value, 0) + 1
    return counts


def confirm(received: Mapping[str, Any]) -> None:
    """Fail where a file was put aside because of a mistake of ours; all others are done by now."""
    failed = received["failed"]
    if failed:
        raise AirflowFailException(
            f"Hệ thống gặp lỗi khi xử lý {len(failed)} tệp: {', '.join(failed)}. Tệp nằm trong "
            "quarantine/reports/; nguyên nhân ở nhật ký của ô receive. Sửa xong thì trả tệp về "
            "hộp nhận theo sổ tay; thời điểm nhận ban đầu được giữ."
        )


def _instant(context: Any, settings: Settings) -> datetime:
    """Now, on the mode's clock; a backfill takes no file and mails nobody."""
    run = context["dag_run"]
    if str(getattr(run, "run_type", "")).rpartition(".")[2].lower() == "backfill":
        raise AirflowSkipException(
            "Lượt chạy bù không nhận tệp: báo cáo đã nhận nằm trong landing/reports."
        )
    return as_of_at(run.conf, clock_of(settings.places))


# --- what the intake is given -----------------------------------------------------------------


def directory_of(registry: Registry) -> Directory:
    """The units of every estate, with the seats of each unit and those below it on a day."""
    from ksc_ledger.intake.examining import Directory

    return Directory.of(registry.units, registry.unit_aliases, _seats_of(registry))


def _seats_of(registry: Registry) -> Callable[[date], Mapping[str, int]]:
    from ksc_ledger.rules.allocation_ledger import balances_on, with_those_below

    known: dict[date, Mapping[str, int]] = {}

    def seats(day: date) -> Mapping[str, int]:
        if day not in known:
            parents = {unit.unit_code: unit.parent_unit_code for unit in registry.units_on(day)}
            known[day] = with_those_below(balances_on(registry.allocations, day), parents)
        return known[day]

    return seats


def gate_of(
    settings: Settings, now: datetime, shown: Callable[[Path | None], None] | None = None
) -> Gate:
    """The suite of reports as the intake asks for it; its verdicts are kept for the marts.

    Great Expectations is imported when the first rows come, and not for a run without any.
    ``shown`` is called with the page of what was said.
    """
    from ksc_ledger.intake.receive import gate_findings

    def gate(rows: Sequence[Mapping[str, Any]]) -> list[GateFinding]:
        from ksc_ledger.quality.reports import judge_and_record

        root, places = settings.expectations, settings.places
        return gate_findings(judge_and_record(rows, root=root, places=places, now=now, shown=shown))

    return gate


# --- receipts as mails --------------------------------------------------------------------------


def _answer(engine: Engine, registry: Registry, settings: Settings, now: datetime) -> None:
    """Put the mails of all receipts of late that have none into the outbox.

    What lies on disk is asked, not what this run remembers: so a run that died after a receipt
    was kept is made good by the next, and nobody is answered twice.
    """
    from ksc_ledger.intake.store import recent_receipts
    from ksc_ledger.state import outbox

    receipts = recent_receipts(settings.places, datetime.now(UTC) - MAILED_WITHIN)
    mails = [receipt_mail(receipt, registry, now) for receipt in receipts]
    identity = outbox.MailIdentity(
        domain=settings.mail_domain, is_rehearsal=settings.places.rehearsal_mark.exists()
    )
    if not mails:
        return
    with engine.begin() as connection:
        put = outbox.enqueue_missing(connection, mails, identity)
    if put:
        log.info("%d biên nhận vào hộp thư đi", len(put))


def receipt_mail(receipt: Receipt, registry: Registry, now: datetime) -> NewMail:
    """The answer to whoever sent a file; of a folder that belongs to nobody, to the engineers."""
    from ksc_ledger.state.outbox import Channel, NewMail

    identity = f"{receipt.receipt_id}|{receipt.examined_at.isoformat()}"
    estate_code = registry.estate_of(receipt.unit_code)
    unit_code, role, channel = receipt.unit_code, SENDER_ROLE, Channel.ALERTS
    if estate_code is None:
        root = _first_root(registry, vietnamese_date(now))
        estate_code, unit_code = root
        role, channel = ENGINEERS_ROLE, Channel.ENGINEERS
    return NewMail(
        kind=RECEIPT_MAIL,
        incident_id=f"rcp-{hashlib.sha256(identity.encode()).hexdigest()[:20]}",
        role=role,
        estate_code=estate_code,
        unit_code=unit_code,
        channel=channel,
        created_at=now,
        facts=_facts_of(receipt),
    )


def _first_root(registry: Registry, day: date) -> tuple[str, str]:
    units = registry.units_on(day) or registry.units
    root = next(unit for unit in units if unit.parent_unit_code is None)
    return root.estate_code, root.unit_code


def _facts_of(receipt: Receipt) -> dict[str, Any]:
    from ksc_ledger.intake.reasons import Verdict

    mend = [one for one in receipt.findings if not one.is_note]
    notes = [one for one in receipt.findings if one.is_note]
    return {
        "place": receipt.unit_name or receipt.unit_code,
        "headline": receipt.headline,
        "file_name": receipt.file_name,
        "received_at": receipt.received_at.isoformat(),
        "receipt_id": receipt.receipt_id,
        "lines": [list(line) for line in receipt.facts],
        "mend": _told(mend),
        "mend_more_count": max(0, len(mend) - FINDINGS_TOLD),
        "notes": _told(notes),
        "reference_label": "Mã thư",
        "is_kept": receipt.verdict is Verdict.QUARANTINED,
    }


def _told(findings: Iterable[Finding]) -> list[list[str]]:
    return [
        [one.place or "Cả tệp", one.text, one.remedy or "—"]
        for one in list(findings)[:FINDINGS_TOLD]
    ]


# --- the mailbox --------------------------------------------------------------------------------


def _mailbox() -> Mailbox | None:
    """The mailbox of the connection ``imap_reports``; None where there is no such connection."""
    from ksc_ledger.errors import LedgerError
    from ksc_ledger.intake.imap_inbox import Mailbox

    try:
        connection = BaseHook.get_connection(IMAP_CONNECTION)
    except AirflowNotFoundException:
        return None
    if not connection.host or not connection.login or not connection.password:
        raise LedgerError(
            "imap_connection_incomplete",
            f"Kết nối {IMAP_CONNECTION} chưa đủ địa chỉ, tài khoản và mật khẩu.",
            "Mở Admin → Connections, điền đủ các ô (cổng 993, IMAP qua TLS).",
        )
    extra = connection.extra_dejson
    return Mailbox(
        host=connection.host,
        port=connection.port or 993,
        login=connection.login,
        password=connection.password,
        folder=str(extra.get("folder") or "INBOX"),
        ca_file=str(extra.get("ca_file") or "") or None,
    )


def _senders(settings: Settings, now: datetime) -> Mapping[str, str]:
    """The unit of each address that may send reports: the contacts of the role ``unit``.

    An address that speaks for several units of a branch files for the one nearest to the root.
    """
    from ksc_ledger.alerts.policy import parents_of_units
    from ksc_ledger.alerts.roles import load_contacts
    from ksc_ledger.registry import in_force

    parents = parents_of_units(in_force(settings).registry, vietnamese_date(now))
    found: dict[str, str] = {}
    for contact in load_contacts(settings.contacts):
        if contact.role != SENDER_ROLE or contact.unit_code not in parents:
            continue
        known = found.get(contact.address)
        if known is None or _depth(contact.unit_code, parents) < _depth(known, parents):
            found[contact.address] = contact.unit_code
    return found


def _depth(unit_code: str, parents: Mapping[str, str | None]) -> int:
    depth, code = 0, parents.get(unit_code)
    while code is not None:
        depth, code = depth + 1, parents.get(code)
    return depth
