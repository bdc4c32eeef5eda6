"""The mail that takes a unit's one-pager to its officer."""

from __future__ import annotations

import hashlib
from datetime import datetime

from ksc_ledger.letters.model import GapReason, UnitSheet
from ksc_ledger.letters.words import actions, percent_of, shown_count
from ksc_ledger.rules.figures import count, written_date
from ksc_ledger.state.outbox import NewMail

SHEET_MAIL = "unit_sheet"
UNIT_ROLE = "unit"


def sheet_mail(sheet: UnitSheet, attachment: str, now: datetime) -> NewMail:
    """``attachment``: the one-pager's path below the folder of letters. One mail a unit and figure.

    The text counts machines and names none; the names stand in the attached file.
    """
    totals = sheet.totals
    known = "|".join((sheet.unit_code, sheet.as_of_date.isoformat(), totals.snapshot_id))
    return NewMail(
        kind=SHEET_MAIL,
        incident_id=f"sht-{hashlib.sha256(known.encode()).hexdigest()[:20]}",
        role=UNIT_ROLE,
        estate_code=sheet.estate_code,
        unit_code=sheet.unit_code,
        created_at=now,
        facts={
            "place": sheet.unit_name,
            "as_of": written_date(sheet.as_of_date),
            "installed": shown_count(totals.installed_count),
            "allocated": count(totals.allocated_count),
            "ratio": percent_of(totals.installed_count, totals.allocated_count),
            "ok": count(sheet.parts.get(GapReason.OK, 0)),
            "action_lines": actions(sheet.parts),
            "attachment": attachment,
        },
    )
