"""Letters that write themselves: the draft .docx, its annex .xlsx and the proof of its figures .json.

Everything comes in as plain data (``letters.model``); nothing here asks a server, a database or a
clock, so the same letter written twice is the same files byte for byte. docs/letters.md tells an
office how to edit the Word templates.
"""

from __future__ import annotations

from ksc_ledger.letters.writing import (
    Written,
    WrittenSheet,
    write,
    write_unit_sheet,
)

__all__ = ["Written", "WrittenSheet", "write", "write_unit_sheet"]
