"""The status of every obligation of an estate at an instant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

from ksc_ledger.obligations.duties import Duty, duties_at
from ksc_ledger.obligations.evidence import Filed, evidence_for
from ksc_ledger.registry import Registry, working_calendar
from ksc_ledger.rules.deadlines import ObligationStatus, Policy, status_of

# The daily watch runs at 07:30: a reminder of the day must not wait for the next one.
REMIND_FROM = time(7, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A duty and what had become of it ``at`` an instant."""

    duty: Duty
    found: ObligationStatus
    at: datetime


def policy_of(registry: Registry, estate_code: str) -> Policy:
    return Policy(working_calendar=working_calendar(registry, estate_code), remind_from=REMIND_FROM)


def judge(
    registry: Registry,
    estate_code: str,
    marts_file: Path,
    now: datetime,
    filed: Iterable[Filed] = (),
) -> tuple[Judged, ...]:
    """What has become of each obligation that has begun by ``now``, in the registry's order.

    Only what happened by ``now`` counts, so a past instant can be judged again; by the registry
    and the figures of today.
    """
    policy = policy_of(registry, estate_code)
    duties = duties_at(registry, estate_code, policy.working_calendar, now)
    known = evidence_for(duties, registry, marts_file, now, filed)
    return tuple(
        Judged(duty=duty, found=status_of(duty.rule, known[duty.key], now, policy), at=now)
        for duty in duties
    )
