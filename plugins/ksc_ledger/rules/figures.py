"""Numbers and dates as Vietnamese letters write them: ``1.077``, ``32,6 %``, ``12/10/2022``."""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

_COUNT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+")
_PERCENT = re.compile(r"([0-9]+(?:,[0-9]+)?)\s*%")
_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")


class FigureError(ValueError):
    """A text is not the figure it should be; ``text`` and ``remedy`` are Vietnamese."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(f"{text} {remedy}")
        self.text = text
        self.remedy = remedy


def count(value: int) -> str:
    """A whole number with a dot between thousands: 1077 is ``1.077``."""
    return f"{value:,}".replace(",", ".")


def percent(
    ratio: float | Decimal | Fraction,
    *,
    decimals: int = 1,
    has_blank: bool = True,
    rounding: str = ROUND_HALF_UP,
) -> str:
    """A ratio (0..1, or more) as per cent with a decimal comma: 62/190 is ``32,6 %``.

    Rounded once, from the ratio itself. A float stands for the shortest decimal that reads back as
    it, so that an exact half such as 0.0625 is seen as one; a Fraction is exact anyway.
    """
    if isinstance(ratio, Fraction):
        exact = Decimal(ratio.numerator) * 100 / Decimal(ratio.denominator)
    else:
        exact = Decimal(str(ratio)) * 100
    rounded = exact.quantize(Decimal(1).scaleb(-decimals), rounding=rounding)
    whole, _, part = f"{rounded:f}".partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    number = sign + count(int(digits)) + (f",{part}" if part else "")
    return f"{number} %" if has_blank else f"{number}%"


def share(part: int, whole: int, *, decimals: int = 1, has_blank: bool = True) -> str | None:
    """``part`` of ``whole`` as per cent, exact until rounded; None when there is no whole."""
    if whole == 0:
        return None
    return percent(Fraction(part, whole), decimals=decimals, has_blank=has_blank)


def written_date(day: date) -> str:
    """A day as a letter writes it: ``05/01/2024``."""
    return f"{day.day:02d}/{day.month:02d}/{day.year:04d}"


def read_count(text: str) -> int:
    """The whole number that ``330`` or ``1.077`` means; a dot parts thousands, never decimals.

    Raises FigureError for anything else (``330.5``, ``330 máy``, ``1,077``): no number is guessed.
    """
    stripped = text.strip()
    if not _COUNT.fullmatch(stripped):
        raise FigureError(
            f"«{text}» không phải là số nguyên.",
            "Ghi số nguyên không kèm chữ, ví dụ 330 hoặc 1.077.",
        )
    return int(stripped.replace(".", ""))


def read_percent(text: str) -> Decimal:
    """The ratio that ``32,6%`` or ``77,3 %`` means: 0.326, 0.773. Raises FigureError otherwise."""
    match = _PERCENT.fullmatch(text.strip())
    if match is None:
        raise FigureError(
            f"«{text}» không phải là tỷ lệ phần trăm.",
            "Ghi dấu phẩy thập phân và ký hiệu %, ví dụ 32,6 %.",
        )
    return Decimal(match[1].replace(",", ".")) / 100


def read_date(text: str) -> date:
    """The day that ``12/10/2022`` means: day, month, year, never the month first.

    Raises FigureError when it is no such day.
    """
    match = _DATE.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError(text)
        return date(int(match[3]), int(match[2]), int(match[1]))
    except ValueError as error:
        raise FigureError(
            f"«{text}» không phải là ngày theo thứ tự ngày/tháng/năm.",
            "Ghi ngày theo dạng 12/10/2022.",
        ) from error
