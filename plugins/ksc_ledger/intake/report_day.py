"""Of which day a report's figures are: what the report says of it, outside of its table.

First a line "Số liệu tính đến ngày …", then a column of days, then the day on which the report was
written ("Tháp Mười, ngày 12 tháng 10 năm 2022"). The day of arrival is never taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from ksc_ledger.intake.document import Cell, CellKind, Sheet
from ksc_ledger.intake.reasons import Finding, Reason, finding
from ksc_ledger.intake.values import CellFault, day_in, day_of, plain
from ksc_ledger.rules.figures import written_date

OLD_REPORT_DAYS = 366
LINE_LENGTH = 500  # in a longer text no date is looked for

_DAY = r"[0-9]{1,2}\s*[/.\-]\s*[0-9]{1,2}\s*[/.\-]\s*[0-9]{4}"
_SPELLED = r"[0-9]{1,2} tháng [0-9]{1,2} năm [0-9]{4}"
_AS_OF = re.compile(
    r"(?:tính đến|tính tới|số liệu đến|số liệu|thời điểm|đến)(?: hết)?(?: thời điểm)?(?: ngày)?"
    rf"\s*:?\s*({_DAY}|{_SPELLED}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})",
    re.IGNORECASE,
)
_AS_OF_LABEL = re.compile(
    r"(?:số liệu )?(?:tính đến|tính tới|đến)(?: hết)? ngày\s*:?|ngày (?:số liệu|báo cáo)\s*:?",
    re.IGNORECASE,
)
_AS_OF_BLANK = re.compile(
    r"(?:tính đến|tính tới|số liệu đến)(?: hết)? ngày[\s.…_/]*(?:tháng[\s0-9.…_]*năm\s*[0-9]{4}.*)?",
    re.IGNORECASE,
)
_WRITTEN = re.compile(rf"[^,]{{2,60}}, ngày ({_SPELLED})", re.IGNORECASE)
_WRITTEN_BLANK = re.compile(
    r"[^,]{2,60}, ngày[\s.…_]*[0-9]{0,2}[\s.…_]*tháng[\s.…_]*[0-9]{0,2}[\s.…_]*năm[\s.…_]*"
    r"[0-9]{0,4}[\s.…_]*",
    re.IGNORECASE,
)

_DATE_REASONS = {
    Reason.NOT_A_DATE,
    Reason.MONTH_FIRST,
    Reason.SERIAL_WITHOUT_WORKBOOK,
    Reason.DATE_INCOMPLETE,
}


@dataclass(slots=True)
class _Search:
    """``cells`` are those that may speak of the day: what is no row of the table."""

    sheet: Sheet
    cells: tuple[tuple[int, int, Cell], ...]
    lines: tuple[str, ...]
    first_serial_year: int | None
    findings: list[Finding] = field(default_factory=list)
    days: dict[str, date] = field(default_factory=dict)
    incomplete: tuple[str, str] | None = None

    def mend(self, reason: Reason, cell: str, **facts: object) -> None:
        self.findings.append(finding(reason, sheet=self.sheet.name, cell=cell, **facts))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Address and text, short ones only."""
        for row, column, cell in self.cells:
            if cell.kind is CellKind.TEXT and len(cell.text) <= LINE_LENGTH:
                yield self.sheet.address(row, column), plain(cell.text)
        for line in self.lines:
            yield "", plain(line[:LINE_LENGTH])

    def add(self, cell: Cell, address: str) -> None:
        try:
            day = day_of(cell, self.first_serial_year)
        except CellFault as fault:
            self.mend(fault.reason, address, **fault.facts)
            return
        # Two days in one cell must both be seen.
        while address in self.days and self.days[address] != day:
            address += "'"
        self.days[address] = day


def find_day(
    sheet: Sheet,
    table_rows: Iterable[int],
    lines: tuple[str, ...],
    column_days: dict[str, date],
    *,
    first_serial_year: int | None,
    received_on: date,
) -> tuple[date | None, list[Finding]]:
    """The day of the figures, None where it is not plain, and what must be mended.

    ``table_rows`` are not searched; ``column_days`` are the days of the table's own column, by
    address.
    """
    rows = set(table_rows)
    outside = tuple(one for one in sheet.filled() if one[0] not in rows)
    search = _Search(sheet, outside, lines, first_serial_year)
    _search_said(search)
    if not search.days:
        search.days |= column_days
    if not search.days and search.incomplete is None and not search.findings:
        _search_written(search)
    return _one_day(search, received_on), search.findings


def _one_day(search: _Search, received_on: date) -> date | None:
    days = sorted(set(search.days.values()))
    if len(days) > 1:
        shown = ", ".join(written_date(day) for day in days)
        search.mend(Reason.DATE_AMBIGUOUS, next(iter(search.days)).rstrip("'"), value=shown)
        return None
    if not days:
        if search.incomplete:
            address, text = search.incomplete
            search.mend(Reason.DATE_INCOMPLETE, address, value=text)
        elif not any(one.reason in _DATE_REASONS for one in search.findings):
            search.mend(Reason.DATE_MISSING, "")
        return None
    day, address = days[0], next(iter(search.days)).rstrip("'")
    facts = {"value": written_date(day), "what": written_date(received_on)}
    if day > received_on:
        search.mend(Reason.DATE_IN_FUTURE, address, **facts)
    elif (received_on - day).days > OLD_REPORT_DAYS:
        search.mend(Reason.DATE_TOO_OLD, address, **facts)
    return day


def _search_said(search: _Search) -> None:
    """Days behind "tính đến ngày", in the same cell or in the next filled one of its row."""
    sheet = search.sheet
    for row, column, cell in search.cells:
        if cell.kind is CellKind.TEXT and _AS_OF_LABEL.fullmatch(plain(cell.text[:LINE_LENGTH])):
            after = range(column + 1, len(sheet.rows[row]))
            at = next((one for one in after if not sheet.cell(row, one).is_blank), None)
            if at is None:
                search.incomplete = (sheet.address(row, column), plain(cell.text))
            else:
                search.add(sheet.cell(row, at), sheet.address(row, at))
    for address, text in search.texts():
        found = _AS_OF.findall(text)
        for one in found:
            search.add(Cell(one), address)
        is_label = _AS_OF_LABEL.fullmatch(text)
        if not found and not is_label and _AS_OF_BLANK.search(text):
            search.incomplete = search.incomplete or (address, text)


def _search_written(search: _Search) -> None:
    for address, text in search.texts():
        match = _WRITTEN.fullmatch(text)
        if match:
            try:
                search.days[address] = day_in(match[1])
            except CellFault as fault:
                search.mend(fault.reason, address, **fault.facts)
        elif _WRITTEN_BLANK.fullmatch(text):
            search.incomplete = (address, text)
