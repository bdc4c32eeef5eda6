"""Seats are moved, never made: who holds how many on which day, by whose document."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.allocation_ledger import (
    ONE_DAY,
    Entry,
    EntryKind,
    Ledger,
    Reallocation,
    SeatPosition,
    approval,
    balances_on,
    propose,
    with_those_below,
)

LETTER = "UBND huyện Tháp Mười, công văn tháng 10/2022, danh sách phân bổ"
START = date(2023, 10, 13)
END = date(2024, 10, 12)
REPOSITORY = Path(__file__).resolve().parents[3]


def an_entry(**changes: Any) -> Entry:
    facts: dict[str, Any] = {
        "entry_id": "e1",
        "entry_kind": EntryKind.GRANT,
        "from_unit_code": None,
        "to_unit_code": "dtp_872",
        "seat_count": 330,
        "valid_from_date": START,
        "valid_to_date": END,
        "source_document": LETTER,
    }
    return Entry(**(facts | changes))


GRANT = an_entry()
TO_PNV = an_entry(
    entry_id="e2", entry_kind=EntryKind.TRANSFER, from_unit_code="dtp_872", to_unit_code="pnv",
    seat_count=12, source_document="Quyết định 15/QĐ-UBND",
)  # fmt: skip


# --- Balances ------------------------------------------------------------------------------------


def test_seats_of_a_unit_with_all_below_it_count_each_seat_once() -> None:
    parents = {"dtp": None, "dtp_872": "dtp", "pnv": "dtp_872"}
    ledger = Ledger.of([GRANT, TO_PNV])
    assert with_those_below(ledger.balances(START), parents) == {
        "dtp": 330,
        "dtp_872": 330,
        "pnv": 12,
    }
    # A seat that was handed up again is the upper unit's own; a holder that is no unit of the day stands alone.
    assert with_those_below({"pnv": 0, "gone": 5}, parents) == {
        "pnv": 0,
        "dtp_872": 0,
        "dtp": 0,
        "gone": 5,
    }
    assert with_those_below({}, parents) == {}


def test_balances_of_the_registrys_rows_are_those_of_the_ledger() -> None:
    assert balances_on([GRANT, TO_PNV], START) == Ledger.of([GRANT, TO_PNV]).balances(START)
    assert balances_on([GRANT], START - ONE_DAY) == {}
    assert balances_on([GRANT], END) == {"dtp_872": 330}
    assert balances_on([GRANT], END + ONE_DAY) == {}


def test_a_transfer_takes_from_one_what_it_gives_to_the_other() -> None:
    ledger = Ledger.of([GRANT, TO_PNV])
    assert ledger.balances(START) == {"dtp_872": 318, "pnv": 12}
    assert ledger.pool(START) == 330


@pytest.mark.parametrize(
    ("day", "held"),
    [
        (START - timedelta(days=1), 0),
        (START, 330),
        (END, 330),
        (END + timedelta(days=1), 0),
    ],
)
def test_an_entry_counts_on_its_first_and_last_day_and_not_beside_them(
    day: date, held: int
) -> None:
    ledger = Ledger.of([GRANT])
    assert (ledger.balance("dtp_872", day), ledger.pool(day)) == (held, held)


def test_every_balance_names_its_documents() -> None:
    ledger = Ledger.of([TO_PNV, GRANT])
    lines = [
        (line.entry.source_document, line.seat_count) for line in ledger.explain("dtp_872", START)
    ]
    assert lines == [(LETTER, 330), ("Quyết định 15/QĐ-UBND", -12)]
    assert ledger.explain("pnv", START - timedelta(days=1)) == ()


def test_seats_given_back_upward_stay_in_the_pool_and_outward_leave_it() -> None:
    upward = an_entry(
        entry_id="e3", entry_kind=EntryKind.RETURN, from_unit_code="pnv", to_unit_code="dtp_872",
        seat_count=2, source_document="Công văn 3/PNV",
    )  # fmt: skip
    outward = an_entry(
        entry_id="e4", entry_kind=EntryKind.EXPIRY, from_unit_code="dtp_872", to_unit_code=None,
        seat_count=20, source_document="Biên bản thanh lý",
    )  # fmt: skip
    ledger = Ledger.of([GRANT, TO_PNV, upward, outward])
    assert ledger.balances(START) == {"dtp_872": 300, "pnv": 10}
    assert ledger.pool(START) == 310


@pytest.mark.parametrize(
    ("day", "prefix", "count", "seats"),
    [
        (date(2022, 10, 12), "dtp_872_", 27, 330),
        (date(2023, 10, 13), "", 32, 5037),
    ],
)
def test_the_letters_rows_add_up(day: date, prefix: str, count: int, seats: int) -> None:
    """27 units of Tháp Mười share 330; 20 departments and 12 districts share 1.077 + 3.960."""
    file = REPOSITORY / "scenarios" / "dong_thap" / "registry" / "dong_thap" / "allocations.csv"
    with file.open(encoding="utf-8", newline="") as rows:
        entries = [
            Entry(
                entry_id=row["entry_id"],
                entry_kind=EntryKind(row["entry_kind"]),
                from_unit_code=row["from_unit_code"] or None,
                to_unit_code=row["to_unit_code"] or None,
                seat_count=int(row["seat_count"]),
                valid_from_date=date.fromisoformat(row["valid_from_date"]),
                valid_to_date=date.fromisoformat(row["valid_to_date"])
                if row["valid_to_date"]
                else None,
                source_document=row["source_document"],
            )
            for row in csv.DictReader(rows)
        ]
    balances = Ledger.of(entries).balances(day)
    held = {unit: seats for unit, seats in balances.items() if unit.startswith(prefix)}
    assert (len(held), sum(held.values())) == (count, seats)


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"seat_count": 0}, "allocation_without_seats"),
        ({"seat_count": -5}, "allocation_without_seats"),
        ({"source_document": "  "}, "allocation_without_document"),
        ({"valid_to_date": START - timedelta(days=1)}, "allocation_ends_before_start"),
        ({"to_unit_code": None}, "allocation_side_missing"),
        ({"entry_kind": EntryKind.TRANSFER}, "allocation_side_missing"),
        ({"entry_kind": EntryKind.RETURN, "to_unit_code": None}, "allocation_side_missing"),
        ({"entry_kind": EntryKind.EXPIRY, "from_unit_code": "a"}, "allocation_side_wrong"),
        ({"from_unit_code": "dtp_872"}, "allocation_side_wrong"),
        ({"to_unit_code": "nobody"}, "allocation_unit_unknown"),
    ],
)
def test_an_unsound_entry_is_refused_in_vietnamese(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger.of([an_entry(**changes)], units={"dtp_872", "a"})
    assert caught.value.code == code
    assert "Bút toán e1" in caught.value.text
    assert caught.value.remedy
    if "source_document" not in changes:
        assert LETTER in caught.value.text


def test_an_entry_of_one_day_is_sound() -> None:
    assert Ledger.of([an_entry(valid_to_date=START)]).pool(START) == 330


@pytest.mark.parametrize(("seats", "is_sound"), [(330, True), (331, False)])
def test_nobody_gives_more_than_it_holds(seats: int, is_sound: bool) -> None:
    ledger = Ledger.of([GRANT])
    entry = an_entry(
        entry_id="e9", entry_kind=EntryKind.TRANSFER, from_unit_code="dtp_872",
        to_unit_code="pnv", seat_count=seats, source_document="Công văn 9/UBND",
    )  # fmt: skip
    if is_sound:
        assert ledger.with_entry(entry).balance("dtp_872", START) == 0
        return
    with pytest.raises(LedgerError) as caught:
        ledger.with_entry(entry)
    assert caught.value.code == "allocation_overdrawn"
    for named in ("e9", "Công văn 9/UBND", "dtp_872", "331", "chỉ còn 330", "13/10/2023"):
        assert named in caught.value.text
    assert ledger.entries == (GRANT,)


def test_a_transfer_must_not_outlive_its_grant() -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger.of([GRANT, an_entry(**(_fields(TO_PNV) | {"valid_to_date": None}))])
    assert caught.value.code == "allocation_overdrawn"
    assert "13/10/2024" in caught.value.text


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__slots__}


@pytest.mark.parametrize("entry_id", ["e1", "e2"])
def test_one_allocation_written_twice_is_refused(entry_id: str) -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger.of([GRANT, an_entry(entry_id=entry_id)])
    assert caught.value.code == "allocation_written_twice"


def test_a_second_document_may_grant_the_same_again() -> None:
    second = an_entry(entry_id="e2", source_document="Công văn bổ sung 12/STTTT")
    assert Ledger.of([GRANT, second]).pool(START) == 660


# --- No sequence of entries breaks the sum -------------------------------------------------------

UNITS = ("tinh", "huyen_a", "huyen_b", "xa_c")
DAYS = st.integers(min_value=0, max_value=40).map(lambda n: START + timedelta(days=n))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any entry a person could write, sound or not."""
    first = draw(DAYS)
    return Entry(
        entry_id=f"e{draw(st.integers(0, 10**6))}",
        entry_kind=draw(st.sampled_from(EntryKind)),
        from_unit_code=draw(st.none() | st.sampled_from(UNITS)),
        to_unit_code=draw(st.none() | st.sampled_from(UNITS)),
        seat_count=draw(st.integers(min_value=0, max_value=60)),
        valid_from_date=first,
        valid_to_date=draw(
            st.none() | st.integers(-1, 30).map(lambda n: first + timedelta(days=n))
        ),
        source_document=f"Công văn {draw(st.integers(1, 9))}/STTTT",
    )


@given(wanted=st.lists(entries(), max_size=14))
def test_the_sum_of_the_units_is_the_pool_on_every_day(wanted: list[Entry]) -> None:
    ledger = Ledger.of(
        [an_entry(entry_id="pool", to_unit_code="tinh", seat_count=100, valid_to_date=None)]
    )
    for entry in wanted:
        try:
            ledger = ledger.with_entry(entry, UNITS)
        except LedgerError as error:
            assert error.code.startswith("allocation_")  # noqa: PT017 - most of them are refused
    for offset in range(-1, 75):
        day = START + timedelta(days=offset)
        outside = 0
        held: dict[str | None, int] = defaultdict(int)
        for entry in ledger.entries:
            last = entry.valid_to_date or date.max
            if entry.valid_from_date <= day <= last:
                outside += entry.seat_count * (entry.from_unit_code is None)
                outside -= entry.seat_count * (entry.to_unit_code is None)
                held[entry.to_unit_code] += entry.seat_count
                held[entry.from_unit_code] -= entry.seat_count
        assert sum(ledger.balances(day).values()) == ledger.pool(day) == outside
        for unit_code in UNITS:
            balance = ledger.balance(unit_code, day)
            lines = ledger.explain(unit_code, day)
            assert balance == held[unit_code] >= 0
            assert balance == sum(line.seat_count for line in lines)
            assert all(line.entry.source_document.strip() for line in lines)
            assert all(line.entry.is_in_force(day) for line in lines)


@given(wanted=st.lists(entries(), max_size=8))
def test_a_balance_changes_only_on_the_days_it_says(wanted: list[Entry]) -> None:
    try:
        ledger = Ledger.of(wanted)
    except LedgerError:
        return
    changes = set(ledger.days_of_change())
    for offset in range(-1, 75):
        day = START + timedelta(days=offset)
        if day not in changes:
            before = ledger.balances(day - timedelta(days=1))
            assert {k: v for k, v in before.items() if v} == {
                k: v for k, v in ledger.balances(day).items() if v
            }


# --- Reallocation --------------------------------------------------------------------------------


def a_position(unit_code: str, allocated: int, installed: int, **changes: Any) -> SeatPosition:
    facts: dict[str, Any] = {
        "unit_code": unit_code,
        "parent_unit_code": "ktm_613",
        "list_order": 1,
        "allocated_count": allocated,
        "installed_count": installed,
    }
    return SeatPosition(**(facts | changes))


def gives(plan_of: list[SeatPosition]) -> list[tuple[str, str, int]]:
    return [
        (one.from_unit_code, one.to_unit_code, one.proposed_count)
        for one in propose(plan_of).proposals
    ]


def test_the_office_of_thap_muoi_is_over_by_two_and_gets_what_weak_machines_leave() -> None:
    """26 machines on 24 seats, and a commune that gave three weak machines up in writing."""
    office = a_position("dtp_872_vpub", 24, 26, list_order=1)
    commune = a_position(
        "dtp_872_30058", 11, 4, list_order=2, exempt_count=3, exempt_documents=("Công văn 8/UBND",)
    )
    plan = propose([office, commune])
    (proposal,) = plan.proposals
    assert (proposal.from_unit_code, proposal.to_unit_code, proposal.proposed_count) == (
        "dtp_872_30058",
        "dtp_872_vpub",
        2,
    )
    assert proposal.documents == ("Công văn 8/UBND",)
    assert "đã cài vượt" in proposal.reason
    assert (plan.unmet, plan.left) == ({}, {"dtp_872_30058": 1})


def test_idle_seats_alone_are_not_taken_from_a_unit_that_still_has_to_install() -> None:
    plan = propose([a_position("a", 10, 2), a_position("b", 5, 9)])
    assert plan.proposals == ()
    assert plan.unmet == {"b": 4}


def test_idle_seats_go_where_the_collected_hardware_shows_no_machine_for_them() -> None:
    assert gives([a_position("a", 10, 2, capable_count=6), a_position("b", 5, 9)]) == [
        ("a", "b", 4)
    ]


def test_a_documented_minimum_is_never_undercut() -> None:
    giver = a_position("a", 10, 2, exempt_count=5, minimum_count=8)
    assert gives([giver, a_position("b", 5, 9)]) == [("a", "b", 2)]


def test_a_request_without_capable_machines_is_not_filled() -> None:
    giver = a_position("a", 10, 2, exempt_count=5)
    asking = {"requested_count": 4, "requested_date": START, "request_documents": ("CV 5",)}
    assert gives([giver, a_position("b", 5, 5, capable_count=7, **asking)]) == [("a", "b", 2)]
    assert gives([giver, a_position("b", 5, 5, **asking)]) == [("a", "b", 4)]


def test_machines_without_a_seat_go_before_requests_and_old_requests_before_new() -> None:
    giver = a_position("a", 10, 4, exempt_count=6)
    over = a_position("b", 5, 7, list_order=9)
    young = a_position("c", 5, 5, requested_count=3, requested_date=date(2024, 1, 9))
    old = a_position("d", 5, 5, list_order=8, requested_count=3, requested_date=date(2024, 1, 8))
    assert gives([giver, young, over, old]) == [("a", "b", 2), ("a", "d", 3), ("a", "c", 1)]


def test_a_neighbour_gives_before_another_district() -> None:
    far = a_position("a", 10, 4, exempt_count=6, parent_unit_code="dtp_866")
    near = a_position("z", 10, 9, exempt_count=1, list_order=9)
    assert gives([far, near, a_position("b", 5, 7)]) == [("z", "b", 1), ("a", "b", 1)]


def test_a_unit_fills_its_own_request_first() -> None:
    own = a_position("a", 10, 5, exempt_count=3, requested_count=2, requested_date=START)
    plan = propose([own, a_position("b", 5, 9)])
    assert [
        (one.from_unit_code, one.to_unit_code, one.proposed_count) for one in plan.proposals
    ] == [("a", "b", 1)]


def test_one_row_a_pair_even_for_two_reasons() -> None:
    giver = a_position("a", 10, 2, exempt_count=1, capable_count=6)
    both = a_position("b", 5, 6, requested_count=1, requested_date=START)
    (proposal,) = propose([giver, both]).proposals
    assert proposal.proposed_count == 2
    assert "không đủ cấu hình" in proposal.reason
    assert "đề nghị bổ sung" in proposal.reason


POSITIONS = st.lists(
    st.builds(
        SeatPosition,
        unit_code=st.sampled_from(["a", "b", "c", "d", "e", "f"]),
        parent_unit_code=st.sampled_from(["p", "q", None]),
        list_order=st.integers(0, 5),
        allocated_count=st.integers(0, 30),
        installed_count=st.integers(0, 35),
        exempt_count=st.integers(0, 10),
        capable_count=st.none() | st.integers(0, 40),
        minimum_count=st.integers(0, 30),
        requested_count=st.integers(0, 10),
        requested_date=st.none() | DAYS,
    ),
    unique_by=lambda one: one.unit_code,
    max_size=6,
)


@given(positions=POSITIONS)
def test_an_approved_plan_keeps_the_pool_and_hurts_nobody(positions: list[SeatPosition]) -> None:
    before = Ledger.of(
        an_entry(entry_id=one.unit_code, to_unit_code=one.unit_code, seat_count=one.allocated_count)
        for one in positions
        if one.allocated_count
    )
    plan = propose(positions)
    after = before
    for number, proposal in enumerate(plan.proposals):
        entry = approval(
            proposal,
            entry_id=f"t{number}",
            valid_from_date=START,
            valid_to_date=END,
            source_document="Quyết định điều chuyển",
        )
        after = after.with_entry(entry)
    assert after.pool(START) == before.pool(START)
    for one in positions:
        was, now = before.balance(one.unit_code, START), after.balance(one.unit_code, START)
        if now < was:
            assert now >= max(one.installed_count, min(one.minimum_count, was))
        if now > was:
            assert now - was <= one.over_count + one.requested_count
    assert len({(one.from_unit_code, one.to_unit_code) for one in plan.proposals}) == len(
        plan.proposals
    )
    assert all(isinstance(one, Reallocation) and one.proposed_count > 0 for one in plan.proposals)
    assert all(number > 0 for number in (*plan.unmet.values(), *plan.left.values()))
