"""What rows of successions.csv must not say against each other and against units.csv."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from ksc_ledger.registry.mistakes import Mistake
from ksc_ledger.registry.model import Succession, SuccessionKind, Unit
from ksc_ledger.registry.sheets import Line, Reading

_INHERITING = frozenset({SuccessionKind.MERGE, SuccessionKind.SPLIT})


def succession_mistakes(reading: Reading) -> Iterator[Mistake]:
    """Unknown units, heirs that are not there, two merges of one unit, circles, half-told splits."""
    if not reading.units.is_whole:
        return
    units: dict[tuple[str, str], list[Unit]] = defaultdict(list)
    for unit in reading.units.lines:
        units[unit.record.estate_code, unit.record.unit_code].append(unit.record)
    parts: dict[tuple[str, str, date], list[Line[Succession]]] = defaultdict(list)
    for line in reading.successions.lines:
        yield from _unit_mistakes(line, units, reading)
        row = line.record
        if row.succession_kind in _INHERITING:
            parts[row.estate_code, row.from_unit_code, row.effective_date].append(line)
    for lines in parts.values():
        yield from _part_mistakes(lines)
    yield from _circles(reading)


def _unit_mistakes(
    line: Line[Succession], units: dict[tuple[str, str], list[Unit]], reading: Reading
) -> Iterator[Mistake]:
    row = line.record
    last_day = row.effective_date - timedelta(days=1)
    for field, day in (("from_unit_code", last_day), ("to_unit_code", row.effective_date)):
        code = getattr(row, field)
        if code in reading.units.broken:
            continue
        known = units[row.estate_code, code]
        if not known:
            yield Mistake(
                line.file,
                line.row,
                field,
                f"Không có đơn vị {code} trong units.csv của địa bàn này.",
                "Sửa mã, hoặc thêm đơn vị vào units.csv.",
            )
        elif not any(unit.is_in_force(day) for unit in known):
            yield Mistake(
                line.file,
                line.row,
                field,
                f"Đơn vị {code} không có hiệu lực vào ngày {day:%d/%m/%Y}.",
                "Sửa effective_date (ngày đầu tiên của tổ chức mới), hoặc hiệu lực trong units.csv.",
            )
        elif (
            field == "from_unit_code"
            and row.succession_kind is SuccessionKind.MERGE
            and any(unit.is_in_force(row.effective_date) for unit in known)
        ):
            yield Mistake(
                line.file,
                line.row,
                field,
                f"Đơn vị {code} đã sáp nhập nhưng vẫn còn hiệu lực vào ngày "
                f"{row.effective_date:%d/%m/%Y}.",
                "Ghi valid_to_date của đơn vị trước ngày sáp nhập, hoặc ghi split nếu chỉ tách một phần.",
            )


def _part_mistakes(lines: list[Line[Succession]]) -> Iterator[Mistake]:
    """The rows that say where one unit went on one day."""
    merges = [line for line in lines if line.record.succession_kind is SuccessionKind.MERGE]
    if merges and len(lines) > 1:
        line = lines[1]
        yield Mistake(
            line.file,
            line.row,
            "succession_kind",
            f"Đơn vị {line.record.from_unit_code} sáp nhập vào một đơn vị thì không còn phần nào khác "
            f"(xem dòng {lines[0].row}).",
            "Ghi mọi dòng là split nếu đơn vị chia cho nhiều nơi.",
        )
    told = [line for line in lines if line.record.seat_count is not None]
    if told and len(told) < len(lines):
        line = next(line for line in lines if line.record.seat_count is None)
        yield Mistake(
            line.file,
            line.row,
            "seat_count",
            "Các phần khác của đơn vị này có số bản quyền, phần này thì không.",
            "Ghi số bản quyền cho mọi phần theo văn bản chia tách, hoặc bỏ trống tất cả.",
        )
    elif told and not sum(line.record.seat_count or 0 for line in told):
        yield Mistake(
            told[0].file,
            told[0].row,
            "seat_count",
            "Không phần nào được chia bản quyền.",
            "Ghi số bản quyền theo văn bản chia tách, hoặc bỏ trống tất cả.",
        )


def _circles(reading: Reading) -> Iterator[Mistake]:
    heirs: dict[str, set[str]] = defaultdict(set)
    for line in reading.successions.lines:
        if line.record.succession_kind in _INHERITING:
            heirs[line.record.from_unit_code].add(line.record.to_unit_code)
    for line in reading.successions.lines:
        row = line.record
        if row.succession_kind not in _INHERITING:
            continue
        seen: set[str] = set()
        waiting = [row.to_unit_code]
        while waiting:
            code = waiting.pop()
            if code not in seen:
                seen.add(code)
                waiting.extend(heirs[code])
        if row.from_unit_code in seen:
            yield Mistake(
                line.file,
                line.row,
                "to_unit_code",
                f"Đi theo các lần kế thừa thì {row.from_unit_code} lại trở về chính nó.",
                "Đơn vị mới phải có mã mới; mã không bao giờ dùng lại.",
            )
