"""From a letter's data to the files in ``letters/<estate_code>/``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ksc_ledger.letters import annex, proof
from ksc_ledger.letters.chart import waterfall_png
from ksc_ledger.letters.model import (
    Demand,
    GapReason,
    Letter,
    Presence,
    Section,
    UnitRow,
    UnitSheet,
)
from ksc_ledger.letters.office_files import filled_template, put
from ksc_ledger.letters.words import (
    ANNEX_TITLES,
    BLANK,
    GAP,
    PRESENCE_NAMES,
    actions,
    basis_lines,
    clean,
    instant,
    issued_on,
    listed,
    percent_of,
    row_note,
    shown_count,
    source_sentence,
)
from ksc_ledger.rules.figures import count, written_date

TEMPLATES = Path(__file__).parent / "templates"
CHART_WIDTH_MM = 155


@dataclass(frozen=True, slots=True)
class Written:
    docx: Path
    xlsx: Path
    json: Path


@dataclass(frozen=True, slots=True)
class WrittenSheet:
    docx: Path
    json: Path


def write(letter: Letter, folder: Path, templates: Path = TEMPLATES) -> Written:
    """Write ``<folder>/<estate_code>/<as-of date>-<kind>-<unit_code>`` .docx, .xlsx and .json.

    ``folder`` is the home's ``letters/``; ``templates`` has one ``<kind>.docx`` for each kind, ours
    or the office's own. The same letter gives the same bytes. The proof is written last, so
    that where it lies the other two do. Raises LedgerError when a template cannot be used.
    """
    stem = f"{letter.as_of_date.isoformat()}-{letter.kind.value}-{letter.unit_code}"
    place = folder / letter.estate_code
    files = {
        f"{stem}.docx": filled_template(
            templates / f"{letter.kind.value}.docx", letter_context(letter), letter.as_of_date
        ),
        f"{stem}.xlsx": annex.annex_of(letter),
    }
    sealed = proof.letter_proof(letter, files)
    docx, xlsx = (put(place / name, content) for name, content in files.items())
    return Written(docx, xlsx, put(place / f"{stem}.json", sealed))


def write_unit_sheet(sheet: UnitSheet, folder: Path, templates: Path = TEMPLATES) -> WrittenSheet:
    """Write a unit's one-pager ``<as-of date>-phieu_don_vi-<unit_code>`` .docx and .json.

    It names the unit's machines: it is for that unit and nobody else.
    """
    stem = f"{sheet.as_of_date.isoformat()}-phieu_don_vi-{sheet.unit_code}"
    place = folder / sheet.estate_code
    png = waterfall_png(sheet.totals.allocated_count, sheet.parts)
    docx = filled_template(
        templates / "phieu_don_vi.docx",
        sheet_context(sheet),
        sheet.as_of_date,
        picture=("chart", png, CHART_WIDTH_MM),
    )
    sealed = proof.sheet_proof(sheet, {f"{stem}.docx": docx})
    path = put(place / f"{stem}.docx", docx)
    return WrittenSheet(path, put(place / f"{stem}.json", sealed))


def letter_context(letter: Letter) -> dict[str, Any]:
    """The values of a letter template's tags, as docs/letters.md lists them; all text or lists."""
    totals = letter.totals
    rows = letter.rows
    named = totals.correctly_named_count
    wrong = (
        None if named is None or totals.installed_count is None else totals.installed_count - named
    )
    expires = letter.term.key_expires_at if letter.term else None
    context: dict[str, Any] = _cleaned(
        {
            "blank": GAP,
            "dots": BLANK,
            "issuer_name": letter.issuer.name,
            "issuer_heading": letter.issuer.heading,
            "parent_heading": letter.issuer.parent_heading or "",
            "symbol": letter.issuer.symbol,
            "place": letter.issuer.place,
            "area": letter.issuer.area,
            "verb": letter.issuer.verb,
            "signature_lines": letter.issuer.signature,
            "issued": issued_on(letter.issued),
            "as_of": written_date(letter.as_of_date),
            "subject": letter.subject,
            "annex_title": ANNEX_TITLES[letter.kind],
            "recipients": letter.recipients,
            "recipient_lines": listed(letter.recipients),
            "copy_lines": listed(("Như trên", *letter.copies, f"Lưu: VT, {letter.filed_by}")),
            "basis_lines": basis_lines(letter.bases),
            "demands": [_demand(demand) for demand in letter.demands],
            "accountable": letter.accountable,
            "accountable_to": letter.accountable_to,
            "contact": letter.contact,
            "term": letter.term.wording if letter.term else "",
            "key_expires": instant(expires) if expires else "",
            "allocated": count(totals.allocated_count),
            "installed": shown_count(totals.installed_count),
            "ratio": percent_of(totals.installed_count, totals.allocated_count),
            "correctly_named": shown_count(named),
            "wrongly_named": _if_any(wrong),
            "gap": _if_any(sum(row.gap for row in rows)),
            "over": _if_any(sum(row.over for row in rows)),
            "zero_units": _if_any(
                sum(row.installed_count == 0 and row.allocated_count > 0 for row in rows)
            ),
            "present": _if_any(_presences(rows, Presence.PRESENT)),
            "absent": _if_any(_presences(rows, Presence.ABSENT)),
            "waived": _if_any(_presences(rows, Presence.WAIVED)),
            "unlisted": _if_any(_presences(rows, Presence.UNKNOWN)),
            "source_sentence": source_sentence(letter.sources),
            "snapshot_id": totals.snapshot_id,
            "sections": [_section(section) for section in letter.sections],
        }
    )
    return context


def sheet_context(sheet: UnitSheet) -> dict[str, Any]:
    """The values of the one-pager's tags."""
    totals = sheet.totals
    context: dict[str, Any] = _cleaned(
        {
            "parent_name": sheet.parent_name,
            "unit_name": sheet.unit_name,
            "as_of": written_date(sheet.as_of_date),
            "allocated": count(totals.allocated_count),
            "installed": shown_count(totals.installed_count),
            "ratio": percent_of(totals.installed_count, totals.allocated_count),
            "correctly_named": shown_count(totals.correctly_named_count),
            "ok": count(sheet.parts.get(GapReason.OK, 0)),
            "action_lines": actions(sheet.parts),
            "duties": sheet.duties,
            "responsible": sheet.responsible,
            "more_renames": _if_any(sheet.more_renames),
            "more_offenders": _if_any(sheet.more_offenders),
            "offenders": [
                {
                    "number": str(number),
                    "display_name": offender.display_name,
                    "problems": offender.problems,
                }
                for number, offender in enumerate(sheet.offenders, start=1)
            ],
            "renames": [
                {
                    "number": str(number),
                    "display_name": rename.display_name,
                    "reason": rename.reason,
                    "suggested_name": rename.suggested_name,
                }
                for number, rename in enumerate(sheet.renames, start=1)
            ],
            "source_sentence": source_sentence(sheet.sources),
            "snapshot_id": totals.snapshot_id,
        }
    )
    return context


def _demand(demand: Demand) -> dict[str, Any]:
    return {
        "text": demand.text,
        "due": demand.due,
        "note": demand.note,
        "stop": ", cụ thể như sau:" if demand.details else ".",
        "details": demand.details,
    }


def _section(section: Section) -> dict[str, Any]:
    rows = section.rows
    allocated = _sum(row.allocated_count for row in rows) or 0
    installed = _sum(row.installed_count for row in rows)
    return {
        "title": section.title,
        "noun": section.noun,
        "count": count(len(rows)),
        "rows": [_row(number, row) for number, row in enumerate(rows, start=1)],
        "allocated": count(allocated),
        "installed": shown_count(installed),
        "ratio": percent_of(installed, allocated),
        "named": shown_count(_sum(row.correctly_named_count for row in rows)),
        "computers": shown_count(_sum(row.computer_count for row in rows)),
        "weak": shown_count(_sum(row.weak_count for row in rows)),
        "requested": shown_count(_sum(row.requested_count for row in rows)),
    }


def _row(number: int, row: UnitRow) -> dict[str, str]:
    return {
        "number": str(number),
        "unit_name": row.unit_name,
        "allocated": count(row.allocated_count),
        "installed": shown_count(row.installed_count),
        "ratio": percent_of(row.installed_count, row.allocated_count),
        "named": shown_count(row.correctly_named_count),
        "computers": shown_count(row.computer_count),
        "weak": shown_count(row.weak_count),
        "requested": shown_count(row.requested_count),
        "presence": PRESENCE_NAMES[row.presence] if row.presence else "",
        "difficulties": row.difficulties,
        "note": row_note(row),
    }


def _presences(rows: Iterable[UnitRow], wanted: Presence) -> int:
    return sum(row.presence is wanted for row in rows)


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _if_any(value: int | None) -> str:
    """A count that a sentence mentions only where there is one."""
    return count(value) if value else ""


def _cleaned(value: Any) -> Any:
    """Every text of a context made fit for a file, whatever a server or a cell held."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {name: _cleaned(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(one) for one in value]
    return value
