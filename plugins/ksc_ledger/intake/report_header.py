"""Find the header of a report table: which column stands where, in one row or in several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ksc_ledger.intake.columns import Column, column_of
from ksc_ledger.intake.document import CellKind, Sheet
from ksc_ledger.intake.values import plain

HEADER_ROWS = 200  # a header further down is below no letterhead
HEADER_DEPTH = 3
_HEADING_HEIGHT = 10  # a merged block that reaches further down is no heading
_UNIT_COLUMNS = (Column.UNIT_NAME, Column.UNIT_CODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where each column stands. ``end`` is the first row below.

    ``covered`` are further columns under a heading that is merged over several.
    """

    top: int
    end: int
    columns: Mapping[Column, int]
    twice: tuple[Column, ...]
    unused: tuple[tuple[str, int], ...]
    covered: tuple[tuple[Column, int], ...]


def headers_of(sheet: Sheet) -> list[Header]:
    """The headers of report tables; one that repeats the first is part of its table."""
    found: list[Header] = []
    last = min(len(sheet.rows), HEADER_ROWS)
    spread = _spread(sheet, last + HEADER_DEPTH)
    naming = [row for row in range(last + HEADER_DEPTH) if _heads_units(sheet, row, spread)]
    tops = sorted({top for row in naming for top in range(max(0, row - HEADER_DEPTH + 1), row + 1)})
    end = 0
    for top in tops:
        header = _header_at(sheet, top, spread) if end <= top < last else None
        if header is not None:
            end = header.end
            if not any(dict(one.columns) == dict(header.columns) for one in found):
                found.append(header)
    return found


def _heads_units(sheet: Sheet, row: int, spread: Mapping[tuple[int, int], tuple[int, int]]) -> bool:
    """Whether a cell of the row may head the column of units: without one there is no table."""
    width = len(sheet.rows[row]) if row < len(sheet.rows) else 0
    cells = [sheet.cell(*spread.get((row, at), (row, at))) for at in range(width)]
    return any(
        cell.kind is CellKind.TEXT and column_of(plain(cell.text)) in _UNIT_COLUMNS
        for cell in cells
    )


def _spread(sheet: Sheet, rows: int) -> dict[tuple[int, int], tuple[int, int]]:
    """For each cell of a merged block near the top, the cell that holds the block's text."""
    return {
        (row, column): (merge.top, merge.left)
        for merge in sheet.merges
        if merge.top < rows and merge.bottom - merge.top <= _HEADING_HEIGHT
        for row in range(merge.top, min(merge.bottom + 1, rows))
        for column in range(merge.left, merge.right + 1)
    }


def _header_at(
    sheet: Sheet, row: int, spread: Mapping[tuple[int, int], tuple[int, int]]
) -> Header | None:
    """The best header that starts in this row or shortly below it."""
    candidates = [
        header
        for depth in range(1, HEADER_DEPTH + 1)
        if (header := _header(sheet, row, depth, spread)) is not None
    ]
    if not candidates:
        return None
    # A title line above a header of one row makes a "header" of two rows that knows no more.
    below = [
        header
        for depth in range(1, HEADER_DEPTH)
        if (header := _header(sheet, row + 1, depth, spread)) is not None
    ]
    best = max(candidates, key=lambda one: (len(one.columns), -(one.end - one.top)))
    if any(len(one.columns) >= len(best.columns) for one in below) and best.end - best.top > 1:
        return None
    return best


def _header(
    sheet: Sheet, top: int, depth: int, spread: Mapping[tuple[int, int], tuple[int, int]]
) -> Header | None:
    width = max((len(cells) for cells in sheet.rows[top : top + depth]), default=0)
    columns: dict[Column, int] = {}
    twice: list[Column] = []
    unused: list[tuple[str, int]] = []
    covered: list[tuple[Column, int]] = []
    seen_blocks: set[tuple[int, int]] = set()
    for at in range(width):
        anchors = list(
            dict.fromkeys(spread.get((row, at), (row, at)) for row in range(top, top + depth))
        )
        cells = [sheet.cell(*anchor) for anchor in anchors]
        texts = [plain(cell.text) for cell in cells if cell.kind is CellKind.TEXT]
        texts = [text for text in texts if text]
        if not texts:
            continue
        column = column_of(" ".join(texts)) or column_of(texts[-1])
        if column is None:
            unused.append((" ".join(texts), at))
        elif column not in columns:
            columns[column] = at
            seen_blocks.add(anchors[-1])
        elif anchors[-1] in seen_blocks:  # a heading merged over several columns stands once
            covered.append((column, at))
        else:
            twice.append(column)
    has_unit = Column.UNIT_NAME in columns or Column.UNIT_CODE in columns
    if not has_unit or Column.INSTALLED not in columns:
        return None
    return Header(
        top=top,
        end=top + depth,
        columns=columns,
        twice=tuple(dict.fromkeys(twice)),
        unused=tuple(unused),
        covered=tuple(covered),
    )
