"""The annex as .xlsx, in the offices' columns.

Text is always text: a name that begins like a formula stays a name, also after somebody edits the
cell in Excel.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Border, Font, Side
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from ksc_ledger.letters.model import Letter, LetterKind, Section, UnitRow
from ksc_ledger.letters.office_files import stamped
from ksc_ledger.letters.words import ANNEX_TITLES, GAP, PRESENCE_NAMES, clean, issued_on, row_note
from ksc_ledger.rules.figures import written_date

FONT = "Times New Roman"
COUNT_FORMAT = "#,##0"  # shown as 1.077 where Excel speaks Vietnamese
RATIO_FORMAT = "0.0%"
LINE_HEIGHT = 16.5  # points; LibreOffice does not grow a row by itself
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

Value = int | float | str | None

_EDGE = Side(style="thin")
_BORDER = Border(left=_EDGE, right=_EDGE, top=_EDGE, bottom=_EDGE)


@dataclass(frozen=True, slots=True)
class Column:
    """``of`` gives a row's cell; ``is_summed``: the last row has the column's sum."""

    head: str
    width: float
    of: Callable[[UnitRow], Value]
    is_summed: bool = False


def ratio_of(installed: int | None, allocated: int) -> float | None:
    return None if installed is None or not allocated else installed / allocated


REPORT_COLUMNS = (
    Column("Tên đơn vị", 40, lambda row: row.unit_name),
    Column("Số bản quyền được phân bổ", 13, lambda row: row.allocated_count, is_summed=True),
    Column("Số máy tính hiện có", 12, lambda row: row.computer_count, is_summed=True),
    Column("Số máy đã cài đặt", 12, lambda row: row.installed_count, is_summed=True),
    Column("Tỷ lệ (%)", 10, lambda row: ratio_of(row.installed_count, row.allocated_count)),
    Column("Số máy đặt đúng tên", 12, lambda row: row.correctly_named_count, is_summed=True),
    Column("Số máy không đủ cấu hình", 13, lambda row: row.weak_count, is_summed=True),
    Column("Nhu cầu bổ sung", 11, lambda row: row.requested_count, is_summed=True),
    Column("Khó khăn, vướng mắc", 26, lambda row: row.difficulties),
    Column("Ghi chú", 22, row_note),
)
ALLOCATION_COLUMNS = (
    Column("Tên đơn vị", 55, lambda row: row.unit_name),
    Column("Số lượng bản quyền được phân bổ", 22, lambda row: row.allocated_count, is_summed=True),
)


TERM_COLUMNS = (
    Column("Tên đơn vị", 50, lambda row: row.unit_name),
    Column("Số bản quyền được phân bổ", 18, lambda row: row.allocated_count, is_summed=True),
    Column(
        "Số máy hết được bảo vệ khi hết hạn", 20, lambda row: row.installed_count, is_summed=True
    ),
)
TRAINING_COLUMNS = (
    Column("Tên đơn vị", 50, lambda row: row.unit_name),
    Column(
        "Tham dự tập huấn", 26, lambda row: PRESENCE_NAMES[row.presence] if row.presence else None
    ),
    Column("Ghi chú", 26, lambda row: row.note),
)
COLUMNS = {
    LetterKind.DON_DOC: REPORT_COLUMNS,
    LetterKind.PHAN_BO: ALLOCATION_COLUMNS,
    LetterKind.TERM: TERM_COLUMNS,
    LetterKind.TRAINING: TRAINING_COLUMNS,
}


def annex_of(letter: Letter) -> bytes:
    """The annex of a letter: its rows, their sums, and on what they rest."""
    columns = COLUMNS[letter.kind]
    is_report = letter.kind is LetterKind.DON_DOC
    book, sheet = _a_book("Phụ lục", is_landscape=is_report)
    width = len(columns) + 1
    _title(sheet, 1, width, "PHỤ LỤC", is_bold=True)
    _title(sheet, 2, width, ANNEX_TITLES[letter.kind], is_bold=True)
    _title(
        sheet,
        3,
        width,
        f"(Kèm theo Công văn số {GAP}/{letter.issuer.symbol} {issued_on(letter.issued)} của "
        f"{letter.issuer.name})",
        is_italic=True,
    )
    at = 5
    for number, section in enumerate(letter.sections, start=1):
        if section.title:
            _put(_cell(sheet, at, 1), f"{number}. {section.title}").font = Font(FONT, 12, bold=True)
            at += 1
        at = _table(sheet, at, columns, section, "Tổng cộng" if is_report else "Cộng") + 1
    if len(letter.sections) > 1 and letter.kind is not LetterKind.TRAINING:
        _put(_cell(sheet, at, 2), "Tổng cộng").font = Font(FONT, 12, bold=True)
        _put(_cell(sheet, at, 3), letter.totals.allocated_count).font = Font(FONT, 12, bold=True)
        at += 1
    _put(
        _cell(sheet, at, 1), _proof_line(letter.as_of_date, letter.totals.snapshot_id)
    ).font = Font(FONT, 10, italic=True)
    return _saved(book, letter.as_of_date)


def _a_book(title: str, *, is_landscape: bool) -> tuple[Workbook, Worksheet]:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = title
    sheet.page_setup.paperSize = "9"  # A4
    sheet.page_setup.orientation = "landscape" if is_landscape else "portrait"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    return book, sheet


def _title(
    sheet: Worksheet,
    at: int,
    width: int,
    text: str,
    *,
    is_bold: bool = False,
    is_italic: bool = False,
) -> None:
    cell = _put(_cell(sheet, at, 1), text)
    cell.font = Font(FONT, 13, bold=is_bold, italic=is_italic)
    cell.alignment = Alignment("center", "center", wrap_text=True)
    sheet.merge_cells(start_row=at, end_row=at, start_column=1, end_column=width)


def _table(
    sheet: Worksheet, at: int, columns: Sequence[Column], section: Section, total: str
) -> int:
    """Write a table from row ``at`` on; the row after it."""
    for n, column in enumerate((Column("STT", 6, lambda _: None), *columns), start=1):
        _boxed(_cell(sheet, at, n), column.head, is_bold=True)
        letter = _cell(sheet, at, n).column_letter
        sheet.column_dimensions[letter].width = column.width
    sheet.row_dimensions[at].height = _height([(one.head, one.width) for one in columns], 0.8)
    for number, row in enumerate(section.rows, start=1):
        _boxed(_cell(sheet, at + number, 1), number)
        cells = [(column.of(row), column.width) for column in columns]
        for n, (shown, _) in enumerate(cells, start=2):
            _boxed(_cell(sheet, at + number, n), shown)
        sheet.row_dimensions[at + number].height = _height(cells)
    last = at + len(section.rows) + 1
    if not any(column.is_summed for column in columns):
        return last
    _boxed(_cell(sheet, last, 1), None)
    for n, column in enumerate(columns, start=2):
        values = [column.of(row) for row in section.rows]
        value: Value = None
        if column.is_summed and any(value is not None for value in values):
            value = sum(value for value in values if isinstance(value, int))
        _boxed(_cell(sheet, last, n), value, is_bold=True)
    _boxed(_cell(sheet, last, 2), total, is_bold=True)
    if len(columns) == len(REPORT_COLUMNS):
        installed = [row.installed_count for row in section.rows]
        known = (
            None if all(one is None for one in installed) else sum(one or 0 for one in installed)
        )
        allocated = sum(row.allocated_count for row in section.rows)
        _boxed(_cell(sheet, last, 6), ratio_of(known, allocated), is_bold=True)
    return last + 1


def _height(cells: Sequence[tuple[Value, float]], signs_per_width: float = 0.95) -> float:
    """The height of a row whose texts wrap at their columns' widths; bold takes more room."""
    lines = [
        -(-len(text) // max(1, int(width * signs_per_width)))
        for text, width in cells
        if isinstance(text, str)
    ]
    return LINE_HEIGHT * max(lines, default=1)


def _boxed(cell: Cell, value: Value, *, is_bold: bool = False) -> None:
    _put(cell, value)
    cell.border = _BORDER
    cell.font = Font(FONT, 12, bold=is_bold)
    is_text = isinstance(value, str) and not is_bold
    cell.alignment = Alignment("left" if is_text else "center", "center", wrap_text=True)


def _cell(sheet: Worksheet, row: int, column: int) -> Cell:
    """A cell that no merged range covers (``Worksheet.cell`` may give either)."""
    return cast(Cell, sheet.cell(row, column))


def _put(cell: Cell, value: Value) -> Cell:
    """A value as what it is: a number, or text that no program takes for a formula."""
    if isinstance(value, str):
        text = clean(value)
        cell.value = text
        cell.data_type = "s"
        cell.quotePrefix = text.startswith(FORMULA_SIGNS)
        return cell
    cell.value = value
    if isinstance(value, float):
        cell.number_format = RATIO_FORMAT
    elif value is not None:
        cell.number_format = COUNT_FORMAT
    return cell


def _proof_line(as_of: date, snapshot_id: str) -> str:
    return f"Số liệu tính đến ngày {written_date(as_of)}; mã số liệu: {snapshot_id}."


def _saved(book: Workbook, as_of: date) -> bytes:
    made = io.BytesIO()
    book.save(made)
    return stamped(made.getvalue(), as_of)
