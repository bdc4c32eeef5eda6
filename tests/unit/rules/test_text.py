from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksc_ledger.rules.text import ascii_letters, is_invisible, matching_key, sort_key, strip_suffix


@pytest.mark.parametrize(
    ("name", "stripped"),
    [
        ("VHTT-ANNV~~10281", "VHTT-ANNV"),
        ("VHTT-ANNV~1", "VHTT-ANNV"),
        ("VHTT-ANNV", "VHTT-ANNV"),
        ("VHTT-01", "VHTT-01"),
        ("VHTT-ANNV~~", "VHTT-ANNV~~"),
        ("VHTT-ANNV~~1a", "VHTT-ANNV~~1a"),
        ("VHTT~1-ANNV", "VHTT~1-ANNV"),
        ("VHTT-ANNV~~~1", "VHTT-ANNV~"),
        ("VHTT-ANNV~1~2", "VHTT-ANNV~1"),
        ("VHTT-ANNV~~1\n", "VHTT-ANNV~~1\n"),
        ("VHTT-ANNV~\u0661", "VHTT-ANNV~\u0661"),
        ("~~10281", ""),
        ("12345", "12345"),
        ("", ""),
    ],
)
def test_the_suffix_of_a_duplicate_is_stripped_once(name: str, stripped: str) -> None:
    assert strip_suffix(name) == stripped


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Uỷ ban", "Ủy ban", id="uỷ and ủy"),
        pytest.param("Mỹ Hoà", "Mỹ Hòa", id="hoà and hòa"),
        pytest.param("xã Mỹ Qúy", "Xã Mỹ Quý", id="qúy and quý"),
        pytest.param("khoẻ", "khỏe", id="khoẻ and khỏe"),
        pytest.param("Thuý", "Thúy", id="thuý and thúy"),
        pytest.param("Ðốc Binh Kiều", "Đốc Binh Kiều", id="Eth for Đ"),
        pytest.param("ĐỐC BINH KIỀU", "đốc binh kiều", id="case"),
        pytest.param(unicodedata.normalize("NFD", "Đốc Binh Kiều"), "Đốc Binh Kiều", id="NFD"),
        pytest.param("Phòng VHTT ", "Phòng VHTT", id="a trailing blank"),
        pytest.param("Phòng\u00a0 VHTT", "Phòng VHTT", id="a no-break blank"),
        pytest.param("Phòng\u200b VHTT", "Phòng VHTT", id="a zero-width blank"),
        pytest.param("Văn hóa – Thể thao", "Văn hóa - Thể thao", id="an en dash"),
        pytest.param("Văn hóa-Thể thao", "Văn hóa - Thể thao", id="no blanks around the dash"),
        pytest.param("Nông nghiệp & PTNT", "Nông nghiệp và PTNT", id="an ampersand"),
        pytest.param("Nông nghiệp &amp; PTNT", "Nông nghiệp và PTNT", id="an escaped ampersand"),
        pytest.param("ＵＢＮＤ", "UBND", id="full width"),
    ],
)
def test_two_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert one != other
    assert matching_key(one) == matching_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Thanh Mỹ", "Thạnh Mỹ", id="a tone"),
        pytest.param("Thị trấn Mỹ An", "Xã Mỹ An", id="the kind of unit"),
        pytest.param("Huyện Cao Lãnh", "Thành phố Cao Lãnh", id="a district and a town"),
        pytest.param("Mỹ Quý", "Mỹ Quí", id="y and i"),
        pytest.param("Đăk Nên", "Đắk Nên", id="ă and ắ"),
        pytest.param("Mỹ Đông", "Mỹ Dông", id="đ and d"),
        pytest.param("TT My An", "TT Mỹ An", id="no accents at all"),
        pytest.param("Phòng VHTT", "PhòngVHTT", id="no blank at all"),
    ],
)
def test_two_names_never_share_a_key(one: str, other: str) -> None:
    assert matching_key(one) != matching_key(other)


@given(st.text(max_size=40))
def test_a_key_is_its_own_key(text: str) -> None:
    key = matching_key(text)
    assert matching_key(key) == key


def test_letters_lose_their_accents_and_strokes() -> None:
    assert ascii_letters("XÃ MỸ ĐÔNG, Ðốc, đường") == "XA MY DONG, Doc, duong"
    assert ascii_letters("А-01") == "А-01"  # Cyrillic: no ASCII letter is guessed


@pytest.mark.parametrize(
    "sign", ["\u200b", "\u200d", "\ufeff", "\u202e", "\x00", "\x7f", "\u00ad", "\u3164", "\ufe0f"]
)
def test_what_takes_no_room_is_invisible(sign: str) -> None:
    assert is_invisible(sign)


@pytest.mark.parametrize("sign", ["A", "Đ", "-", " ", "\t", "\u00a0", "~", "А"])
def test_what_can_be_seen_is_not_invisible(sign: str) -> None:
    assert not is_invisible(sign)


def test_vietnamese_names_are_sorted_as_in_a_dictionary() -> None:
    ordered = [
        "Xã An Long", "Xã Ăn Mới", "Xã Ấp Bắc", "Xã Bình", "Xã Dân", "Xã Đăk Nên", "Xã Đốc",
        "Xã Ếch", "Xã Ma", "Xã Mà", "Xã Mả", "Xã Mã", "Xã Má", "Xã Mạ", "Xã Má Lớn", "Xã Ô",
        "Xã Ơ", "Xã Ý", "Xã Zeta",
    ]  # fmt: skip
    by_code_point = sorted(ordered)
    assert by_code_point != ordered
    assert sorted(by_code_point, key=sort_key) == ordered
    assert sorted(["Tổ 10", "Tổ 1", "Tổ"], key=sort_key) == ["Tổ", "Tổ 1", "Tổ 10"]
