"""The workbooks: numbers are numbers, and text is never a formula."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ksc_ledger import letters
from ksc_ledger.letters.model import Section
from unit.letters.reading import annex_tables, cells_of, sheet_of
from unit.letters.three_letters import letter_b

HOSTILE = [
    '=HYPERLINK("http://x.example";"Mở")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "a\x00b\x07c",
    "dòng một\ndòng hai",
    "x\u202ecod.exe",
    "{{ 7 * 7 }}{% endfor %}",
    "<w:p/>&amp;",
    "Ủy ban",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_both_files(text: str, tmp_path: Path) -> None:
    rows = letter_b().rows
    first = replace(rows[0], unit_name=text, difficulties=text, note=text)
    written = letters.write(letter_b(sections=(Section(rows=(first, *rows[1:])),)), tmp_path)
    sheet = sheet_of(written.xlsx)
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr", "n"}
    (name,) = [cell for cell in cells if cell.row == 6 and cell.column == 2]
    shown = text.replace("\t", " ").replace("\n", " ").replace("\x00", "\ufffd")
    shown = shown.replace("\x07", "\ufffd")
    assert name.value == shown
    assert name.quotePrefix is text.startswith(("=", "+", "-", "@"))
    (table,) = annex_tables(written.docx)
    assert table[1][1].strip() == shown.strip()


def test_counts_are_numbers_and_unknown_is_empty(tmp_path: Path) -> None:
    cells = cells_of(letters.write(letter_b(), tmp_path).xlsx)
    (row,) = [row for row in cells if row[1] == "Phòng Nội vụ"]
    assert row == [2, "Phòng Nội vụ", 9, None, 6, pytest.approx(6 / 9), 6, None, None, None, None]
