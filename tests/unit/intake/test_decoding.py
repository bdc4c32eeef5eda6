from __future__ import annotations

import pytest

from ksc_ledger.intake.decoding import decoded, is_damaged, legacy_font
from ksc_ledger.intake.reasons import Reason, Refused

SENTENCE = "Số máy đã cài đặt – Uỷ ban nhân dân xã Mỹ Quý"


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
    ],
)
def test_unicode_is_read_in_each_of_its_dresses(encoding: str, told: str) -> None:
    found = decoded(SENTENCE.encode(encoding))
    assert (found.text, found.encoding) == (SENTENCE, told)


def test_ascii_is_utf_8() -> None:
    assert decoded(b"A;B\n").encoding == "utf-8"


@pytest.mark.parametrize("declared", ["", "windows-1258", "utf-8"])
def test_windows_1258_is_composed(declared: str) -> None:
    assert decoded(b"M\xfd\xf5\xcci m\xe1y, xa\xde", declared).text == "Mười máy, xã"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("Tªn ®¬n vÞ".encode("cp1252"), Reason.LEGACY_FONT),
        ("Teân ñôn vò".encode("cp1252"), Reason.LEGACY_FONT),
        ("c«ng an, th©n".encode("cp1252"), Reason.LEGACY_FONT),  # signs that are quotes elsewhere
        (b"T\xean caf\xdf \xa5\xa5", Reason.UNKNOWN_ENCODING),
        (b"\x81\x8d\x8f\x90", Reason.UNKNOWN_ENCODING),
        (b"M\xe1y tinh tr\xe1m\0", Reason.NUL_CHARACTER),
        (b"May tinh tram\0", Reason.NUL_CHARACTER),
        (b"\xff\xfe\x00\xd8", Reason.UNKNOWN_ENCODING),
    ],
)
def test_letters_are_never_guessed(data: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        decoded(data)
    assert refused.value.reason is reason


def test_a_declared_encoding_that_we_do_not_read_is_not_overruled() -> None:
    with pytest.raises(Refused) as refused:
        decoded(b"M\xe1y", "iso-8859-5")
    assert refused.value.reason is Reason.UNKNOWN_ENCODING


@pytest.mark.parametrize(
    ("text", "font"),
    [
        ("Tªn ®¬n vÞ", "TCVN3"),
        ("M¸y", "TCVN3"),
        ("c«ng an", "TCVN3"),
        ("Soá maùy ñaõ caøi", "VNI"),
        ("Số máy", None),
        ("xã Hà", None),
        ("May tinh", None),
        ("«xã»", None),
        ("Kaspersky® xã", None),
        ("theo hướng dẫn¹", None),
        ("Tªn ®¬n vÞ (Tên đơn vị)", None),
    ],
)
def test_an_old_font_is_told_from_vietnamese(text: str, font: str | None) -> None:
    assert legacy_font(text) == font


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tên đơn vị".encode().decode("cp1252", "replace"), True),
        ("Tên đơn vị".encode().decode("latin-1"), True),
        ("Số m\ufffdy", True),
        (SENTENCE, False),
        ("XÃ MỸ QUÝ", False),
    ],
)
def test_damaged_letters_are_seen(text: str, expected: bool) -> None:
    assert is_damaged(text) is expected
