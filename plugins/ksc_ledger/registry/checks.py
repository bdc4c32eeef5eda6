"""What rows must not say against each other: references, periods, parents, seats, names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Any

from ksc_ledger.registry.duty_checks import duty_mistakes
from ksc_ledger.registry.mistakes import Mistake
from ksc_ledger.registry.model import Dated, Server, ServerRole, Unit
from ksc_ledger.registry.sheets import Line, R, Reading, Sheet
from ksc_ledger.registry.succession_checks import succession_mistakes
from ksc_ledger.rules.organisation import normalised_path
from ksc_ledger.rules.text import matching_key

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Days from ``first`` to ``last``, both included; an open period ends on ``date.max``."""

    first: date
    last: date

    @classmethod
    def of(cls, record: Dated) -> Period:
        return cls(record.valid_from_date, record.valid_to_date or date.max)

    def common(self, other: Period) -> Period | None:
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Period(first, last) if first <= last else None

    def first_outside(self, periods: Iterable[Period]) -> date | None:
        """The first day of this period that none of ``periods`` has."""
        day = self.first
        for period in sorted(periods, key=lambda one: one.first):
            if period.first > day:
                break
            if period.last >= self.last:
                return None
            day = max(day, period.last + ONE_DAY)
        return day if day <= self.last else None


def contradictions(reading: Reading) -> Iterator[Mistake]:
    """Every mistake that shows only when rows are laid side by side."""
    units = _by_code(reading.units)
    servers = _by_code(reading.servers)
    yield from _codes_in_two_estates(reading.units, "unit_code", "Mã đơn vị")
    yield from _codes_in_two_estates(reading.servers, "server_code", "Mã máy chủ")
    yield from _overlaps(reading.units, "unit_code", lambda one: one.unit_code)
    yield from _overlaps(reading.servers, "server_code", lambda one: one.server_code)
    yield from _overlaps(reading.naming_rules, "rule_code", lambda one: (one.rule_code,))
    yield from _overlaps(reading.naming_rules, "unit_code", lambda one: one.unit_code)
    yield from _overlaps(
        reading.notice_steps, "step", lambda one: (one.notice_kind, one.step, one.role)
    )
    yield from _overlaps(reading.link_limits, "server_code", lambda one: one.server_code)
    yield from _overlaps(
        reading.push_keys, "public_key", lambda one: (one.server_code, one.public_key)
    )
    yield from _shared_keys(reading)
    yield from _overlaps(
        reading.groups,
        "group_path",
        lambda one: (one.server_code, normalised_path(one.group_path)),
    )
    yield from _overlaps(
        reading.aliases, "alias", lambda one: (one.unit_code, matching_key(one.alias))
    )
    yield from _overlaps(reading.limits, "memory_mb", lambda _: ())
    yield from _overlaps(
        reading.exceptions, "product_text", lambda one: matching_key(one.product_text)
    )
    yield from _references(reading, units, servers)
    yield from _parents(reading.units, units)
    yield from _cycles(reading.units)
    yield from _provinces(reading)
    yield from _alias_clashes(reading, units)
    yield from _repeated_entries(reading)
    yield from _seats(reading)
    yield from _repeated_days(reading)
    yield from duty_mistakes(reading)
    yield from succession_mistakes(reading)
    yield from _overlaps(reading.issuers, "issuer_code", lambda one: one.issuer_code)


def _by_code(sheet: Sheet[R]) -> dict[str, list[Line[R]]]:
    found: dict[str, list[Line[R]]] = defaultdict(list)
    name = "unit_code" if sheet.model is Unit else "server_code"
    for line in sheet.lines:
        found[getattr(line.record, name)].append(line)
    return found


def _codes_in_two_estates(sheet: Sheet[R], field: str, what: str) -> Iterator[Mistake]:
    first_seen: dict[str, Line[R]] = {}
    told: set[tuple[str, str]] = set()
    for line in sheet.lines:
        code = str(getattr(line.record, field))
        first = first_seen.setdefault(code, line)
        if line.file != first.file and (code, line.file) not in told:
            told.add((code, line.file))
            yield Mistake(
                line.file,
                line.row,
                field,
                f"{what} {code} đã dùng ở {first.file}, dòng {first.row}.",
                "Mã là duy nhất trên mọi địa bàn và không dùng lại; đặt mã khác.",
            )


def _overlaps(sheet: Sheet[R], field: str, key: Callable[[R], Hashable]) -> Iterator[Mistake]:
    """Two rows of one key (and one estate) in force on the same day."""
    by_key: dict[Hashable, list[Line[R]]] = defaultdict(list)
    for line in sheet.lines:
        by_key[line.file, key(line.record)].append(line)
    for lines in by_key.values():
        for number, line in enumerate(lines):
            other = next((one for one in lines[:number] if _common(one, line)), None)
            if other is not None:
                yield Mistake(
                    line.file,
                    line.row,
                    field,
                    f"Trùng với dòng {other.row} và cùng hiệu lực từ ngày"
                    f" {_written(_starts_together(other, line))}.",
                    "Ghi valid_to_date của dòng cũ trước ngày bắt đầu của dòng mới, hoặc xóa bớt.",
                )


def _common(one: Line[R], other: Line[R]) -> Period | None:
    if not isinstance(one.record, Dated) or not isinstance(other.record, Dated):
        return None
    return Period.of(one.record).common(Period.of(other.record))


def _starts_together(one: Line[R], other: Line[R]) -> date:
    common = _common(one, other)
    return common.first if common else date.min


def _references(
    reading: Reading,
    units: dict[str, list[Line[Unit]]],
    servers: dict[str, list[Line[Server]]],
) -> Iterator[Mistake]:
    for server in reading.servers.lines:
        yield from _unit_reference(reading, units, server, "unit_code", Period.of(server.record))
    for alias in reading.aliases.lines:
        yield from _unit_reference(reading, units, alias, "unit_code", None)
    for rule in reading.naming_rules.lines:
        yield from _unit_reference(reading, units, rule, "unit_code", None)
    for entry in reading.allocations.lines:
        for field in ("from_unit_code", "to_unit_code"):
            yield from _unit_reference(reading, units, entry, field, Period.of(entry.record))
    of_servers: tuple[Sheet[Any], ...] = (
        reading.maintenance,
        reading.silences,
        reading.link_limits,
        reading.push_keys,
    )
    for sheet in of_servers:
        for row in sheet.lines:
            yield from _server_reference(reading, servers, row)
    for group in reading.groups.lines:
        code = group.record.server_code
        lines = [line for line in servers[code] if line.record.estate_code == _estate(group)]
        if lines or not reading.servers.is_whole or code in reading.servers.broken:
            # A mapping matters on the days on which its server is asked.
            for line in lines:
                period = Period.of(line.record).common(Period.of(group.record))
                if period:
                    yield from _unit_reference(reading, units, group, "unit_code", period)
                    break
            else:
                yield from _unit_reference(reading, units, group, "unit_code", None)
        else:
            yield _unknown(group, "server_code", code, "máy chủ", "servers.csv", _codes(servers))
            yield from _unit_reference(reading, units, group, "unit_code", None)


def _shared_keys(reading: Reading) -> Iterator[Mistake]:
    """A key says which site speaks: it belongs to one server, on whatever days."""
    owners: dict[str, str] = {}
    for line in reading.push_keys.lines:
        key, code = line.record.public_key, line.record.server_code
        if owners.setdefault(key, code) != code:
            yield Mistake(
                line.file,
                line.row,
                "public_key",
                f"Khóa này đã khai cho máy chủ {owners[key]}.",
                "Mỗi nơi tự tạo khóa của mình bằng ksc-ledger push key; không chép khóa cho nhau.",
            )


def _unit_reference(
    reading: Reading,
    units: dict[str, list[Line[Unit]]],
    line: Line[R],
    field: str,
    period: Period | None,
) -> Iterator[Mistake]:
    """The unit must be in the same estate, and in force throughout ``period`` when one is given."""
    code = getattr(line.record, field)
    if code is None or not reading.units.is_whole or code in reading.units.broken:
        return
    known = [unit for unit in units[code] if unit.record.estate_code == _estate(line)]
    if not known:
        yield _unknown(line, field, code, "đơn vị", "units.csv", _codes(units))
        return
    outside = period and period.first_outside(Period.of(unit.record) for unit in known)
    if outside:
        yield Mistake(
            line.file,
            line.row,
            field,
            f"Đơn vị {code} không có hiệu lực vào ngày {_written(outside)}, trong khi dòng này có.",
            "Kết thúc dòng này cùng ngày với đơn vị và ghi dòng mới cho đơn vị tiếp nhận,"
            " hoặc sửa thời gian của đơn vị.",
        )


def _server_reference(
    reading: Reading, servers: dict[str, list[Line[Server]]], line: Line[Any]
) -> Iterator[Mistake]:
    """The server must be one of the same estate: of another one's the row would mean nothing."""
    code: str | None = line.record.server_code
    if code is None or not reading.servers.is_whole or code in reading.servers.broken:
        return
    known = servers.get(code, [])
    if not any(one.record.estate_code == _estate(line) for one in known):
        yield _unknown(line, "server_code", code, "máy chủ", "servers.csv", _codes(servers))


def _unknown(
    line: Line[R], field: str, code: str, what: str, where: str, known: Iterable[str]
) -> Mistake:
    close = get_close_matches(code, known, n=1)
    hint = f"Có phải là {close[0]}?" if close else f"Thêm {what} vào {where} hoặc sửa mã."
    return Mistake(
        line.file, line.row, field, f"Không có {what} {code} trong {where} của địa bàn.", hint
    )


def _codes(lines: dict[str, list[Line[R]]]) -> list[str]:
    return [code for code, found in lines.items() if found]


def _estate(line: Line[R]) -> str:
    return line.record.estate_code


def _parents(sheet: Sheet[Unit], units: dict[str, list[Line[Unit]]]) -> Iterator[Mistake]:
    if not sheet.is_whole:
        return
    for line in sheet.lines:
        parent = line.record.parent_unit_code
        if parent is None or parent in sheet.broken:
            continue
        known = [one for one in units[parent] if one.record.estate_code == _estate(line)]
        if not known:
            yield _unknown(line, "parent_unit_code", parent, "đơn vị", "units.csv", _codes(units))
            continue
        outside = Period.of(line.record).first_outside(Period.of(one.record) for one in known)
        if outside:
            yield Mistake(
                line.file,
                line.row,
                "parent_unit_code",
                f"Đơn vị cấp trên {parent} không có hiệu lực vào ngày {_written(outside)}.",
                "Kết thúc dòng này cùng ngày và ghi dòng mới với đơn vị cấp trên mới.",
            )


def _cycles(sheet: Sheet[Unit]) -> Iterator[Mistake]:
    """Units that are, on some day, above themselves; each told once."""
    told: set[str] = set()
    for day in sorted({line.record.valid_from_date for line in sheet.lines}):
        lines = {
            line.record.unit_code: line for line in sheet.lines if line.record.is_in_force(day)
        }
        done: set[str] = set()
        for start in lines:
            path: list[str] = []
            code: str | None = start
            while code in lines and code not in done and code not in path:
                path.append(code)
                code = lines[code].record.parent_unit_code
            if code in path:
                ring = path[path.index(code) :]
                if not told.intersection(ring):
                    line = lines[ring[-1]]
                    yield Mistake(
                        line.file,
                        line.row,
                        "parent_unit_code",
                        f"Quan hệ cấp trên đi vòng: {' → '.join([*ring, ring[0]])}.",
                        "Sửa đơn vị cấp trên của một trong các đơn vị này.",
                    )
                told.update(ring)
            done.update(path)


def _provinces(reading: Reading) -> Iterator[Mistake]:
    if not reading.servers.is_whole:
        return
    for estate in reading.estates.lines:
        servers = [one for one in reading.servers.lines if _estate(one) == _estate(estate)]
        file = f"{_estate(estate)}/{reading.servers.name}"
        is_refused = any(mistake.file == file for mistake in reading.mistakes)
        roles = {one.record.server_role for one in servers}
        if ServerRole.PROVINCE not in roles and not is_refused:
            yield Mistake(
                file,
                None,
                "server_role",
                "Địa bàn không có máy chủ cấp tỉnh.",
                "Ghi một dòng có server_role là province.",
            )


def _alias_clashes(reading: Reading, units: dict[str, list[Line[Unit]]]) -> Iterator[Mistake]:
    """An alias that means two units under one parent, or is a neighbour's proper name."""
    named: dict[tuple[str, str], list[tuple[str, Period, str]]] = defaultdict(list)
    for line in reading.units.lines:
        key = (_estate(line), matching_key(line.record.unit_name))
        place = f"tên đơn vị ở {line.file}, dòng {line.row}"
        named[key].append((line.record.unit_code, Period.of(line.record), place))
    for alias in reading.aliases.lines:
        period = Period.of(alias.record)
        claims = named[_estate(alias), matching_key(alias.record.alias)]
        own = alias.record.unit_code
        for code, other, place in claims:
            if code != own and period.common(other) and _are_siblings(units, own, code):
                yield Mistake(
                    alias.file,
                    alias.row,
                    "alias",
                    f"Tên gọi này cũng chỉ đơn vị {code} ({place}).",
                    "Ghi tên gọi đủ rõ, có loại đơn vị (xã, thị trấn, thành phố, huyện).",
                )
                break
        claims.append((own, period, f"dòng {alias.row}"))


def _are_siblings(units: dict[str, list[Line[Unit]]], one: str, other: str) -> bool:
    parents = [{line.record.parent_unit_code for line in units[code]} for code in (one, other)]
    return bool(parents[0] & parents[1])


def _repeated_entries(reading: Reading) -> Iterator[Mistake]:
    seen: dict[str, str] = {}
    for line in reading.allocations.lines:
        entry_id = line.record.entry_id
        if entry_id in seen:
            yield Mistake(
                line.file,
                line.row,
                "entry_id",
                f"Mã bút toán {entry_id} đã có ở {seen[entry_id]}.",
                "Mỗi bút toán một mã, duy nhất trên mọi địa bàn.",
            )
        seen.setdefault(entry_id, f"{line.file}, dòng {line.row}")


def _seats(reading: Reading) -> Iterator[Mistake]:
    """Seats that a unit gives away on a day though it does not hold so many."""
    if not reading.allocations.is_whole or any(
        mistake.file.endswith(f"/{reading.allocations.name}") for mistake in reading.mistakes
    ):
        return  # a refused row may be the very grant that is missed here
    told: set[tuple[str, date]] = set()
    for line in reading.allocations.lines:
        giver, day = line.record.from_unit_code, line.record.valid_from_date
        if giver is None or (giver, day) in told:
            continue
        told.add((giver, day))
        entries = [one.record for one in reading.allocations.lines if one.record.is_in_force(day)]
        received = sum(one.seat_count for one in entries if one.to_unit_code == giver)
        given = sum(one.seat_count for one in entries if one.from_unit_code == giver)
        if given > received:
            yield Mistake(
                line.file,
                line.row,
                "seat_count",
                f"Ngày {_written(day)} đơn vị {giver} giao đi {given} bản quyền nhưng chỉ được"
                f" nhận {received}.",
                "Thêm bút toán cấp cho đơn vị giao, sửa số lượng, hoặc bỏ trống from_unit_code"
                " nếu bản quyền đến từ bên ngoài.",
            )


def _repeated_days(reading: Reading) -> Iterator[Mistake]:
    seen: dict[tuple[str, date], int] = {}
    for line in reading.calendar.lines:
        key = (line.file, line.record.date)
        if key in seen:
            yield Mistake(
                line.file,
                line.row,
                "date",
                f"Ngày {_written(line.record.date)} đã có ở dòng {seen[key]}.",
                "Mỗi ngày chỉ ghi một dòng.",
            )
        seen.setdefault(key, line.row)


def _written(day: date) -> str:
    return f"{day:%d/%m/%Y}"
