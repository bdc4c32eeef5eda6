"""Tables in dresses that the corpus does not show."""

from __future__ import annotations

from datetime import date

import pytest

from ksc_ledger.intake.columns import Column
from ksc_ledger.intake.document import Cell, CellKind, Document, Format, Merge, Sheet
from ksc_ledger.intake.reasons import Reason
from ksc_ledger.intake.report_form import Recognised, recognise

RECEIVED_ON = date(2022, 10, 18)
AS_OF = ["Số liệu tính đến ngày 12/10/2022"]
HEADER = ["STT", "Tên đơn vị", "Số máy đã cài đặt"]


def a_document(rows: list[list[str]], **facts: object) -> Document:
    cells = tuple(tuple(Cell(text) for text in row) for row in rows)
    sheet = Sheet(name="S", rows=cells, **facts)  # type: ignore[arg-type]
    return Document(format=Format.XLSX, sheets=(sheet,), first_serial_year=1900)


def reading(rows: list[list[str]], **facts: object) -> Recognised:
    return recognise(a_document(rows, **facts), RECEIVED_ON)


def reasons(found: Recognised) -> list[str]:
    return [one.reason.value for one in found.findings]


def installed(found: Recognised) -> dict[str, int]:
    assert found.report is not None
    return {row.unit_text: row.figures[Column.INSTALLED] for row in found.report.rows}


def test_the_header_may_stand_anywhere() -> None:
    rows = [AS_OF, *([["lời dẫn"]] * 150), HEADER, ["1", "Phòng A", "7"]]
    found = reading(rows)
    assert found.is_clean
    assert installed(found) == {"Phòng A": 7}


def test_columns_may_stand_in_any_order_and_not_begin_at_the_edge() -> None:
    found = reading([AS_OF, ["", "", "Số máy đã cài đặt", "Tên đơn vị"], ["", "", "7", "Phòng A"]])
    assert installed(found) == {"Phòng A": 7}
    assert found.report is not None
    assert found.report.rows[0].cells == {Column.INSTALLED: "C3"}


def test_a_header_that_is_repeated_on_the_next_page_is_no_unit() -> None:
    found = reading([AS_OF, HEADER, ["1", "Phòng A", "7"], HEADER, ["2", "Phòng B", "8"]])
    assert found.is_clean
    assert installed(found) == {"Phòng A": 7, "Phòng B": 8}


def test_a_total_may_stand_above_its_rows() -> None:
    good = [AS_OF, HEADER, ["", "TỔNG SỐ", "15"], ["1", "Phòng A", "7"], ["2", "Phòng B", "8"]]
    assert reading(good).is_clean
    bad = [*good[:2], ["", "TỔNG SỐ", "16"], *good[3:]]
    assert reasons(reading(bad)) == ["total_differs"]


def test_each_section_may_have_its_sum_and_the_whole_another() -> None:
    rows = [
        AS_OF,
        HEADER,
        ["A", "Phòng, ban", ""],
        ["1", "Phòng A", "7"],
        ["2", "Phòng B", "8"],
        ["", "Cộng", "15"],
        ["B", "Xã", "4"],
        ["1", "Xã A", "4"],
        ["", "Tổng cộng", "19"],
    ]
    found = reading(rows)
    assert found.is_clean
    assert found.report is not None
    assert found.report.total == {Column.INSTALLED: 19}
    rows[6][2] = "5"
    assert reasons(reading(rows)) == ["total_differs"]


@pytest.mark.parametrize("word", ["Tổng cộng:", "TỔNG", "Cộng", "tong cong", "Tổng số toàn huyện"])
def test_a_total_in_many_words(word: str) -> None:
    found = reading([AS_OF, HEADER, ["1", "Phòng A", "7"], [word, "", "7"]])
    assert found.is_clean
    assert installed(found) == {"Phòng A": 7}


@pytest.mark.parametrize("unit", ["Công an huyện", "Tổng cục Thuế", "Công ty cấp nước"])
def test_a_unit_whose_name_begins_like_a_total_is_a_unit(unit: str) -> None:
    assert installed(reading([AS_OF, HEADER, ["1", unit, "7"]])) == {unit: 7}


def test_signatures_below_the_table_are_no_rows() -> None:
    rows = [
        AS_OF,
        HEADER,
        ["1", "Phòng A", "7"],
        ["", "Nơi nhận:", "Tháp Mười, ngày 18 tháng 10 năm 2022"],
        ["", "- Như trên;", "THỦ TRƯỞNG ĐƠN VỊ"],
    ]
    found = reading(rows)
    assert found.is_clean
    assert installed(found) == {"Phòng A": 7}


def test_a_numbered_row_without_figures_is_told() -> None:
    found = reading([AS_OF, HEADER, ["1", "Phòng A", "7"], ["2", "Phòng B", ""]])
    assert [(one.reason, one.cell) for one in found.findings] == [(Reason.CELL_BLANK, "C4")]


def test_a_figure_without_a_unit_is_told() -> None:
    found = reading([AS_OF, HEADER, ["1", "Phòng A", "7"], ["2", "", "8"]])
    assert [(one.reason, one.cell) for one in found.findings] == [(Reason.CELL_BLANK, "B4")]


def test_a_text_where_a_count_belongs_is_no_heading() -> None:
    found = reading([AS_OF, HEADER, ["1", "Phòng A", "khoảng 7"]])
    assert [(one.reason, one.cell) for one in found.findings] == [(Reason.CELL_BLANK, "C3")]


def test_a_row_may_be_merged_across_but_not_down() -> None:
    rows = [AS_OF, HEADER, ["1", "Phòng A", "7"], ["2", "Phòng B", "8"]]
    assert reading(rows, merges=(Merge(0, 0, 0, 2),)).is_clean
    assert reasons(reading(rows, merges=(Merge(2, 2, 3, 2),))) == ["merged_cells"]
    assert reading(rows, merges=(Merge(2, 0, 3, 0),)).is_clean  # the row's number only


def test_a_heading_over_two_columns_of_figures_is_ambiguous() -> None:
    rows = [AS_OF, [*HEADER, ""], ["1", "Phòng A", "7", ""]]
    block = (Merge(1, 2, 1, 3),)
    assert reading(rows, merges=block).is_clean
    rows[2][3] = "8"
    assert [(one.reason, one.cell) for one in reading(rows, merges=block).findings] == [
        (Reason.DUPLICATE_HEADER, "D2")
    ]


def test_hidden_rows_without_figures_do_no_harm() -> None:
    rows = [AS_OF, HEADER, ["", "ghi chú nội bộ", ""], ["1", "Phòng A", "7"]]
    assert reading(rows, hidden_rows=frozenset({2})).is_clean
    assert reasons(reading(rows, hidden_rows=frozenset({3}))) == ["hidden_row"]


def test_an_unknown_column_is_a_note() -> None:
    found = reading([AS_OF, [*HEADER, "Số máy in"], ["1", "Phòng A", "7", "2"]])
    assert found.is_clean
    assert [(one.reason, one.is_note, one.cell) for one in found.findings] == [
        (Reason.UNUSED_COLUMN, True, "D2")
    ]


def test_a_merged_signature_below_the_table_does_no_harm() -> None:
    rows = [AS_OF, HEADER, ["1", "Phòng A", "7"], [], ["", "", "THỦ TRƯỞNG"], []]
    assert reading(rows, merges=(Merge(4, 1, 5, 2),)).is_clean


def test_a_signature_below_a_merged_heading_does_no_harm() -> None:
    rows = [AS_OF, [*HEADER, ""], ["1", "Phòng A", "7"], ["", "", "", "THỦ TRƯỞNG"]]
    assert reading(rows, merges=(Merge(1, 2, 1, 3),)).is_clean


@pytest.mark.parametrize(
    ("heading", "installed", "other", "expected"),
    [
        ("Số máy tính hiện có", "7", "7", []),
        ("Số máy tính hiện có", "8", "7", ["installed_above_computers"]),
        ("Số máy đặt đúng tên", "7", "7", []),
        ("Số máy đặt đúng tên", "7", "8", ["named_above_installed"]),
        ("Số bản quyền được phân bổ", "8", "7", ["installed_above_allocated"]),
        ("Số bản quyền được phân bổ", "7", "7", []),
    ],
)
def test_figures_of_a_row_must_not_contradict_each_other(
    heading: str, installed: str, other: str, expected: list[str]
) -> None:
    found = reading([AS_OF, [*HEADER, heading], ["1", "Phòng A", installed, other]])
    assert reasons(found) == expected


@pytest.mark.parametrize(("weak", "expected"), [("9", []), ("10", ["weak_above_computers"])])
def test_no_more_weak_machines_than_machines(weak: str, expected: list[str]) -> None:
    header = [*HEADER, "Số máy tính hiện có", "Số máy không đủ cấu hình"]
    assert reasons(reading([AS_OF, header, ["1", "Phòng A", "7", "9", weak]])) == expected


def test_a_title_directly_above_the_header_is_no_part_of_it() -> None:
    found = reading([AS_OF, ["", "BÁO CÁO", ""], HEADER, ["1", "Phòng A", "7"]])
    assert found.is_clean
    assert installed(found) == {"Phòng A": 7}


@pytest.mark.parametrize(
    "line",
    [
        "(Số liệu tính đến ngày 12/10/2022)",
        "Tính đến 12/10/2022",
        "tính đến hết ngày 12 tháng 10 năm 2022",
        "Kỳ báo cáo: từ ngày 01/10/2022 đến ngày 12/10/2022",
        "Số liệu ngày 12/10/2022",
    ],
)
def test_the_day_is_found_in_many_words(line: str) -> None:
    found = reading([[line], HEADER, ["1", "Phòng A", "7"]])
    assert found.report is not None
    assert found.report.as_of_date == date(2022, 10, 12)


def test_the_day_may_stand_in_the_cell_beside_its_label() -> None:
    rows = [["Số liệu tính đến ngày:", "", "12/10/2022"], HEADER, ["1", "Phòng A", "7"]]
    found = reading(rows)
    assert found.report is not None
    assert found.report.as_of_date == date(2022, 10, 12)
    rows[0][2] = ""
    assert reasons(reading(rows)) == ["date_incomplete"]


def test_a_column_of_days_gives_the_day() -> None:
    header = [*HEADER, "Ngày báo cáo"]
    rows = [header, ["1", "Phòng A", "7", "12/10/2022"], ["2", "Phòng B", "8", "12/10/2022"]]
    found = reading(rows)
    assert found.report is not None
    assert found.report.as_of_date == date(2022, 10, 12)
    rows[2][3] = "13/10/2022"
    assert reasons(reading(rows)) == ["date_ambiguous"]


def test_a_day_inside_a_remark_is_not_the_reports() -> None:
    header = [*HEADER, "Ghi chú"]
    found = reading([AS_OF, header, ["1", "Phòng A", "7", "tính đến ngày 01/10/2022 có 5 máy"]])
    assert found.is_clean


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("18/10/2022", []),
        ("19/10/2022", ["date_in_future"]),
        ("17/10/2021", []),
        ("16/10/2021", ["date_too_old"]),
    ],
)
def test_a_day_must_lie_within_a_year_before_the_arrival(day: str, expected: list[str]) -> None:
    rows = [[f"Số liệu tính đến ngày {day}"], HEADER, ["1", "Phòng A", "7"]]
    assert reasons(reading(rows)) == expected


def test_the_sender_is_read_from_its_line() -> None:
    rows = [["Đơn vị báo cáo: Phòng Nội vụ"], AS_OF, HEADER, ["1", "Phòng Nội vụ", "7"]]
    found = reading(rows)
    assert found.report is not None
    assert found.report.unit_text == "Phòng Nội vụ"
    assert found.report.as_of_date == date(2022, 10, 12)


def test_numbers_of_a_workbook_are_taken_as_numbers() -> None:
    document = a_document([AS_OF, HEADER])
    row = (Cell("1", CellKind.NUMBER), Cell("Phòng A"), Cell("1330", CellKind.NUMBER))
    sheet = Sheet(name="S", rows=(*document.sheets[0].rows, row))
    found = recognise(Document(format=Format.XLSX, sheets=(sheet,)), RECEIVED_ON)
    assert installed(found) == {"Phòng A": 1330}


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        ("77,3%", []),
        ("77,2%", []),  # cut off, as some provinces write
        ("77,4%", ["ratio_differs"]),
        ("77%", []),
        ("78%", []),
        ("76%", ["ratio_differs"]),
        ("79%", ["ratio_differs"]),
        ("77,1%", ["ratio_differs"]),
        ("77,5%", ["ratio_differs"]),
        ("0,773", []),
    ],
)
def test_a_ratio_may_differ_by_its_last_digit(ratio: str, expected: list[str]) -> None:
    header = [*HEADER, "Số bản quyền được phân bổ", "Tỷ lệ (%)"]
    found = reading([AS_OF, header, ["1", "Huyện", "255", "330", ratio]])
    assert reasons(found) == expected


def test_an_empty_document_has_no_table() -> None:
    assert reasons(recognise(Document(format=Format.XLSX, sheets=()), RECEIVED_ON)) == ["no_table"]
