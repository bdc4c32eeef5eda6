"""How one cell of the officers' files is read: typed, levelled to NFC, or refused with a remedy.

A validator takes the text of a cell; a value that already has the right type passes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from ksc_ledger.rules.text import nfc, without_invisible

CODE = re.compile(r"[a-z0-9_]{2,32}")
_ENTRY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PREFIX = re.compile(r"[A-Z0-9]{1,14}")
_WHOLE = re.compile(r"[0-9]{1,9}")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Parts of an allowed_part: a letter, digit, class or \d, each perhaps repeated. No groups and few
# repetitions, so that no name, however long, can make the expression slow.
_ATOM = re.compile(r"(?:\[[A-Za-z0-9-]+\]|[A-Za-z0-9]|\\d)(\{[0-9]{1,2}(?:,[0-9]{0,2})?\}|[+*?])?")
_REPETITIONS_AT_MOST = 4


def refused(text: str, remedy: str, field: str = "") -> PydanticCustomError:
    """The error a validator raises; ``field`` only where a whole row is judged."""
    return PydanticCustomError(
        "refused", "{text}", {"text": text, "remedy": remedy, "field": field}
    )


def shown(value: object) -> str:
    """A cell's text as a message shows it: short, and with hidden characters made visible."""
    text = str(value)
    safe = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text[:60])
    return f"«{safe}»" + ("…" if len(text) > 60 else "")


def _clean(value: str) -> str:
    """NFC, single blanks, without invisible signs: what a person sees in the cell."""
    return " ".join(without_invisible(nfc(value)).split())


def _required(read: Callable[[str], Any]) -> BeforeValidator:
    def validate(value: Any) -> Any:
        if not isinstance(value, str) or isinstance(value, StrEnum):
            return value
        cell = _clean(value)
        if not cell:
            raise refused("Ô này bị bỏ trống.", "Điền giá trị vào ô; cột này bắt buộc.")
        return read(cell)

    return BeforeValidator(validate)


def _optional(read: Callable[[str], Any]) -> BeforeValidator:
    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        cell = _clean(value)
        return read(cell) if cell else None

    return BeforeValidator(validate)


def _listed(read: Callable[[str], tuple[Any, ...]]) -> BeforeValidator:
    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        cell = _clean(value)
        return read(cell) if cell else ()

    return BeforeValidator(validate)


def _matching(pattern: re.Pattern[str], text: str, remedy: str) -> Callable[[str], str]:
    def read(cell: str) -> str:
        if not pattern.fullmatch(cell):
            raise refused(f"{shown(cell)} {text}", remedy)
        return cell

    return read


def _day(cell: str) -> date:
    if _DAY.fullmatch(cell):
        try:
            return date.fromisoformat(cell)
        except ValueError:
            raise refused(
                f"{shown(cell)} không phải là một ngày có thật.", "Kiểm tra lại ngày và tháng."
            ) from None
    raise refused(
        f"{shown(cell)} không phải là ngày theo dạng năm-tháng-ngày.",
        "Ghi ngày theo dạng 2022-10-12; nếu bảng tính tự đổi, định dạng cột là văn bản.",
    )


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(cell: str) -> int:
        if not _WHOLE.fullmatch(cell) or not low <= int(cell) <= high:
            raise refused(
                f"{shown(cell)} không phải là số nguyên từ {low} đến {high}.",
                "Chỉ ghi chữ số, không có dấu chấm, dấu phẩy, chữ hay dấu âm; ví dụ 1077.",
            )
        return int(cell)

    return read


def _choice(values: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(cell: str) -> StrEnum:
        try:
            return values(cell)
        except ValueError:
            raise refused(
                f"{shown(cell)} không phải là giá trị được phép.",
                f"Ghi một trong các giá trị: {', '.join(values)}.",
            ) from None

    return read


def _moment(cell: str) -> datetime:
    """An instant with its offset; a person who leaves it out means Vietnam, but must say so."""
    try:
        found = datetime.fromisoformat(cell)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise refused(
            f"{shown(cell)} không phải là thời điểm có múi giờ.",
            "Ghi theo dạng 2024-01-10T09:10:00+07:00.",
        )
    return found


def _time_of_day(cell: str) -> time:
    if not _TIME.fullmatch(cell):
        raise refused(f"{shown(cell)} không phải là giờ trong ngày.", "Ghi theo dạng 07:30.")
    return time.fromisoformat(cell)


def _flag(cell: str) -> bool:
    if cell not in {"0", "1"}:
        raise refused(f"{shown(cell)} không phải là 0 hoặc 1.", "Ghi 1 nếu có, 0 nếu không.")
    return cell == "1"


def _lines(cell: str) -> tuple[str, ...]:
    """Texts parted by ``|``."""
    parts = tuple(part.strip() for part in cell.split("|"))
    if not all(parts):
        raise refused(
            f"{shown(cell)} có một phần trống giữa hai dấu |.",
            "Giữa hai dấu | phải có chữ; bỏ dấu | ở đầu và cuối ô.",
        )
    return parts


def _codes(cell: str) -> tuple[str, ...]:
    """Codes parted by blanks, commas or semicolons."""
    return tuple(_code(part) for part in re.split(r"[ ,;]+", cell) if part)


def _hours(cell: str) -> tuple[int, ...]:
    """Whole hours in ascending order, parted by blanks, commas or semicolons."""
    parts = [part for part in re.split(r"[ ,;]+", cell) if part]
    hours = tuple(_number(1, 720)(part) for part in parts)
    if list(hours) != sorted(set(hours)):
        raise refused(f"{shown(cell)} không tăng dần.", "Ghi các mốc giờ tăng dần, ví dụ 4 12 24.")
    return hours


def _office(cell: str) -> str:
    if "@" in cell:
        raise refused(
            f"{shown(cell)} trông như địa chỉ thư của một người.",
            "Ghi cơ quan, tổ hoặc chức danh; người và địa chỉ nằm trong contacts.csv.",
        )
    return cell


def _separator(cell: str) -> str:
    if cell in {"-", "_"}:
        return cell
    raise refused(f"{shown(cell)} không phải là dấu phân cách được phép.", "Ghi dấu - hoặc dấu _.")


def _allowed_part(cell: str) -> str:
    end, repetitions = 0, 0
    while match := _ATOM.match(cell, end):
        end = match.end()
        repetitions += match[1] is not None
    if end == len(cell) and repetitions <= _REPETITIONS_AT_MOST:
        try:
            re.compile(cell)
        except re.error:
            end = -1
        if end == len(cell):
            return cell
    raise refused(
        f"{shown(cell)} không phải là biểu thức được phép cho một phần của tên.",
        "Chỉ dùng chữ, số, [A-Z0-9], \\d và + * ? {2,6}, tối đa 4 lần lặp, không dùng ngoặc tròn;"
        " ví dụ [A-Z0-9]+.",
    )


def _plain(cell: str) -> str:
    return cell


def _public_key(cell: str) -> str:
    """An Ed25519 public key: 32 bytes in base64, written in the one way there is."""
    try:
        raw = base64.b64decode(cell, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32 or base64.b64encode(raw).decode() != cell:
        raise refused(
            f"{shown(cell)} không phải là khóa công khai.",
            "Chép nguyên dòng mà lệnh ksc-ledger push key in ra tại huyện (44 ký tự, cuối là dấu =).",
        )
    return cell


_code = _matching(
    CODE,
    "không phải là mã hợp lệ.",
    "Mã gồm 2 đến 32 ký tự: chữ thường không dấu, chữ số, dấu gạch dưới; ví dụ dtp_872.",
)

Code = Annotated[str, _required(_code)]
OptionalCode = Annotated[str | None, _optional(_code)]
Text = Annotated[str, _required(_plain)]
OptionalText = Annotated[str | None, _optional(_plain)]
Day = Annotated[date, _required(_day)]
OptionalDay = Annotated[date | None, _optional(_day)]
Seats = Annotated[int, _required(_number(0, 999_999))]
Order = Annotated[int, _required(_number(0, 99_999))]
NameLength = Annotated[int, _required(_number(1, 63))]
PartCount = Annotated[int, _required(_number(0, 9))]
Moment = Annotated[datetime, _required(_moment)]
TimeOfDay = Annotated[time, _required(_time_of_day)]
MinuteCount = Annotated[int, _required(_number(5, 1440))]
DayCount = Annotated[int, _required(_number(1, 366))]
ConfirmCount = Annotated[int, _required(_number(1, 99))]
ConfirmMinutes = Annotated[int, _required(_number(0, 1440))]
OptionalHours = Annotated[tuple[int, ...], _listed(_hours)]
Office = Annotated[str, _required(_office)]
PublicKey = Annotated[str, _required(_public_key)]
Separator = Annotated[str, _required(_separator)]
AllowedPart = Annotated[str, _required(_allowed_part)]
Year = Annotated[int, _required(_number(1990, 2100))]
OptionalMonth = Annotated[int | None, _optional(_number(1, 12))]
OptionalDayOfMonth = Annotated[int | None, _optional(_number(1, 31))]
MachineCount = Annotated[int, _required(_number(1, 99_999))]
Size = Annotated[int, _required(_number(0, 9_999_999))]
OptionalSize = Annotated[int | None, _optional(_number(0, 9_999_999))]
Flag = Annotated[bool, _required(_flag)]
Lines = Annotated[tuple[str, ...], _required(_lines)]
OptionalLines = Annotated[tuple[str, ...], _listed(_lines)]
OptionalCodes = Annotated[tuple[str, ...], _listed(_codes)]
EntryId = Annotated[
    str,
    _required(
        _matching(
            _ENTRY_ID,
            "không phải là mã bút toán hợp lệ.",
            "Mã bút toán gồm 1 đến 64 ký tự: chữ không dấu, chữ số, dấu _ . -",
        )
    ),
]
OptionalEndpointId = Annotated[
    str | None,
    _optional(
        _matching(
            _ENTRY_ID,
            "không phải là mã máy của KSC.",
            "Chép mã ở cột endpoint_id của bảng dim_endpoint; không ghi tên máy.",
        )
    ),
]
OptionalPrefix = Annotated[
    str | None,
    _optional(
        _matching(
            _PREFIX,
            "không phải là mã đặt đầu tên máy.",
            "Chỉ dùng chữ hoa không dấu và chữ số, tối đa 14 ký tự; ví dụ VHTT.",
        )
    ),
]


def choice(values: type[StrEnum]) -> BeforeValidator:
    """A cell that holds one of an enumeration's values."""
    return _required(_choice(values))


def optional_choice(values: type[StrEnum]) -> BeforeValidator:
    """A cell that holds one of an enumeration's values, or nothing."""
    return _optional(_choice(values))
