"""Who could give seats to whom on a day, from the published figures and the officers' rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ksc_ledger.registry import AllocationEntry, Registry, RequestStatus, SeatRequest
from ksc_ledger.rules.allocation_ledger import (
    Entry,
    EntryKind,
    Ledger,
    Reallocation,
    ReallocationPlan,
    ReallocationStatus,
    SeatPosition,
    propose,
)
from ksc_ledger.warehouse.reader import query


@dataclass(frozen=True, slots=True, kw_only=True)
class Reallocations:
    """``plan``: what could be done; ``approved``: transfers that officers have entered."""

    plan: ReallocationPlan
    approved: tuple[Reallocation, ...]


def reallocations(
    registry: Registry, marts_file: Path, estate_code: str, day: date
) -> Reallocations:
    """The plan of an estate for a day, and the transfers in force that day.

    Seats are compared with machines where they are held: a holder's machines are its own and those
    of units below that hold no seats. A unit of which nothing was read yet stands aside: it is not
    known what it has. Hardware is not collected yet, so only documented weak machines free seats.
    """
    entries = [_entry(one) for one in registry.allocations if one.estate_code == estate_code]
    held = Ledger.of(entries).balances(day)
    figures = {
        row["unit_code"]: row["installed_count"]
        for row in query(marts_file, "from marts.coverage_as_of(?::date)", [day])
    }
    units = [unit for unit in registry.units_on(day) if unit.estate_code == estate_code]
    parents = {unit.unit_code: unit.parent_unit_code for unit in units}
    asked = _requests(registry, day)
    positions = []
    for unit in units:
        code = unit.unit_code
        requests = asked.get(code, [])
        installed = _installed(code, held, parents, figures)
        if installed is None or not (held.get(code) or requests):
            continue
        returns = [
            one
            for one in registry.hardware_returns
            if one.unit_code == code and one.is_in_force(day)
        ]
        positions.append(
            SeatPosition(
                unit_code=code,
                parent_unit_code=unit.parent_unit_code,
                list_order=unit.list_order,
                allocated_count=held.get(code, 0),
                installed_count=installed,
                exempt_count=sum(one.machine_count for one in returns),
                exempt_documents=tuple(one.source_document for one in returns),
                requested_count=sum(one.seat_count for one in requests),
                requested_date=min((one.requested_date for one in requests), default=None),
                request_documents=tuple(one.source_document for one in requests),
            )
        )
    return Reallocations(plan=propose(positions), approved=_approved(entries, day))


def _entry(row: AllocationEntry) -> Entry:
    return Entry(
        entry_id=row.entry_id,
        entry_kind=EntryKind(row.entry_kind.value),
        from_unit_code=row.from_unit_code,
        to_unit_code=row.to_unit_code,
        seat_count=row.seat_count,
        valid_from_date=row.valid_from_date,
        valid_to_date=row.valid_to_date,
        source_document=row.source_document,
    )


def _requests(registry: Registry, day: date) -> dict[str, list[SeatRequest]]:
    """The requests still open, made by that day, by unit."""
    found: dict[str, list[SeatRequest]] = {}
    for one in registry.seat_requests:
        if one.status is RequestStatus.OPEN and one.requested_date <= day:
            found.setdefault(one.unit_code, []).append(one)
    return found


def _installed(
    code: str,
    held: Mapping[str, int],
    parents: Mapping[str, str | None],
    figures: Mapping[str, int | None],
) -> int | None:
    """The machines that stand against a holder's seats; None when nothing was read."""
    total = figures.get(code)
    if total is None:
        return None
    below = [child for child, parent in parents.items() if parent == code]
    return total - sum(_at_holders(child, held, parents, figures) for child in below)


def _at_holders(
    code: str,
    held: Mapping[str, int],
    parents: Mapping[str, str | None],
    figures: Mapping[str, int | None],
) -> int:
    """The machines of the topmost holders at or below a unit."""
    if held.get(code):
        return figures.get(code) or 0
    below = [child for child, parent in parents.items() if parent == code]
    return sum(_at_holders(child, held, parents, figures) for child in below)


def _approved(entries: list[Entry], day: date) -> tuple[Reallocation, ...]:
    return tuple(
        Reallocation(
            from_unit_code=one.from_unit_code,
            to_unit_code=one.to_unit_code,
            proposed_count=one.seat_count,
            reason="đã có văn bản điều chuyển",
            documents=(one.source_document,),
            status=ReallocationStatus.APPROVED,
        )
        for one in entries
        if one.entry_kind is EntryKind.TRANSFER
        and one.is_in_force(day)
        and one.from_unit_code is not None
        and one.to_unit_code is not None
    )
