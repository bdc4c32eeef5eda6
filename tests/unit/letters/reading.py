"""Read office files back the way a person or Excel would."""

from __future__ import annotations

from pathlib import Path

from docx import Document
from docx.document import Document as WordDocument
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet


def opened(path: Path) -> WordDocument:
    return Document(str(path))


def text_of(path: Path) -> str:
    """All paragraphs outside tables, one a line, blanks that do not break as blanks."""
    return "\n".join(one.text for one in opened(path).paragraphs).replace("\u00a0", " ")


def heading_of(path: Path) -> tuple[str, str]:
    """The two cells at the top: issuer and number, nation and date."""
    left, right = opened(path).tables[0].rows[0].cells
    return left.text.replace("\u00a0", " "), right.text.replace("\u00a0", " ")


def annex_tables(path: Path) -> list[list[list[str]]]:
    """The tables of the annex (all but letterhead and signature), cell by cell."""
    tables = opened(path).tables[2:]
    return [[[cell.text for cell in row.cells] for row in table.rows] for table in tables]


def sheet_of(path: Path) -> Worksheet:
    return load_workbook(path).worksheets[0]


def cells_of(path: Path) -> list[list[object]]:
    return [list(row) for row in sheet_of(path).iter_rows(values_only=True)]
