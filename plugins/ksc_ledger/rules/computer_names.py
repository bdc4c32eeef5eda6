"""Whether a computer is named as its unit's rule of the day wants, and why not.

A rule is dated configuration (``Rule``, from the registry); what each reason code means is fixed
here, because offices and reports rely on the codes. Everything is linear in the name's length.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Mapping
from dataclasses import astuple, dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from ksc_ledger.rules.text import (
    ascii_letters,
    is_invisible,
    nfc,
    strip_suffix,
    without_invisible,
)

NETBIOS_LENGTH = 15  # Windows cuts the NetBIOS name after so many characters

# To be raised when a definition below changes, so that kept verdicts are judged anew.
CODES_VERSION = 1


class NameReason(StrEnum):
    """Why a name is not right, in the order in which the first one is chosen."""

    EMPTY = "EMPTY"  # nothing that can be seen
    INVISIBLE = "INVISIBLE"  # zero width, control, bidi signs
    WHITESPACE = "WHITESPACE"  # any blank, no-break ones included, anywhere
    NON_ASCII = "NON_ASCII"
    OS_DEFAULT = "OS_DEFAULT"  # the name the operating system made up
    VENDOR_DEFAULT = "VENDOR_DEFAULT"  # nothing but a maker's or model's name
    GENERIC = "GENERIC"  # nothing but words such as PC, MAY, ADMIN, and numbers
    NUMERIC_ONLY = "NUMERIC_ONLY"
    TOO_LONG = "TOO_LONG"
    TRUNCATED = "TRUNCATED"  # 15 characters, and the DNS label goes on
    BAD_SEPARATOR = "BAD_SEPARATOR"  # a foreign sign, or not <prefix><separator><part>… as ruled
    NO_UNIT_PREFIX = "NO_UNIT_PREFIX"  # no separator of any kind
    UNKNOWN_UNIT = "UNKNOWN_UNIT"  # the prefix is no unit's
    AMBIGUOUS_UNIT = "AMBIGUOUS_UNIT"  # the prefix is that of several units, not of this one
    WRONG_UNIT = "WRONG_UNIT"  # the prefix is another unit's, and no other machine has the name
    DUPLICATE_NAME = "DUPLICATE_NAME"  # an earlier live machine has the name


REASON_LABELS: Mapping[NameReason, str] = MappingProxyType(
    {
        NameReason.EMPTY: "Không có tên",
        NameReason.INVISIBLE: "Có ký tự ẩn",
        NameReason.WHITESPACE: "Có khoảng trắng",
        NameReason.NON_ASCII: "Có dấu hoặc ký tự ngoài bảng chữ cái La-tinh",
        NameReason.OS_DEFAULT: "Tên mặc định của hệ điều hành",
        NameReason.VENDOR_DEFAULT: "Tên mặc định của hãng máy",
        NameReason.GENERIC: "Tên chung chung",
        NameReason.NUMERIC_ONLY: "Chỉ có chữ số",
        NameReason.TOO_LONG: "Quá dài",
        NameReason.TRUNCATED: "Bị hệ điều hành cắt bớt",
        NameReason.BAD_SEPARATOR: "Sai dấu phân cách hoặc sai số phần",
        NameReason.NO_UNIT_PREFIX: "Không có mã đơn vị ở đầu tên",
        NameReason.UNKNOWN_UNIT: "Mã đơn vị không có trong danh mục",
        NameReason.AMBIGUOUS_UNIT: "Mã đơn vị là của nhiều đơn vị khác",
        NameReason.WRONG_UNIT: "Mã của đơn vị khác",
        NameReason.DUPLICATE_NAME: "Trùng tên với máy khác",
    }
)

# Names an operating system makes up: the set-ups of Windows 10/11, of its laptops, of Windows
# Server (and 7 with a random name), and of the installation environment.
OS_DEFAULT = re.compile(
    r"DESKTOP-[A-Z0-9]{7}|LAPTOP-[A-Z0-9]{8}|WIN-[A-Z0-9]{11}|MININT-[A-Z0-9]{7}"
)
# Makers and models seen on computers of offices. ACER-PC, DELL01 and HP-5CG1234XYZ say nothing.
_VENDORS = """
    ACER APPLE ASPIRE ASUS COMPAQ DELL ELEAD ELITEBOOK ELITEDESK FUJITSU GIGABYTE HP IBM IMAC
    INSPIRON LATITUDE LENOVO MACBOOK MSI OPTIPLEX PAVILION PROBOOK PRODESK SAMSUNG SINGPC SONY
    THINKCENTRE THINKPAD TOSHIBA VAIO VERITON VIVOBOOK VOSTRO
"""
VENDOR_WORDS = frozenset(_VENDORS.split())
# Words that fit every computer: PC01, USER-PC, MAY1, ADMIN. "MAY" is Vietnamese for machine.
_GENERIC = """
    ADMIN ADMINISTRATOR ADMINPC CLIENT COMPUTER DESKTOP GUEST HOME LAPTOP LOCALHOST MAY MAYBAN
    MAYTINH MAYTRAM MYPC NEW NOTEBOOK OFFICE OWNER PC PRO TEST USER USERPC WIN WINDOWS
    WORKSTATION WS XP
"""
GENERIC_WORDS = frozenset(_GENERIC.split())
_DIGITS = "0123456789"
_CHUNK = re.compile(r"[^\W_]+")  # a run of letters and digits of any script


@dataclass(frozen=True, slots=True)
class Rule:
    """``<prefix><separator><part>`` with ``min_parts`` to ``max_parts`` parts behind the prefix.

    ``separator`` is one character; ``allowed_part`` is a regular expression of one whole part,
    matched whatever the case; ``max_length`` counts the characters of the whole name.
    """

    rule_code: str
    separator: str
    max_length: int
    allowed_part: str
    min_parts: int
    max_parts: int

    @property
    def version(self) -> str:
        """Changes whenever a verdict under this rule might."""
        text = repr((CODES_VERSION, *astuple(self)))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


# The rule where the registry has none: <name_prefix>-<part>[-<part>], A-Z0-9, 15 characters.
DEFAULT_RULE = Rule(
    rule_code="default",
    separator="-",
    max_length=NETBIOS_LENGTH,
    allowed_part="[A-Z0-9]+",
    min_parts=1,
    max_parts=2,
)


@dataclass(frozen=True, slots=True)
class NameVerdict:
    """``reason_codes`` lists all that apply, ``reason_code`` is the first; a right name has none.

    ``suggested_name`` obeys the rule, but may be in use: ``next_free`` makes it unique.
    """

    is_correct: bool
    is_exempt: bool
    reason_codes: tuple[NameReason, ...]
    reason_code: NameReason | None
    suggested_name: str | None


_CORRECT = NameVerdict(True, False, (), None, None)
_EXEMPT = NameVerdict(True, True, (), None, None)


def judge(
    name: str | None,
    *,
    unit_prefix: str | None,
    all_prefixes: Mapping[str, frozenset[str]],
    unit_code: str | None,
    rule: Rule,
    dns_label: str | None,
    is_server: bool,
    has_name_twin: bool,
) -> NameVerdict:
    """Judge a display name in its unit under the rule in force.

    A ``~~n`` or ``~n`` suffix and the case do not count. ``all_prefixes`` (upper case) says which
    units use a prefix; a unit without one cannot have a right name. ``dns_label`` serves TRUNCATED
    alone. ``has_name_twin``: an earlier live machine has this name. Servers are exempt.
    """
    if is_server:
        return _EXEMPT
    judged = strip_suffix(nfc(name or ""))
    own = _OwnPrefix(unit_prefix.upper() if unit_prefix else None, unit_code, all_prefixes)
    is_cut = _is_cut(judged, dns_label)
    if not (is_cut or has_name_twin) and _accepts(judged, own, rule):
        return _CORRECT
    seen = _Seen.of(judged)
    reasons = tuple(_reasons(judged, seen, own, rule, is_cut, has_name_twin))
    suggested = _suggest(judged, seen, own, rule, has_name_twin)
    return NameVerdict(False, False, reasons, reasons[0], suggested)


def next_free(suggested: str, taken: Container[str], rule: Rule) -> str | None:
    """``suggested``, or the same with a number behind it, so that it is not ``taken``.

    ``taken`` holds names in upper case. None when the rule leaves no room for a number.
    """
    if suggested not in taken:
        return suggested
    prefix, separator, _ = suggested.partition(rule.separator)
    shortest = len(prefix) + len(separator)
    number = 1
    while True:
        number += 1
        stem = suggested[: rule.max_length - len(str(number))]
        made = stem + str(number)
        parts = made.split(rule.separator)[1:]
        if len(stem) < shortest or not all(_part_fits(part, rule) for part in parts):
            return None
        if made not in taken:
            return made


@dataclass(frozen=True, slots=True)
class _OwnPrefix:
    """The prefixes a unit may use: its own, and whichever the map gives it."""

    prefix: str | None
    unit_code: str | None
    all_prefixes: Mapping[str, frozenset[str]]

    def __contains__(self, head: object) -> bool:
        return head is not None and (
            head == self.prefix or self.unit_code in self.all_prefixes.get(str(head), ())
        )

    def others(self, head: str) -> frozenset[str]:
        return self.all_prefixes.get(head, frozenset()) - {self.unit_code or ""}


@dataclass(frozen=True, slots=True)
class _Seen:
    """A name as a person sees it: without invisible signs, blanks around it, accents and case."""

    visible: str
    folded: str
    chunks: tuple[str, ...]

    @classmethod
    def of(cls, judged: str) -> _Seen:
        visible = without_invisible(judged).strip()
        folded = ascii_letters(visible).upper()
        return cls(visible, folded, tuple(_CHUNK.findall(folded)))

    @property
    def is_one_word(self) -> bool:
        return self.chunks == (self.folded,)

    @property
    def head(self) -> str | None:
        """What stands before the first separator of any kind; None when nothing does."""
        if not self.chunks or self.is_one_word or not self.folded.startswith(self.chunks[0]):
            return None
        return self.chunks[0]


def _accepts(judged: str, own: _OwnPrefix, rule: Rule) -> bool:
    """Whether the rule accepts the name as it stands."""
    if len(judged) > rule.max_length or not judged.isascii():
        return False
    head, *parts = judged.upper().split(rule.separator)
    return (
        head in own
        and rule.min_parts <= len(parts) <= rule.max_parts
        and all(_part_fits(part, rule) for part in parts)
    )


def _reasons(
    judged: str, seen: _Seen, own: _OwnPrefix, rule: Rule, is_cut: bool, has_name_twin: bool
) -> list[NameReason]:
    found: list[NameReason] = []
    if not seen.visible:
        found.append(NameReason.EMPTY)
    if any(is_invisible(sign) for sign in judged):
        found.append(NameReason.INVISIBLE)
    if any(sign.isspace() for sign in judged):
        found.append(NameReason.WHITESPACE)
    if not judged.isascii():
        found.append(NameReason.NON_ASCII)
    if not seen.visible:
        return found
    head = seen.head
    if head not in own:
        # A name that begins with its unit's prefix was given by a person, whatever follows.
        found += _defaults(seen)
    if len(judged) > rule.max_length:
        found.append(NameReason.TOO_LONG)
    if is_cut:
        found.append(NameReason.TRUNCATED)
    if not _is_well_parted(seen.visible, rule):
        found.append(NameReason.BAD_SEPARATOR)
    if seen.is_one_word:
        if rule.min_parts > 0 or seen.folded not in own:
            found.append(NameReason.NO_UNIT_PREFIX)
    elif head is not None and head not in own:
        others = own.others(head)
        if not others:
            found.append(NameReason.UNKNOWN_UNIT)
        if len(others) > 1:
            found.append(NameReason.AMBIGUOUS_UNIT)
        if others and not has_name_twin:
            # With a twin the name is a copy: it says which machine was copied, not whose this is.
            found.append(NameReason.WRONG_UNIT)
    if has_name_twin:
        found.append(NameReason.DUPLICATE_NAME)
    return found


def _defaults(seen: _Seen) -> list[NameReason]:
    """The codes of names that nobody chose."""
    found: list[NameReason] = []
    if OS_DEFAULT.fullmatch(seen.folded):
        found.append(NameReason.OS_DEFAULT)
    kinds = {_kind(chunk) for chunk in seen.chunks}
    if "vendor" in kinds and kinds <= {"vendor", "generic", "number", "serial"}:
        found.append(NameReason.VENDOR_DEFAULT)
    if "generic" in kinds and kinds <= {"generic", "number"}:
        found.append(NameReason.GENERIC)
    if kinds == {"number"}:
        found.append(NameReason.NUMERIC_ONLY)
    return found


def _kind(chunk: str) -> str:
    word = chunk.rstrip(_DIGITS)
    if not word:
        return "number"
    if word in VENDOR_WORDS:
        return "vendor"
    if word in GENERIC_WORDS:
        return "generic"
    return "serial" if any(sign in _DIGITS for sign in word) else "other"


def _is_cut(judged: str, dns_label: str | None) -> bool:
    if not dns_label or len(judged) != NETBIOS_LENGTH:
        return False
    label = dns_label.partition(".")[0]
    return len(label) > len(judged) and label.casefold().startswith(judged.casefold())


def _is_well_parted(visible: str, rule: Rule) -> bool:
    """Whether signs and parts are as ruled; blanks and accents have codes of their own."""
    for sign in visible:
        if sign.isascii() and not (sign.isalnum() or sign == rule.separator or sign.isspace()):
            return False
    pieces = visible.split(rule.separator)
    parts = pieces[1:]
    if not parts:
        return True
    if not all(pieces) or not rule.min_parts <= len(parts) <= rule.max_parts:
        return False
    return all(
        _part_fits(part, rule)
        for part in parts
        # What is too long for the whole name is not shown to a rule's expression.
        if part.isascii() and len(part) <= rule.max_length and part.isalnum()
    )


def _part_fits(part: str, rule: Rule) -> bool:
    return _expression(rule.allowed_part).fullmatch(part) is not None


@lru_cache(maxsize=256)
def _expression(allowed_part: str) -> re.Pattern[str]:
    return re.compile(allowed_part, re.ASCII | re.IGNORECASE)


def _suggest(
    judged: str, seen: _Seen, own: _OwnPrefix, rule: Rule, has_name_twin: bool
) -> str | None:
    """The unit's prefix and what told this machine apart in its old name, else a first number."""
    if own.prefix is None:
        return None
    start = own.prefix + rule.separator
    room = rule.max_length - len(start)
    if room < 1 or rule.max_parts < 1:
        return None
    wanted = rule.separator.join(_telling_parts(seen, own)[-rule.max_parts :])
    for tail in (wanted[:room].rstrip(rule.separator), "01", "001", "1", "A"):
        made = start + tail
        if tail and _accepts(made, own, rule):
            taken = {judged.upper()} if has_name_twin else frozenset[str]()
            return next_free(made, taken, rule)
    return None


def _telling_parts(seen: _Seen, own: _OwnPrefix) -> list[str]:
    """The parts of the old name that tell machines apart, plain ASCII, prefix left out."""
    chunks = list(seen.chunks)
    if seen.head is not None and len(chunks) > 1:
        del chunks[0]
    made: list[str] = []
    for chunk in chunks:
        if chunk in own:
            continue
        kind = _kind(chunk)
        part = "".join(sign for sign in chunk if sign.isascii())
        if kind in {"vendor", "generic"}:
            part = part[len(part.rstrip(_DIGITS)) :]
        elif kind == "other" and part.startswith("MAY") and len(part) > len("MAY") + 1:
            part = part.removeprefix("MAY")
        if part:
            made.append(part.zfill(2) if part.isdigit() else part)
    return made
