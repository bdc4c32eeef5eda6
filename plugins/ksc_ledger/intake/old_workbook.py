"""Excel workbooks of 1997 to 2003 (.xls): values, formats, merged blocks and hidden rows by xlrd.

xlrd reads what is stored and runs nothing. A file that carries macros is refused all the same, as
an .xlsx is: who sends one should know that it will not be looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import time
from pathlib import Path
from typing import Any, Literal

import xlrd
from xlrd.biffh import XLRDError

from ksc_ledger.intake.document import (
    BLANK,
    Cell,
    CellKind,
    Document,
    Format,
    Merge,
    Sheet,
    column_letters,
)
from ksc_ledger.intake.limits import Limits
from ksc_ledger.intake.reasons import Reason, Refused
from ksc_ledger.intake.workbook import number_cell, row_of
from ksc_ledger.rules.text import nfc

_MACRO_STORAGE = "_VBA_PROJECT_CUR".encode("utf-16-le")


def read_old_workbook(data: bytes, limits: Limits) -> Document:
    """Read a workbook in Excel's binary format; raise Refused for one that cannot be read whole."""
    if _MACRO_STORAGE in data:
        raise Refused(Reason.MACROS)
    with _library(), Path(os.devnull).open("w") as nowhere:
        book = xlrd.open_workbook(
            file_contents=data, formatting_info=True, ragged_rows=True, logfile=nowhere
        )
    if book.nsheets > limits.sheets:
        raise Refused(Reason.TOO_MANY_SHEETS, limit=limits.sheets)
    return Document(
        format=Format.XLS,
        sheets=tuple(_sheet(book, sheet, limits) for sheet in book.sheets()),
        first_serial_year=1904 if book.datemode else 1900,
        modified_at=None,
    )


@contextmanager
def _library() -> Iterator[None]:
    """Whatever xlrd raises on a broken file (it promises no set of errors) is a refusal."""
    try:
        yield
    except (Refused, MemoryError):
        raise
    except XLRDError as error:
        if "encrypted" in str(error):
            raise Refused(Reason.ENCRYPTED) from error
        raise Refused(Reason.UNREADABLE, what=type(error).__name__) from error
    except Exception as error:
        raise Refused(Reason.UNREADABLE, what=type(error).__name__) from error


def _sheet(book: Any, sheet: Any, limits: Limits) -> Sheet:
    name = nfc(sheet.name)
    if sheet.visibility != 0:
        return Sheet(name=name, rows=(), is_hidden=True)
    with _library():
        rows = [
            _row(book, sheet.row(number), number, name, limits)
            for number in range(_rows_used(sheet, name, limits))
        ]
        merges = tuple(
            # xlrd counts the last row and column of a block as the first one after it.
            Merge(top, left, min(bottom - 1, limits.rows), min(right - 1, limits.columns))
            for top, bottom, left, right in sheet.merged_cells
        )
        return Sheet(
            name=name,
            rows=tuple(rows),
            merges=merges,
            hidden_rows=frozenset(n for n, row in sheet.rowinfo_map.items() if row.hidden),
            hidden_columns=frozenset(n for n, col in sheet.colinfo_map.items() if col.hidden),
        )


def _rows_used(sheet: Any, name: str, limits: Limits) -> int:
    """How many rows there are down to the last that holds a value."""
    used: int = sheet.nrows
    while used and all(_is_empty(cell) for cell in sheet.row(used - 1)):
        used -= 1
    if used > limits.rows:
        raise Refused(Reason.TOO_MANY_ROWS, sheet=name, limit=limits.rows, what=used)
    return used


def _is_empty(cell: Any) -> bool:
    return cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK)


def _row(book: Any, cells: list[Any], row: int, name: str, limits: Limits) -> tuple[Cell, ...]:
    while cells and _is_empty(cells[-1]):
        cells.pop()
    if len(cells) > limits.columns:
        raise Refused(
            Reason.TOO_MANY_COLUMNS,
            sheet=name,
            limit=limits.columns,
            what=column_letters(len(cells) - 1),
        )
    return row_of([_cell(book, cell) for cell in cells], row, name, limits)


def _cell(book: Any, cell: Any) -> Cell:
    value = cell.value
    match cell.ctype:
        case xlrd.XL_CELL_TEXT:
            return Cell(nfc(str(value)))
        case xlrd.XL_CELL_NUMBER:
            shape = book.format_map[book.xf_list[cell.xf_index].format_key].format_str
            return number_cell(value, shape)
        case xlrd.XL_CELL_DATE:
            return _day(value, book.datemode)
        case xlrd.XL_CELL_BOOLEAN:
            return Cell("TRUE" if value else "FALSE", CellKind.BOOLEAN)
        case xlrd.XL_CELL_ERROR:
            return Cell(xlrd.error_text_from_code.get(value, "#?"), CellKind.ERROR)
    return BLANK


def _day(value: float, datemode: Literal[0, 1]) -> Cell:
    """A day as ISO; an error for a day number that no day of the calendar has."""
    try:
        instant = xlrd.xldate_as_datetime(value, datemode)
    except (ValueError, OverflowError):
        return Cell("#VALUE!", CellKind.ERROR)
    if value < 1:
        return Cell(instant.time().isoformat(), CellKind.DATE)
    is_day = instant.time() == time(0)
    return Cell((instant.date() if is_day else instant).isoformat(), CellKind.DATE)
