"""Whose site sends by itself, by which key, on which days."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ksc_ledger.registry import RegistryError, load
from unit.registry.registry_folder import LETTER, write_registry

HEADER = "server_code,public_key,valid_from_date,valid_to_date,source_document\n"
KEY = "lJ5kXo6TOhMUY1SUE4dWUIy1mF8A1bhiPcKnBsjVo1Q="
OTHER = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
FIRST, LAST = date(2024, 1, 8), date(2024, 3, 31)


def row(key: str = KEY, *, code: str = "dtp_872", first: str = "2024-01-08", last: str = "") -> str:
    return f"{code},{key},{first},{last},{LETTER}\n"


def test_a_server_sends_by_itself_on_the_days_of_its_keys(tmp_path: Path) -> None:
    rows = HEADER + row(last="2024-03-31") + row(OTHER, first="2024-03-25")
    registry = load(write_registry(tmp_path, {"push_keys.csv": rows}))
    assert registry.push_keys_on("dtp_872", FIRST) == (KEY,)
    assert registry.push_keys_on("dtp_872", LAST) == (KEY, OTHER)
    assert registry.push_keys_on("dtp_872", date(2024, 4, 1)) == (OTHER,)
    assert registry.push_keys_on("dtp", LAST) == ()
    assert registry.pushing_on(date(2024, 1, 7)) == frozenset()
    assert registry.pushing_on(FIRST) == {"dtp_872"}


@pytest.mark.parametrize(
    ("rows", "field", "word"),
    [
        (row("x"), "public_key", "không phải là khóa công khai"),
        (row(KEY[:-1]), "public_key", "không phải là khóa công khai"),
        (row(KEY[:-2] + "R="), "public_key", "không phải là khóa công khai"),
        (row("-----BEGIN PRIVATE KEY-----"), "public_key", "không phải là khóa công khai"),
        (row(code="dtp_999"), "server_code", "Không có máy chủ dtp_999"),
        (row() + row(), "public_key", "Trùng với dòng 2"),
        (row() + row(code="dtp"), "public_key", "đã khai cho máy chủ dtp_872"),
        (row(last="2024-01-07"), "valid_to_date", "đứng trước"),
    ],
)
def test_a_key_that_cannot_be_meant_is_refused(
    tmp_path: Path, rows: str, field: str, word: str
) -> None:
    with pytest.raises(RegistryError) as caught:
        load(write_registry(tmp_path, {"push_keys.csv": HEADER + rows}))
    (mistake,) = caught.value.mistakes
    assert mistake.file == "dong_thap/push_keys.csv"
    assert mistake.field == field
    assert word in mistake.text
    assert mistake.remedy
