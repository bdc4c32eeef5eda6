"""The workbooks: numbers are numbers, and text is never a formula."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ksc_ledger import letters
from ksc_ledger.letters.model import ReportForm, Section
from unit.letters.reading import annex_tables, cells_of, sheet_of
from unit.letters.three_letters import letter_a, letter_b

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


def test_the_report_form_is_filled_in_as_far_as_we_know(tmp_path: Path) -> None:
    form = ReportForm(
        estate_code="dong_thap",
        unit_code="dtp_872_pnv",
        unit_name="Phòng Nội vụ",
        as_of_date=letter_a().as_of_date,
        rows=(letter_a().rows[1],),
        recipient="Phòng Văn hóa và Thông tin huyện",
        due="chậm nhất ngày 19/10/2022",
    )
    path = letters.write_report_form(form, tmp_path)
    assert path.name == "2022-10-12-mau_bao_cao-dtp_872_pnv.xlsx"
    cells = cells_of(path)
    assert cells[4] == [
        "STT", "Tên đơn vị", "Số bản quyền được phân bổ", "Số máy tính hiện có",
        "Số máy đã cài đặt", "Tỷ lệ (%)", "Số máy đặt đúng tên", "Số máy không đủ cấu hình",
        "Nhu cầu bổ sung", "Khó khăn, vướng mắc", "Ghi chú",
    ]  # fmt: skip
    assert cells[5] == [1, "Phòng Nội vụ", 12, None, 12, 1, 12, None, None, None, None]
    assert cells[6][:7] == [None, "Tổng cộng", 12, None, 12, 1, 12]
    assert "chậm nhất ngày 19/10/2022" in str(cells[2][0])
