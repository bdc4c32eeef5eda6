"""The interface's Vietnamese: whole, composed, and with the places for figures kept."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

from babel.messages.pofile import read_po
from bi import places
from bi.words import compile_words

PO = places.WORDS / "vi" / "LC_MESSAGES" / "messages.po"


def test_every_word_is_translated_and_keeps_its_figures() -> None:
    with PO.open("rb") as file:
        messages = [one for one in read_po(file, locale="vi") if one.id]
    assert len(messages) > 150
    for message in messages:
        key = message.id if isinstance(message.id, str) else message.id[0]
        for said in [message.string] if isinstance(message.string, str) else message.string:
            assert said.strip(), key
            assert unicodedata.is_normalized("NFC", said)
            assert re.findall(r"%[sd]", said) == re.findall(r"%[sd]", key), key


def test_one_file_is_made_for_python_and_one_for_the_browser(tmp_path: Path) -> None:
    compile_words(places.WORDS, tmp_path)
    compile_words(places.WORDS, tmp_path)
    assert (tmp_path / "vi" / "LC_MESSAGES" / "messages.mo").stat().st_size > 1000
    words = json.loads((tmp_path / "vi.json").read_text("utf-8"))["locale_data"]["superset"]
    assert words["Dashboards"] == ["Bảng điều khiển"]
    assert words["%s option"] == ["%s lựa chọn"]
    assert words[""]["lang"] == "vi"
