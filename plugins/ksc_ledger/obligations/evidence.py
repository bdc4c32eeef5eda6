"""What is known of obligations: figures of the published marts, rows of officers, received files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.obligations.duties import Duty
from ksc_ledger.registry import Registry
from ksc_ledger.rules.deadlines import (
    Attendance,
    Evidence,
    ObligationKind,
    Receipt,
    Sighting,
    Waiver,
)
from ksc_ledger.warehouse.reader import query

# A unit's figures of a day rest on the last complete load of each of its servers; the figure is
# complete when every one of them is of that day. Of the days without one only the newest matters.
_SIGHTINGS = """
with sources as (
    select
        u.unit_code,
        s.snapshot_date,
        max(s.observed_at) as observed_at,
        bool_and(l.status = 'complete' and l.gated_at is not null) as is_gated
    from marts.dim_unit_server as u
    inner join marts.fct_server_source_daily as s
        on
            u.server_code = s.server_code
            and s.snapshot_date >= u.valid_from_date
            and s.snapshot_date <= coalesce(u.valid_to_date, date '9999-12-31')
    inner join marts.fct_source_load as l on s.load_id = l.load_id
    group by u.unit_code, s.snapshot_date
)

select
    c.unit_code,
    c.snapshot_date,
    s.observed_at,
    c.allocated_count,
    c.installed_count,
    c.gap_count,
    c.snapshot_id,
    c.is_complete,
    s.is_gated
from marts.fct_unit_coverage_daily as c
inner join sources as s on c.unit_code = s.unit_code and c.snapshot_date = s.snapshot_date
where
    c.unit_code in (select unnest(?))
    and c.snapshot_date between ? and ?
    and c.installed_count is not null
qualify
    c.is_complete
    or row_number() over (partition by c.unit_code order by c.snapshot_date desc) = 1
order by c.unit_code, c.snapshot_date
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """A unit's report that came in through the inbox."""

    unit_code: str
    received_at: datetime
    document: str
    is_accepted: bool


def evidence_for(
    duties: Sequence[Duty],
    registry: Registry,
    marts_file: Path,
    now: datetime,
    filed: Iterable[Filed] = (),
) -> dict[tuple[str, str], Evidence]:
    """What is known about each duty by its key.

    Files of the inbox count for every report that their unit owes and that had begun when they
    came. Where nothing was published yet there are no figures, which is not the same as zero.
    """
    seen = _sightings(duties, registry, marts_file, now)
    reports: dict[str, list[Receipt]] = defaultdict(list)
    for one in filed:
        reports[one.unit_code].append(
            Receipt(received_at=one.received_at, document=one.document, is_accepted=one.is_accepted)
        )
    read_until: dict[str, datetime] = {}
    for reading in registry.receipt_readings:
        code = reading.obligation_code
        read_until[code] = max(reading.read_until_at, read_until.get(code, reading.read_until_at))
    entered = _by_key(registry)
    found: dict[tuple[str, str], Evidence] = {}
    for duty in duties:
        rows = entered.get(duty.key, Evidence())
        receipts = list(rows.receipts)
        if duty.rule.obligation_kind is ObligationKind.UNIT_REPORT:
            receipts += reports[duty.rule.unit_code]
        found[duty.key] = replace(
            rows,
            receipts=receipts,
            received_until_at=read_until.get(duty.rule.obligation_code),
            sightings=seen.get(duty.rule.unit_code, ()),
        )
    return found


def _by_key(registry: Registry) -> dict[tuple[str, str], Evidence]:
    """What officers entered by hand, by obligation and unit."""
    receipts: dict[tuple[str, str], list[Receipt]] = defaultdict(list)
    attendances: dict[tuple[str, str], list[Attendance]] = defaultdict(list)
    waivers: dict[tuple[str, str], list[Waiver]] = defaultdict(list)
    for receipt in registry.receipts:
        receipts[receipt.obligation_code, receipt.unit_code].append(
            Receipt(
                received_at=receipt.received_at,
                document=receipt.document,
                is_accepted=receipt.is_accepted,
            )
        )
    for line in registry.training_lines:
        attendances[line.obligation_code, line.unit_code].append(
            Attendance(
                training_date=line.training_date,
                is_present=line.is_present,
                source_document=line.source_document,
            )
        )
    for waiver in registry.waivers:
        waivers[waiver.obligation_code, waiver.unit_code].append(
            Waiver(waived_date=waiver.waived_date, source_document=waiver.source_document)
        )
    return {
        key: Evidence(receipts=receipts[key], attendances=attendances[key], waivers=waivers[key])
        for key in {*receipts, *attendances, *waivers}
    }


def _sightings(
    duties: Sequence[Duty], registry: Registry, marts_file: Path, now: datetime
) -> dict[str, list[Sighting]]:
    """The figures of units that have to install everything, by unit."""
    about = [d for d in duties if d.rule.obligation_kind is ObligationKind.FULL_INSTALLATION]
    if not about or not marts_file.is_file():
        return {}
    first = min(registry.opens_date(duty.row) for duty in about)
    codes = sorted({duty.rule.unit_code for duty in about})
    found: dict[str, list[Sighting]] = defaultdict(list)
    for row in query(marts_file, _SIGHTINGS, [codes, first, vietnamese_date(now)]):
        found[row["unit_code"]].append(
            Sighting(
                observed_at=row["observed_at"],
                allocated_count=row["allocated_count"],
                installed_count=row["installed_count"],
                gap_count=row["gap_count"],
                snapshot_id=row["snapshot_id"],
                exempt_count=weak_count(registry, row["unit_code"], row["snapshot_date"]),
                is_complete=row["is_complete"],
                is_gated=row["is_gated"],
            )
        )
    return found


def weak_count(registry: Registry, unit_code: str, day: date) -> int:
    """Machines of a unit, and of those below it, that a document in force that day calls too weak."""
    returns = [one for one in registry.hardware_returns if one.is_in_force(day)]
    if not returns:
        return 0
    parents = {unit.unit_code: unit.parent_unit_code for unit in registry.units_on(day)}
    return sum(
        one.machine_count for one in returns if is_at_or_below(one.unit_code, unit_code, parents)
    )


def is_at_or_below(unit_code: str, above: str, parents: Mapping[str, str | None]) -> bool:
    code: str | None = unit_code
    while code is not None and code != above:
        code = parents.get(code)
    return code == above
