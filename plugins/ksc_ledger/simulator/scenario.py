"""The estate of a scenario folder, read from its files (docs/scenarios.md).

Reading never stops at the first mistake: ``read`` gives what could be understood and every mistake
met, in the words a person needs to mend it. Whoever serves a scenario refuses one with mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

from ksc_ledger.simulator import cells
from ksc_ledger.simulator.tables import (
    Mistake,
    Period,
    Tables,
    YamlLines,
    read_yaml,
    yaml_lines,
)

OUTCOMES: Final = ("cured", "deleted", "quarantined", "blocked", "notcured")
ACTIONS: Final = ("collect", "watch", "deadlines")
LETTER_MEMBERS: Final = ("as_of", "kind", "unit_code")


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
    bases: cells.Moment
    last_connected: cells.Moment
    last_visible: cells.Moment
    last_full_scan: cells.Moment
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
    folder = folder.absolute()  # "." has a name, too
    mistakes: list[Mistake] = []
    head = _read_head(folder, mistakes)
    table = Tables(folder, mistakes)
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


_INT_MAX: Final = 2**31 - 1
_PERIOD: Final = {"from_at": cells.Column(cells.instant), "to_at": cells.Column(cells.instant)}

_SERVER_COLUMNS: Final = {
    "server_code": cells.Column(cells.code, is_needed=True),
    "parent_server_code": cells.Column(cells.code, blank=""),
    "display_name": cells.Column(cells.text, is_needed=True),
    "version": cells.Column(cells.version, is_needed=True),
    "is_passive": cells.Column(cells.flag, blank=False),
    "address": cells.Column(cells.address, blank=""),
    "clock_skew_seconds": cells.Column(cells.whole(-(10**10), 10**10), blank=0),
    **_PERIOD,
}
_GROUP_COLUMNS: Final = {
    "server_code": cells.Column(cells.code, is_needed=True),
    "group_path": cells.Column(cells.group_path, is_needed=True),
    **_PERIOD,
}
_HOST_COLUMNS: Final = {
    "host_id": cells.Column(cells.host_id, is_needed=True),
    **_PERIOD,
    "display_name": cells.Column(cells.text, blank=""),
    "dns_name": cells.Column(cells.text, blank=""),
    "netbios_name": cells.Column(cells.text, blank=""),
    "group_path": cells.Column(cells.group_path, blank=""),
    "os_name": cells.Column(cells.text, blank=""),
    "is_server": cells.Column(cells.flag, blank=False),
    "agent_version": cells.Column(cells.version, blank=""),
    "antivirus_version": cells.Column(cells.version, blank=""),
    "rtp_state": cells.Column(cells.whole(0, 9), blank=0),
    "bases": cells.Column(cells.moment),
    "last_connected": cells.Column(cells.moment),
    "last_visible": cells.Column(cells.moment),
    "last_full_scan": cells.Column(cells.moment),
    "created_at": cells.Column(cells.instant),
    "ip": cells.Column(cells.ip_number),
    "mac_address": cells.Column(cells.text, blank=""),
    "serial_number": cells.Column(cells.text, blank=""),
    "cpu": cells.Column(cells.text, blank=""),
    "memory_mb": cells.Column(cells.whole(0, _INT_MAX)),
    "disk_gb": cells.Column(cells.whole(0, _INT_MAX)),
    "foreign_antivirus": cells.Column(cells.text, blank=""),
    "virus_count": cells.Column(cells.whole(0, 10**12), blank=0),
    "uncured_count": cells.Column(cells.whole(0, 10**12), blank=0),
    "licence_serial": cells.Column(cells.text, blank=""),
    "note": cells.Column(cells.text, blank=""),
}
_KEY_COLUMNS: Final = {
    "server_code": cells.Column(cells.code, is_needed=True),
    "serial": cells.Column(cells.text, is_needed=True),
    "product_name": cells.Column(cells.text, is_needed=True),
    "key_type": cells.Column(cells.whole(1, 6), blank=1),
    "limit_count": cells.Column(cells.whole(0, _INT_MAX), is_needed=True),
    "created_at": cells.Column(cells.instant),
    "expires_at": cells.Column(cells.instant, is_needed=True),
    **_PERIOD,
}
_DETECTION_COLUMNS: Final = {
    "server_code": cells.Column(cells.code, is_needed=True),
    "host_id": cells.Column(cells.host_id, is_needed=True),
    "rise_at": cells.Column(cells.instant, is_needed=True),
    "registered_at": cells.Column(cells.instant),
    "threat_name": cells.Column(cells.text, is_needed=True),
    "object_name": cells.Column(cells.text, blank=""),
    "outcome": cells.Column(cells.one_of(OUTCOMES), is_needed=True),
    "user_name": cells.Column(cells.text, blank=""),
}
_EVENT_COLUMNS: Final = {
    "server_code": cells.Column(cells.code, is_needed=True),
    "from_at": cells.Column(cells.instant, is_needed=True),
    "to_at": cells.Column(cells.instant),
    "kind": cells.Column(cells.text, is_needed=True),
    "value": cells.Column(cells.text, blank=""),
}


def _read_head(folder: Path, mistakes: list[Mistake]) -> dict[str, Any]:
    """scenario.yml: name, title, estate, timeline."""
    head: dict[str, Any] = {"name": folder.name, "title": "", "estate_code": ""}

    raw = read_yaml(folder, "scenario.yml", mistakes)
    if raw is None:
        return head
    lines = yaml_lines(folder / "scenario.yml")

    def note(name: str, text: str, remedy: str, line: int | None = None) -> None:
        where = lines.of(name) if line is None else line
        mistakes.append(Mistake("scenario.yml", where, name, text, remedy))

    known = ("name", "title", "estate_code", "timeline", "ends_at", "letters")
    for name in raw:
        if name not in known:
            note(
                str(name),
                f"Mục {name!r} không có trong định dạng.",
                f"Chỉ dùng: {', '.join(known)}.",
            )
    if raw.get("name") != folder.name or not cells.CODE.fullmatch(folder.name):
        note(
            "name", f"Tên {raw.get('name')!r} không phải là tên thư mục {folder.name!r}.",
            "Đặt name bằng tên thư mục, gồm chữ thường, số và dấu gạch dưới.",
        )  # fmt: skip
    if isinstance(raw.get("title"), str):
        head["title"] = raw["title"]
    else:
        note("title", "Thiếu tiêu đề.", "Ghi tiêu đề bằng tiếng Việt.")
    if isinstance(raw.get("estate_code"), str) and cells.CODE.fullmatch(raw["estate_code"]):
        head["estate_code"] = raw["estate_code"]
    else:
        note("estate_code", "Thiếu mã hệ thống, hoặc mã không hợp lệ.", "Ví dụ: dong_thap.")

    timeline = list(_timeline(raw.get("timeline"), lines, note))
    for earlier, later in pairwise(timeline):
        if later.entry.at < earlier.entry.at:
            note(
                "at",
                f"Mốc thứ {later.position} ({later.written}) sớm hơn mốc đứng trước nó "
                f"({earlier.written}, dòng {earlier.line}).",
                "Xếp các mốc tăng dần theo thời gian.",
                later.line,
            )
    head["timeline"] = tuple(written.entry for written in timeline)
    if raw.get("ends_at") is not None:
        head["ends_at"] = _yaml_instant(raw["ends_at"])
        if head["ends_at"] is None:
            note("ends_at", *_no_instant(raw["ends_at"]))
        elif timeline and head["ends_at"] < timeline[-1].entry.at:
            note(
                "ends_at",
                f"{_as_written(raw['ends_at'])} sớm hơn mốc cuối của timeline "
                f"({timeline[-1].written}, dòng {timeline[-1].line}).",
                "Ghi thời điểm không sớm hơn mốc cuối.",
            )
    _check_letters(raw.get("letters", []), note)
    return head


def _check_letters(raw: object, note: _Note) -> None:
    """The letters that the rehearsal has written: each a day, a kind and a unit."""
    sample = '{as_of: "2022-10-12", kind: don_doc, unit_code: dtp_872}'
    for position, entry in enumerate(raw if isinstance(raw, list) else [raw], 1):
        is_whole = isinstance(entry, dict) and set(entry) == set(LETTER_MEMBERS)
        if not is_whole or not all(cells.CODE.fullmatch(str(entry[n])) for n in LETTER_MEMBERS[1:]):
            note("letters", f"Công văn thứ {position} ghi chưa đúng.", f"Mỗi dòng ghi {sample}.")
            continue
        try:
            date.fromisoformat(str(entry["as_of"]))
        except ValueError:
            text = f"Công văn thứ {position}: {entry['as_of']!r} không phải là ngày."
            note("letters", text, f"Ghi dạng {sample}.")


@dataclass(frozen=True, slots=True)
class _Written:
    """An entry of the timeline and how and where its writer wrote it."""

    entry: TimelineEntry
    written: str
    position: int
    line: int


class _Note(Protocol):
    def __call__(self, name: str, text: str, remedy: str, line: int | None = None) -> None: ...


def _timeline(raw: object, lines: YamlLines, note: _Note) -> Iterator[_Written]:
    """The entries that could be understood; of the others every wrong member is told."""
    sample = '{at: "2022-10-12T08:00:00+07:00", do: collect, note: …}'
    if not isinstance(raw, list):
        note("timeline", "Thiếu danh sách các mốc.", f"Mỗi mốc ghi {sample}.")
        return
    places = lines.entries.get("timeline", ())
    for position, entry in enumerate(raw, 1):
        where = places[position - 1] if position <= len(places) else {}
        line = where.get("", 0)
        if not isinstance(entry, dict):
            text = f"Mốc thứ {position} không có các mục có tên."
            note("timeline", text, f"Ghi {sample}.", line)
            continue
        wrong = list(_wrong_members(entry))
        for name, text, remedy in wrong:
            note(name, f"Mốc thứ {position}: {text}", remedy, where.get(name, line))
        at = _yaml_instant(entry.get("at"))
        if at is not None and not wrong:
            step = TimelineEntry(at, entry["do"], str(entry.get("note") or ""))
            yield _Written(step, _as_written(entry["at"]), position, where.get("at", line))


def _wrong_members(entry: Mapping[Any, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, text and remedy of each wrong member of one entry of the timeline."""
    if entry.get("at") is None:
        yield "at", "thiếu at.", f"Ghi at: {_SAMPLE_INSTANT}."
    elif _yaml_instant(entry["at"]) is None:
        yield "at", *_no_instant(entry["at"])
    allowed = (
        "Chọn một trong: collect (thu thập mọi máy chủ), watch (một nhịp theo dõi kết nối), "
        "deadlines (xét thời hạn)."
    )
    if entry.get("do") is None:
        yield "do", "thiếu do.", allowed
    elif entry["do"] not in ACTIONS:
        yield "do", f"không có việc {entry['do']!r}.", allowed
    for name in entry:
        if name not in ("at", "do", "note"):
            text = f"mục {str(name)!r} không có trong định dạng."
            yield str(name), text, "Chỉ dùng: at, do, note."


_SAMPLE_INSTANT: Final = '"2022-10-12T08:00:00+07:00"'


def _no_instant(raw: object) -> tuple[str, str]:
    """Text and remedy for what should have been an instant: most often only the offset is missing."""
    written = _as_written(raw)
    remedy = f"Ghi đủ ngày, giờ và múi giờ, trong ngoặc kép: {_SAMPLE_INSTANT}."
    try:
        datetime.fromisoformat(written)
    except ValueError:
        return f"{written!r} không phải là thời điểm.", remedy
    return f"{written} thiếu múi giờ.", remedy


def _as_written(raw: object) -> str:
    """YAML itself turns an instant without quotes into one, in the offset it was written in."""
    return raw.isoformat() if isinstance(raw, date) else str(raw)


def _yaml_instant(raw: object) -> datetime | None:
    """An instant that YAML gave as text, or already as a date and time with a zone."""
    if isinstance(raw, datetime):
        return raw.astimezone(UTC) if raw.tzinfo else None
    if not isinstance(raw, str):
        return None
    try:
        return cells.instant(raw)
    except cells.BadCellError:
        return None
