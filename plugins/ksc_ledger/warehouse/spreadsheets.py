"""The rpt_ tables as workbooks, for people who open Excel and nothing else: masked, each file whole.

A workbook is for reading, not for history: of a table by day it holds the newest day. Everything
else is in the published file and in Parquet. It is written when its table has changed: from one hour
to the next most have not, and writing cells costs more than the rest of a publication's files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from ksc_ledger import __version__
from ksc_ledger.clock import VIETNAM
from ksc_ledger.warehouse.engine import Connection
from ksc_ledger.warehouse.twins import Twin
from ksc_ledger.warehouse.versioned import renew

REPORTS = "rpt_"
FORM = 1  # to be raised when a workbook looks different for the same rows
ROWS_AT_MOST = 1_048_575  # of a sheet, its header left out
_DAY = "snapshot_date"
_WIDTHS = (10, 60)
_NOTE = (
    "Giờ ghi theo giờ Việt Nam; tên máy đã che. Bảng theo ngày chỉ có ngày mới nhất, các ngày trước "
    "xem trong tệp .parquet cùng tên."
)
_NOT_IN_XML = {code: None for code in range(32) if code not in (9, 10, 13)} | dict.fromkeys(
    (0xFFFE, 0xFFFF)
)


def write_spreadsheets(con: Connection, catalog: str, tables: Iterable[Twin], folder: Path) -> None:
    """Bring ``<table>.xlsx`` up to date for every report among ``tables`` of an attached file.

    Workbooks of tables that are no more are removed.
    """
    reports = {twin.table: twin for twin in tables if twin.table.startswith(REPORTS)}
    renew(
        folder,
        ".xlsx",
        {table: _digest(con, catalog, twin) for table, twin in reports.items()},
        lambda table, beside: _write(con, catalog, reports[table], beside),
    )


def _digest(con: Connection, catalog: str, twin: Twin) -> str:
    """Of a workbook's rows in any order, its texts, and the code that writes it."""
    columns, rows = _selection(catalog, twin)
    (count, total) = con.execute(
        f"select count(*), sum(hash({columns})::hugeint) from {rows}"
    ).fetchall()[0]
    said = (__version__, FORM, count, total, repr(twin))
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _selection(catalog: str, twin: Twin) -> tuple[str, str]:
    """The columns of a workbook, and from where they are taken."""
    names = [column.name for column in twin.columns]
    table = f'{catalog}.marts."{twin.table}"'
    newest = f" where {_DAY} = (select max({_DAY}) from {table})" if _DAY in names else ""
    return ", ".join(f'"{name}"' for name in names), f"{table}{newest}"


def _write(con: Connection, catalog: str, twin: Twin, file: Path) -> None:
    from openpyxl import Workbook  # a tenth of a second: paid by whoever publishes
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    names = [column.name for column in twin.columns]
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Số liệu")
    sheet.freeze_panes = "A2"
    for place, name in enumerate(names, 1):
        width = min(max(len(name) + 2, _WIDTHS[0]), _WIDTHS[1])
        sheet.column_dimensions[get_column_letter(place)].width = width

    def cell(value: Any, *, is_bold: bool = False) -> Any:
        made = WriteOnlyCell(sheet, value=_plain(value))
        if isinstance(value, str):
            made.data_type = "s"  # text stays text, also when it begins like a formula
        if is_bold:
            made.font = Font(bold=True)
            made.alignment = Alignment(wrap_text=True, vertical="top")
        return made

    sheet.append([cell(name, is_bold=True) for name in names])
    columns, source = _selection(catalog, twin)
    rows = con.execute(f"select {columns} from {source} limit {ROWS_AT_MOST}")
    while found := rows.fetchmany(1000):
        for row in found:
            sheet.append(
                [cell(value) if isinstance(value, str) else _plain(value) for value in row]
            )
    words = book.create_sheet("Giải thích")
    words.column_dimensions["A"].width, words.column_dimensions["B"].width = 30, 100
    for left, right in (
        (twin.table, twin.vi),
        ("", _NOTE),
        *((column.name, column.vi) for column in twin.columns),
    ):
        words.append([cell(left, is_bold=True), cell(right)])
    book.save(file)


def _plain(value: Any) -> Any:
    """What a cell can hold: an instant as Vietnamese local time, text without control characters."""
    if isinstance(value, datetime):
        return value.astimezone(VIETNAM).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, str):
        return value.translate(_NOT_IN_XML)[:32_767]
    if isinstance(value, list | dict):
        return str(value)
    return value
