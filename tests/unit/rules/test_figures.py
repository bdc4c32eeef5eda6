"""Figures as the letters print them."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

import pytest

from ksc_ledger.rules.figures import (
    FigureError,
    count,
    percent,
    read_count,
    read_date,
    read_percent,
    share,
    written_date,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (330, "330"), (999, "999"), (1000, "1.000"), (1077, "1.077"), (5037, "5.037"),
     (1234567, "1.234.567"), (-75, "-75"), (-1077, "-1.077")],
)  # fmt: skip
def test_a_dot_stands_between_thousands(value: int, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        pytest.param(255, 330, "77,3 %", id="Tháp Mười, installed"),
        pytest.param(235, 255, "92,2 %", id="Tháp Mười, named of installed"),
        pytest.param(235, 330, "71,2 %", id="Tháp Mười, named of allocated"),
        pytest.param(62, 190, "32,6 %", id="Kon Plông"),
        pytest.param(1, 16, "6,3 %", id="an exact half goes up: 6,25"),
        pytest.param(1, 2000, "0,1 %", id="an exact half of the last place"),
        pytest.param(0, 8, "0,0 %", id="none"),
        pytest.param(8, 8, "100,0 %", id="all"),
        pytest.param(26, 2, "1.300,0 %", id="thirteen times as many"),
    ],
)
def test_a_share_is_rounded_half_up(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text
    assert percent(part / whole) == text  # the ratio of a mart is a float
    assert percent(Fraction(part, whole), has_blank=False) == text.replace(" ", "")


def test_there_is_no_share_of_nothing() -> None:
    assert share(0, 0) is None
    assert share(3, 0) is None


def test_decimals_and_rounding_may_be_chosen() -> None:
    assert percent(Fraction(62, 190), decimals=2) == "32,63 %"
    assert percent(Fraction(62, 190), decimals=0) == "33 %"
    assert percent(0.9216, rounding=ROUND_DOWN) == "92,1 %"
    assert percent(Decimal("-0.005")) == "-0,5 %"


@pytest.mark.parametrize(
    ("text", "value"),
    [("330", 330), (" 330 ", 330), ("1.077", 1077), ("1.234.567", 1234567), ("0", 0)],
)
def test_a_count_is_read(text: str, value: int) -> None:
    assert read_count(text) == value


@pytest.mark.parametrize(
    "text", ["", "330.5", "1.07", "1,077", "330 máy", "-3", "1.0777", "255/330", "1E5", "٣"]
)
def test_a_text_that_is_no_count_is_not_guessed(text: str) -> None:
    with pytest.raises(FigureError) as caught:
        read_count(text)
    assert f"«{text}»" in caught.value.text
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "value"), [("32,6%", "0.326"), ("77,3 %", "0.773"), ("100%", "1"), ("0 %", "0")]
)
def test_a_percentage_is_read_with_and_without_the_blank(text: str, value: str) -> None:
    assert read_percent(text) == Decimal(value)


@pytest.mark.parametrize("text", ["32.6%", "32,6", "%", "ba mươi %", "1.077 %"])
def test_a_text_that_is_no_percentage_is_not_guessed(text: str) -> None:
    with pytest.raises(FigureError):
        read_percent(text)


def test_a_date_is_written_and_read_day_first() -> None:
    assert written_date(date(2024, 1, 5)) == "05/01/2024"
    assert read_date("12/10/2022") == date(2022, 10, 12)
    assert read_date(" 5/1/2024 ") == date(2024, 1, 5)


@pytest.mark.parametrize(
    "text", ["", "2022-10-12", "10/13/2022", "29/02/2022", "12/10/22", "44846", "/10/2022"]
)
def test_a_text_that_is_no_date_is_not_guessed(text: str) -> None:
    with pytest.raises(FigureError):
        read_date(text)
