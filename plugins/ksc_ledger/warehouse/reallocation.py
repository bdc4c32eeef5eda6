"""Who could give seats to whom on the day of a build: a step between the models, done in Python.

Seats are compared with machines where they are held: a holder's machines are its own and those of
units below that hold none. An officer approves a proposal by writing the transfer into
allocations.csv; from then on it is counted as done, also before its first day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from ksc_ledger.registry.model import AllocationEntry, EntryKind, Registry, RequestStatus, Unit
from ksc_ledger.rules.allocation_ledger import (
    Reallocation,
    ReallocationStatus,
    SeatPosition,
    propose,
)
from ksc_ledger.warehouse.engine import Connection, one, temp_table

PROPOSED = "proposed_reallocation"
NEEDED = frozenset({"stg_holder_daily", "stg_current", "rpt_weak_hardware"})

_COLUMNS = {
    "from_unit_code": pa.string(),
    "to_unit_code": pa.string(),
    "proposed_count": pa.int64(),
    "reason": pa.string(),
    "status": pa.string(),
    "documents": pa.string(),
    "effective_date": pa.date32(),
    "estate_code": pa.string(),
}

# How many machines of a holder have told of their hardware, and how many of those are strong enough.
_HARDWARE = """
with told as (
    select server_code, endpoint_id
    from src_hardware
    where until_at = far_at()
)
select
    coalesce(h.holder_code, c.unit_code) as unit_code,
    count(*)::bigint as known_count,
    (count(*) filter (where w.endpoint_id is null))::bigint as capable_count
from stg_current as c
inner join told as t on c.server_code = t.server_code and c.endpoint_id = t.endpoint_id
cross join ref_run as r
left join marts.rpt_weak_hardware as w on c.endpoint_id = w.endpoint_id
left join ref_holder as h
    on c.unit_code = h.unit_code and r.as_of_date >= h.from_date and r.as_of_date < h.until_date
where c.is_counted and not c.is_duplicate
group by all
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What a unit that holds seats (or machines without any) has on a day.

    ``capable_count``: machines that meet the minimum hardware; None where nothing follows from it:
    where fewer machines have told of theirs than seats are held, and where every seat has its
    machine (a unit that asks for more asks for machines that no server knows yet).
    """

    unit_code: str
    seat_count: int
    installed_count: int
    capable_count: int | None = None


def make_proposals(con: Connection, registry: Registry) -> None:
    """Make temp table proposed_reallocation; after the models of NEEDED."""
    (day,) = one(con, "select as_of_date from ref_run")
    if not isinstance(day, date):
        raise TypeError("ref_run has no day")
    rows = con.execute(
        "select unit_code, seat_count, installed_count from stg_holder_daily"
        " where snapshot_date = ? and has_landed",
        [day],
    ).fetchall()
    hardware = {
        unit_code: (known, capable)
        for unit_code, known, capable in con.execute(_HARDWARE).fetchall()
    }
    holder_of = dict(
        con.execute(
            "select unit_code, holder_code from ref_holder where ? >= from_date and ? < until_date",
            [day, day],
        ).fetchall()
    )
    holders = []
    for unit_code, seat_count, installed_count in rows:
        known, capable = hardware.get(unit_code, (0, 0))
        is_telling = installed_count < seat_count <= known
        holders.append(
            Holder(
                unit_code=unit_code,
                seat_count=seat_count,
                installed_count=installed_count,
                capable_count=capable if is_telling else None,
            )
        )
    made = reallocations(registry, holders, holder_of, day)
    temp_table(
        con,
        PROPOSED,
        pa.table(
            {name: pa.array([row[name] for row in made], kind) for name, kind in _COLUMNS.items()}
        ),
    )


def reallocations(
    registry: Registry,
    holders: Iterable[Holder],
    holder_of: Mapping[str, str],
    day: date,
) -> list[dict[str, object]]:
    """One row a pair of units: what is proposed, else what officers have approved.

    A unit of which nothing was read stands aside: it is not known what it has. ``holder_of`` gives
    the holder of every unit's seats that day.
    """
    units = {unit.unit_code: unit for unit in registry.units_on(day)}
    known = {one.unit_code: one for one in holders}
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for estate in registry.estates:
        code = estate.estate_code
        approved = [
            entry
            for entry in registry.allocations
            if entry.estate_code == code
            and entry.entry_kind is EntryKind.TRANSFER
            and (entry.is_in_force(day) or entry.valid_from_date > day)
        ]
        for entry in approved:
            row = _approved(entry)
            rows[str(row["from_unit_code"]), str(row["to_unit_code"])] = row
        positions = _positions(registry, code, units, known, holder_of, approved, day)
        for proposal in propose(positions).proposals:
            rows[proposal.from_unit_code, proposal.to_unit_code] = _proposed(proposal, code)
    return [rows[pair] for pair in sorted(rows)]


def _positions(
    registry: Registry,
    estate_code: str,
    units: Mapping[str, Unit],
    known: Mapping[str, Holder],
    holder_of: Mapping[str, str],
    approved: Iterable[AllocationEntry],
    day: date,
) -> list[SeatPosition]:
    coming: dict[str, int] = defaultdict(int)
    for entry in approved:
        if entry.valid_from_date > day:
            coming[entry.from_unit_code or ""] -= entry.seat_count
            coming[entry.to_unit_code or ""] += entry.seat_count
    returns = [
        one
        for one in registry.hardware_returns
        if one.estate_code == estate_code and one.is_in_force(day)
    ]
    requests = [
        one
        for one in registry.seat_requests
        if one.estate_code == estate_code
        and one.status is RequestStatus.OPEN
        and one.requested_date <= day
    ]
    found = []
    for unit_code, holder in known.items():
        unit = units.get(unit_code)
        if unit is None or unit.estate_code != estate_code:
            continue
        weak = [one for one in returns if holder_of.get(one.unit_code) == unit_code]
        asked = [
            one for one in requests if unit_code in {one.unit_code, holder_of.get(one.unit_code)}
        ]
        found.append(
            SeatPosition(
                unit_code=unit_code,
                parent_unit_code=unit.parent_unit_code,
                list_order=unit.list_order,
                allocated_count=max(0, holder.seat_count + coming[unit_code]),
                installed_count=holder.installed_count,
                exempt_count=sum(one.machine_count for one in weak),
                exempt_documents=tuple(dict.fromkeys(one.source_document for one in weak)),
                capable_count=holder.capable_count,
                requested_count=sum(one.seat_count for one in asked),
                requested_date=min((one.requested_date for one in asked), default=None),
                request_documents=tuple(dict.fromkeys(one.source_document for one in asked)),
            )
        )
    return found


def _proposed(proposal: Reallocation, estate_code: str) -> dict[str, object]:
    return {
        "from_unit_code": proposal.from_unit_code,
        "to_unit_code": proposal.to_unit_code,
        "proposed_count": proposal.proposed_count,
        "reason": proposal.reason,
        "status": proposal.status.value,
        "documents": "; ".join(proposal.documents) or None,
        "effective_date": None,
        "estate_code": estate_code,
    }


def _approved(entry: AllocationEntry) -> dict[str, object]:
    return {
        "from_unit_code": entry.from_unit_code,
        "to_unit_code": entry.to_unit_code,
        "proposed_count": entry.seat_count,
        "reason": "đã có văn bản điều chuyển",
        "status": ReallocationStatus.APPROVED.value,
        "documents": entry.source_document,
        "effective_date": entry.valid_from_date,
        "estate_code": entry.estate_code,
    }
