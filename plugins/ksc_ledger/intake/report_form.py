"""Find the report table in a document, wherever it stands, and read it cell by cell.

Above the table may stand a letterhead, below it a total row and signatures; between rows there may
be headings of sections and gaps. Everything that is not plain is a finding with its cell. A
document with a finding that must be mended gives no figures to anybody: half a report would look
like a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction as Exact

from ksc_ledger.intake.columns import COUNTS, HEADINGS, REMARKS, Column
from ksc_ledger.intake.decoding import is_damaged, legacy_font
from ksc_ledger.intake.document import Cell, CellKind, Document, Sheet
from ksc_ledger.intake.reasons import Finding, Reason, finding
from ksc_ledger.intake.report_day import LINE_LENGTH, find_day
from ksc_ledger.intake.report_header import Header, headers_of
from ksc_ledger.intake.values import CellFault, Fraction, count_of, day_of, plain, ratio_of
from ksc_ledger.rules.figures import count as written_count
from ksc_ledger.rules.figures import percent

_TEXT_FINDINGS = 5

_TOTAL = re.compile(r"(?:tổng(?: cộng| số)?|cộng|tong cong)(?: toàn .{1,40}| chung)?\s*[:.]?")
_SECTION = re.compile(r"[IVXLC]{1,6}\.?|[A-HĐa-hđ][.)]?")
_SERIAL = re.compile(r"[0-9]{1,4}[.)]?")
_COLUMN_NUMBER = re.compile(r"\(?\s*(?:[0-9]{1,2}|[A-ZĐ])(?:\s*=\s*[0-9()/+*%x\s-]{1,20})?\s*\)?")
_FIGURE_LIKE = re.compile(r"'?[-−–+]?\s*[0-9].{0,30}")

_SENDER_LABEL = re.compile(r"(?:tên )?đơn vị(?: báo cáo| gửi)?\s*:\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One unit's line as it was written; ``cells`` says where each figure stands.

    ``fraction_of`` is the second number of an installed count written ``255/330`` for which the
    row itself gave no number of seats.
    """

    unit_text: str
    unit_cell: str
    unit_code_text: str
    figures: Mapping[Column, int]
    cells: Mapping[Column, str]
    remarks: Mapping[Column, str]
    fraction_of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``unclear`` are texts inside the table that were taken for headings: (text, cell)."""

    sheet: str
    unit_text: str
    as_of_date: date | None
    rows: tuple[ReportRow, ...]
    total: Mapping[Column, int]
    unclear: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """``report`` is None when no table was found. It counts only while nothing is to be mended."""

    report: Report | None
    findings: tuple[Finding, ...]

    @property
    def is_clean(self) -> bool:
        return self.report is not None and all(one.is_note for one in self.findings)


@dataclass(frozen=True, slots=True)
class _Sum:
    """The row of a total or of a section: how many units stand above it, its counts with cells."""

    row: int
    at: int
    counts: Mapping[Column, tuple[int, str]]
    is_section: bool = False


@dataclass(slots=True)
class _Reading:
    """What is being put together while the rows of one table are read."""

    sheet: Sheet
    header: Header
    first_serial_year: int | None
    findings: list[Finding] = field(default_factory=list)
    rows: list[ReportRow] = field(default_factory=list)
    row_days: list[tuple[date, str]] = field(default_factory=list)
    unclear: list[tuple[str, str]] = field(default_factory=list)
    total: dict[Column, int] = field(default_factory=dict)
    sums: list[_Sum] = field(default_factory=list)
    table_rows: set[int] = field(default_factory=set)

    def mend(self, reason: Reason, cell: str = "", **facts: object) -> None:
        self.findings.append(finding(reason, sheet=self.sheet.name, cell=cell, **facts))

    def cell(self, row: int, column: Column) -> Cell:
        return self.sheet.cell(row, self.header.columns[column])

    def address(self, row: int, column: Column) -> str:
        return self.sheet.address(row, self.header.columns[column])


def recognise(document: Document, received_on: date) -> Recognised:
    """The report in a document, with everything that must be mended before it counts.

    ``received_on`` is the Vietnamese day on which the file arrived: no figure can be of a later
    day.
    """
    visible = [sheet for sheet in document.sheets if not sheet.is_hidden]
    hidden = tuple(
        finding(Reason.HIDDEN_SHEET, value=sheet.name)
        for sheet in document.sheets
        if sheet.is_hidden
    )
    tables = [(sheet, header) for sheet in visible for header in headers_of(sheet)]
    texts = tuple(one for sheet in visible for one in text_findings(sheet))
    if texts:
        return Recognised(report=None, findings=texts[:_TEXT_FINDINGS])
    if not tables:
        return Recognised(report=None, findings=(finding(Reason.NO_TABLE), *hidden))
    if len(tables) > 1:
        several = finding(Reason.SEVERAL_TABLES, what=len(tables))
        return Recognised(report=None, findings=(several, *hidden))
    sheet, header = tables[0]
    reading = _Reading(sheet, header, document.first_serial_year)
    for column in header.twice:
        reading.mend(Reason.DUPLICATE_HEADER, what=2, value=HEADINGS[column])
    if header.twice:
        return Recognised(report=None, findings=(*reading.findings, *hidden))
    _look_at_columns(reading)
    _read_rows(reading)
    _look_at_merges(reading)
    _check_totals(reading)
    as_of, findings = find_day(
        sheet,
        reading.table_rows,
        document.lines,
        {address: day for day, address in reading.row_days},
        first_serial_year=document.first_serial_year,
        received_on=received_on,
    )
    reading.findings += findings
    report = Report(
        sheet=sheet.name,
        unit_text=_sender_of(reading),
        as_of_date=as_of,
        rows=tuple(reading.rows),
        total=reading.total,
        unclear=tuple(reading.unclear),
    )
    return Recognised(report=report, findings=(*reading.findings, *hidden))


def text_findings(sheet: Sheet, *, but_column: int | None = None) -> Iterator[Finding]:
    """Cells whose letters are not what they seem: old fonts, text encoded twice."""
    for row, column, cell in sheet.filled():
        if cell.kind is not CellKind.TEXT or column == but_column:
            continue
        font = legacy_font(cell.text)
        where = {"sheet": sheet.name, "cell": sheet.address(row, column)}
        if font:
            yield finding(Reason.LEGACY_FONT, **where, what=font, value=cell.text)
        elif is_damaged(cell.text):
            yield finding(Reason.DAMAGED_TEXT, **where, value=cell.text)


def _look_at_columns(reading: _Reading) -> None:
    sheet, header = reading.sheet, reading.header
    for text, at in header.unused:
        if any(not sheet.cell(row, at).is_blank for row in range(header.end, len(sheet.rows))):
            reading.mend(Reason.UNUSED_COLUMN, sheet.address(header.top, at), value=text)
    for column, at in header.columns.items():
        if at in sheet.hidden_columns and column not in {Column.NUMBER, *REMARKS}:
            reading.mend(
                Reason.HIDDEN_COLUMN, sheet.address(header.top, at), value=HEADINGS[column]
            )
    for column, at in header.covered:
        rows = range(header.end, len(sheet.rows))
        cells = [sheet.cell(row, at) for row in rows]
        if any(not cell.is_blank and _is_figure_like(cell) for cell in cells):
            reading.mend(
                Reason.DUPLICATE_HEADER,
                sheet.address(header.top, at),
                what=2,
                value=HEADINGS[column],
            )


def _look_at_merges(reading: _Reading) -> None:
    """A figure or a unit's name that is merged over several rows of the table."""
    sheet, header = reading.sheet, reading.header
    read = {at for column, at in header.columns.items() if column not in {Column.NUMBER, *REMARKS}}
    rows = {row for row in reading.table_rows if row >= header.end}
    for merge in sheet.merges:
        if (
            merge.bottom > merge.top
            and rows & set(range(merge.top, merge.bottom + 1))
            and read & set(range(merge.left, merge.right + 1))
            and not sheet.cell(merge.top, merge.left).is_blank
        ):
            reading.mend(Reason.MERGED_CELLS, sheet.address(merge.top, merge.left))


# --- the rows -----------------------------------------------------------------------------------


def _read_rows(reading: _Reading) -> None:
    sheet, header = reading.sheet, reading.header
    heading = [cell.text for cell in sheet.rows[header.end - 1]]
    reading.table_rows |= set(range(header.top, header.end))
    for row in range(header.end, len(sheet.rows)):
        cells = sheet.rows[row]
        if (
            all(cell.is_blank for cell in cells)
            or [cell.text for cell in cells] == heading  # again, on the next page
            or _is_column_numbers(reading, row)
        ):
            continue
        has_figures = any(_is_figure_like(reading.cell(row, one)) for one in _counts(header))
        is_total = _is_total(reading, row)
        if is_total or has_figures:
            reading.table_rows.add(row)
            _look_at_row(reading, row)
        if is_total:
            reading.sums.append(_Sum(row, len(reading.rows), _row_counts(reading, row)))
        elif _is_section(reading, row):
            counts = _row_counts(reading, row) if has_figures else {}
            reading.sums.append(_Sum(row, len(reading.rows), counts, is_section=True))
            if not has_figures:
                _note_text(reading, row)
        elif has_figures:
            _read_row(reading, row)
        else:
            _note_text(reading, row)
    if not reading.rows and all(one.is_note for one in reading.findings):
        reading.mend(Reason.NO_ROWS)


def _counts(header: Header) -> list[Column]:
    return [column for column in COUNTS if column in header.columns]


def _is_figure_like(cell: Cell) -> bool:
    if cell.kind is CellKind.TEXT:
        return bool(_FIGURE_LIKE.fullmatch(plain(cell.text[:LINE_LENGTH])))
    return True


def _label(reading: _Reading, row: int, column: Column) -> str:
    if column not in reading.header.columns:
        return ""
    return plain(reading.cell(row, column).text[:LINE_LENGTH])


def _unit_column(reading: _Reading) -> Column:
    return Column.UNIT_NAME if Column.UNIT_NAME in reading.header.columns else Column.UNIT_CODE


def _is_column_numbers(reading: _Reading, row: int) -> bool:
    """The row "(1) (2) (3)" below a header."""
    texts = [plain(cell.text) for cell in reading.sheet.rows[row] if not cell.is_blank]
    unit = _label(reading, row, _unit_column(reading))
    return (
        len(texts) > 1
        and bool(_COLUMN_NUMBER.fullmatch(unit))
        and all(len(text) < 30 and _COLUMN_NUMBER.fullmatch(text) for text in texts)
    )


def _is_total(reading: _Reading, row: int) -> bool:
    """Whether a total's word stands at or before the unit's column."""
    last = reading.header.columns[_unit_column(reading)]
    return any(
        len(cell.text) < 80 and _TOTAL.fullmatch(plain(cell.text).lower())
        for cell in reading.sheet.rows[row][: last + 1]
        if cell.kind is CellKind.TEXT
    )


def _is_section(reading: _Reading, row: int) -> bool:
    number = _label(reading, row, Column.NUMBER)
    return bool(number) and bool(_SECTION.fullmatch(number))


def _note_text(reading: _Reading, row: int) -> None:
    """A row without figures: a heading, a signature, or a unit that gave no figures."""
    column = _unit_column(reading)
    text = _label(reading, row, column)
    if not text:
        return
    if _SERIAL.fullmatch(_label(reading, row, Column.NUMBER)):
        reading.mend(
            Reason.CELL_BLANK,
            reading.address(row, Column.INSTALLED),
            what=HEADINGS[Column.INSTALLED],
        )
    else:
        reading.unclear.append((text, reading.address(row, column)))


def _look_at_row(reading: _Reading, row: int) -> None:
    """What is wrong with a row as such, whatever its cells hold."""
    sheet, header = reading.sheet, reading.header
    if row in sheet.hidden_rows:
        reading.mend(Reason.HIDDEN_ROW, sheet.address(row, 0))
    if sheet.has_fields:
        width = len(sheet.rows[header.end - 1])
        cells = sheet.rows[row]
        has_more = any(not cell.is_blank for cell in cells[width:])
        if len(cells) < width or has_more:
            reading.mend(Reason.RAGGED_ROW, sheet.address(row, 0), what=len(cells), limit=width)


def _row_counts(reading: _Reading, row: int) -> dict[Column, tuple[int, str]]:
    """The counts of a total or a section's row; a formula without a result is left out."""
    found: dict[Column, tuple[int, str]] = {}
    for column in _counts(reading.header):
        cell = reading.cell(row, column)
        if cell.kind is CellKind.NOT_CALCULATED:
            continue
        value = _count(reading, row, column, is_required=False)
        if isinstance(value, Fraction):
            value = value.part if column is Column.INSTALLED else None
        if value is not None:
            found[column] = (value, reading.address(row, column))
    return found


def _count(
    reading: _Reading, row: int, column: Column, *, is_required: bool
) -> int | Fraction | None:
    """A cell's count; a fault becomes a finding and None."""
    try:
        return count_of(reading.cell(row, column), is_required=is_required, name=HEADINGS[column])
    except CellFault as fault:
        reading.mend(fault.reason, reading.address(row, column), **fault.facts)
        return None


def _read_row(reading: _Reading, row: int) -> None:
    unit_column = _unit_column(reading)
    unit_text = _label(reading, row, Column.UNIT_NAME)
    code_text = _label(reading, row, Column.UNIT_CODE)
    if not unit_text and not code_text:
        reading.mend(
            Reason.CELL_BLANK, reading.address(row, unit_column), what=HEADINGS[unit_column]
        )
        return
    figures: dict[Column, int] = {}
    fraction: Fraction | None = None
    for column in _counts(reading.header):
        value = _count(reading, row, column, is_required=column is Column.INSTALLED)
        if isinstance(value, Fraction):
            if column is Column.INSTALLED:
                fraction = value
            else:
                reading.mend(
                    Reason.FRACTION_UNCLEAR,
                    reading.address(row, column),
                    value=f"{value.part}/{value.whole}",
                )
        elif value is not None:
            figures[column] = value
    fraction_of = _take_fraction(reading, row, fraction, figures)
    cells = {column: reading.address(row, column) for column in figures}
    _check_row(reading, row, figures)
    if Column.AS_OF in reading.header.columns:
        _read_row_day(reading, row)
    reading.rows.append(
        ReportRow(
            unit_text=unit_text,
            unit_cell=reading.address(row, unit_column),
            unit_code_text=code_text,
            figures=figures,
            cells=cells,
            remarks={
                column: plain(reading.cell(row, column).text)
                for column in REMARKS
                if column in reading.header.columns and not reading.cell(row, column).is_blank
            },
            fraction_of=fraction_of,
        )
    )


def _take_fraction(
    reading: _Reading, row: int, fraction: Fraction | None, figures: dict[Column, int]
) -> int | None:
    """Take 255 of ``255/330`` where the row's own seats are 330; else what remains to be shown."""
    if fraction is None:
        return None
    seats = figures.get(Column.ALLOCATED)
    if seats is not None and seats != fraction.whole:
        reading.mend(
            Reason.FRACTION_UNCLEAR,
            reading.address(row, Column.INSTALLED),
            value=f"{fraction.part}/{fraction.whole}",
        )
        return None
    figures[Column.INSTALLED] = fraction.part
    return fraction.whole if seats is None else None


def _check_row(reading: _Reading, row: int, figures: Mapping[Column, int]) -> None:
    """What a row's figures say of one another."""
    for column, other, reason in (
        (Column.NAMED, Column.INSTALLED, Reason.NAMED_ABOVE_INSTALLED),
        (Column.INSTALLED, Column.COMPUTERS, Reason.INSTALLED_ABOVE_COMPUTERS),
        (Column.WEAK, Column.COMPUTERS, Reason.WEAK_ABOVE_COMPUTERS),
        (Column.INSTALLED, Column.ALLOCATED, Reason.INSTALLED_ABOVE_ALLOCATED),
    ):
        if column in figures and other in figures and figures[column] > figures[other]:
            reading.mend(
                reason,
                reading.address(row, column),
                value=written_count(figures[column]),
                what=written_count(figures[other]),
            )
    if Column.RATIO in reading.header.columns:
        _check_ratio(reading, row, figures)


def _check_ratio(reading: _Reading, row: int, figures: Mapping[Column, int]) -> None:
    address = reading.address(row, Column.RATIO)
    try:
        written = ratio_of(reading.cell(row, Column.RATIO))
    except CellFault as fault:
        reading.mend(fault.reason, address, **fault.facts)
        return
    installed = figures.get(Column.INSTALLED)
    wholes = [figures.get(column, 0) for column in (Column.ALLOCATED, Column.COMPUTERS)]
    exact = [Exact(installed, whole) for whole in wholes if whole] if installed is not None else []
    if not written or not exact:
        return
    if not any(_agrees(one, ratio) for one in written for ratio in exact):
        reading.mend(
            Reason.RATIO_DIFFERS,
            address,
            value=percent(written[0]),
            what=percent(exact[0]),
        )


def _agrees(written: Decimal, exact: Exact) -> bool:
    """Within one unit of the last digit written: rounded or cut off, both are seen in letters."""
    exponent = written.as_tuple().exponent
    last_digit = Exact(1, 10 ** min(max(-exponent, 2), 3)) if isinstance(exponent, int) else 0
    return abs(Exact(written) - exact) <= last_digit


def _read_row_day(reading: _Reading, row: int) -> None:
    cell = reading.cell(row, Column.AS_OF)
    if cell.is_blank:
        return
    address = reading.address(row, Column.AS_OF)
    try:
        reading.row_days.append((day_of(cell, reading.first_serial_year), address))
    except CellFault as fault:
        reading.mend(fault.reason, address, **fault.facts)


# --- totals -------------------------------------------------------------------------------------


def _check_totals(reading: _Reading) -> None:
    """Each total against the rows it may stand for: all above it, or those since the last one.

    A total above all rows stands for all; a section's for the rows up to the next section.
    """
    totals = [one for one in reading.sums if not one.is_section]
    sections = [one for one in reading.sums if one.is_section]
    last = max((one.at for one in totals), default=None)
    if last is not None and 0 < last < len(reading.rows):
        for row in reading.rows[last:]:
            reading.mend(Reason.ROW_AFTER_TOTAL, row.unit_cell)
    if not all(one.is_note for one in reading.findings):
        return  # with a cell unread every sum would differ
    rows = reading.rows
    begin = 0
    for one in totals:
        if one.at == 0:
            choices = [rows]
        else:
            choices = [rows[: one.at], rows[begin : one.at]]
            begin = one.at
        _check_sum(reading, one.counts, choices)
        reading.total = {
            column: value
            for column, (value, _) in one.counts.items()
            if value == _total(rows, column)
        }
    ends = [one.at for one in sections[1:]] + [len(rows)]
    for one, end in zip(sections, ends, strict=False):
        _check_sum(reading, one.counts, [rows[one.at : end]])


def _check_sum(
    reading: _Reading,
    counts: Mapping[Column, tuple[int, str]],
    choices: Sequence[Sequence[ReportRow]],
) -> None:
    for column, (value, address) in counts.items():
        sums = [_total(rows, column) for rows in choices]
        if value not in sums:
            reading.mend(
                Reason.TOTAL_DIFFERS,
                address,
                value=written_count(value),
                what=written_count(sums[0]),
            )


def _total(rows: Sequence[ReportRow], column: Column) -> int:
    return sum(row.figures.get(column, 0) for row in rows)


def _sender_of(reading: _Reading) -> str:
    """The unit that a line "Đơn vị báo cáo: …" above the table names; '' without such a line."""
    sheet = reading.sheet
    for row, column, cell in sheet.filled():
        if row >= reading.header.top:
            break
        match = _SENDER_LABEL.fullmatch(plain(cell.text[:LINE_LENGTH]))
        if match is None:
            continue
        if match[1]:
            return match[1]
        after = range(column + 1, len(sheet.rows[row]))
        beside = next((one for one in after if not sheet.cell(row, one).is_blank), None)
        return plain(sheet.cell(row, beside).text) if beside is not None else ""
    return ""
