"""Who is proposed to give seats to whom: by documents, machines and their hardware."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.registry import AllocationEntry, EntryKind, HardwareReturn, Registry, load
from ksc_ledger.registry.model import RequestStatus, SeatRequest
from ksc_ledger.warehouse.reallocation import Holder, reallocations

SCENARIO = Path(__file__).resolve().parents[3] / "scenarios" / "dong_thap" / "registry"
DAY = date(2022, 10, 12)
OFFICE, LAND, HOME_AFFAIRS = "dtp_872_vpub", "dtp_872_tnmt", "dtp_872_pnv"
HOLDER_OF = {code: code for code in (OFFICE, LAND, HOME_AFFAIRS)}
IN_FORCE: dict[str, Any] = {
    "estate_code": "dong_thap",
    "valid_from_date": DAY,
    "source_document": "Công văn phản hồi cấu hình",
}
WEAK = HardwareReturn(return_id="2022-tnmt", unit_code=LAND, machine_count=3, **IN_FORCE)


def request(seats: int, **changes: Any) -> SeatRequest:
    facts: dict[str, Any] = {
        "estate_code": "dong_thap",
        "request_id": "r1",
        "unit_code": HOME_AFFAIRS,
        "seat_count": seats,
        "requested_date": DAY,
        "status": RequestStatus.OPEN,
        "source_document": "Công văn đề nghị",
    }
    return SeatRequest(**(facts | changes))


def transfer(seats: int, begins: date, to_unit_code: str = OFFICE) -> AllocationEntry:
    return AllocationEntry(
        entry_id="t1",
        entry_kind=EntryKind.TRANSFER,
        from_unit_code=LAND,
        to_unit_code=to_unit_code,
        seat_count=seats,
        **(IN_FORCE | {"valid_from_date": begins, "source_document": "Quyết định điều chuyển"}),
    )


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load(SCENARIO).model_copy(update={"seat_requests": (), "hardware_returns": ()})


def rows(
    registry: Registry, day: date = DAY, capable: int | None = None, **changes: Any
) -> list[tuple[object, object, object, object]]:
    """The office has 26 machines on 24 seats, the land office 17 on 20, home affairs 12 on 12."""
    extra = changes.pop("allocations", ())
    known = registry.model_copy(update={"allocations": (*registry.allocations, *extra), **changes})
    holders = [
        Holder(unit_code=OFFICE, seat_count=24, installed_count=26),
        Holder(unit_code=LAND, seat_count=20, installed_count=17, capable_count=capable),
        Holder(unit_code=HOME_AFFAIRS, seat_count=12, installed_count=12),
    ]
    found = reallocations(known, holders, HOLDER_OF, day)
    names = ("from_unit_code", "to_unit_code", "proposed_count", "status")
    return [tuple(row[name] for name in names) for row in found]  # type: ignore[misc]


def test_without_a_document_or_hardware_nobody_loses_idle_seats(registry: Registry) -> None:
    assert rows(registry) == []


def test_seats_of_documented_weak_machines_go_to_who_runs_without_a_seat(
    registry: Registry,
) -> None:
    assert rows(registry, hardware_returns=(WEAK,)) == [(LAND, OFFICE, 2, "proposed")]


def test_what_is_left_goes_to_a_request(registry: Registry) -> None:
    found = rows(registry, hardware_returns=(WEAK,), seat_requests=(request(4),))
    assert found == [(LAND, HOME_AFFAIRS, 1, "proposed"), (LAND, OFFICE, 2, "proposed")]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": RequestStatus.GRANTED},
        {"status": RequestStatus.REFUSED},
        {"requested_date": date(2022, 10, 13)},
    ],
)
def test_only_an_open_request_made_by_that_day_counts(
    registry: Registry, changes: dict[str, Any]
) -> None:
    found = rows(registry, hardware_returns=(WEAK,), seat_requests=(request(4, **changes),))
    assert found == [(LAND, OFFICE, 2, "proposed")]


@pytest.mark.parametrize(("capable", "seats"), [(20, None), (19, 1), (18, 2), (17, 2)])
def test_collected_hardware_shows_seats_for_which_there_is_no_machine(
    registry: Registry, capable: int, seats: int | None
) -> None:
    expected = [] if seats is None else [(LAND, OFFICE, seats, "proposed")]
    assert rows(registry, capable=capable) == expected


def test_an_approved_transfer_is_told_and_its_seats_are_not_proposed_again(
    registry: Registry,
) -> None:
    """Two of three free seats are to go from the 20th on: one stays, and nobody waits for it."""
    coming = transfer(2, date(2022, 10, 20))
    found = rows(registry, hardware_returns=(WEAK,), allocations=(coming,))
    assert found == [(LAND, OFFICE, 2, "approved")]


def test_a_unit_of_which_nothing_was_read_stands_aside(registry: Registry) -> None:
    known = registry.model_copy(update={"hardware_returns": (WEAK,)})
    over = Holder(unit_code=OFFICE, seat_count=24, installed_count=26)
    assert reallocations(known, [over], HOLDER_OF, DAY) == []


def test_a_row_names_its_documents_and_an_approved_one_its_first_day(registry: Registry) -> None:
    begins = date(2022, 10, 20)
    known = registry.model_copy(
        update={
            "hardware_returns": (WEAK,),
            "seat_requests": (request(1),),
            "allocations": (*registry.allocations, transfer(2, begins)),
        }
    )
    holders = [
        Holder(unit_code=OFFICE, seat_count=24, installed_count=26),
        Holder(unit_code=LAND, seat_count=20, installed_count=17),
        Holder(unit_code=HOME_AFFAIRS, seat_count=12, installed_count=12),
    ]
    proposed, approved = reallocations(known, holders, HOLDER_OF, DAY)
    assert proposed["documents"] == "Công văn phản hồi cấu hình; Công văn đề nghị"
    assert proposed["effective_date"] is None
    assert (approved["documents"], approved["effective_date"]) == (
        "Quyết định điều chuyển",
        begins,
    )
