"""One judgement of an estate's obligations: statuses, reminders and digest in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.obligations.evidence import Filed
from ksc_ledger.obligations.licences import licence_mails
from ksc_ledger.obligations.malware import malware_mails
from ksc_ledger.obligations.notices import ATTENTION, Notice, digest_mail, notice_mails
from ksc_ledger.obligations.statuses import Judged, judge, policy_of
from ksc_ledger.registry import Registry, Unit
from ksc_ledger.registry.model import GROUP_KIND
from ksc_ledger.rules.deadlines import Policy, reminders_due
from ksc_ledger.rules.licence_terms import PURCHASE_DAYS
from ksc_ledger.rules.malware_notices import DEFAULT_LIMITS, Limits
from ksc_ledger.state import obligations as kept
from ksc_ledger.state.leases import Lease
from ksc_ledger.state.obligations import Judgement, Remembered, StatusRow
from ksc_ledger.state.outbox import MailIdentity, NewMail

if TYPE_CHECKING:
    from sqlalchemy import Engine

# A notice that is older than this when it is first found is history that somebody typed in, not
# news: its key is kept, nobody is written to.
LONGEST_DELAY = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A status that is another one than before; ``before`` None: the obligation is new."""

    obligation_code: str
    unit_code: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a judgement brought about.

    ``has_changed``: a status, a deadline or an instant of fulfilment is another one, or an
    obligation came or went. The wording of the evidence alone is kept, but changes nothing.
    """

    at: datetime
    has_changed: bool
    changes: tuple[Change, ...]
    message_ids: tuple[str, ...]
    judged: tuple[Judged, ...]


def watch(
    engine: Engine,
    lease: Lease,
    registry: Registry,
    estate_code: str,
    marts_file: Path,
    identity: MailIdentity,
    now: datetime,
    filed: Iterable[Filed] = (),
    *,
    limits: Limits = DEFAULT_LIMITS,
    purchase_days: int = PURCHASE_DAYS,
) -> Watched:
    """Judge an estate's obligations at ``now`` and commit everything that follows.

    The same transaction tells of keys that run out within ``purchase_days``, and units of
    infections and second antivirus products beyond ``limits``.

    An instant before the last judgement's does not turn statuses back: the last one's is taken.
    The same facts at the same instant a second time change nothing and tell nobody. Raises
    LeaseLost, with nothing written, when somebody else took over.
    """
    before = kept.load(engine, estate_code)
    at = now if before.judged_at is None else max(now, before.judged_at)
    judged = judge(registry, estate_code, marts_file, at, filed)
    rows = _rows(judged, before, at)
    keys, notices = _due(judged, before, policy_of(registry, estate_code), at)
    day = vietnamese_date(at)
    units = registry.units_on(day)
    mails = notice_mails(
        notices,
        _superiors(units),
        {unit.unit_code: unit.unit_name for unit in units},
        at,
    )
    digest = _digest(judged, rows, before, registry, at)
    sent = before.notice_keys
    given = (
        licence_mails(registry, marts_file, estate_code, at, sent, purchase_days),
        malware_mails(registry, marts_file, estate_code, at, sent, limits),
    )
    message_ids = kept.commit(
        engine,
        lease,
        Judgement(
            estate_code=estate_code,
            judged_at=at,
            rows=rows,
            notice_keys=[*keys, *(key for found, _ in given for key in found)],
            mails=[*mails, *digest, *(mail for _, found in given for mail in found)],
            digest_at=at if digest else None,
        ),
        identity,
    )
    return Watched(
        at=at,
        has_changed=_facts_of(rows) != _facts_of(before.rows),
        changes=_changes(rows, before),
        message_ids=tuple(message_ids),
        judged=judged,
    )


def _superiors(units: Sequence[Unit]) -> dict[str, str | None]:
    """The office above each unit; a group is none, so whoever is above the group is meant."""
    known = {unit.unit_code: unit for unit in units}
    found: dict[str, str | None] = {}
    for unit in units:
        above = known.get(unit.parent_unit_code or "")
        while above is not None and above.unit_kind == GROUP_KIND:
            above = known.get(above.parent_unit_code or "")
        found[unit.unit_code] = above.unit_code if above else None
    return found


def _rows(judged: Sequence[Judged], before: Remembered, at: datetime) -> list[StatusRow]:
    known = {row.key: row for row in before.rows}
    rows = []
    for one in judged:
        row = StatusRow(
            obligation_code=one.duty.row.obligation_code,
            unit_code=one.duty.unit.unit_code,
            estate_code=one.duty.row.estate_code,
            directive_code=one.duty.directive.directive_code,
            document_number=one.duty.directive.number,
            obligation_kind=one.duty.row.obligation_kind.value,
            wording=one.duty.rule.deadline.wording,
            due_at=one.duty.rule.deadline.due_at,
            status=one.found.status.value,
            met_at=one.found.met_at,
            overdue_days=one.found.overdue_days,
            evidence=one.found.evidence,
            changed_at=at,
        )
        last = known.get(row.key)
        if last is not None and last.status == row.status:
            row = replace(row, changed_at=last.changed_at)
        rows.append(row)
    return rows


def _facts_of(rows: Iterable[StatusRow]) -> set[tuple[object, ...]]:
    return {(*row.key, row.status, row.due_at, row.met_at) for row in rows}


def _changes(rows: Sequence[StatusRow], before: Remembered) -> tuple[Change, ...]:
    known = {row.key: row.status for row in before.rows}
    return tuple(
        Change(
            obligation_code=row.obligation_code,
            unit_code=row.unit_code,
            before=known.get(row.key),
            after=row.status,
        )
        for row in rows
        if known.get(row.key) != row.status
    )


def _due(
    judged: Sequence[Judged], before: Remembered, policy: Policy, at: datetime
) -> tuple[list[str], list[Notice]]:
    """The keys given from now on, and the notices that become mails.

    A breach that is told together with its ``t+1`` is told once.
    """
    keys: list[str] = []
    notices: list[Notice] = []
    for one in judged:
        due = reminders_due(one.duty.rule, one.found, at, policy, before.notice_keys)
        keys += [reminder.key for reminder in due]
        fresh = [
            reminder
            for reminder in due
            if vietnamese_date(at) - reminder.notice_date <= LONGEST_DELAY
        ]
        if fresh:
            notices.append(Notice(reminder=fresh[0], judged=one))
    return keys, notices


def _digest(
    judged: Sequence[Judged],
    rows: Sequence[StatusRow],
    before: Remembered,
    registry: Registry,
    at: datetime,
) -> list[NewMail]:
    """The digest, when something needs attention that the last one did not tell; once a day."""
    last = before.digest_at
    if last is not None and vietnamese_date(last) >= vietnamese_date(at):
        return []
    news = [
        one
        for one, row in zip(judged, rows, strict=True)
        if one.found.status in ATTENTION and (last is None or row.changed_at > last)
    ]
    return [digest_mail(judged, news, registry, before.estate_code, at)] if news else []
