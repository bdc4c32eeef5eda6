"""From reminders that are due, and from what changed, to mails of the outbox.

A unit is told of its own duty. The level above gets one copy for each obligation and stage, naming
all its units; the province a digest, at most one a day and only on days with news.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.obligations.statuses import Judged
from ksc_ledger.registry import Registry
from ksc_ledger.rules.deadlines import Reminder, Status
from ksc_ledger.state.outbox import NewMail

REMINDER, BREACH, DIGEST = "deadline_reminder", "deadline_breach", "deadline_digest"
UNIT_ROLE, SUPERIOR_ROLE, PROVINCE_ROLE = "unit", "department", "so"
STEPS = {"t-3": 1, "t-1": 2, "breach": 3, "t+1": 4}

STATUS_NAMES = {
    Status.PENDING: "chưa đến hạn",
    Status.DUE_SOON: "sắp đến hạn",
    Status.MET: "hoàn thành đúng hạn",
    Status.MET_LATE: "hoàn thành trễ hạn",
    Status.BREACHED: "quá hạn",
    Status.WAIVED: "được miễn",
    Status.UNDETERMINED: "chưa kết luận được",
}
# What the province hears about; the rest goes well, or is not due yet.
ATTENTION = (Status.DUE_SOON, Status.BREACHED, Status.UNDETERMINED, Status.MET_LATE)
LINES_AT_MOST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A reminder and what it is about."""

    reminder: Reminder
    judged: Judged


def notice_mails(
    notices: Sequence[Notice],
    parents: Mapping[str, str | None],
    names: Mapping[str, str],
    now: datetime,
) -> list[NewMail]:
    """One mail to each unit for each notice, and the copies to the level above."""
    mails = [_to_unit(one, now) for one in notices]
    above: dict[tuple[str, str, str], list[Notice]] = defaultdict(list)
    for one in notices:
        parent = parents.get(one.reminder.unit_code)
        if parent is not None:
            above[one.reminder.obligation_code, one.reminder.stage, parent].append(one)
    mails += [
        _to_superior(group, parent, names.get(parent, parent), now)
        for (_, _, parent), group in above.items()
    ]
    return mails


def digest_mail(
    judged: Sequence[Judged],
    news: Sequence[Judged],
    registry: Registry,
    estate_code: str,
    now: datetime,
) -> NewMail:
    """The province's digest: how every obligation with open ends stands, and what is new."""
    estate = registry.estate(estate_code)
    day = vietnamese_date(now)
    root = next(
        unit.unit_code
        for unit in registry.units
        if unit.estate_code == estate_code and unit.parent_unit_code is None
    )
    by_obligation: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        by_obligation[one.duty.row.obligation_code].append(one)
    return NewMail(
        kind=DIGEST,
        incident_id=_incident(DIGEST, estate_code, day.isoformat()),
        role=PROVINCE_ROLE,
        estate_code=estate_code,
        unit_code=root,
        created_at=now,
        facts={
            "place": estate.estate_name,
            "obligations": [
                _stand(group)
                for group in by_obligation.values()
                if any(one.found.status in ATTENTION for one in group)
            ],
            "news": [
                {
                    "unit_name": one.duty.unit.unit_name,
                    "demand_text": one.duty.row.demand_text,
                    "status": STATUS_NAMES[one.found.status],
                }
                for one in news[:LINES_AT_MOST]
            ],
            "more_count": max(0, len(news) - LINES_AT_MOST),
        },
    )


def _stand(group: Sequence[Judged]) -> dict[str, object]:
    first = group[0].duty
    count = {status: sum(one.found.status is status for one in group) for status in Status}
    return {
        "demand_text": first.row.demand_text,
        "document": first.document,
        "due_at": first.rule.deadline.due_at.isoformat(),
        "total_count": len(group),
        "done_count": count[Status.MET] + count[Status.MET_LATE] + count[Status.WAIVED],
        "open_count": count[Status.PENDING] + count[Status.DUE_SOON],
        "breached_count": count[Status.BREACHED],
        "undetermined_count": count[Status.UNDETERMINED],
    }


def _to_unit(notice: Notice, now: datetime) -> NewMail:
    reminder, duty = notice.reminder, notice.judged.duty
    return NewMail(
        kind=_kind(notice),
        incident_id=_incident(
            reminder.obligation_code, reminder.unit_code, reminder.last_date.isoformat()
        ),
        step=STEPS[reminder.stage],
        role=UNIT_ROLE,
        estate_code=duty.row.estate_code,
        unit_code=reminder.unit_code,
        created_at=now,
        facts=_facts(notice) | {"place": duty.unit.unit_name, "units": []},
    )


def _to_superior(group: Sequence[Notice], parent: str, parent_name: str, now: datetime) -> NewMail:
    """Its thread is its own: the keys that it covers are covered by no other mail."""
    first = group[0]
    return NewMail(
        kind=_kind(first),
        incident_id=_incident("copy", *(one.reminder.key for one in group)),
        step=STEPS[first.reminder.stage],
        role=SUPERIOR_ROLE,
        estate_code=first.judged.duty.row.estate_code,
        unit_code=parent,
        created_at=now,
        facts=_facts(first)
        | {
            "place": parent_name,
            "units": [
                {
                    "unit_name": one.judged.duty.unit.unit_name,
                    "status": STATUS_NAMES[one.judged.found.status],
                    "evidence": one.judged.found.evidence,
                }
                for one in group
            ],
        },
    )


def _kind(notice: Notice) -> str:
    return BREACH if notice.judged.found.status is Status.BREACHED else REMINDER


def _facts(notice: Notice) -> dict[str, object]:
    duty, found = notice.judged.duty, notice.judged.found
    return {
        "demand_text": duty.row.demand_text,
        "document": duty.document,
        "wording": duty.rule.deadline.wording,
        "due_at": duty.rule.deadline.due_at.isoformat(),
        "status": STATUS_NAMES[found.status],
        "is_past": not duty.rule.deadline.is_in_time(notice.judged.at),
        "overdue_days": found.overdue_days,
        "evidence": found.evidence,
    }


def _incident(*parts: str) -> str:
    """An id that fits a Message-ID and is the same for the same matter."""
    return f"ddl-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:20]}"
