"""Rows put to units, and what only the knowledge of units can tell."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from corpus.cases import KnownUnit, directory
from ksc_ledger.intake.document import Cell, Document, Format, Sheet
from ksc_ledger.intake.examining import Directory, Examined, examine
from ksc_ledger.intake.reasons import Reason

AT = datetime(2024, 1, 15, 2, 0, tzinfo=UTC)
HEADER = ["STT", "Tên đơn vị", "Số máy đã cài đặt"]


def examined(
    *rows: list[str],
    sender: str = "dtp_872",
    header: list[str] = HEADER,
    known: Directory | None = None,
) -> Examined:
    table = [["Số liệu tính đến ngày 08/01/2024"], header, *rows]
    cells = tuple(tuple(Cell(text) for text in row) for row in table)
    document = Document(format=Format.XLSX, sheets=(Sheet(name="S", rows=cells),))
    return examine(document, known or directory(), sender=sender, received_at=AT, source="x")


def told(found: Examined) -> list[tuple[Reason, str]]:
    return [(one.reason, one.cell) for one in found.findings]


def test_a_heading_without_figures_is_a_heading() -> None:
    found = examined(["I", "Phòng, ban", ""], ["1", "Phòng Nội vụ", "7"])
    assert found.is_acceptable


def test_a_unit_above_those_that_follow_is_a_heading() -> None:
    rows = ["A", "Huyện Tháp Mười", ""], ["1", "Phòng Nội vụ", "7"]
    assert examined(*rows, sender="dtp").is_acceptable


@pytest.mark.parametrize("number", ["", "A", "b)"])
def test_a_unit_without_figures_is_missing_them_however_it_is_numbered(number: str) -> None:
    found = examined(["1", "Phòng Nội vụ", "7"], [number, "Phòng Tư pháp", ""])
    assert told(found) == [(Reason.CELL_BLANK, "B4")]


def test_the_senders_own_name_as_a_title_is_no_missing_row() -> None:
    assert examined(["", "Huyện Tháp Mười", ""], ["1", "Phòng Nội vụ", "7"]).is_acceptable


def test_an_ambiguous_name_lists_its_units() -> None:
    units = [
        KnownUnit("all", "Toàn vùng", None, None, date(2022, 1, 1), None),
        KnownUnit("a", "Phòng Nội vụ", "all", None, date(2022, 1, 1), None),
        KnownUnit("b", "Phòng Nội vụ", "all", None, date(2022, 1, 1), None),
    ]
    found = examined(["1", "Phòng Nội vụ", "7"], sender="all", known=Directory.of(units))
    assert told(found) == [(Reason.UNIT_AMBIGUOUS, "B3")]
    assert "«Phòng Nội vụ» (a), «Phòng Nội vụ» (b)" in found.findings[0].text


def test_a_unit_of_the_same_name_elsewhere_is_not_meant() -> None:
    found = examined(["1", "Phòng Nội vụ", "7"], sender="dtp")
    assert [one.unit_code for one in found.figures] == ["dtp_872_pnv"]


def test_a_code_must_be_that_of_the_name() -> None:
    header = [*HEADER, "Mã đơn vị"]
    assert examined(["1", "Phòng Nội vụ", "7", "dtp_872_pnv"], header=header).is_acceptable
    found = examined(["1", "Phòng Nội vụ", "7", "dtp_872_ptp"], header=header)
    assert told(found) == [(Reason.UNIT_CODE_DIFFERS, "B3")]


def test_a_code_alone_is_enough() -> None:
    found = examined(["dtp_872_pnv", "7"], header=["Mã đơn vị", "Số máy đã cài đặt"])
    assert [one.unit_code for one in found.figures] == ["dtp_872_pnv"]


@pytest.mark.parametrize(
    ("allocated", "expected"),
    [
        ("12", []),
        ("13", [(Reason.ALLOCATED_DIFFERS, "D3")]),
        ("123", [(Reason.GLUED_DIGITS, "D3")]),
    ],
)
def test_seats_are_held_against_the_ledger(
    allocated: str, expected: list[tuple[Reason, str]]
) -> None:
    header = [*HEADER, "Số bản quyền được phân bổ"]
    assert told(examined(["1", "Phòng Nội vụ", "7", allocated], header=header)) == expected


@pytest.mark.parametrize(("written", "is_taken"), [("7/12", True), ("7/13", False)])
def test_a_fraction_must_be_of_the_seats(written: str, is_taken: bool) -> None:
    found = examined(["1", "Phòng Nội vụ", written])
    assert found.is_acceptable is is_taken
    if not is_taken:
        assert told(found) == [(Reason.FRACTION_UNCLEAR, "C3")]


def test_a_total_is_the_senders_own_figure_unless_it_has_a_row() -> None:
    rows = ["1", "Phòng Nội vụ", "7"], ["2", "Phòng Tư pháp", "5"], ["", "Tổng cộng", "12"]
    found = examined(*rows)
    assert {one.unit_code: one.is_total for one in found.figures} == {
        "dtp_872_pnv": False,
        "dtp_872_ptp": False,
        "dtp_872": True,
    }
    own = examined(["1", "Huyện Tháp Mười", "12"], ["", "Tổng cộng", "12"])
    assert [(one.unit_code, one.is_total) for one in own.figures] == [("dtp_872", False)]
