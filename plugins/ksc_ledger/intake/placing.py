"""Put a report's rows to their units, and hold them against what is known of the units.

Only the sender and the units below it are its own to report on. Known seats (the allocation ledger)
serve as a check; a report never changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from ksc_ledger.intake.columns import HEADINGS, Column
from ksc_ledger.intake.reasons import Finding, Reason, finding
from ksc_ledger.intake.report_form import Report, ReportRow
from ksc_ledger.intake.units import How, Match, UnitIndex, alias_rows
from ksc_ledger.rules.figures import count as written_count


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFigures:
    """What a report says of one unit.

    ``is_total`` marks the report's total row, taken for the sender itself. ``cells`` tells where
    each figure stands.
    """

    unit_code: str
    figures: Mapping[Column, int]
    remarks: Mapping[Column, str]
    cells: Mapping[Column, str]
    is_total: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """``alias_rows`` are proposals for the registry's unit_aliases.csv."""

    figures: tuple[UnitFigures, ...]
    findings: tuple[Finding, ...]
    alias_rows: tuple[dict[str, str], ...]


@dataclass(slots=True)
class _Placing:
    report: Report
    index: UnitIndex
    sender: str
    day: date
    allocated: Mapping[str, int]
    scope: frozenset[str]
    source: str
    findings: list[Finding] = field(default_factory=list)
    aliases: list[dict[str, str]] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)

    def mend(self, reason: Reason, cell: str, **facts: object) -> None:
        self.findings.append(finding(reason, sheet=self.report.sheet, cell=cell, **facts))


def place(
    report: Report,
    index: UnitIndex,
    *,
    sender: str,
    day: date,
    allocated: Mapping[str, int],
    source: str,
) -> Placed:
    """The report's figures by unit; a row without a unit is a finding.

    ``allocated`` are the seats of units on ``day``, as far as known; ``source`` names the file in
    proposals.
    """
    placing = _Placing(report, index, sender, day, allocated, index.subtree(sender, day), source)
    if report.unit_text:
        _check_sender(placing)
    figures: list[UnitFigures] = []
    for row in report.rows:
        unit_code = _unit_of(placing, row)
        if unit_code is None:
            continue
        first = placing.seen.setdefault(unit_code, row.unit_cell)
        if first != row.unit_cell:
            placing.mend(
                Reason.UNIT_TWICE,
                row.unit_cell,
                value=row.unit_text or unit_code,
                what=first,
            )
            continue
        _check_seats(placing, row, unit_code)
        figures.append(
            UnitFigures(
                unit_code=unit_code, figures=row.figures, remarks=row.remarks, cells=row.cells
            )
        )
    _check_unclear(placing)
    if Column.INSTALLED in report.total and sender not in placing.seen:
        figures.append(
            UnitFigures(unit_code=sender, figures=report.total, remarks={}, cells={}, is_total=True)
        )
    return Placed(
        figures=tuple(figures),
        findings=tuple(placing.findings),
        alias_rows=tuple(placing.aliases),
    )


def _check_sender(placing: _Placing) -> None:
    match = placing.index.match(placing.report.unit_text, placing.day, placing.scope)
    if match.how is How.ELSEWHERE:
        placing.mend(
            Reason.UNIT_OF_ANOTHER,
            "",
            value=placing.report.unit_text,
            what=placing.index.name_of(placing.sender, placing.day),
        )


def _unit_of(placing: _Placing, row: ReportRow) -> str | None:
    text = row.unit_text or row.unit_code_text
    match = placing.index.match(text, placing.day, placing.scope)
    if match.unit_code is None:
        _tell_unplaced(placing, row, text, match)
        return None
    if row.unit_code_text and row.unit_code_text != match.unit_code:
        placing.mend(
            Reason.UNIT_CODE_DIFFERS,
            row.unit_cell,
            value=row.unit_code_text,
            what=f"«{text}» là {match.unit_code}",
        )
        return None
    return match.unit_code


def _tell_unplaced(placing: _Placing, row: ReportRow, text: str, match: Match) -> None:
    names = ", ".join(f"«{one.unit_name}» ({one.unit_code})" for one in match.candidates)
    if match.how is How.AMBIGUOUS:
        placing.mend(Reason.UNIT_AMBIGUOUS, row.unit_cell, value=text, what=names)
    elif match.how is How.ELSEWHERE:
        sender = placing.index.name_of(placing.sender, placing.day)
        placing.mend(Reason.UNIT_OF_ANOTHER, row.unit_cell, value=text, what=sender)
    elif match.how is How.NOT_IN_FORCE:
        periods = "; ".join(placing.index.period_of(one.unit_code) for one in match.candidates)
        placing.mend(Reason.UNIT_NOT_IN_FORCE, row.unit_cell, value=text, what=periods)
    else:
        asked = f"Có phải là {names}?" if names else ""
        placing.mend(Reason.UNIT_UNKNOWN, row.unit_cell, value=text, what=asked)
        placing.aliases += alias_rows(text, match, placing.day, placing.source)


def _check_seats(placing: _Placing, row: ReportRow, unit_code: str) -> None:
    known = placing.allocated.get(unit_code)
    if row.fraction_of is not None and row.fraction_of != known:
        placing.mend(
            Reason.FRACTION_UNCLEAR,
            row.cells[Column.INSTALLED],
            value=f"{row.figures[Column.INSTALLED]}/{row.fraction_of}",
        )
    written = row.figures.get(Column.ALLOCATED)
    if known is None or written is None or written == known:
        return
    is_glued = known > 0 and str(written).startswith(str(known))
    placing.mend(
        Reason.GLUED_DIGITS if is_glued else Reason.ALLOCATED_DIFFERS,
        row.cells[Column.ALLOCATED],
        value=written_count(written),
        what=written_count(known),
    )


def _check_unclear(placing: _Placing) -> None:
    """A line without figures that names one of the units is no heading: its figures are missing.

    The name of a unit above those that follow is one: "Huyện Tháp Mười", then its communes.
    """
    for text, cell in placing.report.unclear:
        match = placing.index.match(text, placing.day, placing.scope - {placing.sender})
        if match.unit_code is None:
            continue
        below = placing.index.subtree(match.unit_code, placing.day)
        if not below & set(placing.seen):
            placing.mend(Reason.CELL_BLANK, cell, what=f"{HEADINGS[Column.INSTALLED]} của «{text}»")
