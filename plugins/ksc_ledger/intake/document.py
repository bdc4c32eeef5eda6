"""What a reader gives back: sheets of cells, every cell a text, and of what kind the text is.

This is all that leaves the sandbox. A text is NFC; a number is written without thousands marks
and with a decimal point, whatever the file showed; a day is ISO. Nothing has been guessed yet:
``values`` turns texts into figures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Format(StrEnum):
    XLSX = "xlsx"
    XLS = "xls"
    DELIMITED = "delimited"  # csv, tab text, whatever separates
    HTML = "html"  # also what calls itself .xls
    XML_SPREADSHEET = "xml_spreadsheet"  # Excel's XML of 2003
    KSC_XML = "ksc_xml"
    KSC_JSON = "ksc_json"


class CellKind(StrEnum):
    TEXT = "t"
    NUMBER = "n"
    PERCENT = "p"  # a number shown with %: 0.326 is 32,6 %
    DATE = "d"
    BOOLEAN = "b"
    ERROR = "e"
    NOT_CALCULATED = "f"  # a formula whose result the file does not hold


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    kind: CellKind = CellKind.TEXT

    @property
    def is_blank(self) -> bool:
        return self.kind is CellKind.TEXT and not self.text.strip()


BLANK = Cell("")


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged block, its four sides included; rows and columns count from 0."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """``rows`` from the sheet's first row on, each as long as it was written.

    ``has_fields`` tells that rows were written field by field (delimited text), so that one with
    another number of fields than its header is a mistake and not a row with blanks at its end.
    """

    name: str
    rows: tuple[tuple[Cell, ...], ...]
    is_hidden: bool = False
    has_fields: bool = False
    merges: tuple[Merge, ...] = ()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()

    def cell(self, row: int, column: int) -> Cell:
        """A blank where nothing was written."""
        cells = self.rows[row] if row < len(self.rows) else ()
        return cells[column] if column < len(cells) else BLANK

    def address(self, row: int, column: int) -> str:
        """As a spreadsheet shows it: row 0, column 4 is ``E1``."""
        return f"{column_letters(column)}{row + 1}"

    def filled(self) -> Iterator[tuple[int, int, Cell]]:
        for row, cells in enumerate(self.rows):
            for column, cell in enumerate(cells):
                if not cell.is_blank:
                    yield row, column, cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file that could be read.

    ``lines`` is text that stands outside any table (of a web page, of an export's heading).
    ``first_serial_year`` is the year in which the workbook's day numbers begin, None where the
    file is no workbook. ``modified_at`` is when the file says it was last saved.
    """

    format: Format
    sheets: tuple[Sheet, ...]
    lines: tuple[str, ...] = ()
    encoding: str = ""
    first_serial_year: int | None = None
    modified_at: datetime | None = None


_ADDRESS = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def column_letters(column: int) -> str:
    """0 is A, 25 Z, 26 AA."""
    letters = ""
    number = column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def position(address: str) -> tuple[int, int]:
    """Row and column, from 0, of ``E7``. Raises ValueError for what is no address."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(address)
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(match[2]) - 1, column - 1


def to_json(document: Document) -> str:
    """The document as one line, whose object ``from_raw`` takes back; an ordinary text cell is a string."""
    raw = {
        "format": document.format.value,
        "lines": document.lines,
        "encoding": document.encoding,
        "first_serial_year": document.first_serial_year,
        "modified_at": document.modified_at.astimezone(UTC).isoformat()
        if document.modified_at
        else None,
        "sheets": [
            {
                "name": sheet.name,
                "is_hidden": sheet.is_hidden,
                "has_fields": sheet.has_fields,
                "merges": [[m.top, m.left, m.bottom, m.right] for m in sheet.merges],
                "hidden_rows": sorted(sheet.hidden_rows),
                "hidden_columns": sorted(sheet.hidden_columns),
                "rows": [
                    [
                        cell.text if cell.kind is CellKind.TEXT else [cell.kind.value, cell.text]
                        for cell in cells
                    ]
                    for cells in sheet.rows
                ],
            }
            for sheet in document.sheets
        ],
    }
    return json.dumps(raw, separators=(",", ":"))


def from_raw(raw: dict[str, Any]) -> Document:
    """The document of ``to_json``'s object."""
    return Document(
        format=Format(raw["format"]),
        lines=tuple(raw["lines"]),
        encoding=raw["encoding"],
        first_serial_year=raw["first_serial_year"],
        modified_at=datetime.fromisoformat(raw["modified_at"]) if raw["modified_at"] else None,
        sheets=tuple(
            Sheet(
                name=sheet["name"],
                is_hidden=sheet["is_hidden"],
                has_fields=sheet["has_fields"],
                merges=tuple(Merge(*sides) for sides in sheet["merges"]),
                hidden_rows=frozenset(sheet["hidden_rows"]),
                hidden_columns=frozenset(sheet["hidden_columns"]),
                rows=tuple(tuple(_cell(cell) for cell in cells) for cells in sheet["rows"]),
            )
            for sheet in raw["sheets"]
        ),
    )


def _cell(raw: Any) -> Cell:
    if isinstance(raw, str):
        return Cell(raw) if raw else BLANK
    return Cell(raw[1], CellKind(raw[0]))
