"""The report form: a workbook that the system makes for a unit, with what the consoles know.

What comes back is read by the same rules as any file. Texts never become formulas; the only formulas
are ours (ratio, total), in cells that are locked, and a form that comes back without their results
is read all the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ksc_ledger.intake.columns import COUNTS, HEADINGS, REMARKS, Column
from ksc_ledger.intake.values import plain
from ksc_ledger.rules.figures import written_date

TITLE = "BÁO CÁO KẾT QUẢ CÀI ĐẶT PHẦN MỀM PHÒNG, CHỐNG MÃ ĐỘC TẬP TRUNG"
SHEET = "Báo cáo"

_COLUMNS = (
    Column.NUMBER,
    Column.UNIT_NAME,
    Column.UNIT_CODE,
    Column.ALLOCATED,
    Column.COMPUTERS,
    Column.INSTALLED,
    Column.RATIO,
    Column.NAMED,
    Column.WEAK,
    Column.REQUESTED,
    Column.DIFFICULTIES,
    Column.NOTE,
)
_WIDTHS = (5, 34, 17, 11, 11, 11, 9, 11, 12, 11, 30, 18)
_COUNTS_TO_FILL = tuple(one for one in COUNTS if one is not Column.ALLOCATED)
_TO_FILL = {*_COUNTS_TO_FILL, *REMARKS}
_COUNT_AT_MOST = 999_999
_FONT = "Times New Roman"
_YELLOW, _GREY, _HEAD = "FFFFF7CC", "FF808080", "FFDDE6F0"
_HEADER_ROW = 9
_FIRST_ROW = _HEADER_ROW + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLine:
    """One line of the form; a figure that is not known is left for the unit to fill."""

    unit_code: str
    unit_name: str
    allocated_count: int | None = None
    installed_count: int | None = None
    correctly_named_count: int | None = None


def make_form(
    unit_code: str,
    unit_name: str,
    lines: Sequence[FormLine],
    as_of_date: date,
    folder: Path,
) -> Path:
    """Write the form of a unit into ``folder``, whole; an earlier one of that day is replaced.

    ``lines`` are the unit itself or those it reports on, with what was known on ``as_of_date``.
    """
    book = _book(unit_name, lines, as_of_date)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"mau-bao-cao-{unit_code}-{as_of_date.isoformat()}.xlsx"
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    book.save(beside)
    beside.chmod(0o640)
    beside.replace(path)
    return path


def _book(unit_name: str, lines: Sequence[FormLine], as_of_date: date) -> Any:
    import openpyxl  # costs a tenth of a second: paid by whoever makes forms
    from openpyxl.workbook.protection import WorkbookProtection

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    sheet = book.create_sheet(SHEET)
    _write_heading(sheet, unit_name, as_of_date)
    _write_header(sheet)
    for at, line in enumerate(lines):
        _write_line(sheet, _FIRST_ROW + at, at + 1, line)
    total_row = _FIRST_ROW + len(lines)
    _write_total(sheet, total_row)
    _write_signatures(sheet, total_row + 2)
    _validate(sheet, total_row - 1)
    _set_page(sheet)
    sheet.protection.sheet = True  # without a password: against slips, not against people
    sheet.protection.formatColumns = False
    sheet.protection.formatRows = False
    book.security = WorkbookProtection(lockStructure=True)
    book.calculation.fullCalcOnLoad = True
    return book


def _column(column: Column) -> int:
    return _COLUMNS.index(column) + 1


def _letter(column: Column) -> str:
    return "ABCDEFGHIJKL"[_COLUMNS.index(column)]


def _put(sheet: Any, row: int, column: int, value: object, **style: Any) -> Any:
    """Write a value; a text stays a text whatever it begins with."""
    from openpyxl.styles import Alignment, Font

    cell = sheet.cell(row, column)
    cell.value = plain(value) if isinstance(value, str) else value
    if isinstance(value, str):
        cell.data_type = "s"
    cell.font = Font(
        name=_FONT,
        size=style.get("size", 12),
        bold=style.get("bold", False),
        italic=style.get("italic", False),
        color=style.get("color"),
    )
    cell.alignment = Alignment(
        horizontal=style.get("across", "left"), vertical="center", wrap_text=True
    )
    return cell


def _write_heading(sheet: Any, unit_name: str, as_of_date: date) -> None:
    from openpyxl.styles import PatternFill, Protection

    centred = {"across": "center"}
    _put(sheet, 1, 1, plain(unit_name).upper(), bold=True, **centred)
    _put(sheet, 1, 7, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", bold=True, **centred)
    _put(sheet, 2, 7, "Độc lập - Tự do - Hạnh phúc", bold=True, **centred)
    _put(sheet, 4, 1, TITLE, bold=True, size=14, **centred)
    _put(sheet, 5, 1, f"Đơn vị báo cáo: {unit_name}", **centred)
    _put(sheet, 6, 1, "Số liệu tính đến ngày:", across="right")
    day = _put(sheet, 6, 5, as_of_date, bold=True, **centred)
    day.number_format = "dd/mm/yyyy"
    day.protection = Protection(locked=False)
    day.fill = PatternFill("solid", start_color=_YELLOW)
    _put(
        sheet,
        7,
        1,
        "Đơn vị điền hoặc sửa các ô màu vàng (kể cả ngày số liệu). Số có sẵn do hệ thống quản lý "
        f"tập trung ghi nhận, lấy ngày {written_date(as_of_date)}. Không thêm, xóa dòng hoặc cột.",
        italic=True,
        size=11,
    )
    sheet.row_dimensions[7].height = 32
    for block in ("A1:E2", "G1:L1", "G2:L2", "A4:L4", "A5:L5", "A6:D6", "A7:L7"):
        sheet.merge_cells(block)


def _write_header(sheet: Any) -> None:
    from openpyxl.styles import PatternFill

    for at, column in enumerate(_COLUMNS, start=1):
        head = _put(sheet, _HEADER_ROW, at, HEADINGS[column], bold=True, size=11, across="center")
        head.fill = PatternFill("solid", start_color=_HEAD)
        head.border = _frame()
        number = "(7=6/4)" if column is Column.RATIO else f"({at})"
        below = _put(sheet, _HEADER_ROW + 1, at, number, italic=True, size=9, across="center")
        below.border = _frame()
    sheet.row_dimensions[_HEADER_ROW].height = 64


def _write_line(sheet: Any, row: int, number: int, line: FormLine) -> None:
    from openpyxl.styles import PatternFill, Protection

    known: dict[Column, object] = {
        Column.NUMBER: number,
        Column.UNIT_NAME: line.unit_name,
        Column.UNIT_CODE: line.unit_code,
        Column.ALLOCATED: line.allocated_count,
        Column.INSTALLED: line.installed_count,
        Column.NAMED: line.correctly_named_count,
    }
    for at, column in enumerate(_COLUMNS, start=1):
        is_text = column in {Column.UNIT_NAME, Column.DIFFICULTIES, Column.NOTE}
        cell = _put(
            sheet,
            row,
            at,
            known.get(column),
            across="left" if is_text else "center",
            color=_GREY if column is Column.UNIT_CODE else None,
            size=9 if column is Column.UNIT_CODE else 12,
        )
        cell.border = _frame()
        if column in COUNTS:
            cell.number_format = "0"
        if column in _TO_FILL:
            cell.protection = Protection(locked=False)
            cell.fill = PatternFill("solid", start_color=_YELLOW)
    _write_ratio(sheet, row)
    sheet.row_dimensions[row].height = 32 if len(line.unit_name) > 32 else 20


def _write_ratio(sheet: Any, row: int) -> None:
    whole, part = f"{_letter(Column.ALLOCATED)}{row}", f"{_letter(Column.INSTALLED)}{row}"
    cell = sheet.cell(row, _column(Column.RATIO))
    cell.value = f'=IF(N({whole})>0,{part}/{whole},"")'
    cell.number_format = "0.0%"


def _write_total(sheet: Any, row: int) -> None:
    for at, column in enumerate(_COLUMNS, start=1):
        cell = _put(sheet, row, at, None, bold=True, across="center")
        cell.border = _frame()
        if column in COUNTS:
            letter = _letter(column)
            cell.value = f"=SUM({letter}{_FIRST_ROW}:{letter}{row - 1})"
    _put(sheet, row, 1, "Tổng cộng", bold=True, across="center").border = _frame()
    sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=3)
    _write_ratio(sheet, row)


def _write_signatures(sheet: Any, row: int) -> None:
    for column, text in ((2, "Người lập biểu"), (8, "THỦ TRƯỞNG ĐƠN VỊ")):
        _put(sheet, row, column, text, bold=True, across="center")
        _put(sheet, row + 1, column, "(ký, ghi rõ họ tên)", italic=True, size=11, across="center")
    for at in (row, row + 1):
        sheet.merge_cells(start_row=at, end_row=at, start_column=8, end_column=12)


def _validate(sheet: Any, last_row: int) -> None:
    """Whole numbers only, not more names than machines, a true day: told while it is typed."""
    from openpyxl.worksheet.datavalidation import DataValidation

    for column in _COUNTS_TO_FILL:
        letter = _letter(column)
        is_named = column is Column.NAMED
        highest = f"N({_letter(Column.INSTALLED)}{_FIRST_ROW})" if is_named else str(_COUNT_AT_MOST)
        rule = DataValidation(
            type="whole",
            operator="between",
            formula1="0",
            formula2=highest,
            allow_blank=True,
            showErrorMessage=True,
            errorTitle="Số máy chưa đúng",
            error="Số máy đặt đúng tên là số nguyên, không lớn hơn số máy đã cài đặt."
            if is_named
            else "Ghi số nguyên không kèm chữ, ví dụ 12. Nếu không có máy nào, ghi 0.",
        )
        sheet.add_data_validation(rule)
        rule.add(f"{letter}{_FIRST_ROW}:{letter}{last_row}")
    day = DataValidation(
        type="date",
        operator="greaterThan",
        formula1="DATE(2020,1,1)",
        showErrorMessage=True,
        errorTitle="Ngày chưa đúng",
        error="Ghi ngày theo thứ tự ngày/tháng/năm, ví dụ 12/10/2022.",
    )
    sheet.add_data_validation(day)
    day.add("E6")


def _set_page(sheet: Any) -> None:
    for width, letter in zip(_WIDTHS, "ABCDEFGHIJKL", strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.freeze_panes = f"C{_FIRST_ROW}"
    sheet.print_title_rows = f"{_HEADER_ROW}:{_HEADER_ROW + 1}"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_margins.left, sheet.page_margins.right = 1.18, 0.59  # 30 and 15 mm
    sheet.page_margins.top, sheet.page_margins.bottom = 0.79, 0.79


def _frame() -> Any:
    from openpyxl.styles import Border, Side

    side = Side(style="thin")
    return Border(left=side, right=side, top=side, bottom=side)
