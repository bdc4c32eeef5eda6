"""The words of a letter: dates with their zeros, lists with their stops, text fit for Word."""

from __future__ import annotations

import pytest

from ksc_ledger.letters.model import Basis, Document, PartialDate, Sources, UnitRow
from ksc_ledger.letters.words import (
    basis_lines,
    citation,
    clean,
    issued_on,
    listed,
    percent_of,
    row_note,
    source_sentence,
    standard_demands,
)


@pytest.mark.parametrize(
    ("issued", "shown"),
    [
        (PartialDate(2024, 1, 5), "ngày 05 tháng 01 năm 2024"),
        (PartialDate(2024, 2, 10), "ngày 10 tháng 02 năm 2024"),
        (PartialDate(2024, 3, 9), "ngày 09 tháng 3 năm 2024"),
        (PartialDate(2023, 10, 31), "ngày 31 tháng 10 năm 2023"),
        (PartialDate(2024, 1), "ngày       tháng 01 năm 2024"),
        (PartialDate(2024), "ngày       tháng       năm 2024"),
    ],
)
def test_days_below_ten_and_the_first_two_months_have_a_zero(
    issued: PartialDate, shown: str
) -> None:
    assert issued_on(issued).replace("\u00a0", " ") == shown


def a_document(number: str | None, issued: PartialDate) -> Document:
    return Document(
        document_kind="Công văn",
        number=number,
        issued=issued,
        issuer="Sở Thông tin và Truyền thông",
        subject="về việc đôn đốc",
    )


@pytest.mark.parametrize(
    ("number", "issued", "shown"),
    [
        (
            "31/STTTT",
            PartialDate(2024, 1, 5),
            (
                "Công văn số 31/STTTT ngày 05 tháng 01 năm 2024 của Sở Thông tin và Truyền thông "
                "về việc đôn đốc"
            ),
        ),
        (
            None,
            PartialDate(2024, 1),
            "Công văn tháng 01/2024 của Sở Thông tin và Truyền thông về việc đôn đốc",
        ),
        (
            None,
            PartialDate(2024),
            "Công văn năm 2024 của Sở Thông tin và Truyền thông về việc đôn đốc",
        ),
    ],
)
def test_a_document_is_cited_in_full_as_far_as_it_is_known(
    number: str | None, issued: PartialDate, shown: str
) -> None:
    assert citation(a_document(number, issued)) == shown


def test_two_equal_bases_are_both_ended_rightly() -> None:
    basis = Basis(lead="Căn cứ", document=a_document("1/A", PartialDate(2024, 1, 5)))
    first, second = basis_lines((basis, basis))
    assert first.endswith(";")
    assert second.endswith(".")


def test_a_list_ends_with_a_full_stop() -> None:
    assert listed(("Công an huyện", "Các xã")) == ["- Công an huyện;", "- Các xã."]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("U\u031by ba\u0309n", "Ưy bản"),
        ("một\thai\r\nba\u2028bốn", "một hai  ba bốn"),
        ("a\x00b\x1fc\ud800d\uffff", "a\ufffdb\ufffdc\ufffdd\ufffd"),
        ("Sở NN & PTNT <b>", "Sở NN & PTNT <b>"),
    ],
)
def test_text_is_made_fit_for_word_and_excel(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(62, 190, "32,6%"), (0, 9, "0,0%"), (26, 24, "108,3%"), (None, 9, ""), (3, 0, "")],
)
def test_a_rate_is_written_the_vietnamese_way_or_not_at_all(
    part: int | None, whole: int, shown: str
) -> None:
    assert percent_of(part, whole) == shown


@pytest.mark.parametrize(
    ("allocated", "installed", "note", "shown"),
    [
        (24, 26, "", "Vượt 2 máy"),
        (8, 0, "", "Chưa cài đặt"),
        (8, 0, "Đang sửa trụ sở", "Chưa cài đặt; Đang sửa trụ sở"),
        (8, 8, "", ""),
        (0, 0, "", ""),
        (8, None, "", ""),
    ],
)
def test_a_row_remarks_on_what_strikes_the_eye(
    allocated: int, installed: int | None, note: str, shown: str
) -> None:
    row = UnitRow(
        unit_code="xx",
        unit_name="X",
        allocated_count=allocated,
        installed_count=installed,
        snapshot_id="s",
        note=note,
    )
    assert row_note(row) == shown


def test_a_row_above_others_keeps_the_sums_of_what_they_lack_and_exceed() -> None:
    row = UnitRow(
        unit_code="dtp_872", unit_name="Huyện Tháp Mười", allocated_count=330,
        installed_count=255, snapshot_id="s", gap_count=77, over_count=2,
    )  # fmt: skip
    assert (row.gap, row.over) == (77, 2)
    plain = UnitRow(
        unit_code="x1", unit_name="X", allocated_count=10, installed_count=4, snapshot_id="s"
    )
    assert (plain.gap, plain.over) == (6, 0)


def test_sources_are_told_only_where_something_is_missing() -> None:
    assert source_sentence(None) == ""
    assert source_sentence(Sources(servers_expected_count=12, servers_observed_count=12)) == ""
    assert source_sentence(
        Sources(servers_expected_count=12, servers_observed_count=11)
    ).startswith("11/12 máy chủ quản trị")
    provisional = Sources(servers_expected_count=1, servers_observed_count=1, is_provisional=True)
    assert source_sentence(provisional) == "Số liệu trong ngày là tạm tính."


def test_standard_demands_leave_out_dates_they_do_not_have() -> None:
    demands = standard_demands(office="Phòng VH&TT", report_due="chậm nhất ngày 19/10/2022")
    assert [demand.due for demand in demands] == ["", "chậm nhất ngày 19/10/2022", "", ""]
    assert not any(demand.text.endswith(("hoàn thành", ".", " ")) for demand in demands)
