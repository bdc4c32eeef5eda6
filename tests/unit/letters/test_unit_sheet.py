"""The one-pager of a unit: its rate, where the gap lies, which machines to rename, what to do."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ksc_ledger import letters
from ksc_ledger.errors import LedgerError
from ksc_ledger.letters.chart import waterfall_png
from ksc_ledger.letters.model import GapReason, Totals
from ksc_ledger.letters.words import actions
from unit.letters.reading import opened, text_of
from unit.letters.three_letters import unit_sheet


def test_the_sheet_tells_rate_actions_and_names(tmp_path: Path) -> None:
    path = letters.write_unit_sheet(unit_sheet(), tmp_path).docx
    assert path.name == "2022-10-12-phieu_don_vi-dtp_872_30058.docx"
    text = text_of(path)
    assert "Đã cài đặt 4/11 máy, đạt 36,4%" in text
    assert "1. Cài đặt phần mềm phòng, chống mã độc cho 6 máy còn thiếu" in text
    assert "2. Đổi tên 4 máy" in text
    assert "3. Cài phần mềm bảo vệ trên 1 máy" in text
    assert "- Báo cáo kết quả cài đặt: chậm nhất ngày 19/10/2022" in text
    (table,) = opened(path).tables
    assert [cell.text for cell in table.rows[1].cells] == [
        "1",
        "mayphuong",
        "Thiếu tiền tố đơn vị",
        "MYDONG-PHUONG",
    ]
    assert len(opened(path).inline_shapes) == 1


def test_a_unit_without_wrong_names_gets_no_empty_table(tmp_path: Path) -> None:
    path = letters.write_unit_sheet(unit_sheet(renames=()), tmp_path).docx
    assert opened(path).tables == []
    assert "Máy cần đổi tên" not in text_of(path)


def test_parts_that_do_not_add_up_to_the_seats_make_no_sheet() -> None:
    with pytest.raises(LedgerError) as caught:
        unit_sheet(parts={GapReason.NOT_INSTALLED: 10})
    assert caught.value.code == "unit_sheet_sum_wrong"


def test_a_unit_over_its_seats_adds_up_as_well(tmp_path: Path) -> None:
    """The office of Tháp Mười: 26 machines on 24 seats."""
    totals = Totals(
        allocated_count=24, installed_count=26, correctly_named_count=26, snapshot_id="s"
    )
    parts = {GapReason.OK: 26, GapReason.OVER_ALLOCATED: -2}
    path = letters.write_unit_sheet(unit_sheet(totals=totals, parts=parts), tmp_path).docx
    assert "Đã cài đặt 26/24 máy, đạt 108,3%" in text_of(path)
    assert "cấp thêm bản quyền cho 2 máy" in text_of(path)


def test_the_largest_parts_come_first_and_good_units_keep_standing_duties() -> None:
    parts = {
        GapReason.STALE: 3,
        GapReason.WRONG_NAME: 9,
        GapReason.NOT_PROTECTED: 5,
        GapReason.AGENT_ONLY: 1,
        GapReason.EXEMPT_HARDWARE: 50,
    }
    found = actions(parts)
    assert [("9 máy" in found[0]), ("5 máy" in found[1]), ("3 máy" in found[2])] == [True] * 3
    assert len(actions({GapReason.OK: 12})) == 3
    assert "hai phần mềm" in actions({GapReason.OK: 12})[0]


def test_the_chart_is_a_picture_of_its_size_and_the_same_every_time() -> None:
    png = waterfall_png(24, {GapReason.OK: 26, GapReason.OVER_ALLOCATED: -2})
    assert struct.unpack(">II", png[16:24]) == (1600, 700)
    assert png == waterfall_png(24, {GapReason.OK: 26, GapReason.OVER_ALLOCATED: -2})


@settings(max_examples=5, deadline=None)
@given(parts=st.dictionaries(st.sampled_from(GapReason), st.integers(0, 400), max_size=8))
def test_any_parts_can_be_drawn(parts: dict[GapReason, int]) -> None:
    parts[GapReason.OVER_ALLOCATED] = -parts.get(GapReason.OVER_ALLOCATED, 0)
    assert waterfall_png(max(0, sum(parts.values())), parts).startswith(b"\x89PNG")
