"""Excel workbooks (.xlsx): values by openpyxl, and what its quick reader leaves out by a second look.

The second look at each sheet's XML finds cells far outside any report before a value is read,
formulas without a result, merged blocks, hidden rows and columns, and rows or cells out of
order (which openpyxl would pass over without a word).
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import openpyxl
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from ksc_ledger.intake import xml_safe
from ksc_ledger.intake.archive import BROKEN, opened
from ksc_ledger.intake.document import (
    BLANK,
    Cell,
    CellKind,
    Document,
    Format,
    Merge,
    Sheet,
    column_letters,
    position,
)
from ksc_ledger.intake.limits import Limits
from ksc_ledger.intake.reasons import Reason, Refused
from ksc_ledger.rules.text import nfc

_QUOTED_IN_FORMAT = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_ONLY_ZEROS = re.compile(r"0{2,}")
_WHOLE_NUMBER = 10**15  # up to here a float keeps every digit

Raw = tuple[Any, str, str]  # value, openpyxl's data type, number format


def read_workbook(data: bytes, limits: Limits) -> Document:
    """Read an Office archive; raise Refused for one that is no plain workbook."""
    with opened(data, limits) as archive:
        _refuse_other_kinds(archive)
        book = _open(data)
        if len(book.worksheets) > limits.sheets:
            raise Refused(Reason.TOO_MANY_SHEETS, limit=limits.sheets)
        sheets = tuple(_sheet(sheet, archive, limits) for sheet in book.worksheets)
        return Document(
            format=Format.XLSX,
            sheets=sheets,
            first_serial_year=1904 if book.epoch == CALENDAR_MAC_1904 else 1900,
            modified_at=_aware(book.properties.modified),
        )


def _refuse_other_kinds(archive: zipfile.ZipFile) -> None:
    names = set(archive.namelist())
    lower = {name.lower() for name in names}
    if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name for name in lower):
        raise Refused(Reason.MACROS)
    if "word/document.xml" in lower:
        raise Refused(Reason.DOCUMENT_NOT_FORM, what=".docx")
    if "xl/workbook.bin" in lower:
        raise Refused(Reason.BINARY_XLSB)
    if "[Content_Types].xml" not in names:
        is_open_document = "mimetype" in names
        what = "OpenDocument" if is_open_document else "tệp nén"
        raise Refused(Reason.UNSUPPORTED_FORMAT, what=what)
    if not any(name.startswith("xl/") for name in lower):
        raise Refused(Reason.UNSUPPORTED_FORMAT, what="tệp Office không phải bảng tính")
    for name in names:
        if name.lower().endswith((".xml", ".rels")) and xml_safe.has_doctype(
            _Member(archive, name).read(xml_safe.PROLOG_BYTES)
        ):
            raise Refused(Reason.DTD)
    if b"macroenabled" in _Member(archive, "[Content_Types].xml").read().lower():
        raise Refused(Reason.MACROS)


def _open(data: bytes) -> Any:
    with _library():
        # A workbook without a stylesheet, an extension openpyxl does not know: nothing for us.
        warnings.simplefilter("ignore")
        return openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=True, keep_links=False
        )


@contextmanager
def _library() -> Iterator[None]:
    """Whatever openpyxl raises on a broken file (it promises no set of errors) is a refusal."""
    try:
        with warnings.catch_warnings():
            yield
    except (Refused, MemoryError):
        raise
    except xml_safe.DefusedXmlException as error:
        raise Refused(Reason.DTD) from error
    except Exception as error:
        raise Refused(Reason.UNREADABLE, what=type(error).__name__) from error


class _Member:
    """A member of an archive, whose every fault is a refusal."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        try:
            self._source = archive.open(name)
        except (*BROKEN, KeyError) as error:
            raise Refused(Reason.ARCHIVE_BROKEN, what=type(error).__name__) from error

    def read(self, size: int = -1) -> bytes:
        try:
            return self._source.read(size)
        except BROKEN as error:
            raise Refused(Reason.ARCHIVE_BROKEN, what=type(error).__name__) from error


@dataclass(slots=True)
class _Layout:
    """What stands where in a sheet, apart from values."""

    last_row: int = -1
    last_column: int = -1
    not_calculated: set[tuple[int, int]] = field(default_factory=set)
    merges: list[Merge] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)


def _sheet(sheet: Any, archive: zipfile.ZipFile, limits: Limits) -> Sheet:
    name = nfc(sheet.title)
    if sheet.sheet_state != "visible":
        return Sheet(name=name, rows=(), is_hidden=True)
    layout = _layout(_Member(archive, sheet._worksheet_path), name, limits)
    raw = _values(sheet, layout)
    rows: list[tuple[Cell, ...]] = []
    for row, values in enumerate(raw):
        cells = [
            Cell("", CellKind.NOT_CALCULATED)
            if (row, column) in layout.not_calculated
            else _cell(*value)
            for column, value in enumerate(values)
        ]
        rows.append(row_of(cells, row, name, limits))
    return Sheet(
        name=name,
        rows=tuple(rows),
        merges=tuple(layout.merges),
        hidden_rows=frozenset(layout.hidden_rows),
        hidden_columns=frozenset(layout.hidden_columns),
    )


def row_of(cells: list[Cell], row: int, sheet: str, limits: Limits) -> tuple[Cell, ...]:
    """A sheet's row as long as it was written; raise Refused for a text that no cell should hold."""
    for column, cell in enumerate(cells):
        if len(cell.text) > limits.cell_characters:
            raise Refused(
                Reason.CELL_TOO_LONG,
                sheet=sheet,
                cell=f"{column_letters(column)}{row + 1}",
                what=len(cell.text),
                limit=limits.cell_characters,
            )
    while cells and cells[-1].is_blank:
        cells.pop()
    return tuple(cells)


def _layout(source: xml_safe.Source, name: str, limits: Limits) -> _Layout:
    layout = _Layout()
    last = -1
    try:
        for element in xml_safe.pieces(source):
            tag = xml_safe.local_name(element.tag)
            if tag == "row":
                last = _look_at_row(element, last, layout, name, limits)
                element.clear()
            elif tag == "mergeCell":
                if len(layout.merges) >= limits.rows:
                    raise Refused(Reason.UNREADABLE, sheet=name, what="quá nhiều ô trộn")
                layout.merges.append(_merge(element.get("ref", ""), limits))
            elif tag == "col" and element.get("hidden") in {"1", "true"}:
                first, final = int(element.get("min", "1")), int(element.get("max", "1"))
                layout.hidden_columns |= set(range(first - 1, min(final, limits.columns)))
    except xml_safe.DefusedXmlException as error:
        raise Refused(Reason.DTD) from error
    except (ParseError, ValueError) as error:
        raise Refused(Reason.UNREADABLE, what=f"XML: {type(error).__name__}") from error
    return layout


def _look_at_row(row: Element, last: int, layout: _Layout, name: str, limits: Limits) -> int:
    """Note what one row holds; its index, which must be above ``last``."""
    number = row.get("r")
    index = int(number) - 1 if number else last + 1
    if index <= last:
        raise Refused(Reason.UNREADABLE, sheet=name, what=f"dòng {index + 1} lặp hoặc sai thứ tự")
    if row.get("hidden") in {"1", "true"} and index < limits.rows:
        layout.hidden_rows.add(index)
    column = -1
    for cell in row:
        address = cell.get("r")
        at = position(address) if address else (index, column + 1)
        if at[0] != index or at[1] <= column:
            raise Refused(Reason.UNREADABLE, sheet=name, cell=address or "", what="ô sai thứ tự")
        column = at[1]
        parts = {xml_safe.local_name(part.tag): part for part in cell}
        value = parts.get("v")
        has_value = (value is not None and bool(value.text)) or "is" in parts
        if not has_value and "f" not in parts:
            continue
        if index >= limits.rows:
            raise Refused(Reason.TOO_MANY_ROWS, sheet=name, limit=limits.rows, what=index + 1)
        if column >= limits.columns:
            raise Refused(
                Reason.TOO_MANY_COLUMNS,
                sheet=name,
                limit=limits.columns,
                what=column_letters(column),
            )
        layout.last_row = max(layout.last_row, index)
        layout.last_column = max(layout.last_column, column)
        # A formula whose result is the empty text says so by its type.
        if not has_value and cell.get("t") != "str":
            layout.not_calculated.add((index, column))
    return index


def _merge(reference: str, limits: Limits) -> Merge:
    """A merged block, as far as it lies within the limits: outside, nothing has a value."""
    first, _, last = reference.partition(":")
    top, left = position(first)
    bottom, right = position(last or first)
    return Merge(top, left, min(bottom, limits.rows), min(right, limits.columns))


def _values(sheet: Any, layout: _Layout) -> list[list[Raw]]:
    if layout.last_row < 0:
        return []
    with _library():
        warnings.simplefilter("ignore")  # a day number outside its range: the cell is an error
        rows = sheet.iter_rows(
            min_row=1, max_row=layout.last_row + 1, min_col=1, max_col=layout.last_column + 1
        )
        return [
            [
                (None, "n", "")
                if cell.value is None
                else (cell.value, cell.data_type, cell.number_format)
                for cell in row
            ]
            for row in rows
        ]


def _cell(value: Any, data_type: str, number_format: str) -> Cell:
    if value is None:
        return BLANK
    if data_type == "e":
        return Cell(str(value), CellKind.ERROR)
    if isinstance(value, bool):
        return Cell("TRUE" if value else "FALSE", CellKind.BOOLEAN)
    if isinstance(value, int | float):
        return number_cell(value, number_format or "")
    if isinstance(value, datetime):
        is_day = value.time() == time(0)
        return Cell((value.date() if is_day else value).isoformat(), CellKind.DATE)
    if isinstance(value, date | time):
        return Cell(value.isoformat(), CellKind.DATE)
    if isinstance(value, timedelta):
        return Cell(str(value), CellKind.DATE)
    return Cell(nfc(str(value)))


def number_cell(value: float, number_format: str) -> Cell:
    """A number as its cell's format shows it, where that says what it is."""
    shape = _QUOTED_IN_FORMAT.sub("", number_format)
    is_whole = isinstance(value, int) or (value.is_integer() and abs(value) < _WHOLE_NUMBER)
    if "%" in shape:
        return Cell(repr(float(value)), CellKind.PERCENT)
    if "E+" in shape.upper():
        # As the sheet shows it: a name such as 1E5 that became a number must be seen as one.
        return Cell(f"{Decimal(repr(value)).normalize():E}", CellKind.NUMBER)
    if not is_whole:
        return Cell(repr(value), CellKind.NUMBER)
    digits = str(int(value))
    if _ONLY_ZEROS.fullmatch(shape):
        digits = digits.zfill(len(shape))  # 00123, as the sheet shows it
    return Cell(digits, CellKind.NUMBER)


def _aware(instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
