"""What rows about duties and letters must not say: loose references, deadlines nobody can read."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from difflib import get_close_matches
from typing import Any

from ksc_ledger.clock import start_of_day
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry.mistakes import Mistake
from ksc_ledger.registry.model import Obligation, Registry
from ksc_ledger.registry.sheets import Line, R, Reading, Sheet
from ksc_ledger.registry.workdays import working_calendar
from ksc_ledger.rules import deadlines
from ksc_ledger.rules.working_days import WorkingCalendar


def duty_mistakes(reading: Reading) -> Iterator[Mistake]:
    """Every mistake between rows of documents, duties, what came in for them, and letters."""
    yield from _repeated(reading.directives, "directive_code", lambda one: one.directive_code)
    yield from _repeated(reading.obligations, "obligation_code", lambda one: one.obligation_code)
    yield from _repeated(
        reading.demands, "list_order", lambda one: (one.directive_code, one.list_order)
    )
    yield from _repeated(
        reading.letters, "directive_code", lambda one: (one.directive_code, one.unit_code)
    )
    yield from _repeated(
        reading.waivers, "unit_code", lambda one: (one.obligation_code, one.unit_code)
    )
    yield from _repeated(
        reading.training,
        "unit_code",
        lambda one: (one.obligation_code, one.unit_code, one.training_date),
    )
    yield from _repeated(reading.returns, "return_id", lambda one: one.return_id)
    yield from _repeated(reading.requests, "request_id", lambda one: one.request_id)
    yield from _repeated(reading.difficulties, "difficulty_id", lambda one: one.difficulty_id)
    yield from _repeated(
        reading.posts,
        "valid_from_date",
        lambda one: (one.unit_code, one.matter, one.valid_from_date),
    )
    yield from _loose_references(reading)
    yield from _self_citations(reading)
    if reading.obligations.lines and _is_whole(reading):
        registry = reading.registry()
        yield from _unreadable_deadlines(reading, registry)
        yield from _unbound_units(reading, registry)


def _repeated(sheet: Sheet[R], field: str, key: Callable[[R], Hashable]) -> Iterator[Mistake]:
    """Two rows that say what only one may; codes are unique over all estates."""
    seen: dict[Hashable, str] = {}
    for line in sheet.lines:
        name = key(line.record)
        if name in seen:
            yield Mistake(
                line.file,
                line.row,
                field,
                f"Trùng với {seen[name]}.",
                "Xóa một trong hai dòng, hoặc đặt mã, thứ tự khác nếu là hai việc khác nhau.",
            )
        seen.setdefault(name, f"{line.file}, dòng {line.row}")


def _loose_references(reading: Reading) -> Iterator[Mistake]:
    referring: tuple[Sheet[Any], ...] = (
        reading.directives,
        reading.obligations,
        reading.demands,
        reading.letters,
        reading.waivers,
        reading.receipts,
        reading.readings,
        reading.training,
        reading.returns,
        reading.requests,
        reading.difficulties,
        reading.posts,
    )
    meant: dict[str, tuple[str, Sheet[Any], str]] = {
        "unit_code": ("đơn vị", reading.units, "unit_code"),
        "directive_code": ("văn bản", reading.directives, "directive_code"),
        "based_on": ("văn bản", reading.directives, "directive_code"),
        "obligation_code": ("nghĩa vụ", reading.obligations, "obligation_code"),
        "issuer_code": ("cơ quan ban hành", reading.issuers, "issuer_code"),
    }
    for field, (what, sheet, key) in meant.items():
        if not sheet.is_whole:
            continue
        codes: dict[str, set[str]] = {}
        for line in sheet.lines:
            codes.setdefault(line.record.estate_code, set()).add(getattr(line.record, key))
        for other in referring:
            if field not in other.model.model_fields or (other is sheet and field == key):
                continue
            for line in other.lines:
                known = codes.get(line.record.estate_code, set())
                value = getattr(line.record, field)
                for code in (value,) if isinstance(value, str) else value or ():
                    if code not in known and code not in sheet.broken:
                        yield _unknown(line, field, code, what, sheet.name, known)


def _unknown(
    line: Line[Any], field: str, code: str, what: str, where: str, known: set[str]
) -> Mistake:
    close = get_close_matches(code, sorted(known), n=1)
    hint = f"Có phải là {close[0]}?" if close else f"Thêm {what} vào {where} hoặc sửa mã."
    return Mistake(
        line.file, line.row, field, f"Không có {what} {code} trong {where} của địa bàn.", hint
    )


def _self_citations(reading: Reading) -> Iterator[Mistake]:
    for line in reading.directives.lines:
        if line.record.directive_code in line.record.based_on:
            yield Mistake(
                line.file,
                line.row,
                "based_on",
                "Văn bản tự làm căn cứ cho chính nó.",
                "Bỏ mã của chính văn bản này khỏi based_on.",
            )


def _is_whole(reading: Reading) -> bool:
    """Whether deadlines and units can be judged: nothing they rest on was refused."""
    sheets = (reading.units, reading.directives, reading.obligations, reading.calendar)
    refused = {mistake.file.partition("/")[2] for mistake in reading.mistakes}
    return all(sheet.is_whole and sheet.name not in refused for sheet in sheets)


def _unreadable_deadlines(reading: Reading, registry: Registry) -> Iterator[Mistake]:
    calendars = {
        estate.estate_code: working_calendar(registry, estate.estate_code)
        for estate in registry.estates
    }
    documents = {one.directive_code for one in registry.directives}
    for line in reading.obligations.lines:
        duty = line.record
        if duty.directive_code not in documents or duty.estate_code not in calendars:
            continue
        try:
            _read(duty, registry, calendars[duty.estate_code])
        except LedgerError as error:
            yield Mistake(line.file, line.row, "wording", error.text, error.remedy)


def _read(duty: Obligation, registry: Registry, calendar: WorkingCalendar) -> None:
    """Raise LedgerError unless the wording is one of the accepted ones and lies after its document."""
    deadlines.Obligation(
        obligation_code=duty.obligation_code,
        unit_code=duty.unit_code,
        obligation_kind=duty.obligation_kind,
        deadline=deadlines.read_deadline(
            duty.wording, calendar, counted_from=duty.counted_from_date, roll=duty.roll_policy
        ),
        opens_at=start_of_day(registry.opens_date(duty)),
    )


def _unbound_units(reading: Reading, registry: Registry) -> Iterator[Mistake]:
    """Rows about a unit that the obligation does not bind: they would be passed over in silence."""
    documents = {one.directive_code for one in registry.directives}
    bound = {
        duty.obligation_code: {unit.unit_code for unit in registry.obliged_units(duty)}
        for duty in registry.obligations
        if duty.directive_code in documents
    }
    units = {unit.unit_code for unit in registry.units}
    for line in reading.obligations.lines:
        is_known = line.record.unit_code in units
        if is_known and bound.get(line.record.obligation_code) == set():
            yield Mistake(
                line.file,
                line.row,
                "applies_to",
                "Nghĩa vụ này không ràng buộc đơn vị nào.",
                "Kiểm tra unit_code, applies_to và ngày hiệu lực của các đơn vị bên dưới.",
            )
    sheets: tuple[Sheet[Any], ...] = (reading.waivers, reading.receipts, reading.training)
    for sheet in sheets:
        for line in sheet.lines:
            code, unit_code = line.record.obligation_code, line.record.unit_code
            if code in bound and unit_code in units and unit_code not in bound[code]:
                yield Mistake(
                    line.file,
                    line.row,
                    "unit_code",
                    f"Nghĩa vụ {code} không ràng buộc đơn vị {unit_code}.",
                    "Kiểm tra mã đơn vị và mã nghĩa vụ; dòng này nếu giữ sẽ không có tác dụng.",
                )
