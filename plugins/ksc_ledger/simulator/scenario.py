"""The estate of a scenario folder, read from its files (docs/scenarios.md).

Reading never stops at the first mistake: ``read`` gives what could be understood and every mistake
met, in the words a person needs to mend it. Whoever serves a scenario refuses one with mistakes.
"""

from __future__ import annotations

import csv
import io
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

UNASSIGNED: Final = "(unassigned)"
CODE: Final = re.compile(r"[a-z0-9_]{2,32}")
OUTCOMES: Final = ("cured", "deleted", "quarantined", "blocked", "notcured")
ACTIONS: Final = ("collect", "watch")

# An instant, or an age seen from the server's clock.
Moment = datetime | timedelta | None


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake; ``row`` is the line a person sees (the header is line 1), 0 = the whole file."""

    file: str
    row: int
    field: str
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Period:
    """From an instant (inclusive) to another (exclusive); None is open."""

    from_at: datetime | None = None
    to_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return (self.from_at is None or self.from_at <= at) and (
            self.to_at is None or at < self.to_at
        )

    def overlaps(self, other: Period) -> bool:
        return _before(self.from_at, other.to_at) and _before(other.from_at, self.to_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRow:
    line: int
    server_code: str
    parent_server_code: str
    display_name: str
    version: str
    is_passive: bool
    address: str
    clock_skew_seconds: int
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    line: int
    server_code: str
    group_path: str
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    line: int
    host_id: str
    period: Period
    display_name: str
    dns_name: str
    netbios_name: str
    group_path: str
    os_name: str
    is_server: bool
    agent_version: str
    antivirus_version: str
    rtp_state: int
    bases: Moment
    last_connected: Moment
    last_visible: Moment
    last_full_scan: Moment
    created_at: datetime | None
    ip: int | None
    mac_address: str
    serial_number: str
    cpu: str
    memory_mb: int | None
    disk_gb: int | None
    foreign_antivirus: str
    virus_count: int
    uncured_count: int
    licence_serial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    line: int
    server_code: str
    serial: str
    product_name: str
    key_type: int
    limit_count: int
    created_at: datetime | None
    expires_at: datetime
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionRow:
    line: int
    server_code: str
    host_id: str
    rise_at: datetime
    registered_at: datetime
    threat_name: str
    object_name: str
    outcome: str
    user_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    line: int
    server_code: str
    period: Period
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    at: datetime
    do: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str
    title: str
    estate_code: str
    timeline: tuple[TimelineEntry, ...] = ()
    ends_at: datetime | None = None
    servers: tuple[ServerRow, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    hosts: Mapping[str, tuple[HostRow, ...]] = field(default_factory=dict)
    keys: tuple[KeyRow, ...] = ()
    detections: tuple[DetectionRow, ...] = ()
    events: tuple[EventRow, ...] = ()

    @property
    def last_at(self) -> datetime | None:
        return self.ends_at or (self.timeline[-1].at if self.timeline else None)


def read(folder: Path) -> tuple[Scenario, list[Mistake]]:
    """Read a scenario folder; rows that could not be understood are left out and named."""
    mistakes: list[Mistake] = []
    head = _read_head(folder, mistakes)
    table = _Tables(folder, mistakes)
    hosts: dict[str, tuple[HostRow, ...]] = {}
    for file in sorted((folder / "estate" / "hosts").glob("*.csv")):
        rows = table.rows(f"estate/hosts/{file.name}", _HOST_COLUMNS)
        hosts[file.stem] = tuple(HostRow(**row) for row in rows)
    scenario = Scenario(
        **head,
        servers=tuple(
            ServerRow(**row)
            for row in table.rows("estate/servers.csv", _SERVER_COLUMNS, is_needed=True)
        ),
        groups=tuple(GroupRow(**row) for row in table.rows("estate/groups.csv", _GROUP_COLUMNS)),
        hosts=hosts,
        keys=tuple(KeyRow(**row) for row in table.rows("estate/keys.csv", _KEY_COLUMNS)),
        detections=tuple(
            DetectionRow(**{**row, "registered_at": row["registered_at"] or row["rise_at"]})
            for row in table.rows("estate/detections.csv", _DETECTION_COLUMNS)
        ),
        events=tuple(EventRow(**row) for row in table.rows("estate/events.csv", _EVENT_COLUMNS)),
    )
    return scenario, mistakes


class _BadCellError(ValueError):
    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.text = text
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class _Column:
    """How a cell is read. A needed column must be there and must not be blank."""

    parse: Callable[[str], Any]
    is_needed: bool = False
    blank: Any = None


def _before(left: datetime | None, right: datetime | None) -> bool:
    """Whether an open-ended start lies before an open-ended end."""
    return left is None or right is None or left < right


def _text(cell: str) -> str:
    return cell


def _code(cell: str) -> str:
    if not CODE.fullmatch(cell):
        raise _BadCellError(
            f"Mã {cell!r} không hợp lệ.",
            "Chỉ dùng chữ thường a-z, số và dấu gạch dưới, dài từ 2 đến 32 ký tự.",
        )
    return cell


def _instant(cell: str) -> datetime:
    try:
        at = datetime.fromisoformat(cell)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise _BadCellError(
            f"{cell!r} không phải là thời điểm ISO 8601 có múi giờ.",
            "Ghi theo dạng 2022-10-12T08:00:00+07:00.",
        )
    return at.astimezone(UTC)


_AGE: Final = re.compile(r"-(\d{1,6})([smhd])")
_UNIT: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _moment(cell: str) -> Moment:
    match = _AGE.fullmatch(cell)
    if match:
        return timedelta(**{_UNIT[match[2]]: int(match[1])})
    try:
        return _instant(cell)
    except _BadCellError as error:
        raise _BadCellError(
            f"{cell!r} không phải là thời điểm có múi giờ và cũng không phải là tuổi.",
            "Ghi 2022-10-12T08:00:00+07:00, hoặc tuổi như -25m, -3h, -40d.",
        ) from error


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(cell: str) -> int:
        if re.fullmatch(r"-?\d{1,12}", cell) and low <= int(cell) <= high:
            return int(cell)
        raise _BadCellError(
            f"{cell!r} không phải là số nguyên trong khoảng {low} đến {high}.", "Sửa lại con số."
        )

    return parse


def _flag(cell: str) -> bool:
    if cell not in ("0", "1"):
        raise _BadCellError(f"{cell!r} không phải là 0 hoặc 1.", "Ghi 1 (có) hoặc 0 (không).")
    return cell == "1"


def _host_id(cell: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", cell):
        raise _BadCellError(
            f"{cell!r} không phải là mã thiết bị (UUID chữ thường).",
            "Ghi theo dạng 8910f900-3807-4b97-8a97-d49e73ec5ab1.",
        )
    return cell


def _version(cell: str) -> str:
    if not re.fullmatch(r"\d{1,5}(\.\d{1,5}){1,3}", cell):
        raise _BadCellError(f"{cell!r} không phải là số phiên bản.", "Ghi theo dạng 14.2.0.26967.")
    return cell


def _address(cell: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+:\d{1,5}", cell):
        raise _BadCellError(f"{cell!r} không phải là địa chỉ.", "Ghi theo dạng 10.84.6.10:13000.")
    return cell


def _ip(cell: str) -> int:
    try:
        return int(ipaddress.IPv4Address(cell))
    except ValueError as error:
        raise _BadCellError(
            f"{cell!r} không phải là địa chỉ IPv4.", "Ghi theo dạng 10.84.6.21."
        ) from error


def _one_of(values: Sequence[str]) -> Callable[[str], str]:
    def parse(cell: str) -> str:
        if cell not in values:
            raise _BadCellError(
                f"{cell!r} không phải là giá trị được biết.",
                f"Chọn một trong: {', '.join(values)}.",
            )
        return cell

    return parse


def _group_path(cell: str) -> str:
    if cell == UNASSIGNED or all(cell.split("/")):
        return cell
    raise _BadCellError(
        f"Đường dẫn nhóm {cell!r} có đoạn trống.",
        "Nối các đoạn bằng một dấu / và không để dấu / ở đầu hay cuối.",
    )


_INT_MAX: Final = 2**31 - 1
_PERIOD: Final = {"from_at": _Column(_instant), "to_at": _Column(_instant)}

_SERVER_COLUMNS: Final = {
    "server_code": _Column(_code, is_needed=True),
    "parent_server_code": _Column(_code, blank=""),
    "display_name": _Column(_text, is_needed=True),
    "version": _Column(_version, is_needed=True),
    "is_passive": _Column(_flag, blank=False),
    "address": _Column(_address, blank=""),
    "clock_skew_seconds": _Column(_whole(-(10**10), 10**10), blank=0),
    **_PERIOD,
}
_GROUP_COLUMNS: Final = {
    "server_code": _Column(_code, is_needed=True),
    "group_path": _Column(_group_path, is_needed=True),
    **_PERIOD,
}
_HOST_COLUMNS: Final = {
    "host_id": _Column(_host_id, is_needed=True),
    **_PERIOD,
    "display_name": _Column(_text, blank=""),
    "dns_name": _Column(_text, blank=""),
    "netbios_name": _Column(_text, blank=""),
    "group_path": _Column(_group_path, blank=""),
    "os_name": _Column(_text, blank=""),
    "is_server": _Column(_flag, blank=False),
    "agent_version": _Column(_version, blank=""),
    "antivirus_version": _Column(_version, blank=""),
    "rtp_state": _Column(_whole(0, 9), blank=0),
    "bases": _Column(_moment),
    "last_connected": _Column(_moment),
    "last_visible": _Column(_moment),
    "last_full_scan": _Column(_moment),
    "created_at": _Column(_instant),
    "ip": _Column(_ip),
    "mac_address": _Column(_text, blank=""),
    "serial_number": _Column(_text, blank=""),
    "cpu": _Column(_text, blank=""),
    "memory_mb": _Column(_whole(0, _INT_MAX)),
    "disk_gb": _Column(_whole(0, _INT_MAX)),
    "foreign_antivirus": _Column(_text, blank=""),
    "virus_count": _Column(_whole(0, 10**12), blank=0),
    "uncured_count": _Column(_whole(0, 10**12), blank=0),
    "licence_serial": _Column(_text, blank=""),
    "note": _Column(_text, blank=""),
}
_KEY_COLUMNS: Final = {
    "server_code": _Column(_code, is_needed=True),
    "serial": _Column(_text, is_needed=True),
    "product_name": _Column(_text, is_needed=True),
    "key_type": _Column(_whole(1, 6), blank=1),
    "limit_count": _Column(_whole(0, _INT_MAX), is_needed=True),
    "created_at": _Column(_instant),
    "expires_at": _Column(_instant, is_needed=True),
    **_PERIOD,
}
_DETECTION_COLUMNS: Final = {
    "server_code": _Column(_code, is_needed=True),
    "host_id": _Column(_host_id, is_needed=True),
    "rise_at": _Column(_instant, is_needed=True),
    "registered_at": _Column(_instant),
    "threat_name": _Column(_text, is_needed=True),
    "object_name": _Column(_text, blank=""),
    "outcome": _Column(_one_of(OUTCOMES), is_needed=True),
    "user_name": _Column(_text, blank=""),
}
_EVENT_COLUMNS: Final = {
    "server_code": _Column(_code, is_needed=True),
    "from_at": _Column(_instant, is_needed=True),
    "to_at": _Column(_instant),
    "kind": _Column(_text, is_needed=True),
    "value": _Column(_text, blank=""),
}


class _Tables:
    """Reads CSV files of one folder, cell by cell, into keyword arguments of the row classes."""

    def __init__(self, folder: Path, mistakes: list[Mistake]) -> None:
        self._folder = folder
        self._mistakes = mistakes

    def rows(
        self, name: str, columns: Mapping[str, _Column], *, is_needed: bool = False
    ) -> Iterator[dict[str, Any]]:
        file = self._folder / name
        if not file.exists():
            if is_needed:
                self._note(name, 0, "", "Thiếu tệp này.", "Tạo tệp theo docs/scenarios.md.")
            return
        try:
            text = file.read_text("utf-8-sig")
        except UnicodeDecodeError:
            self._note(name, 0, "", "Tệp không phải UTF-8.", "Lưu lại tệp với bảng mã UTF-8.")
            return
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            header = next(reader, [])
            if not self._is_header_right(name, header, columns):
                return
            for cells in reader:
                if cells:
                    row = self._row(name, reader.line_num, header, cells, columns)
                    if row is not None:
                        yield row
        except csv.Error as error:
            self._note(
                name,
                reader.line_num,
                "",
                f"Dòng này không phải CSV ({error}).",
                "Sửa dấu ngoặc kép.",
            )

    def _is_header_right(
        self, name: str, header: Sequence[str], columns: Mapping[str, _Column]
    ) -> bool:
        is_right = True
        for column in header:
            if column not in columns:
                self._note(
                    name, 1, column, f"Cột {column!r} không có trong định dạng.",
                    f"Xóa cột, hoặc đổi tên thành một trong: {', '.join(columns)}.",
                )  # fmt: skip
                is_right = False
        for column in {column for column in header if header.count(column) > 1}:
            self._note(name, 1, column, f"Cột {column!r} có hai lần.", "Giữ lại một cột.")
            is_right = False
        for column, spec in columns.items():
            if spec.is_needed and column not in header:
                self._note(name, 1, column, f"Thiếu cột {column!r}.", "Thêm cột này.")
                is_right = False
        return is_right

    def _row(
        self,
        name: str,
        line: int,
        header: Sequence[str],
        cells: Sequence[str],
        columns: Mapping[str, _Column],
    ) -> dict[str, Any] | None:
        if len(cells) != len(header):
            self._note(
                name, line, "", f"Dòng có {len(cells)} ô, tiêu đề có {len(header)} cột.",
                "Sửa số dấu phẩy, hoặc đặt ô có dấu phẩy trong ngoặc kép.",
            )  # fmt: skip
            return None
        row: dict[str, Any] = {}
        given = dict(zip(header, cells, strict=True))
        is_right = True
        for column, spec in columns.items():
            cell = given.get(column, "")
            row[column] = spec.blank
            if cell == "":
                if spec.is_needed:
                    self._note(name, line, column, "Ô này trống.", "Điền giá trị vào ô.")
                    is_right = False
                continue
            try:
                row[column] = spec.parse(cell)
            except _BadCellError as error:
                self._note(name, line, column, error.text, error.remedy)
                is_right = False
        if not is_right:
            return None
        row["line"] = line
        row.pop("note", None)
        if "from_at" in columns:
            period = Period(row.pop("from_at"), row.pop("to_at"))
            if not _before(period.from_at, period.to_at):
                self._note(
                    name, line, "to_at", "Thời điểm kết thúc không ở sau thời điểm bắt đầu.",
                    "Sửa from_at hoặc to_at.",
                )  # fmt: skip
                return None
            row["period"] = period
        return row

    def _note(self, name: str, line: int, column: str, text: str, remedy: str) -> None:
        self._mistakes.append(Mistake(name, line, column, text, remedy))


def _read_head(folder: Path, mistakes: list[Mistake]) -> dict[str, Any]:
    """scenario.yml: name, title, estate, timeline."""
    head: dict[str, Any] = {"name": folder.name, "title": "", "estate_code": ""}

    def note(name: str, text: str, remedy: str) -> None:
        mistakes.append(Mistake("scenario.yml", 0, name, text, remedy))

    try:
        raw = yaml.safe_load((folder / "scenario.yml").read_text("utf-8"))
    except FileNotFoundError:
        note("", "Thiếu tệp này.", "Tạo tệp theo docs/scenarios.md.")
        return head
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        note("", f"Tệp không phải YAML: {error}.", "Sửa theo mẫu trong docs/scenarios.md.")
        return head
    if not isinstance(raw, dict):
        note("", "Tệp không chứa các mục có tên.", "Sửa theo mẫu trong docs/scenarios.md.")
        return head

    known = ("name", "title", "estate_code", "timeline", "ends_at")
    for name in raw:
        if name not in known:
            note(
                str(name),
                f"Mục {name!r} không có trong định dạng.",
                f"Chỉ dùng: {', '.join(known)}.",
            )
    if raw.get("name") != folder.name or not CODE.fullmatch(folder.name):
        note(
            "name", f"Tên {raw.get('name')!r} không phải là tên thư mục {folder.name!r}.",
            "Đặt name bằng tên thư mục, gồm chữ thường, số và dấu gạch dưới.",
        )  # fmt: skip
    if isinstance(raw.get("title"), str):
        head["title"] = raw["title"]
    else:
        note("title", "Thiếu tiêu đề.", "Ghi tiêu đề bằng tiếng Việt.")
    if isinstance(raw.get("estate_code"), str) and CODE.fullmatch(raw["estate_code"]):
        head["estate_code"] = raw["estate_code"]
    else:
        note("estate_code", "Thiếu mã hệ thống, hoặc mã không hợp lệ.", "Ví dụ: dong_thap.")

    head["timeline"] = tuple(_timeline(raw.get("timeline"), note))
    for earlier, later in zip(head["timeline"], head["timeline"][1:], strict=False):
        if later.at < earlier.at:
            note("timeline", f"{later.at.isoformat()} đứng sau một mốc muộn hơn.", "Xếp tăng dần.")
    if raw.get("ends_at") is not None:
        head["ends_at"] = _yaml_instant(raw["ends_at"])
        if head["ends_at"] is None:
            note("ends_at", "Không phải là thời điểm có múi giờ.", "Ghi 2022-10-12T09:00:00+07:00.")
        elif head["timeline"] and head["ends_at"] < head["timeline"][-1].at:
            note("ends_at", "Sớm hơn mốc cuối của timeline.", "Ghi thời điểm muộn hơn.")
    return head


def _timeline(raw: object, note: Callable[[str, str, str], None]) -> Iterable[TimelineEntry]:
    remedy = 'Mỗi mốc ghi {at: "2022-10-12T08:00:00+07:00", do: collect, note: …}.'
    if not isinstance(raw, list):
        note("timeline", "Thiếu danh sách các mốc.", remedy)
        return
    for position, entry in enumerate(raw, 1):
        at = _yaml_instant(entry.get("at")) if isinstance(entry, dict) else None
        is_right = (
            isinstance(entry, dict)
            and at is not None
            and entry.get("do") in ACTIONS
            and not entry.keys() - {"at", "do", "note"}
        )
        if is_right and at is not None:
            yield TimelineEntry(at, entry["do"], str(entry.get("note") or ""))
        else:
            note("timeline", f"Mốc thứ {position} không đúng dạng.", remedy)


def _yaml_instant(raw: object) -> datetime | None:
    """An instant that YAML gave as text, or already as a date and time with a zone."""
    if isinstance(raw, datetime):
        return raw.astimezone(UTC) if raw.tzinfo else None
    if not isinstance(raw, str):
        return None
    try:
        return _instant(raw)
    except _BadCellError:
        return None
