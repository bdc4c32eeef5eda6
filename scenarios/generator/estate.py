"""The files of a scenario, from what the generator knows of an estate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.generator.duties import DUTY_COLUMNS
from scenarios.generator.files import quoted, write_csv, write_text
from scenarios.generator.hosts import COLUMNS, UNASSIGNED, Host

Row = dict[str, str]

SERVER_COLUMNS = (
    "server_code",
    "parent_server_code",
    "display_name",
    "version",
    "is_passive",
    "address",
    "clock_skew_seconds",
    "from_at",
    "to_at",
)
GROUP_COLUMNS = ("server_code", "group_path", "from_at", "to_at")
KEY_COLUMNS = (
    "server_code",
    "serial",
    "product_name",
    "key_type",
    "limit_count",
    "created_at",
    "expires_at",
    "from_at",
    "to_at",
)
DETECTION_COLUMNS = (
    "server_code",
    "host_id",
    "rise_at",
    "registered_at",
    "threat_name",
    "object_name",
    "outcome",
    "user_name",
)
CONTACT_COLUMNS = ("role", "unit_code", "name", "address")
EVENT_COLUMNS = ("server_code", "from_at", "to_at", "kind", "value")

REGISTRY_COLUMNS = {
    "units": (
        "unit_code",
        "unit_name",
        "unit_kind",
        "official_code",
        "name_prefix",
        "parent_unit_code",
        "list_order",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "unit_aliases": ("alias", "unit_code", "valid_from_date", "valid_to_date", "source_document"),
    "servers": (
        "server_code",
        "server_name",
        "server_role",
        "unit_code",
        "list_order",
        "console_name",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "server_groups": (
        "server_code",
        "group_path",
        "unit_code",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "allocations": (
        "entry_id",
        "entry_kind",
        "from_unit_code",
        "to_unit_code",
        "seat_count",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "naming_rules": (
        "rule_code",
        "unit_code",
        "separator",
        "max_length",
        "allowed_part",
        "min_parts",
        "max_parts",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "calendar": ("date", "kind", "name", "source_document"),
    "notice_steps": (
        "notice_kind",
        "step",
        "role",
        "after",
        "after_unit",
        "window",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "office_hours": (
        "from_time",
        "to_time",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
}


@dataclass(slots=True)
class Server:
    """One KSC server: its row, its groups as the console spells them, its hosts and its keys."""

    row: Row
    groups: list[Row] = field(default_factory=list)
    hosts: list[Host] = field(default_factory=list)
    keys: list[Row] = field(default_factory=list)
    detections: list[Row] = field(default_factory=list)

    @property
    def server_code(self) -> str:
        return self.row["server_code"]

    def add_group(self, group_path: str) -> str:
        row = {"server_code": self.server_code, "group_path": group_path}
        if row not in self.groups:
            self.groups.append(row)
        return group_path


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of the timeline."""

    at: str
    do: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class WantedLetter:
    """A letter that the rehearsal has written, once its day is over."""

    as_of: str
    kind: str
    unit_code: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One entry of expected.yml."""

    as_of_date: str
    unit_code: str
    counts: dict[str, int]
    letter: str
    shown: dict[str, str] = field(default_factory=dict)

    def written(self) -> str:
        lines = [f"  - as_of_date: {self.as_of_date}", f"    unit_code: {self.unit_code}"]
        lines += [f"    {name}: {count}" for name, count in self.counts.items()]
        if self.shown:
            pairs = ", ".join(f"{name}: {quoted(text)}" for name, text in self.shown.items())
            lines.append(f"    shown: {{{pairs}}}")
        if self.letter:
            lines.append(f"    letter: {quoted(self.letter)}")
        return "\n".join(lines) + "\n"


@dataclass(slots=True)
class Scenario:
    name: str
    title: str
    estate_code: str
    estate_name: str
    timeline: Sequence[Moment]
    ends_at: str
    registry: dict[str, list[Row]]
    servers: list[Server]
    events: list[Row]
    figures: list[Figure]
    letters: Sequence[WantedLetter] = ()
    reported: Sequence[tuple[str, str, dict[str, int]]] = ()

    def write(self, folder: Path) -> None:
        """Write every file of the scenario; rows stand in a stable, readable order."""
        write_text(folder / "scenario.yml", self._scenario_yml())
        self._write_registry(folder / "registry" / self.estate_code)
        self._write_estate(folder / "estate")
        write_text(folder / "expected.yml", self._expected_yml())
        write_csv(folder / "contacts.csv", CONTACT_COLUMNS, self.contacts())

    def _scenario_yml(self) -> str:
        lines = [
            f"name: {self.name}",
            f"title: {quoted(self.title)}",
            f"estate_code: {self.estate_code}",
            "timeline:",
        ]
        for moment in self.timeline:
            note = f", note: {quoted(moment.note)}" if moment.note else ""
            lines.append(f"  - {{at: {quoted(moment.at)}, do: {moment.do}{note}}}")
        lines.append(f"ends_at: {quoted(self.ends_at)}")
        if self.letters:
            lines.append("letters:")
        lines += [
            f"  - {{as_of: {quoted(one.as_of)}, kind: {one.kind}, unit_code: {one.unit_code}}}"
            for one in self.letters
        ]
        return "\n".join(lines) + "\n"

    def _expected_yml(self) -> str:
        written = "figures:\n" + "".join(figure.written() for figure in self.figures)
        reported = [
            f"  - {{unit_code: {unit_code}, report_date: {day}, "
            + ", ".join(f"{name}: {count}" for name, count in counts.items())
            + "}\n"
            for unit_code, day, counts in self.reported
        ]
        return written + ("reported:\n" + "".join(reported) if reported else "")

    def _write_registry(self, folder: Path) -> None:
        write_text(
            folder / "estate.yml",
            f"estate_code: {self.estate_code}\nestate_name: {quoted(self.estate_name)}\n"
            "old_bases_days: 15\nstale_working_days: 7\n",
        )
        for name, columns in REGISTRY_COLUMNS.items():
            write_csv(folder / f"{name}.csv", columns, self.registry[name])
        for name, columns in DUTY_COLUMNS.items():
            if self.registry.get(name):
                write_csv(folder / f"{name}.csv", columns, self.registry[name])

    def contacts(self) -> list[Row]:
        """Mailboxes of offices, all invented: no person, and no address that could be real."""
        units = {row["unit_code"]: row["unit_name"] for row in self.registry["units"]}
        domain = self.estate_code.replace("_", "") + ".example"
        root = self.servers[0].server_code
        rows = [
            {"role": role, "unit_code": root, "name": name, "address": f"{box}@{domain}"}
            for role, name, box in (
                ("ops_team", f"Tổ trực KSC {units[root]}", "truc-ksc"),
                ("engineers", "Nhóm vận hành KSC Ledger", "van-hanh"),
                ("so", "Phòng chuyên môn của Sở", "so"),
                ("unit", f"Bộ phận chuyên trách {units[root]}", "chuyen-trach"),
                ("department", "Phòng chuyên môn của Sở", "so"),
            )
        ]
        for server in self.servers[1:]:
            code = server.server_code
            box = code.replace("_", "-")
            rows += [
                {
                    "role": "unit",
                    "unit_code": code,
                    "name": f"Cán bộ phụ trách {units[code]}",
                    "address": f"{box}@{domain}",
                },
                {
                    "role": "department",
                    "unit_code": code,
                    "name": f"Phòng Văn hóa và Thông tin {units[code]}",
                    "address": f"{box}-vhtt@{domain}",
                },
            ]
        told = {row["unit_code"] for row in rows}
        rows += [
            {
                "role": "unit",
                "unit_code": row["unit_code"],
                "name": f"Cán bộ phụ trách {row['unit_name']}",
                "address": f"{row['unit_code'].replace('_', '-')}@{domain}",
            }
            for row in self.registry["units"]
            if row["unit_kind"] != "nhom" and row["unit_code"] not in told
        ]
        return rows

    def _write_estate(self, folder: Path) -> None:
        for server in self.servers:
            check_hosts(server)
            rows = [row for host in server.hosts for row in host.rows()]
            rows.sort(key=lambda row: (row["group_path"], row["host_id"], row["from_at"]))
            write_csv(folder / "hosts" / f"{server.server_code}.csv", COLUMNS, rows)
        write_csv(folder / "servers.csv", SERVER_COLUMNS, [one.row for one in self.servers])
        write_csv(folder / "groups.csv", GROUP_COLUMNS, _all(one.groups for one in self.servers))
        write_csv(folder / "keys.csv", KEY_COLUMNS, _all(one.keys for one in self.servers))
        detections = _all(one.detections for one in self.servers)
        detections.sort(key=lambda row: (row["rise_at"], row["server_code"], row["host_id"]))
        write_csv(folder / "detections.csv", DETECTION_COLUMNS, detections)
        write_csv(folder / "events.csv", EVENT_COLUMNS, self.events)


def check_hosts(server: Server) -> None:
    """Refuse to write a server whose hosts lie in groups it does not have, or share an id."""
    known = {row["group_path"] for row in server.groups} | {UNASSIGNED, ""}
    ids = [host.host_id for host in server.hosts]
    if len(set(ids)) != len(ids):
        raise ValueError(f"{server.server_code}: two hosts share an id")
    for host in server.hosts:
        for row in host.rows():
            if row["group_path"] not in known:
                raise ValueError(f"{server.server_code}: no group {row['group_path']!r}")


def _all(parts: Iterable[list[Row]]) -> list[Row]:
    return [row for part in parts for row in part]
