"""Delimited text (.csv, .txt): whatever separates, whatever ends a line, never a row made to fit."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

from ksc_ledger.intake.decoding import decoded
from ksc_ledger.intake.document import BLANK, Cell, Document, Format, Sheet, column_letters
from ksc_ledger.intake.limits import Limits
from ksc_ledger.intake.reasons import Reason, Refused

SEPARATORS = (";", "\t", ",", "|")
_SAID_BY_EXCEL = re.compile(r"sep=(.)\n")  # a first line that Excel obeys
_GUARDED = re.compile(r'="([^"]*)"')  # Excel's way to keep 00123 a text


@dataclass(frozen=True, slots=True)
class _Reading:
    separator: str
    rows: tuple[tuple[str, ...], ...]
    broken_line: int | None = None
    row_too_many: int | None = None

    @property
    def regular_cells(self) -> int:
        """The cells in rows of the most usual width; 0 where nothing is separated."""
        widths = Counter(len(row) for row in self.rows if len(row) > 1)
        return max((width * count for width, count in widths.items()), default=0)


def read_delimited(data: bytes, limits: Limits) -> Document:
    """Read delimited text by the separator that makes the largest regular table; raise Refused."""
    found = decoded(data)
    text = found.text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise Refused(Reason.EMPTY_FILE)
    said = _SAID_BY_EXCEL.match(text)
    separators = (said[1],) if said else SEPARATORS
    readings = [_read(text[said.end() :] if said else text, one, limits) for one in separators]
    best = max(readings, key=lambda one: one.regular_cells)
    if best.broken_line is not None:
        raise Refused(Reason.UNCLOSED_QUOTE, what=best.broken_line)
    if best.row_too_many is not None:
        raise Refused(Reason.TOO_MANY_ROWS, limit=limits.rows, what=best.row_too_many)
    rows = [_cells(row, number, limits) for number, row in enumerate(best.rows)]
    while rows and all(cell.is_blank for cell in rows[-1]):
        rows.pop()
    sheet = Sheet(name="", rows=tuple(rows), has_fields=True)
    return Document(format=Format.DELIMITED, sheets=(sheet,), encoding=found.encoding)


def _read(text: str, separator: str, limits: Limits) -> _Reading:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[str, ...]] = []
    begun = 1
    try:
        for number, row in enumerate(reader, start=1):
            if number <= limits.rows:
                rows.append(tuple(row))
            elif any(cell.strip() for cell in row):
                return _Reading(separator, tuple(rows), row_too_many=number)
            begun = reader.line_num + 1
    except csv.Error:
        return _Reading(separator, tuple(rows), broken_line=begun)
    return _Reading(separator, tuple(rows))


def _cells(row: tuple[str, ...], number: int, limits: Limits) -> tuple[Cell, ...]:
    cells: list[Cell] = []
    for column, text in enumerate(row):
        if len(text) > limits.cell_characters:
            raise Refused(
                Reason.CELL_TOO_LONG,
                cell=f"{column_letters(column)}{number + 1}",
                what=len(text),
                limit=limits.cell_characters,
            )
        guarded = _GUARDED.fullmatch(text)
        cells.append(Cell(guarded[1] if guarded else text) if text else BLANK)
    while len(cells) > limits.columns and cells[-1].is_blank:
        cells.pop()
    if len(cells) > limits.columns:
        raise Refused(
            Reason.TOO_MANY_COLUMNS,
            limit=limits.columns,
            what=column_letters(len(cells) - 1),
        )
    return tuple(cells)
