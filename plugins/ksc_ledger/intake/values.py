"""A cell's text to a figure, by rule. What a rule does not cover is a fault, never a guess.

A dot parts thousands (``1.330`` is 1330), a comma decimals (``32,6%``), a day stands before its
month. A number that a workbook holds as a number is taken as that number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from ksc_ledger.intake.document import Cell, CellKind
from ksc_ledger.intake.reasons import Reason, words
from ksc_ledger.rules.figures import FigureError, read_count
from ksc_ledger.rules.text import is_invisible, nfc

# More machines than any unit, province or ministry has: a slip of the keyboard, not a count.
_COUNT_AT_MOST = 999_999
_REMEMBERED_LENGTH = 100  # headings and units stand in a file again and again
# A longer text is no figure, and is not searched for one.
_FIGURE_LENGTH = 64
# What officials write behind a number of machines.
_NOUN = re.compile(
    r"\s*(?:máy(?: tính| trạm)?|bản quyền|license|licence|bộ|chiếc|cái)\.?$", re.IGNORECASE
)
_NEGATIVE = re.compile(r"[-−–]\s*[0-9][0-9.]*")
_RATIO = re.compile(r"([0-9]+(?:[.,][0-9]+)?)\s*(%?)")
_FRACTION = re.compile(r"([0-9.]+)\s*(?:máy(?: tính)?)?\s*/\s*([0-9.]+)")
_NOTHING = {"-", "–", "—", "không", "không có", "ko", "0 có"}
_DAY = r"([0-9]{1,2})"
_SLASHED = re.compile(rf"{_DAY}\s*[/.\-]\s*{_DAY}\s*[/.\-]\s*([0-9]{{4}})")
_SPELLED = re.compile(rf"(?:ngày\s*)?{_DAY}\s*tháng\s*{_DAY}\s*năm\s*([0-9]{{4}})", re.IGNORECASE)
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CLOCK = re.compile(r"[ T,]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?\s*([AP]M)?$", re.I)
_SERIAL = re.compile(r"[0-9]{5}(?:\.[0-9]+)?")
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?E[+-]?[0-9]+", re.IGNORECASE)
_FIRST_SERIAL_DAY = {1900: date(1899, 12, 30), 1904: date(1904, 1, 1)}


class CellFault(ValueError):  # noqa: N818 - a fault is the house word for it
    """A cell does not hold what its column asks for."""

    def __init__(self, reason: Reason, **facts: object) -> None:
        super().__init__(words(reason, **facts)[0])
        self.reason = reason
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Fraction:
    """``255/330`` in one cell."""

    part: int
    whole: int


def plain(text: str) -> str:
    """A text as it is read: NFC, no-break spaces as spaces, nothing invisible, trimmed."""
    return _plain(text) if len(text) <= _REMEMBERED_LENGTH else _plain.__wrapped__(text)


@lru_cache(4096)
def _plain(text: str) -> str:
    level = "".join(sign for sign in nfc(text) if sign.isspace() or not is_invisible(sign))
    return " ".join(level.split())


def count_of(cell: Cell, *, is_required: bool, name: str) -> int | Fraction | None:
    """The number of machines a cell holds; None for a blank one, if it may be blank.

    ``name`` is the column's, as an official knows it. Raises CellFault.
    """
    if cell.kind is CellKind.NUMBER:
        return _bounded(_whole(cell.text), cell.text)
    if cell.kind is not CellKind.TEXT:
        raise CellFault(*_no_count(cell.kind), value=cell.text)
    text = plain(cell.text).removeprefix("'")
    if len(text) > _FIGURE_LENGTH:
        raise CellFault(Reason.NOT_A_COUNT, value=text)
    if not text:
        if is_required:
            raise CellFault(Reason.CELL_BLANK, what=name)
        return None
    if text.lower() in _NOTHING:
        if is_required:
            raise CellFault(Reason.NOT_A_COUNT, value=text)
        return None if text[0] in "-–—" else 0
    if _NEGATIVE.fullmatch(text):
        raise CellFault(Reason.NEGATIVE_COUNT, value=text)
    if "%" in text:
        raise CellFault(Reason.PERCENT_IN_COUNT, value=text)
    bare = _NOUN.sub("", text)
    fraction = _FRACTION.fullmatch(bare)
    if fraction:
        return Fraction(_read(fraction[1], text), _read(fraction[2], text))
    return _read(bare, text)


def ratio_of(cell: Cell) -> tuple[Decimal, ...]:
    """What the ratio in a cell may mean (0..1, or more); nothing for a blank or a formula's error.

    A ratio is only ever compared with what the counts give, so both readings of ``32,6`` (with or
    without the per cent of its heading) may stand beside one another. Raises CellFault.
    """
    if cell.kind in {CellKind.ERROR, CellKind.NOT_CALCULATED}:
        return ()
    text = plain(cell.text)
    if cell.is_blank or text.lower() in _NOTHING:
        return ()
    match = _RATIO.fullmatch(text) if len(text) <= _FIGURE_LENGTH else None
    if match is None or cell.kind in {CellKind.DATE, CellKind.BOOLEAN}:
        raise CellFault(Reason.NOT_A_RATIO, value=text)
    value = Decimal(match[1].replace(",", "."))
    if cell.kind is CellKind.PERCENT:
        return (value,)
    return (value / 100,) if match[2] else (value / 100, value)


def day_of(cell: Cell, first_serial_year: int | None) -> date:
    """The day a cell holds: a workbook's date or day number, or a text with the day first.

    Raises CellFault; for a month before its day too.
    """
    if cell.kind is CellKind.DATE:
        try:
            return datetime.fromisoformat(cell.text).date()
        except ValueError as error:
            raise CellFault(Reason.NOT_A_DATE, value=cell.text) from error
    if cell.kind in {CellKind.NUMBER, CellKind.TEXT} and _SERIAL.fullmatch(cell.text.strip()):
        if first_serial_year is None:
            raise CellFault(Reason.SERIAL_WITHOUT_WORKBOOK, value=cell.text)
        whole = int(cell.text.strip().partition(".")[0])
        return _FIRST_SERIAL_DAY[first_serial_year] + timedelta(days=whole)
    return day_in(plain(cell.text))


def day_in(text: str) -> date:
    """The day that ``12/10/2022``, ``12-10-2022``, ``2022-10-12`` or ``ngày 12 tháng 10 năm 2022`` is.

    A time of day behind it is allowed. Raises CellFault.
    """
    if len(text) > _FIGURE_LENGTH:
        raise CellFault(Reason.NOT_A_DATE, value=text)
    clock = _CLOCK.search(text)
    bare = text[: clock.start()] if clock else text
    iso = _ISO.fullmatch(bare)
    written = _SLASHED.fullmatch(bare) or _SPELLED.fullmatch(bare)
    if iso:
        year, month, day = int(iso[1]), int(iso[2]), int(iso[3])
    elif written:
        year, month, day = int(written[3]), int(written[2]), int(written[1])
    else:
        raise CellFault(Reason.NOT_A_DATE, value=text)
    # A clock of twelve hours comes from a system that writes the month first.
    if (written and month > 12 >= day) or (written and clock and clock[4]):
        raise CellFault(Reason.MONTH_FIRST, value=text)
    try:
        return date(year, month, day)
    except ValueError as error:
        raise CellFault(Reason.NOT_A_DATE, value=text) from error


def name_of(cell: Cell) -> str:
    """A computer's name, every sign kept; a name that a spreadsheet changed is a fault."""
    if cell.kind is CellKind.DATE or (
        cell.kind in {CellKind.NUMBER, CellKind.TEXT} and _is_scientific(cell)
    ):
        raise CellFault(Reason.NAME_BECAME_NUMBER, value=cell.text)
    if cell.kind is CellKind.NOT_CALCULATED:
        raise CellFault(Reason.NOT_CALCULATED)
    if cell.kind is CellKind.ERROR:
        raise CellFault(Reason.CELL_ERROR, value=cell.text)
    if any(ord(sign) < 0x20 or ord(sign) in {0x7F, 0x85, 0x2028, 0x2029} for sign in cell.text):
        raise CellFault(Reason.CONTROL_CHARACTER, value=cell.text)
    return nfc(cell.text)


def _is_scientific(cell: Cell) -> bool:
    """A number shown as 1.00E+05. ``1E5`` typed as a text is a name and stays one."""
    if cell.kind is CellKind.NUMBER:
        return "E" in cell.text.upper() or "." in cell.text
    return bool(_SCIENTIFIC.fullmatch(cell.text)) and "+" in cell.text


def _whole(text: str) -> int:
    try:
        value = Decimal(text)
        is_whole = value == value.to_integral_value()
    except InvalidOperation as error:
        raise CellFault(Reason.NOT_A_COUNT, value=text) from error
    if not is_whole:
        raise CellFault(Reason.NOT_A_COUNT, value=text)
    if value < 0:
        raise CellFault(Reason.NEGATIVE_COUNT, value=text)
    return int(value)


def _read(text: str, whole_text: str) -> int:
    try:
        return _bounded(read_count(text), whole_text)
    except FigureError as error:
        raise CellFault(Reason.NOT_A_COUNT, value=whole_text) from error


def _bounded(count: int, text: str) -> int:
    if count > _COUNT_AT_MOST:
        raise CellFault(Reason.NOT_A_COUNT, value=text)
    return count


def _no_count(kind: CellKind) -> tuple[Reason]:
    return (
        {
            CellKind.PERCENT: Reason.PERCENT_IN_COUNT,
            CellKind.DATE: Reason.DATE_IN_COUNT,
            CellKind.ERROR: Reason.CELL_ERROR,
            CellKind.NOT_CALCULATED: Reason.NOT_CALCULATED,
        }.get(kind, Reason.NOT_A_COUNT),
    )
