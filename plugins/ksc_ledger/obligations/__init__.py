"""What the documents oblige units to do, what became of it, who is told, and the next letter.

The registry says what is owed, the published marts and the entered receipts say what was done, the
state remembers what was said about it before. Nothing here asks a server or knows Airflow.
"""

from __future__ import annotations

from ksc_ledger.obligations.letter_data import Published, Reported, letter_of, report_forms
from ksc_ledger.obligations.sheet_mails import sheet_mail
from ksc_ledger.obligations.statuses import Judged, judge
from ksc_ledger.obligations.unit_sheets import unit_sheets
from ksc_ledger.obligations.watch import Watched, watch

__all__ = [
    "Judged",
    "Published",
    "Reported",
    "Watched",
    "judge",
    "letter_of",
    "report_forms",
    "sheet_mail",
    "unit_sheets",
    "watch",
]
