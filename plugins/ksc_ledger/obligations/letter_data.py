"""The next letter as plain data: figures from the published marts, words from the registry."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ksc_ledger.clock import end_of_day
from ksc_ledger.errors import LedgerError
from ksc_ledger.letters.model import (
    Basis,
    Demand,
    Issuer,
    Letter,
    LetterKind,
    PartialDate,
    Presence,
    ReportForm,
    Section,
    Sources,
    Term,
    Totals,
    UnitRow,
)
from ksc_ledger.letters.words import (
    SUBJECTS,
    standard_demands,
    term_demands,
    training_demands,
)
from ksc_ledger.obligations.duties import document_of
from ksc_ledger.obligations.evidence import weak_count
from ksc_ledger.obligations.licences import key_expiry
from ksc_ledger.registry import (
    Directive,
    LetterIssuer,
    LetterWords,
    Obligation,
    Registry,
    RequestStatus,
    Unit,
    working_calendar,
)
from ksc_ledger.registry.model import GROUP_KIND
from ksc_ledger.rules.deadlines import Bound, Deadline, ObligationKind, read_deadline
from ksc_ledger.rules.figures import written_date
from ksc_ledger.warehouse.reader import query

DEFAULT_LEAD = "Căn cứ"
UNPLACED = "Chưa phân về đơn vị nào"
# They hand out seats or count offices: from documents, no server was asked for it.
_WITHOUT_MACHINES = frozenset({LetterKind.PHAN_BO, LetterKind.TRAINING})
_COUNTS = ("allocated_count", "installed_count", "correctly_named_count", "gap_count", "over_count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published file, and the registry version by which its figures were judged."""

    file: Path
    registry: Registry

    def figures(self, day: date) -> dict[str, dict[str, Any]]:
        """Rows of fct_unit_coverage_daily of a day by unit. Raises LedgerError when it has none."""
        rows = query(self.file, "from marts.coverage_as_of(?::date)", [day])
        if not rows:
            raise LedgerError(
                "no_figure",
                f"Không có số liệu ngày {written_date(day)}.",
                "Chọn ngày từ lần đọc máy chủ đầu tiên trở đi.",
            )
        return {row["unit_code"]: row for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a unit wrote in an accepted report form beside its installed machines; None: blank."""

    unit_code: str
    received_at: datetime
    computer_count: int | None = None
    weak_count: int | None = None
    requested_count: int | None = None
    difficulties: str | None = None


def letter_of(
    words: Registry,
    published: Published,
    kind: LetterKind,
    unit_code: str,
    as_of: date,
    reported: Iterable[Reported] = (),
) -> Letter:
    """The letter about a unit with the figures of a day.

    Its words are those of the newest document of this kind about the unit that can have been issued
    in that month or before. Letters about the term and the training need none of their own: they
    borrow letterhead and addressees of the newest other letter, and name it as their basis. Raises
    LedgerError when there is none, when every deadline in it has passed by that day, or when the
    annex does not add up. Of ``reported`` the newest form that came by the end of that day fills
    the columns that no server can.
    """
    text = _words(words, kind, unit_code, as_of)
    is_borrowed = text.letter_kind.value != kind.value
    directive = words.directive(text.directive_code)
    figures = published.figures(as_of)
    if unit_code not in figures:
        raise LedgerError(
            "letter_unit_unknown",
            f"Ngày {written_date(as_of)} không có số liệu của đơn vị {unit_code}.",
            "Kiểm tra mã đơn vị và ngày lấy số liệu.",
        )
    total = figures[unit_code]
    sections = _sections(words, published.registry, kind, unit_code, as_of, figures)
    if kind is LetterKind.DON_DOC:
        sections = _with_reports(sections, reported, as_of)
    if is_borrowed:
        issued = PartialDate(as_of.year, as_of.month)
        cited: tuple[str, ...] = (directive.directive_code,)
        demands = _own_demands(kind, text)
    else:
        issued = PartialDate(directive.issued_year, directive.issued_month, directive.issued_day)
        cited = directive.based_on
        demands = _demands(words, text, directive, as_of)
    subject = SUBJECTS[kind] if is_borrowed else directive.subject
    return Letter(
        estate_code=text.estate_code,
        unit_code=unit_code,
        kind=kind,
        as_of_date=as_of,
        issued=issued,
        issuer=_issuer(words, text, as_of),
        subject=subject.removeprefix("về việc ").removeprefix("Về việc "),
        recipients=text.recipients,
        bases=tuple(
            Basis(lead=one.cited_as or DEFAULT_LEAD, document=document_of(one))
            for one in (words.directive(code) for code in cited)
        ),
        totals=_totals(kind, total),
        sections=sections,
        demands=demands,
        accountable=text.accountable,
        accountable_to=text.accountable_to or "",
        contact=text.contact or "",
        copies=text.copies,
        filed_by=text.filed_by,
        sources=_sources(kind, total),
        term=_term(published, text, kind, unit_code, as_of),
    )


def report_forms(words: Registry, letter: Letter) -> list[ReportForm]:
    """The prefilled form of every unit that owes a report by the letter's document."""
    text = _words(words, letter.kind, letter.unit_code, letter.as_of_date)
    rows = {row.unit_code: row for row in letter.rows}
    return [
        ReportForm(
            estate_code=letter.estate_code,
            unit_code=unit.unit_code,
            unit_name=unit.unit_name,
            as_of_date=letter.as_of_date,
            rows=(rows[unit.unit_code],),
            recipient=text.report_to,
            due=duty.wording,
        )
        for duty in words.obligations
        if duty.directive_code == text.directive_code
        and duty.obligation_kind is ObligationKind.UNIT_REPORT
        for unit in words.obliged_units(duty)
        if unit.unit_code in rows
    ]


def _words(words: Registry, kind: LetterKind, unit_code: str, as_of: date) -> LetterWords:
    last = as_of.replace(day=monthrange(as_of.year, as_of.month)[1])
    known = [
        (words.directive(one.directive_code).first_date, number, one)
        for number, one in enumerate(words.letter_words)
        if one.unit_code == unit_code and words.directive(one.directive_code).first_date <= last
    ]
    found = [one for one in known if one[2].letter_kind.value == kind.value]
    if kind in SUBJECTS:
        found = found or known
    if not found:
        raise LedgerError(
            "letter_without_words",
            f"Danh mục chưa có công văn {kind.value} của {unit_code} cho tháng "
            f"{as_of:%m/%Y} hoặc trước đó.",
            "Thêm văn bản vào directives.csv, câu chữ vào letters.csv, yêu cầu vào demands.csv.",
        )
    return max(found)[2]


def _own_demands(kind: LetterKind, text: LetterWords) -> tuple[Demand, ...]:
    made = term_demands if kind is LetterKind.TERM else training_demands
    return made(office=text.report_to)


def _term(
    published: Published, text: LetterWords, kind: LetterKind, unit_code: str, as_of: date
) -> Term | None:
    """The document's term, and beside it what the keys themselves say, as far as they were read."""
    if kind not in {LetterKind.PHAN_BO, LetterKind.TERM}:
        return None
    expires_at = key_expiry(published.file, unit_code, as_of)
    if text.term_wording is None and expires_at is None:
        return None
    return Term(wording=text.term_wording or "", key_expires_at=expires_at)


def _issuer(words: Registry, text: LetterWords, as_of: date) -> Issuer:
    rows: Sequence[LetterIssuer] = [
        one
        for one in words.letter_issuers
        if one.issuer_code == text.issuer_code and one.is_in_force(as_of)
    ]
    if not rows:
        raise LedgerError(
            "letter_issuer_unknown",
            f"Thể thức {text.issuer_code} không có hiệu lực ngày {written_date(as_of)}.",
            "Thêm dòng còn hiệu lực vào issuers.csv.",
        )
    one = rows[0]
    return Issuer(
        name=one.issuer_name,
        heading=one.heading,
        parent_heading=one.parent_heading,
        symbol=one.symbol,
        place=one.place,
        area=one.area,
        verb=one.verb,
        signature=one.signature,
    )


def _demands(
    words: Registry, text: LetterWords, directive: Directive, as_of: date
) -> tuple[Demand, ...]:
    duties = {one.obligation_code: one for one in words.obligations}
    calendar = working_calendar(words, text.estate_code)

    def deadline_of(duty: Obligation) -> Deadline:
        return read_deadline(
            duty.wording, calendar, counted_from=duty.counted_from_date, roll=duty.roll_policy
        )

    lines = sorted(
        (one for one in words.letter_demands if one.directive_code == directive.directive_code),
        key=lambda one: one.list_order,
    )
    found: list[Demand] = []
    for line in lines:
        duty = duties.get(line.obligation_code or "")
        demand = Demand(
            text=line.demand_text or (duty.demand_text if duty else ""),
            note=line.note or "",
            details=line.details,
        )
        if duty is not None:
            deadline = deadline_of(duty)
            demand = replace(demand, due_at=deadline.due_at, obligation_code=duty.obligation_code)
            if deadline.bound is Bound.START:  # a meeting: its time stands below, not behind
                time = f"Thời gian: {duty.wording}"
                demand = replace(demand, details=(time, *line.details))
            else:
                demand = replace(demand, due=duty.wording)
        found.append(demand)
    due = [demand.due_at for demand in found if demand.due_at is not None]
    if due and max(due) < end_of_day(as_of):
        raise LedgerError(
            "letter_deadlines_past",
            f"Mọi thời hạn trong công văn {directive.directive_code} đều đã qua vào ngày "
            f"{written_date(as_of)}.",
            "Thêm công văn mới với thời hạn mới vào directives.csv, letters.csv, demands.csv.",
        )
    return tuple(found) or standard_demands(office=text.report_to)


def _totals(kind: LetterKind, figure: Mapping[str, Any]) -> Totals:
    if kind in _WITHOUT_MACHINES:
        return Totals(allocated_count=figure["allocated_count"], snapshot_id=figure["snapshot_id"])
    return Totals(
        allocated_count=figure["allocated_count"],
        installed_count=figure["installed_count"],
        correctly_named_count=figure["correctly_named_count"],
        snapshot_id=figure["snapshot_id"],
    )


def _sources(kind: LetterKind, figure: Mapping[str, Any]) -> Sources | None:
    if kind in _WITHOUT_MACHINES:
        return None
    return Sources(
        servers_expected_count=figure["servers_expected_count"],
        servers_observed_count=figure["servers_observed_count"],
        oldest_observed_at=figure["oldest_observed_at"],
        is_provisional=figure["is_provisional"],
    )


def _sections(
    words: Registry,
    structure: Registry,
    kind: LetterKind,
    unit_code: str,
    day: date,
    figures: Mapping[str, Mapping[str, Any]],
) -> tuple[Section, ...]:
    """A group below the unit is a section; what no unit below has stands in a row of its own."""
    presences = _presences(words, unit_code, day) if kind is LetterKind.TRAINING else {}

    def rows_of(units: Sequence[Unit]) -> tuple[UnitRow, ...]:
        return tuple(
            replace(
                _row(words, kind, unit.unit_code, unit.unit_name, day, figures[unit.unit_code]),
                presence=presences.get(unit.unit_code),
            )
            for unit in units
            if unit.unit_code in figures
            and (kind is not LetterKind.TRAINING or unit.unit_code in presences)
        )

    children = structure.children_on(unit_code, day)
    plain = rows_of([unit for unit in children if unit.unit_kind != GROUP_KIND])
    sections = [Section(rows=plain)] if plain else []
    sections += [
        Section(
            rows=rows_of(structure.offices_below(group.unit_code, day, is_deep=False)),
            title=f"{group.unit_name}:",
            noun=_noun(group.unit_name),
        )
        for group in children
        if group.unit_kind == GROUP_KIND
    ]
    sections = [section for section in sections if section.rows]
    if kind is LetterKind.TRAINING:
        return tuple(sections)
    rest = _rest(figures[unit_code], [row for section in sections for row in section.rows], figures)
    if rest is not None and any(rest[name] for name in ("allocated_count", "installed_count")):
        row = _row(words, kind, unit_code, UNPLACED, day, rest, is_rest=True)
        if kind is not LetterKind.PHAN_BO or row.allocated_count:
            sections.append(Section(rows=(row,), title=f"{UNPLACED}:" if sections else ""))
    return tuple(sections)


def _rest(
    total: Mapping[str, Any], rows: Sequence[UnitRow], figures: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """What the unit has beyond its rows: machines in no unit's group, seats not handed down."""
    rest = dict(total)
    for name in _COUNTS:
        if total[name] is not None:
            rest[name] = total[name] - sum(figures[row.unit_code][name] or 0 for row in rows)
    return rest if any(rest[name] for name in _COUNTS) else None


def _row(
    words: Registry,
    kind: LetterKind,
    unit_code: str,
    unit_name: str,
    day: date,
    figure: Mapping[str, Any],
    *,
    is_rest: bool = False,
) -> UnitRow:
    row = UnitRow(
        unit_code=unit_code,
        unit_name=unit_name,
        allocated_count=figure["allocated_count"],
        snapshot_id=figure["snapshot_id"],
    )
    if kind in _WITHOUT_MACHINES:
        return row
    row = replace(
        row,
        installed_count=figure["installed_count"],
        correctly_named_count=figure["correctly_named_count"],
        gap_count=figure["gap_count"],
        over_count=figure["over_count"],
    )
    if is_rest or kind is LetterKind.TERM:
        return row
    asked = sum(
        one.seat_count
        for one in words.seat_requests
        if one.unit_code == unit_code
        and one.status is RequestStatus.OPEN
        and one.requested_date <= day
    )
    return replace(
        row,
        weak_count=weak_count(words, unit_code, day) or None,
        requested_count=asked or None,
        difficulties="; ".join(
            one.difficulty_text
            for one in words.difficulties
            if one.unit_code == unit_code and one.is_open_on(day)
        ),
    )


def _with_reports(
    sections: Iterable[Section], reported: Iterable[Reported], day: date
) -> tuple[Section, ...]:
    """The sections with what units wrote themselves, where no document of an officer says it."""
    newest: dict[str, Reported] = {}
    for one in sorted(reported, key=lambda one: one.received_at):
        if one.received_at <= end_of_day(day):
            newest[one.unit_code] = one

    def filled(row: UnitRow) -> UnitRow:
        told = newest.get(row.unit_code)
        if told is None:
            return row
        texts = [text for text in (row.difficulties, told.difficulties) if text]
        return replace(
            row,
            computer_count=told.computer_count,
            weak_count=told.weak_count if row.weak_count is None else row.weak_count,
            requested_count=(
                told.requested_count if row.requested_count is None else row.requested_count
            ),
            difficulties="; ".join(dict.fromkeys(texts)),
        )

    return tuple(
        replace(section, rows=tuple(filled(row) for row in section.rows)) for section in sections
    )


def _presences(words: Registry, unit_code: str, day: date) -> dict[str, Presence]:
    """The attendance at the newest training that the units below owed by that day.

    Raises LedgerError when no document asked them to any.
    """
    trainings = [
        one
        for one in words.obligations
        if one.obligation_kind is ObligationKind.TRAINING
        and one.unit_code == unit_code
        and words.opens_date(one) <= day
    ]
    if not trainings:
        raise LedgerError(
            "letter_without_training",
            f"Chưa có văn bản nào giao các đơn vị thuộc {unit_code} dự tập huấn tính đến ngày "
            f"{written_date(day)}.",
            "Thêm nghĩa vụ loại training vào obligations.csv.",
        )
    duty = max(trainings, key=words.opens_date)
    lines = [
        one
        for one in words.training_lines
        if one.obligation_code == duty.obligation_code and one.training_date <= day
    ]
    found = {unit.unit_code: Presence.UNKNOWN for unit in words.obliged_units(duty)}
    found |= {one.unit_code: Presence.ABSENT for one in lines if not one.is_present}
    found |= {
        one.unit_code: Presence.WAIVED
        for one in words.waivers
        if one.obligation_code == duty.obligation_code and one.waived_date <= day
    }
    found |= {one.unit_code: Presence.PRESENT for one in lines if one.is_present}
    return found


def _noun(group_name: str) -> str:
    """How a letter counts the units of a group: "Các sở, ban, ngành tỉnh" are sở, ban, ngành tỉnh."""
    return group_name.removeprefix("Các ").strip()
