from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from ksc_ledger.intake.document import Cell, CellKind
from ksc_ledger.intake.reasons import Reason
from ksc_ledger.intake.values import (
    CellFault,
    Fraction,
    count_of,
    day_in,
    day_of,
    name_of,
    plain,
    ratio_of,
)


def text(value: str) -> Cell:
    return Cell(value)


def number(value: str) -> Cell:
    return Cell(value, CellKind.NUMBER)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (text("330"), 330),
        (text("0"), 0),
        (text("05"), 5),
        (text(" 330 "), 330),
        (text("330\u00a0"), 330),
        (text("'330"), 330),
        (text("330 máy"), 330),
        (text("330 Máy tính."), 330),
        (text("12 bản quyền"), 12),
        (text("1.330"), 1330),
        (text("999.999"), 999_999),
        (number("330"), 330),
        (number("330.0"), 330),
        (text("255/330"), Fraction(255, 330)),
        (text("255 máy/330 máy"), Fraction(255, 330)),
        (text("1.255/1.330"), Fraction(1255, 1330)),
    ],
)
def test_what_is_a_count_is_read_as_one(cell: Cell, expected: object) -> None:
    assert count_of(cell, is_required=True, name="Số máy") == expected


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (text(""), Reason.CELL_BLANK),
        (text("  \u200b"), Reason.CELL_BLANK),
        (text("-"), Reason.NOT_A_COUNT),
        (text("không"), Reason.NOT_A_COUNT),
        (text("-5"), Reason.NEGATIVE_COUNT),
        (text("−5"), Reason.NEGATIVE_COUNT),
        (number("-5"), Reason.NEGATIVE_COUNT),
        (text("330.5"), Reason.NOT_A_COUNT),
        (text("330,5"), Reason.NOT_A_COUNT),
        (text("1,330"), Reason.NOT_A_COUNT),
        (text("1 330"), Reason.NOT_A_COUNT),
        (text("1.33"), Reason.NOT_A_COUNT),
        (text("1.3300"), Reason.NOT_A_COUNT),
        (text("1E5"), Reason.NOT_A_COUNT),
        (text("３３０"), Reason.NOT_A_COUNT),
        (text("12 máy in"), Reason.NOT_A_COUNT),
        (text("khoảng 12"), Reason.NOT_A_COUNT),
        (text("1.000.000"), Reason.NOT_A_COUNT),
        (number("1000000"), Reason.NOT_A_COUNT),
        (number("1.33"), Reason.NOT_A_COUNT),
        (number("1e999"), Reason.NOT_A_COUNT),
        (number("nan"), Reason.NOT_A_COUNT),
        (text("9" * 65), Reason.NOT_A_COUNT),
        (text("77%"), Reason.PERCENT_IN_COUNT),
        (Cell("0.773", CellKind.PERCENT), Reason.PERCENT_IN_COUNT),
        (Cell("2022-08-07", CellKind.DATE), Reason.DATE_IN_COUNT),
        (Cell("#REF!", CellKind.ERROR), Reason.CELL_ERROR),
        (Cell("", CellKind.NOT_CALCULATED), Reason.NOT_CALCULATED),
        (Cell("TRUE", CellKind.BOOLEAN), Reason.NOT_A_COUNT),
    ],
)
def test_what_is_no_count_is_never_made_one(cell: Cell, reason: Reason) -> None:
    with pytest.raises(CellFault) as fault:
        count_of(cell, is_required=True, name="Số máy")
    assert fault.value.reason is reason


@pytest.mark.parametrize(
    ("cell", "expected"),
    [(text(""), None), (text("-"), None), (text("–"), None), (text("Không"), 0), (text("0"), 0)],
)
def test_a_column_that_may_be_blank_may_say_so(cell: Cell, expected: int | None) -> None:
    assert count_of(cell, is_required=False, name="Nhu cầu") == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (text("32,6%"), ("0.326",)),
        (text("77,3 %"), ("0.773",)),
        (text("32,6"), ("0.326", "32.6")),
        (text("0,326"), ("0.00326", "0.326")),
        (Cell("0.326", CellKind.PERCENT), ("0.326",)),
        (number("77.3"), ("0.773", "77.3")),
        (text(""), ()),
        (text("-"), ()),
        (Cell("#DIV/0!", CellKind.ERROR), ()),
        (Cell("", CellKind.NOT_CALCULATED), ()),
    ],
)
def test_a_ratio_is_read_in_every_way_it_may_mean(cell: Cell, expected: tuple[str, ...]) -> None:
    assert ratio_of(cell) == tuple(Decimal(one) for one in expected)


@pytest.mark.parametrize(
    "cell", [text("cao"), text("32,6,1%"), text("62/190"), Cell("2022-01-01", CellKind.DATE)]
)
def test_what_is_no_ratio_is_a_fault(cell: Cell) -> None:
    with pytest.raises(CellFault) as fault:
        ratio_of(cell)
    assert fault.value.reason is Reason.NOT_A_RATIO


@pytest.mark.parametrize(
    "written",
    [
        "12/10/2022",
        "12-10-2022",
        "12.10.2022",
        "12 / 10 / 2022",
        "2022-10-12",
        "ngày 12 tháng 10 năm 2022",
        "12 tháng 10 năm 2022",
        "12/10/2022 08:15",
        "12/10/2022 08:15:00",
        "2022-10-12T08:15:00.000",
    ],
)
def test_a_day_is_read_day_first(written: str) -> None:
    assert day_in(written) == date(2022, 10, 12)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("10/13/2022", Reason.MONTH_FIRST),
        ("12/10/2022 8:15:00 AM", Reason.MONTH_FIRST),
        ("31/02/2022", Reason.NOT_A_DATE),
        ("12/10/22", Reason.NOT_A_DATE),
        ("12/10", Reason.NOT_A_DATE),
        ("2022/10/12", Reason.NOT_A_DATE),
        ("hôm qua", Reason.NOT_A_DATE),
        ("", Reason.NOT_A_DATE),
        ("0/1/2022", Reason.NOT_A_DATE),
        ("12/10/2022 " + "T" * 80, Reason.NOT_A_DATE),
    ],
)
def test_what_is_no_day_is_a_fault(written: str, reason: Reason) -> None:
    with pytest.raises(CellFault) as fault:
        day_in(written)
    assert fault.value.reason is reason


@pytest.mark.parametrize(
    ("first_year", "expected"), [(1900, date(2022, 10, 12)), (1904, date(2026, 10, 13))]
)
def test_a_day_number_counts_from_its_workbooks_year(first_year: int, expected: date) -> None:
    assert day_of(number("44846"), first_year) == expected
    assert day_of(text("44846"), first_year) == expected


def test_a_day_number_without_a_workbook_is_a_fault() -> None:
    with pytest.raises(CellFault) as fault:
        day_of(text("44846"), None)
    assert fault.value.reason is Reason.SERIAL_WITHOUT_WORKBOOK


def test_a_workbooks_day_is_taken_as_it_is() -> None:
    assert day_of(Cell("2022-10-12T08:00:00", CellKind.DATE), 1900) == date(2022, 10, 12)
    with pytest.raises(CellFault):
        day_of(Cell("08:00:00", CellKind.DATE), 1900)


@pytest.mark.parametrize("name", ["1E5", "00123", "NA", " x ", "=1", "2022", "PC.01"])
def test_a_name_is_kept_sign_by_sign(name: str) -> None:
    assert name_of(text(name)) == name


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (text("1.00E+05"), Reason.NAME_BECAME_NUMBER),
        (text("1,00E+05"), Reason.NAME_BECAME_NUMBER),
        (number("1E+5"), Reason.NAME_BECAME_NUMBER),
        (number("1.5"), Reason.NAME_BECAME_NUMBER),
        (Cell("2022-02-01", CellKind.DATE), Reason.NAME_BECAME_NUMBER),
        (Cell("#NAME?", CellKind.ERROR), Reason.CELL_ERROR),
        (Cell("", CellKind.NOT_CALCULATED), Reason.NOT_CALCULATED),
        (text("a\nb"), Reason.CONTROL_CHARACTER),
        (text("a\x7f"), Reason.CONTROL_CHARACTER),
        (text("a\u2028b"), Reason.CONTROL_CHARACTER),
    ],
)
def test_a_name_that_was_changed_on_its_way_is_a_fault(cell: Cell, reason: Reason) -> None:
    with pytest.raises(CellFault) as fault:
        name_of(cell)
    assert fault.value.reason is reason


def test_plain_text_is_composed_and_without_what_cannot_be_seen() -> None:
    assert plain("  Huye\u0323\u0302n\u00a0 Tha\u0301p\u200b  Mười\ufeff ") == "Huyện Tháp Mười"
