"""Vietnamese text: one spelling for storing, one key for comparing, one order for listing.

Keys are for comparing only and are never shown. They keep every accent: Thanh Mỹ and Thạnh Mỹ, or
a town and a commune of one name, stay apart.
"""

from __future__ import annotations

import re
import unicodedata

TONE_MARKS = frozenset("\u0300\u0301\u0303\u0309\u0323")  # huyền, sắc, ngã, hỏi, nặng

# Letters that look like đ: Eth (U+00D0) and the African D (U+0189) are typed by mistake for Đ.
_D_WITH_STROKE = str.maketrans({"ð": "đ", "ɖ": "đ"})
_D_TO_ASCII = str.maketrans({"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ɖ": "d", "Ɖ": "D"})
_DASHES = re.compile(r"[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]+")
_AROUND_DASH = re.compile(r" ?- ?")
# The dictionary's order of the letters; a letter that is not Vietnamese follows z.
_LETTERS = {letter: rank for rank, letter in enumerate("aăâbcdđeêfghijklmnoôơpqrstuưvwxyz")}
_TONES = {tone: rank for rank, tone in enumerate(("", *"\u0300\u0309\u0303\u0301\u0323"))}

# Letters and marks that draw nothing, which Unicode does not call format characters.
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    chr(code) for code in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10))
)


def nfc(text: str) -> str:
    """The composed form in which all text is stored."""
    return unicodedata.normalize("NFC", text)


def is_invisible(sign: str) -> bool:
    """Whether a sign takes no room on a screen though it is there: zero width, control, bidi.

    White space is not meant: it can be seen as a gap.
    """
    if sign.isspace():
        return False
    return unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Co", "Cn"} or sign in _BLANK_LETTERS


def without_invisible(text: str) -> str:
    """The text without the signs that is_invisible names."""
    # Printable is all that Unicode does not call other: then only letters may draw nothing.
    if text.isprintable() and _BLANK_LETTERS.isdisjoint(text):
        return text
    return "".join(sign for sign in text if not is_invisible(sign))


def strip_suffix(name: str) -> str:
    """A device's name without the ``~~n`` (older: ``~n``) that a server adds to a duplicate."""
    stem = name.rstrip("0123456789")
    if stem == name or not stem.endswith("~"):
        return name
    return stem[:-2] if stem.endswith("~~") else stem[:-1]


def matching_key(text: str) -> str:
    """A key that is equal for two spellings of one name, and for nothing else.

    Levelled: composition (NFD), case, runs of blanks, kinds of dashes and the blanks around them,
    invisible characters, where the tone mark stands (Uỷ/Ủy, Hoà/Hòa, Quý/Qúy), Đ typed as Ð, ``&``
    for "và". Kept: every accent and tone, y and i, abbreviations.
    """
    text = text.replace("&amp;", "&").replace("&", " và ")
    text = unicodedata.normalize("NFKC", text).casefold().translate(_D_WITH_STROKE)
    text = without_invisible(text)
    text = _AROUND_DASH.sub("-", _DASHES.sub("-", " ".join(text.split())))
    return _tones_last(text)


def ascii_letters(text: str) -> str:
    """The text without accents, Đ as D; signs that have no ASCII letter beneath are kept."""
    decomposed = unicodedata.normalize("NFD", text.translate(_D_TO_ASCII))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def sort_key(text: str) -> tuple[tuple[tuple[int, str], ...], tuple[int, ...], str]:
    """The order of a Vietnamese dictionary: letters first, then tones, then the text itself."""
    letters: list[tuple[int, str]] = []
    tones: list[int] = []
    for sign in unicodedata.normalize("NFC", text.casefold()):
        parts = unicodedata.normalize("NFD", sign)
        tone = next((part for part in parts if part in TONE_MARKS), "")
        letter = unicodedata.normalize("NFC", parts.replace(tone, "") if tone else parts)
        before = -1 if not letter.isalpha() else len(_LETTERS)
        letters.append((_LETTERS.get(letter, before), letter))
        tones.append(_TONES[tone])
    return tuple(letters), tuple(tones), text


def _tones_last(text: str) -> str:
    """The same text with each word's tone mark behind the word, wherever it was typed.

    A Vietnamese syllable has one tone, so its place inside the syllable tells nothing.
    """
    made: list[str] = []
    waiting: list[str] = []
    for sign in unicodedata.normalize("NFD", text):
        if sign in TONE_MARKS:
            waiting.append(sign)
            continue
        if waiting and not (sign.isalnum() or unicodedata.combining(sign)):
            made += waiting
            waiting = []
        made.append(sign)
    return unicodedata.normalize("NFC", "".join(made + waiting))
