"""How the cells of a scenario's files are read: one function for each kind of fact."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

UNASSIGNED: Final = "(unassigned)"
CODE: Final = re.compile(r"[a-z0-9_]{2,32}")

# An instant, or an age seen from the server's clock.
Moment = datetime | timedelta | None


class BadCellError(ValueError):
    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.text = text
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Column:
    """How a cell is read. A needed column must be there and must not be blank."""

    parse: Callable[[str], Any]
    is_needed: bool = False
    blank: Any = None


def text(cell: str) -> str:
    return cell


def code(cell: str) -> str:
    if not CODE.fullmatch(cell):
        raise BadCellError(
            f"Mã {cell!r} không hợp lệ.",
            "Chỉ dùng chữ thường a-z, số và dấu gạch dưới, dài từ 2 đến 32 ký tự.",
        )
    return cell


def instant(cell: str) -> datetime:
    try:
        at = datetime.fromisoformat(cell)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadCellError(
            f"{cell!r} không phải là thời điểm ISO 8601 có múi giờ.",
            "Ghi theo dạng 2022-10-12T08:00:00+07:00.",
        )
    return at.astimezone(UTC)


_AGE: Final = re.compile(r"-(\d{1,6})([smhd])")
_UNIT: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(cell: str) -> Moment:
    match = _AGE.fullmatch(cell)
    if match:
        return timedelta(**{_UNIT[match[2]]: int(match[1])})
    try:
        return instant(cell)
    except BadCellError as error:
        raise BadCellError(
            f"{cell!r} không phải là thời điểm có múi giờ và cũng không phải là tuổi.",
            "Ghi 2022-10-12T08:00:00+07:00, hoặc tuổi như -25m, -3h, -40d.",
        ) from error


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(cell: str) -> int:
        if re.fullmatch(r"-?\d{1,12}", cell) and low <= int(cell) <= high:
            return int(cell)
        raise BadCellError(
            f"{cell!r} không phải là số nguyên trong khoảng {low} đến {high}.", "Sửa lại con số."
        )

    return parse


def flag(cell: str) -> bool:
    if cell not in ("0", "1"):
        raise BadCellError(f"{cell!r} không phải là 0 hoặc 1.", "Ghi 1 (có) hoặc 0 (không).")
    return cell == "1"


def host_id(cell: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", cell):
        raise BadCellError(
            f"{cell!r} không phải là mã thiết bị (UUID chữ thường).",
            "Ghi theo dạng 8910f900-3807-4b97-8a97-d49e73ec5ab1.",
        )
    return cell


def version(cell: str) -> str:
    if not re.fullmatch(r"\d{1,5}(\.\d{1,5}){1,3}", cell):
        raise BadCellError(f"{cell!r} không phải là số phiên bản.", "Ghi theo dạng 14.2.0.26967.")
    return cell


def address(cell: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+:\d{1,5}", cell):
        raise BadCellError(f"{cell!r} không phải là địa chỉ.", "Ghi theo dạng 10.84.6.10:13000.")
    return cell


def ip_number(cell: str) -> int:
    try:
        return int(ipaddress.IPv4Address(cell))
    except ValueError as error:
        raise BadCellError(
            f"{cell!r} không phải là địa chỉ IPv4.", "Ghi theo dạng 10.84.6.21."
        ) from error


def one_of(values: Sequence[str]) -> Callable[[str], str]:
    def parse(cell: str) -> str:
        if cell not in values:
            raise BadCellError(
                f"{cell!r} không phải là giá trị được biết.",
                f"Chọn một trong: {', '.join(values)}.",
            )
        return cell

    return parse


def group_path(cell: str) -> str:
    if cell == UNASSIGNED or all(cell.split("/")):
        return cell
    raise BadCellError(
        f"Đường dẫn nhóm {cell!r} có đoạn trống.",
        "Nối các đoạn bằng một dấu / và không để dấu / ở đầu hay cuối.",
    )
