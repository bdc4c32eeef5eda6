"""Who holds how many seats on which day, by whose document: double entry over dated rows.

An entry moves seats from one holder to another while it is in force (``valid_to_date`` is its last
day, None = open). The outside (the licence that was bought) is the holder without a code, so the
units' balances and the outside's always sum to zero: what the units hold is the pool. The registry's
allocations.csv has the rows, under the same names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Protocol, Self

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.figures import count, written_date

ONE_DAY = timedelta(days=1)


class EntryKind(StrEnum):
    GRANT = "grant"  # from outside, or handed down from from_unit_code
    TRANSFER = "transfer"  # from unit to unit
    RETURN = "return"  # given back, to the level above or out of the pool
    EXPIRY = "expiry"  # out of the pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    entry_id: str
    entry_kind: EntryKind
    from_unit_code: str | None
    to_unit_code: str | None
    seat_count: int
    valid_from_date: date
    source_document: str
    valid_to_date: date | None = None

    def is_in_force(self, day: date) -> bool:
        return self.valid_from_date <= day and (
            self.valid_to_date is None or day <= self.valid_to_date
        )


class Movement(Protocol):
    """What of an entry moves seats: an ``Entry``, or the registry's row of the same names."""

    @property
    def from_unit_code(self) -> str | None: ...

    @property
    def to_unit_code(self) -> str | None: ...

    @property
    def seat_count(self) -> int: ...

    def is_in_force(self, day: date) -> bool: ...


def balances_on(entries: Iterable[Movement], day: date) -> dict[str, int]:
    """The seats that each unit itself holds, of every unit that an entry in force that day names."""
    found: dict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.is_in_force(day):
            if entry.from_unit_code is not None:
                found[entry.from_unit_code] -= entry.seat_count
            if entry.to_unit_code is not None:
                found[entry.to_unit_code] += entry.seat_count
    return dict(found)


def with_those_below(
    balances: Mapping[str, int], parents: Mapping[str, str | None]
) -> dict[str, int]:
    """The seats of each unit and of all units below it.

    ``parents`` are the units of the day; a holder that is none of them counts for itself alone.
    """
    found: dict[str, int] = defaultdict(int)
    for holder, seats in balances.items():
        code: str | None = holder
        while code is not None:
            found[code] += seats
            code = parents.get(code)
    return dict(found)


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as it counts for one unit: ``seat_count`` is negative where seats went away."""

    entry: Entry
    seat_count: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """Entries that were found valid together; make one with ``Ledger.of``."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry], units: Collection[str] | None = None) -> Self:
        """Raise LedgerError, naming the document, unless the entries are sound together.

        Sound means: each has its sides and its seats, none is written twice, every unit is one of
        ``units`` (when given), and nobody gives on any day what it does not hold on that day.
        """
        ledger = cls(tuple(sorted(entries, key=lambda one: (one.valid_from_date, one.entry_id))))
        for entry in ledger.entries:
            _check_entry(entry, units)
        _check_written_once(ledger.entries)
        ledger._check_balances()
        return ledger

    def with_entry(self, entry: Entry, units: Collection[str] | None = None) -> Ledger:
        """The ledger with one entry more; LedgerError leaves the old one as it was."""
        return Ledger.of((*self.entries, entry), units)

    def balance(self, unit_code: str, day: date) -> int:
        """Seats the unit itself holds: granted to it and not handed on."""
        return sum(line.seat_count for line in self.explain(unit_code, day))

    def balances(self, day: date) -> dict[str, int]:
        """Every unit that an entry in force that day names, holders of 0 included."""
        return balances_on(self.entries, day)

    def pool(self, day: date) -> int:
        """Seats that came from outside and have not gone back: what all units together hold."""
        in_force = [entry for entry in self.entries if entry.is_in_force(day)]
        came = sum(entry.seat_count for entry in in_force if entry.from_unit_code is None)
        went = sum(entry.seat_count for entry in in_force if entry.to_unit_code is None)
        return came - went

    def explain(self, unit_code: str, day: date) -> tuple[Line, ...]:
        """The entries, hence documents, that make up a unit's balance."""
        lines = []
        for entry in self.entries:
            if entry.is_in_force(day):
                if entry.to_unit_code == unit_code:
                    lines.append(Line(entry, entry.seat_count))
                elif entry.from_unit_code == unit_code:
                    lines.append(Line(entry, -entry.seat_count))
        return tuple(lines)

    def days_of_change(self) -> tuple[date, ...]:
        """The days on which a balance may differ from the day before, ascending."""
        days = {entry.valid_from_date for entry in self.entries}
        days |= {
            entry.valid_to_date + ONE_DAY
            for entry in self.entries
            if entry.valid_to_date is not None and entry.valid_to_date < date.max
        }
        return tuple(sorted(days))

    def _check_balances(self) -> None:
        for day in self.days_of_change():
            for unit_code, balance in self.balances(day).items():
                if balance < 0:
                    raise self._overdrawn(unit_code, day, balance)

    def _overdrawn(self, unit_code: str, day: date, balance: int) -> LedgerError:
        given = [line.entry for line in self.explain(unit_code, day) if line.seat_count < 0]
        last = given[-1]
        had = balance + last.seat_count
        return LedgerError(
            "allocation_overdrawn",
            f"Bút toán {last.entry_id} ({last.source_document}): {_KIND_NAMES[last.entry_kind]} "
            f"{count(last.seat_count)} bản quyền của {unit_code}, nhưng ngày {written_date(day)} đơn "
            f"vị này chỉ còn {count(max(0, had))}.",
            "Kiểm tra số lượng và ngày hiệu lực; bút toán giao đi phải hết hiệu lực không muộn hơn "
            "bút toán đã cấp số bản quyền đó.",
        )


_KIND_NAMES = {
    EntryKind.GRANT: "giao xuống",
    EntryKind.TRANSFER: "điều chuyển",
    EntryKind.RETURN: "trả lại",
    EntryKind.EXPIRY: "hết hạn",
}


def _check_entry(entry: Entry, units: Collection[str] | None) -> None:
    where = f"Bút toán {entry.entry_id} ({entry.source_document.strip() or 'không nêu văn bản'})"

    def refuse(code: str, text: str, remedy: str) -> LedgerError:
        return LedgerError(code, f"{where}: {text}", remedy)

    if not entry.source_document.strip():
        raise refuse(
            "allocation_without_document",
            "không nêu văn bản làm căn cứ.",
            "Điền số, ký hiệu, ngày và cơ quan ban hành vào source_document.",
        )
    if entry.seat_count <= 0:
        raise refuse(
            "allocation_without_seats",
            f"số bản quyền là {entry.seat_count}.",
            "Ghi số nguyên lớn hơn 0; muốn lấy lại thì ghi bút toán return.",
        )
    if entry.valid_to_date is not None and entry.valid_to_date < entry.valid_from_date:
        raise refuse(
            "allocation_ends_before_start",
            f"hết hiệu lực ngày {written_date(entry.valid_to_date)}, trước ngày bắt đầu "
            f"{written_date(entry.valid_from_date)}.",
            "Sửa một trong hai ngày.",
        )
    kind = entry.entry_kind
    needs_from = kind is not EntryKind.GRANT
    needs_to = kind in {EntryKind.GRANT, EntryKind.TRANSFER}
    if needs_from and entry.from_unit_code is None:
        raise refuse(
            "allocation_side_missing",
            f"{kind.value} không nêu đơn vị giao.",
            "Điền from_unit_code.",
        )
    if needs_to and entry.to_unit_code is None:
        raise refuse(
            "allocation_side_missing", f"{kind.value} không nêu đơn vị nhận.", "Điền to_unit_code."
        )
    if kind is EntryKind.EXPIRY and entry.to_unit_code is not None:
        raise refuse(
            "allocation_side_wrong", "expiry không có đơn vị nhận.", "Bỏ trống to_unit_code."
        )
    if entry.from_unit_code == entry.to_unit_code:
        raise refuse(
            "allocation_side_wrong",
            "đơn vị giao và đơn vị nhận là một.",
            "Sửa một trong hai mã đơn vị.",
        )
    for code in (entry.from_unit_code, entry.to_unit_code):
        if code is not None and units is not None and code not in units:
            raise refuse(
                "allocation_unit_unknown",
                f"không có đơn vị {code}.",
                "Kiểm tra mã đơn vị, hoặc thêm đơn vị vào units.csv trước.",
            )


def _check_written_once(entries: Sequence[Entry]) -> None:
    ids: dict[str, Entry] = {}
    facts: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        fact = (
            entry.entry_kind,
            entry.from_unit_code,
            entry.to_unit_code,
            entry.seat_count,
            entry.valid_from_date,
            entry.source_document,
        )
        other = ids.setdefault(entry.entry_id, entry)
        if other is entry:
            other = facts.setdefault(fact, entry)
        if other is not entry:
            raise LedgerError(
                "allocation_written_twice",
                f"Bút toán {entry.entry_id} ({entry.source_document}) ghi trùng với bút toán "
                f"{other.entry_id} ({other.source_document}).",
                "Xóa một trong hai dòng, hoặc đặt mã bút toán khác nếu là hai việc khác nhau.",
            )


# --- Use and reallocation -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatPosition:
    """What one unit has and needs on a day.

    ``exempt_count``: machines with a document that they are too weak; their seats are free.
    ``capable_count``: machines that meet the minimum hardware, from what was collected; None when
    it is not known, and then no other idle seat is proposed and no request is doubted.
    ``minimum_count``: seats a document leaves with the unit whatever happens.
    ``requested_count``: further seats asked for in ``request_documents``, oldest ``requested_date``.
    """

    unit_code: str
    parent_unit_code: str | None
    list_order: int
    allocated_count: int
    installed_count: int
    exempt_count: int = 0
    exempt_documents: tuple[str, ...] = ()
    capable_count: int | None = None
    minimum_count: int = 0
    requested_count: int = 0
    requested_date: date | None = None
    request_documents: tuple[str, ...] = ()

    @property
    def idle_count(self) -> int:
        """Seats without a machine."""
        return max(0, self.allocated_count - self.installed_count)

    @property
    def over_count(self) -> int:
        """Machines without a seat."""
        return max(0, self.installed_count - self.allocated_count)

    @property
    def returned_count(self) -> int:
        """Seats of documented weak machines that can go: idle, and not beneath the minimum."""
        free = min(self.idle_count, self.allocated_count - self.minimum_count)
        return max(0, min(self.exempt_count, free))

    @property
    def spare_count(self) -> int:
        """Further seats for which the unit has no machine that could use them."""
        if self.capable_count is None:
            return 0
        kept = max(self.installed_count, self.capable_count, self.minimum_count)
        return max(0, self.allocated_count - self.returned_count - kept)

    @property
    def wanted_count(self) -> int:
        """Seats asked for that a capable machine waits for."""
        if self.capable_count is None:
            return self.requested_count
        waiting = self.capable_count - max(self.allocated_count, self.installed_count)
        return max(0, min(self.requested_count, waiting))


class ReallocationStatus(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"  # an officer's transfer says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Reallocation:
    """Seats that could go from one unit to another; ``reason`` and documents are for the officer."""

    from_unit_code: str
    to_unit_code: str
    proposed_count: int
    reason: str
    documents: tuple[str, ...]
    status: ReallocationStatus = ReallocationStatus.PROPOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReallocationPlan:
    """``unmet``: seats still wanted, ``left``: seats still free, each by unit and without zeros."""

    proposals: tuple[Reallocation, ...]
    unmet: Mapping[str, int]
    left: Mapping[str, int]


@dataclass(slots=True)
class _Side:
    """One unit's seats for one reason while the plan is made."""

    position: SeatPosition
    open_count: int
    reason: str
    documents: tuple[str, ...]


def propose(positions: Iterable[SeatPosition]) -> ReallocationPlan:
    """Who could give how many seats to whom; an officer decides.

    First machines that run without a seat are covered, then requests, the oldest first. Seats of
    documented weak machines go before other idle ones, and within one parent before across it. A
    unit first fills its own request from its own free seats. Nobody falls below what it has
    installed or what a document leaves it, nobody gets more than it lacks or asked for.
    """
    units = sorted(positions, key=lambda one: (one.list_order, one.unit_code))
    free = _free_seats(units)
    wanted = _wanted_seats(units)
    for need in wanted:
        for gift in free:
            if gift.position.unit_code == need.position.unit_code:
                own = min(gift.open_count, need.open_count)
                gift.open_count -= own
                need.open_count -= own
    moved: dict[tuple[str, str], list[tuple[int, _Side, _Side]]] = defaultdict(list)
    for need in wanted:
        parent = need.position.parent_unit_code
        for gift in sorted(free, key=lambda one: one.position.parent_unit_code != parent):
            number = min(gift.open_count, need.open_count)
            if number and gift.position.unit_code != need.position.unit_code:
                gift.open_count -= number
                need.open_count -= number
                pair = (gift.position.unit_code, need.position.unit_code)
                moved[pair].append((number, gift, need))
    return ReallocationPlan(
        proposals=tuple(_proposal(pair, moves) for pair, moves in moved.items()),
        unmet=_open_counts(wanted),
        left=_open_counts(free),
    )


def approval(
    proposal: Reallocation,
    *,
    entry_id: str,
    valid_from_date: date,
    valid_to_date: date | None,
    source_document: str,
) -> Entry:
    """The transfer that an officer writes into allocations.csv to let a proposal take effect.

    ``valid_to_date`` is the last day of the grant the seats came from: a transfer that outlives its
    grant is refused by the ledger.
    """
    return Entry(
        entry_id=entry_id,
        entry_kind=EntryKind.TRANSFER,
        from_unit_code=proposal.from_unit_code,
        to_unit_code=proposal.to_unit_code,
        seat_count=proposal.proposed_count,
        valid_from_date=valid_from_date,
        valid_to_date=valid_to_date,
        source_document=source_document,
    )


def _free_seats(units: Sequence[SeatPosition]) -> list[_Side]:
    returned = [
        _Side(
            one,
            one.returned_count,
            "máy không đủ cấu hình đã có văn bản phản hồi",
            one.exempt_documents,
        )
        for one in units
        if one.returned_count
    ]
    spare = [
        _Side(one, one.spare_count, "bản quyền nhiều hơn số máy đủ cấu hình", ())
        for one in units
        if one.spare_count
    ]
    return returned + spare


def _wanted_seats(units: Sequence[SeatPosition]) -> list[_Side]:
    over = [
        _Side(one, one.over_count, "đã cài vượt số được phân bổ", ())
        for one in units
        if one.over_count
    ]
    asked = [
        _Side(one, one.wanted_count, "đề nghị bổ sung", one.request_documents)
        for one in sorted(units, key=lambda one: one.requested_date or date.max)
        if one.wanted_count
    ]
    return over + asked


def _proposal(pair: tuple[str, str], moves: Sequence[tuple[int, _Side, _Side]]) -> Reallocation:
    parts = [f"{count(number)}: {gift.reason} → {need.reason}" for number, gift, need in moves]
    documents = [doc for _, gift, need in moves for doc in (*gift.documents, *need.documents)]
    return Reallocation(
        from_unit_code=pair[0],
        to_unit_code=pair[1],
        proposed_count=sum(number for number, _, _ in moves),
        reason="; ".join(parts),
        documents=tuple(dict.fromkeys(documents)),
    )


def _open_counts(sides: Iterable[_Side]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for side in sides:
        if side.open_count:
            found[side.position.unit_code] += side.open_count
    return dict(found)
