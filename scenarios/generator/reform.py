"""The reform of 1 July 2025 for Tháp Mười and Kon Plông: `python -m scenarios.generator.reform`.

Which commune goes where is public (source/admin_units_2025_crosswalk.csv). What became of a district's
offices, of its seats and of its KSC server is not: those rows say that they are made up. Two days are
collected, the last one of the districts and the first working day after.
"""

from __future__ import annotations

import csv
import shutil
import sys
import unicodedata
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.generator.files import quoted, write_csv, write_text
from scenarios.generator.units import UnitRow, children_of

CROSSWALK = Path(__file__).parent / "source" / "admin_units_2025_crosswalk.csv"
REPOSITORY = Path(__file__).resolve().parents[2]
FIRST_DATE, LAST_DATE, REFORM_DATE = "2025-01-01", "2025-06-30", "2025-07-01"
MOVED_AT = "2025-07-01T07:00:00+07:00"
MADE_UP = "số liệu dựng cho kịch bản"
SPLIT_PAPER = f"Văn bản chia bản quyền và máy khi bỏ cấp huyện ({MADE_UP})"
_IDS = uuid.UUID("6f0c1f0e-5d3f-4b0e-9a55-2f1d8c3a7b20")

VALID = ["valid_from_date", "valid_to_date", "source_document"]
COLUMNS = {
    "units": [
        "unit_code",
        "unit_name",
        "unit_kind",
        "official_code",
        "name_prefix",
        "parent_unit_code",
        "list_order",
        *VALID,
    ],
    "servers": [
        "server_code",
        "server_name",
        "server_role",
        "unit_code",
        "list_order",
        "console_name",
        *VALID,
    ],
    "server_groups": ["server_code", "group_path", "unit_code", *VALID],
    "allocations": [
        "entry_id",
        "entry_kind",
        "from_unit_code",
        "to_unit_code",
        "seat_count",
        *VALID,
    ],
    "successions": [
        "succession_kind",
        "from_unit_code",
        "to_unit_code",
        "effective_date",
        "seat_count",
        "source_document",
    ],
    "naming_rules": [
        "rule_code",
        "unit_code",
        "separator",
        "max_length",
        "allowed_part",
        "min_parts",
        "max_parts",
        *VALID,
    ],
}
HOST_COLUMNS = [
    "host_id", "from_at", "to_at", "display_name", "group_path", "os_name", "is_server",
    "agent_version", "antivirus_version", "rtp_state", "bases", "last_connected", "last_visible",
    "created_at",
]  # fmt: skip


@dataclass
class Reform:
    """One estate before and after."""

    name: str
    title: str
    estate_code: str
    estate_name: str
    law: str
    sheets: dict[str, list[dict[str, str]]] = field(
        default_factory=lambda: {name: [] for name in COLUMNS}
    )
    servers: list[tuple[str, str, str]] = field(default_factory=list)
    hosts: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    groups: list[tuple[str, str]] = field(default_factory=list)
    seats_after: dict[str, int] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)

    @property
    def roots(self) -> dict[str, tuple[str, str]]:
        """Each unit without a parent, and from when to when it is there."""
        found: dict[str, tuple[str, str]] = {}
        for row in self.sheets["units"]:
            if not row["parent_unit_code"]:
                begins = found.get(row["unit_code"], (row["valid_from_date"], ""))[0]
                found[row["unit_code"]] = (begins, row["valid_to_date"])
        return found

    def unit(
        self, code: str, name: str, kind: str, parent: str, order: int, *, official: str = "",
        prefix: str = "", begins: str = FIRST_DATE, ends: str = "", paper: str = "",
    ) -> None:  # fmt: skip
        self.sheets["units"].append(
            {
                "unit_code": code,
                "unit_name": name,
                "unit_kind": kind,
                "official_code": official,
                "name_prefix": prefix,
                "parent_unit_code": parent,
                "list_order": str(order),
                "valid_from_date": begins,
                "valid_to_date": ends,
                "source_document": paper or f"Danh mục đơn vị năm 2025 ({MADE_UP})",
            }
        )

    def server(
        self, code: str, name: str, role: str, console: str, before: str, after: str
    ) -> None:
        """A server that goes on while its unit does not."""
        parent = "" if role == "province" else self.servers[0][0]
        self.servers.append((code, parent, console))
        for unit, begins, ends in (
            (before, FIRST_DATE, LAST_DATE if before != after else ""),
            (after, REFORM_DATE, ""),
        ):
            if begins == REFORM_DATE and before == after:
                continue
            self.sheets["servers"].append(
                {
                    "server_code": code,
                    "server_name": name,
                    "server_role": role,
                    "unit_code": unit,
                    "list_order": str(len(self.servers) - 1),
                    "console_name": "" if role == "province" else console,
                    "valid_from_date": begins,
                    "valid_to_date": ends,
                    "source_document": f"Danh mục máy chủ KSC năm 2025 ({MADE_UP})",
                }
            )

    def group(self, server: str, path: str, before: str, after: str) -> None:
        """A group of the console stays as it is; what it means changes with the reform."""
        self.groups.append((server, path))
        for unit, begins, ends in ((before, FIRST_DATE, LAST_DATE), (after, REFORM_DATE, "")):
            self.sheets["server_groups"].append(
                {
                    "server_code": server,
                    "group_path": path,
                    "unit_code": unit,
                    "valid_from_date": begins,
                    "valid_to_date": ends,
                    "source_document": f"Cây nhóm KSC ({MADE_UP})",
                }
            )

    def grant(self, unit: str, seats: int, begins: str, ends: str, paper: str) -> None:
        self.sheets["allocations"].append(
            {
                "entry_id": f"{begins[:4]}{begins[5:7]}-{unit}",
                "entry_kind": "grant",
                "from_unit_code": "",
                "to_unit_code": unit,
                "seat_count": str(seats),
                "valid_from_date": begins,
                "valid_to_date": ends,
                "source_document": paper,
            }
        )

    def become(self, before: str, after: str, *, seats: int | None = None, paper: str = "") -> None:
        """``seats`` given: this part of a split; else the whole goes there."""
        self.sheets["successions"].append(
            {
                "succession_kind": "merge" if seats is None else "split",
                "from_unit_code": before,
                "to_unit_code": after,
                "effective_date": REFORM_DATE,
                "seat_count": "" if seats is None else str(seats),
                "source_document": paper or self.law,
            }
        )

    def machines(self, server: str, group: str, prefix: str, right: int, wrong: int) -> None:
        rows = self.hosts.setdefault(server, [])
        for number in range(right + wrong):
            name = f"{prefix}-{number + 1:02d}" if number < right else f"DESKTOP-{len(rows):07d}"
            rows.append(
                {
                    "host_id": str(uuid.uuid5(_IDS, f"{self.name}/{server}/{len(rows)}")),
                    "from_at": "",
                    "to_at": "",
                    "display_name": name,
                    "group_path": group,
                    "os_name": "Microsoft Windows 10",
                    "is_server": "0",
                    "agent_version": "14.2.0.26967",
                    "antivirus_version": "12.3.0.493",
                    "rtp_state": "4",
                    "bases": "-3h",
                    "last_connected": "-25m",
                    "last_visible": "-20m",
                    "created_at": "2025-01-02T08:00:00+07:00",
                }
            )

    def move(self, server: str, group: str, count: int, to: str) -> None:
        """From the reform on, the first machines of a group lie in another one."""
        rows = self.hosts[server]
        for row in [row for row in rows if row["group_path"] == group][:count]:
            rows.append(row | {"from_at": MOVED_AT, "group_path": to})
            row["to_at"] = MOVED_AT

    def figure(self, day: str, unit: str, seats: int, machines: int) -> None:
        self.figures.append(
            f"  - {{as_of_date: {day}, unit_code: {unit}, allocated_count: {seats},"
            f" installed_count: {machines}}}\n"
        )

    def write(self, folder: Path) -> None:
        for part in ("registry", "estate"):
            shutil.rmtree(folder / part, ignore_errors=True)
        registry = folder / "registry" / self.estate_code
        for unit, seats in sorted(self.seats_after.items()):
            self.grant(unit, seats, REFORM_DATE, "", SPLIT_PAPER)
        for number, (begins, ends) in enumerate(self.roots.values(), 1):
            self.sheets["naming_rules"].append(
                {
                    "rule_code": f"{self.estate_code}_{number}",
                    "unit_code": list(self.roots)[number - 1],
                    "separator": "-",
                    "max_length": "15",
                    "allowed_part": "[A-Z0-9]+",
                    "min_parts": "1",
                    "max_parts": "2",
                    "valid_from_date": begins,
                    "valid_to_date": ends,
                    "source_document": f"Quy tắc đặt tên máy ({MADE_UP})",
                }
            )
        for name, columns in COLUMNS.items():
            write_csv(registry / f"{name}.csv", columns, self.sheets[name])
        write_text(
            registry / "estate.yml",
            f"estate_code: {self.estate_code}\nestate_name: {self.estate_name}\n",
        )
        write_text(
            folder / "scenario.yml",
            f"name: {self.name}\ntitle: {quoted(self.title)}\nestate_code: {self.estate_code}\n"
            "timeline:\n"
            '  - {at: "2025-06-30T17:00:00+07:00", do: collect, note: "Ngày cuối của cấp huyện"}\n'
            '  - {at: "2025-07-02T08:00:00+07:00", do: collect, note: "Tổ chức mới"}\n'
            'ends_at: "2025-07-02T08:00:00+07:00"\n',
        )
        write_text(folder / "expected.yml", "figures:\n" + "".join(self.figures))
        write_csv(
            folder / "estate" / "servers.csv",
            ["server_code", "parent_server_code", "display_name", "version", "address"],
            [
                {
                    "server_code": code,
                    "parent_server_code": parent,
                    "display_name": console,
                    "version": "14.2.0.26967",
                    "address": f"10.25.{number}.10:13000",
                }
                for number, (code, parent, console) in enumerate(self.servers)
            ],
        )
        write_csv(
            folder / "estate" / "groups.csv",
            ["server_code", "group_path"],
            [{"server_code": code, "group_path": path} for code, path in self.groups],
        )
        for code, _, _ in self.servers:
            rows = self.hosts.get(code, [])
            write_csv(folder / "estate" / "hosts" / f"{code}.csv", HOST_COLUMNS, rows)


def _wards(district: str) -> list[dict[str, str]]:
    with CROSSWALK.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["old_district_code"] == district]


def _prefix(name: str) -> str:
    """Nine letters of a name without its kind: Xã Phương Thịnh, PHUONGTHI."""
    bare = name.split(" ", 1)[1].replace("Đ", "D").replace("đ", "d")
    letters = unicodedata.normalize("NFD", bare)
    return "".join(c for c in letters if c.isascii() and c.isalnum()).upper()[:9]


def _kind(name: str) -> str:
    return {"Xã": "xa", "Ph": "phuong", "Th": "thi_tran"}[name[:2]]


def _new_communes(reform: Reform, wards: list[dict[str, str]], parent: str) -> dict[str, str]:
    """The communes made of these wards, by the official code of each old one."""
    heirs: dict[str, str] = {}
    made: dict[str, str] = {}
    for ward in wards:
        code = f"{parent}_{ward['new_ward_code']}"
        if code not in made:
            made[code] = ward["new_ward"]
            name = ward["new_ward"]
            reform.unit(
                code, name, _kind(name), parent, len(made) + 10, official=ward["new_ward_code"],
                prefix=_prefix(name), begins=REFORM_DATE, paper=reform.law,
            )  # fmt: skip
        heirs[ward["old_ward_code"]] = code
    return heirs


def _district_of_units(
    reform: Reform, server: str, heirs: dict[str, str], seat: str, split: tuple[str, str, int, int]
) -> None:
    """A district whose units hold the seats. ``split``: an office, its second heir, both parts."""
    for unit in children_of(server):
        is_ward = unit.official_code in heirs
        path = f"{'Xã, thị trấn' if is_ward else 'Phòng ban'}/{unit.unit_name}"
        heir = heirs[unit.official_code] if is_ward else seat
        reform.unit(
            unit.unit_code, unit.unit_name, unit.unit_kind, server, unit.list_order,
            official=unit.official_code, prefix=unit.name_prefix, ends=LAST_DATE,
        )  # fmt: skip
        reform.group(server, path, unit.unit_code, heir)
        right, installed, seats = _counts(unit)
        reform.machines(server, path, unit.name_prefix, right, installed - right)
        reform.grant(
            unit.unit_code, seats, FIRST_DATE, LAST_DATE, f"Phân bổ đến hết 30/6/2025 ({MADE_UP})"
        )
        office, other, here, there = split
        if unit.unit_code == office:
            reform.become(office, seat, seats=here, paper=SPLIT_PAPER)
            reform.become(office, other, seats=there, paper=SPLIT_PAPER)
            reform.seats_after[seat] = reform.seats_after.get(seat, 0) + here
            reform.seats_after[other] = reform.seats_after.get(other, 0) + there
        else:
            reform.become(unit.unit_code, heir, paper="" if is_ward else SPLIT_PAPER)
            reform.seats_after[heir] = reform.seats_after.get(heir, 0) + seats
    reform.become(server, seat, paper=SPLIT_PAPER)


def _counts(unit: UnitRow) -> tuple[int, int, int]:
    return (
        unit.correctly_named_count or 0,
        unit.installed_count or 0,
        unit.allocated_count or 0,
    )


def dong_thap() -> Reform:
    """Huyện Tháp Mười and huyện Cao Lãnh; xã Phương Thịnh is made of a commune of each."""
    reform = Reform(
        "reform_dong_thap",
        "Đồng Tháp bỏ cấp huyện, 01/7/2025 (Tháp Mười và huyện Cao Lãnh)",
        "dong_thap",
        "Tỉnh Đồng Tháp",
        "Nghị quyết 1663/NQ-UBTVQH15 ngày 16/6/2025",
    )
    reform.unit("dtp", "Tỉnh Đồng Tháp", "tinh", "", 0, official="87", ends=LAST_DATE)
    reform.unit(
        "dtp", "Tỉnh Đồng Tháp", "tinh", "", 0, official="82", begins=REFORM_DATE,
        paper="Nghị quyết 202/2025/QH15 ngày 12/6/2025",
    )  # fmt: skip
    reform.unit("dtp_872", "Huyện Tháp Mười", "huyen_tp", "dtp", 6, official="872", ends=LAST_DATE)
    reform.unit(
        "dtp_873", "Huyện Cao Lãnh", "huyen_tp", "dtp", 5, official="873", prefix="HCL",
        ends=LAST_DATE,
    )  # fmt: skip
    wards_872, wards_873 = _wards("872"), _wards("873")
    heirs = _new_communes(reform, [*wards_872, *wards_873], "dtp")
    reform.server("dtp", "Máy chủ KSC tỉnh Đồng Tháp", "province", "KSC-DTP", "dtp", "dtp")
    reform.server("dtp_872", "Máy chủ KSC Tháp Mười", "district", "KSC-TM", "dtp_872", "dtp_30037")
    reform.server("dtp_873", "Máy chủ KSC Cao Lãnh", "district", "KSC-CL", "dtp_873", "dtp_30076")
    _district_of_units(reform, "dtp_872", heirs, "dtp_30037", ("dtp_872_nnpt", "dtp_30046", 8, 6))
    office = "Phòng ban/Phòng Nông nghiệp và Phát triển nông thôn"
    reform.move("dtp_872", office, 5, "Xã, thị trấn/Xã Trường Xuân")
    # Huyện Cao Lãnh held its seats itself.
    parts: dict[str, int] = {}
    for number, ward in enumerate(wards_873, 1):
        code, name = f"dtp_873_{ward['old_ward_code']}", ward["old_ward"]
        heir = heirs[ward["old_ward_code"]]
        path = f"Xã, thị trấn/{name}"
        reform.unit(
            code, name, _kind(name), "dtp_873", number, official=ward["old_ward_code"],
            prefix=f"CL{ward['old_ward_code']}", ends=LAST_DATE,
        )  # fmt: skip
        reform.group("dtp_873", path, code, heir)
        reform.machines("dtp_873", path, f"CL{ward['old_ward_code']}", 3, 0)
        reform.become(code, heir)
        parts[heir] = parts.get(heir, 0) + 18
    reform.machines("dtp_873", "", "HCL", 6, 0)
    parts["dtp_30076"] += 330 - sum(parts.values())
    reform.grant("dtp_873", 330, FIRST_DATE, LAST_DATE, f"Phân bổ đến hết 30/6/2025 ({MADE_UP})")
    for heir, seats in parts.items():
        reform.become("dtp_873", heir, seats=seats, paper=SPLIT_PAPER)
        reform.seats_after[heir] = reform.seats_after.get(heir, 0) + seats
    reform.figure(LAST_DATE, "dtp", 660, 315)
    reform.figure(LAST_DATE, "dtp_872", 330, 255)
    reform.figure(LAST_DATE, "dtp_873", 330, 60)
    reform.figure("2025-07-02", "dtp", 660, 315)
    reform.figure("2025-07-02", "dtp_30043", 11 + 18, 9 + 3)
    reform.figure("2025-07-02", "dtp_30046", 11 + 11 + 6, 7 + 11 + 5)
    return reform


def kon_tum() -> Reform:
    """Huyện Kon Plông; the province itself becomes part of Quảng Ngãi."""
    reform = Reform(
        "reform_kon_tum",
        "Kon Tum nhập vào Quảng Ngãi, 01/7/2025 (Kon Plông)",
        "kon_tum",
        "Tỉnh Kon Tum, từ 01/7/2025 là tỉnh Quảng Ngãi",
        "Nghị quyết 1677/NQ-UBTVQH15 ngày 16/6/2025",
    )
    province = "Nghị quyết 202/2025/QH15 ngày 12/6/2025"
    reform.unit("ktm", "Tỉnh Kon Tum", "tinh", "", 0, official="62", ends=LAST_DATE)
    reform.unit(
        "qni", "Tỉnh Quảng Ngãi", "tinh", "", 0, official="51", begins=REFORM_DATE, paper=province
    )
    reform.become("ktm", "qni", paper=province)
    reform.unit("ktm_613", "Huyện Kon Plông", "huyen_tp", "ktm", 1, official="613", ends=LAST_DATE)
    heirs = _new_communes(reform, _wards("613"), "qni")
    reform.server("ktm", "Máy chủ KSC Kon Tum", "province", "KSC-KTM", "ktm", "qni")
    reform.server("ktm_613", "Máy chủ KSC Kon Plông", "district", "KSC-KPL", "ktm_613", "qni_23473")
    _district_of_units(reform, "ktm_613", heirs, "qni_23473", ("ktm_613_ttvh", "qni_23476", 4, 2))
    reform.figure(LAST_DATE, "ktm_613", 190, sum(_counts(u)[1] for u in children_of("ktm_613")))
    reform.figure("2025-07-02", "qni", 190, sum(_counts(u)[1] for u in children_of("ktm_613")))
    return reform


def main() -> int:
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "scenarios"
    for reform in (dong_thap(), kon_tum()):
        folder = into / reform.name
        reform.write(folder)
        sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
