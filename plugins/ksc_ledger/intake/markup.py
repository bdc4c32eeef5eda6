"""Tables in markup: web pages (KSC reports, what calls itself .xls) and Excel's XML of 2003."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from xml.etree.ElementTree import Element

from ksc_ledger.intake.decoding import decoded
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
from ksc_ledger.intake.xml_safe import attribute, children, local_name
from ksc_ledger.rules.text import nfc

_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_CHARSET_BYTES = 4096
_LINES_KEPT = 500

_SILENT = {"script", "style", "title", "template", "noscript"}
_BLOCKS = {
    "address", "article", "br", "caption", "center", "dd", "div", "dl", "dt", "h1", "h2", "h3",
    "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "section", "tr", "ul",
}  # fmt: skip


def read_html(data: bytes, limits: Limits) -> Document:
    """Every table of a page with more than one cell, as a sheet each; raise Refused without one."""
    declared = _CHARSET.search(data[:_CHARSET_BYTES])
    found = decoded(data, declared[1].decode("ascii") if declared else "")
    page = _Page(limits)
    page.feed(found.text)
    page.close()
    page.finish()
    tables = [table for table in page.tables if len(table.cells) > 1]
    if not tables:
        raise Refused(Reason.PAGE_WITHOUT_TABLE)
    if len(tables) > limits.sheets:
        raise Refused(Reason.TOO_MANY_SHEETS, limit=limits.sheets)
    return Document(
        format=Format.HTML,
        sheets=tuple(
            table.sheet(f"Bảng {number}" if len(tables) > 1 else "")
            for number, table in enumerate(tables, start=1)
        ),
        lines=tuple(page.lines[:_LINES_KEPT]),
        encoding=found.encoding,
    )


@dataclass(slots=True)
class _Grid:
    """Cells put one after the other, around those that reach down or across."""

    limits: Limits
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    taken: set[tuple[int, int]] = field(default_factory=set)
    merges: list[Merge] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    row: int = -1
    column: int = 0

    def begin_row(self, row: int | None = None, *, is_hidden: bool = False) -> None:
        self.row = self.row + 1 if row is None else row
        self.column = 0
        if is_hidden:
            self.hidden_rows.add(self.row)

    def put(self, cell: Cell, *, across: int = 1, down: int = 1, column: int | None = None) -> None:
        """Place a cell that covers ``across`` columns and ``down`` rows."""
        if column is not None:
            self.column = column
        while (self.row, self.column) in self.taken:
            self.column += 1
        address = f"{column_letters(min(self.column, 20_000))}{self.row + 1}"
        if not cell.is_blank:
            if self.row >= self.limits.rows:
                raise Refused(Reason.TOO_MANY_ROWS, limit=self.limits.rows, what=self.row + 1)
            if self.column >= self.limits.columns:
                raise Refused(
                    Reason.TOO_MANY_COLUMNS,
                    limit=self.limits.columns,
                    what=column_letters(min(self.column, 20_000)),
                )
            if len(cell.text) > self.limits.cell_characters:
                raise Refused(
                    Reason.CELL_TOO_LONG,
                    cell=address,
                    what=len(cell.text),
                    limit=self.limits.cell_characters,
                )
            self.cells[self.row, self.column] = cell
        # A block that reaches out of the limits is kept up to them: blanks hold nothing.
        bottom = min(self.row + max(down, 1), self.limits.rows + 1) - 1
        right = min(self.column + max(across, 1), self.limits.columns + 1) - 1
        if (bottom, right) > (self.row, self.column):
            self.merges.append(Merge(self.row, self.column, bottom, right))
            self.taken |= {
                (row, one)
                for row in range(self.row, bottom + 1)
                for one in range(self.column, right + 1)
            }
        self.column = max(right, self.column) + 1

    def sheet(self, name: str, *, is_hidden: bool = False) -> Sheet:
        height = max((row for row, _ in self.cells), default=-1) + 1
        rows = []
        for row in range(height):
            width = max((column for at, column in self.cells if at == row), default=-1) + 1
            rows.append(tuple(self.cells.get((row, column), BLANK) for column in range(width)))
        return Sheet(
            name=name,
            rows=tuple(rows),
            is_hidden=is_hidden,
            merges=tuple(self.merges),
            hidden_rows=frozenset(self.hidden_rows),
        )


@dataclass(slots=True)
class _Open:
    """A cell that is being read."""

    across: int
    down: int
    parts: list[str] = field(default_factory=list)


class _Page(HTMLParser):
    """Tables (nested ones apart) and the text outside of them."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(convert_charrefs=True)
        self.limits = limits
        self.tables: list[_Grid] = []
        self.lines: list[str] = []
        self._stack: list[tuple[_Grid, _Open | None]] = []
        self._line: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._silent += 1
        elif tag == "table":
            self._end_line()
            if len(self.tables) > self.limits.archive_members:
                raise Refused(Reason.TOO_MANY_SHEETS, limit=self.limits.sheets)
            grid = _Grid(self.limits)
            self.tables.append(grid)
            self._stack.append((grid, None))
        elif tag == "tr" and self._stack:
            self._end_cell()
            self._stack[-1][0].begin_row(is_hidden=bool(_HIDDEN.search(facts.get("style", ""))))
        elif tag in {"td", "th"} and self._stack:
            self._end_cell()
            grid = self._stack[-1][0]
            if grid.row < 0:
                grid.begin_row()
            opened = _Open(_span(facts.get("colspan")), _span(facts.get("rowspan")))
            self._stack[-1] = (grid, opened)
        elif tag in _BLOCKS:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in {"td", "th", "tr"} and self._stack:
            self._end_cell()
        elif tag == "table" and self._stack:
            self._end_cell()
            self._stack.pop()
        elif tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if not self._stack:
            self._line.append(data)
        elif self._stack[-1][1] is not None:
            self._stack[-1][1].parts.append(data)

    def finish(self) -> None:
        """What the page left open ends here."""
        while self._stack:
            self._end_cell()
            self._stack.pop()
        self._end_line()

    def _break(self) -> None:
        if not self._stack:
            self._end_line()
        elif self._stack[-1][1] is not None:
            self._stack[-1][1].parts.append(" ")

    def _end_cell(self) -> None:
        grid, opened = self._stack[-1]
        if opened is not None:
            text = nfc(" ".join("".join(opened.parts).split()))
            grid.put(Cell(text) if text else BLANK, across=opened.across, down=opened.down)
            self._stack[-1] = (grid, None)

    def _end_line(self) -> None:
        text = nfc(" ".join("".join(self._line).split()))
        self._line = []
        if text:
            self.lines.append(text[: self.limits.cell_characters])


def _span(text: str | None) -> int:
    """A colspan or rowspan; what is no number covers one, as browsers have it."""
    digits = (text or "").strip()
    return (
        min(int(digits), 10_000) if digits.isascii() and digits.isdigit() and digits != "0" else 1
    )


def read_xml_spreadsheet(root: Element, limits: Limits) -> Document:
    """Excel's XML of 2003, as KSC and older tools save "xls"."""
    percents = _percent_styles(root)
    sheets = children(root, "Worksheet")
    if len(sheets) > limits.sheets:
        raise Refused(Reason.TOO_MANY_SHEETS, limit=limits.sheets)
    saved = next((one.text for one in root.iter() if local_name(one.tag) == "LastSaved"), None)
    return Document(
        format=Format.XML_SPREADSHEET,
        sheets=tuple(_xml_sheet(sheet, percents, limits) for sheet in sheets),
        first_serial_year=1904
        if any(local_name(one.tag) == "Date1904" for one in root.iter())
        else 1900,
        modified_at=_instant(saved),
    )


def _xml_sheet(sheet: Element, percents: set[str], limits: Limits) -> Sheet:
    name = nfc(attribute(sheet, "Name") or "")
    visibility = {one.text or "" for one in sheet.iter() if local_name(one.tag) == "Visible"}
    is_hidden = bool(visibility & {"SheetHidden", "SheetVeryHidden"})
    grid = _Grid(limits)
    for table in children(sheet, "Table"):
        for row in children(table, "Row"):
            index = attribute(row, "Index")
            at = _index(index) if index else None
            if at is not None and at <= grid.row:
                raise Refused(Reason.UNREADABLE, sheet=name, what=f"dòng {at + 1} sai thứ tự")
            grid.begin_row(at, is_hidden=attribute(row, "Hidden") == "1")
            for cell in children(row, "Cell"):
                place = attribute(cell, "Index")
                grid.put(
                    _xml_cell(cell, percents),
                    across=_span(attribute(cell, "MergeAcross")) + 1
                    if attribute(cell, "MergeAcross")
                    else 1,
                    down=_span(attribute(cell, "MergeDown")) + 1
                    if attribute(cell, "MergeDown")
                    else 1,
                    column=_index(place) if place else None,
                )
    return grid.sheet(name, is_hidden=is_hidden)


def _xml_cell(cell: Element, percents: set[str]) -> Cell:
    data = next(iter(children(cell, "Data")), None)
    if data is None:
        has_formula = attribute(cell, "Formula") is not None
        return Cell("", CellKind.NOT_CALCULATED) if has_formula else BLANK
    text = nfc("".join(data.itertext()))
    kind = attribute(data, "Type")
    if kind == "Number":
        is_percent = attribute(cell, "StyleID") in percents
        plain = _plain_number(text)
        return Cell(plain, CellKind.PERCENT if is_percent else CellKind.NUMBER)
    if kind == "DateTime":
        return Cell(text.removesuffix(".000").removesuffix("T00:00:00"), CellKind.DATE)
    if kind == "Boolean":
        return Cell("TRUE" if text == "1" else "FALSE", CellKind.BOOLEAN)
    if kind == "Error":
        return Cell(text, CellKind.ERROR)
    return Cell(text) if text else BLANK


def _plain_number(text: str) -> str:
    """330 for ``330``, ``330.0`` and ``3.3E2``; anything else as it is written."""
    try:
        value = float(text)
    except ValueError:
        return text
    return str(int(value)) if value.is_integer() and abs(value) < 10**15 else repr(value)


def _percent_styles(root: Element) -> set[str]:
    found = set()
    for style in (one for one in root.iter() if local_name(one.tag) == "Style"):
        for shape in children(style, "NumberFormat"):
            text = attribute(shape, "Format") or ""
            if "%" in text or text == "Percent":
                found.add(attribute(style, "ID") or "")
    return found


def _index(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and 0 < len(digits) < 8 and int(digits) > 0):
        raise Refused(Reason.UNREADABLE, what="ss:Index")
    return int(digits) - 1


def _instant(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return found if found.tzinfo else None
