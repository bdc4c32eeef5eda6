"""From bytes to text without guessing letters: what is not surely read is quarantined.

Old Vietnamese files come in three kinds. Windows-1258 is a true encoding and is converted. TCVN3
and VNI are fonts that draw Vietnamese over Western letters: in the file stands "Tªn ®¬n vÞ" or
"Teân ñôn vò" (both "Tên đơn vị"), and no byte says so. They are recognised and quarantined.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ksc_ledger.intake.reasons import Reason, Refused
from ksc_ledger.rules.text import nfc

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)

_VOWELS = "aăâeêioôơuưy"
_TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
_LETTERS = frozenset(
    form
    for letter in f"{_VOWELS}đ"
    for tone in (_TONES if letter != "đ" else ("",))
    for form in (nfc(letter + tone), nfc(letter + tone).upper())
)
# Letters that Vietnamese shares with no Western language: one of them proves Unicode text.
_OWN_LETTERS = frozenset(sign for sign in _LETTERS if ord(sign) >= 0x1EA0 or sign in "ăĂđĐơƠưƯĩĨũŨ")
# What else an office types beyond ASCII.
_PUNCTUATION = frozenset("\u00a0–—‘’“”…•«»°§©®²³½¼±×÷·†‡™€")

# TCVN3 draws ă â đ ê ô ơ ư, and à ả ã á ạ, over Western signs that no word has in these places
# (a quotation mark or a footnote's number may touch a word, hence the letters on both sides).
_TCVN3 = re.compile(
    r"[A-Za-z][µ¶·¸ª¬\u00ad¨]|[A-Za-z][©«»¹¼½¾][a-z]|(?<![A-Za-z])®[a-zª¬«¸¹\u00b5-\u00ff]|§[a-z]"
)
# VNI writes the tone as a letter of its own behind the vowel; these are not Vietnamese letters.
_VNI = re.compile(r"[A-Za-zâôêÂÔÊ][ñøûïöåäëüîæÑØÛÏÖÅÄËÜÎÆ]|[ñöÑÖ][A-Za-zâôêùøïÂÔÊ]")
# UTF-8 that was read as Windows-1252 and written again.
_TWICE_ENCODED = re.compile(
    r"á[º»][\u0080-\u00bf\u2010-\u2122]|Ã[\u00a0-\u00bf]|Ä[‘\u0090\u0091]|Æ[°¡]"
)

_LEAST_UTF16_SHARE = 0.3
_PROBE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Decoded:
    text: str
    encoding: str


def decoded(data: bytes, declared: str = "") -> Decoded:
    """The text of a file; raise Refused where its letters would be a guess.

    In this order: byte order mark, ``declared`` (a web page's own word), UTF-16 without a mark,
    UTF-8, Windows-1258 if what comes out is Vietnamese.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _checked(_strictly(data, encoding), encoding)
    bare = _bare_utf16(data)
    if bare:
        return _checked(_strictly(data, bare), bare)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _legacy(data, declared)
    return _checked(text, "utf-8")


def legacy_font(text: str) -> str | None:
    """``TCVN3`` or ``VNI`` when the text was drawn with such a font, else None.

    A text that has a letter of Vietnamese's own is Unicode, whatever else stands in it.
    """
    if text.isascii() or _OWN_LETTERS.intersection(nfc(text)):
        return None
    if _TCVN3.search(text):
        return "TCVN3"
    return "VNI" if _VNI.search(text) else None


def is_damaged(text: str) -> bool:
    """Whether letters were lost (U+FFFD) or the text was encoded twice ("TÃªn Ä‘Æ¡n vá»‹")."""
    return "\ufffd" in text or _TWICE_ENCODED.search(text) is not None


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Refused(Reason.UNKNOWN_ENCODING) from error


def _checked(text: str, encoding: str) -> Decoded:
    if "\0" in text:
        raise Refused(Reason.NUL_CHARACTER)
    return Decoded(nfc(text), encoding)


def _bare_utf16(data: bytes) -> str | None:
    """UTF-16 without a mark shows as a NUL in every second byte of its ASCII signs."""
    probe = data[:_PROBE_BYTES]
    if len(probe) < 4 or len(data) % 2:
        return None
    even, odd = probe[0::2].count(0), probe[1::2].count(0)
    least = _LEAST_UTF16_SHARE * len(probe) / 2
    if odd >= least and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even >= least and odd == 0 else None


def _legacy(data: bytes, declared: str) -> Decoded:
    """Bytes that are not UTF-8."""
    if b"\0" in data:
        raise Refused(Reason.NUL_CHARACTER)
    western = data.decode("cp1252", errors="replace")
    drawn = _TCVN3.search(western)  # first: its signs are no letters in Windows-1258 either
    if drawn:
        word = next(one for one in western.split() if _TCVN3.search(one))
        raise Refused(Reason.LEGACY_FONT, what="TCVN3", value=word)
    if declared.replace("-", "").lower() not in {"", "utf8", "windows1258", "cp1258"}:
        raise Refused(Reason.UNKNOWN_ENCODING)
    try:
        text = nfc(data.decode("cp1258"))
    except UnicodeDecodeError as error:
        raise Refused(Reason.UNKNOWN_ENCODING) from error
    if all(sign.isascii() or sign in _LETTERS or sign in _PUNCTUATION for sign in text):
        return _checked(text, "cp1258")
    font = legacy_font(western)
    if font:
        word = next((one for one in western.split() if legacy_font(one)), western)
        raise Refused(Reason.LEGACY_FONT, what=font, value=word)
    raise Refused(Reason.UNKNOWN_ENCODING)
