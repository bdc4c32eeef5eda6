"""Scenario folders of an invented province: one provincial server, districts below it, seats.

``write_province(folder, districts=12)`` writes what the offices decided (``registry/``) and what
the servers know (``estate/``), so that a test states only what is special about it. Units, names and
figures are made up; no letter stands behind them.

A district ``mau_h01`` has two offices: ``mau_h01_pnv`` (names begin ``NV01-``) and ``mau_h01_ptp``
(``TP01-``). Machines that lie in no office's group count for the district.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from estates import UNASSIGNED, host, server, write_csv, write_estate

ESTATE = "mau"
PROVINCE = "mau"
HOME_AFFAIRS = "01. Phòng ban/Phòng Nội vụ"
JUSTICE = "01. Phòng ban/Phòng Tư pháp"
SINCE = "2022-09-01"
SOURCE = "Số liệu dựng cho kiểm thử"
MACHINES = 40

Row = dict[str, Any]

# Every cell of the columns that a reader of the files may ask for.
_BLANK: Row = dict.fromkeys(
    ("from_at", "to_at", "dns_name", "group_path", "mac_address", "serial_number"), ""
)


def district(number: int) -> str:
    """The code of a district, which is both its unit's and its server's."""
    return f"mau_h{number:02d}"


def machines(number: int, count: int = MACHINES) -> list[Row]:
    """A district's machines: three in five in one office, the rest in the other.

    Of each ten the eighth has only an agent, the ninth a name nobody accepts, and the last of the
    list is unassigned and bare. ``number`` 0 is the province's own server.
    """
    code = district(number) if number else PROVINCE
    return [_machine(code, number, place, count) for place in range(1, count + 1)]


def machine_name(number: int, place: int) -> str:
    """The name that :func:`machines` gives the machine in a place of a district's list."""
    prefix = "NV" if place % 5 < 3 else "TP"
    if place % 10 == 9:
        return f"DESKTOP-{number:02d}{place:03d}"
    return f"{prefix}{number:02d}-MAY{place:03d}"


def _machine(code: str, number: int, place: int, count: int) -> Row:
    facts: Row = {
        "server_code": code,
        "group_path": HOME_AFFAIRS if place % 5 < 3 else JUSTICE,
        "ip": f"10.{84 + number}.6.{place % 250 + 1}",
    }
    if place == count:
        facts |= {"group_path": UNASSIGNED, "agent_version": None, "last_connected": None}
    if place == count or place % 10 == 8:
        facts |= {"antivirus_version": None, "rtp_state": 0, "bases": None}
    return host(machine_name(number, place), **facts)


def servers(count: int) -> list[Row]:
    """The province's server and those of ``count`` districts."""
    rows = [server(PROVINCE)]
    rows += [server(district(number), PROVINCE) for number in range(1, count + 1)]
    return rows


def write_province(
    folder: Path,
    hosts: Iterable[Mapping[str, Any]],
    *,
    districts: int,
    collected_at: Sequence[str],
    server_rows: Sequence[Mapping[str, Any]] = (),
    events: Iterable[Mapping[str, Any]] = (),
    keys: Iterable[Mapping[str, Any]] = (),
    seats: int = 10,
) -> Path:
    """Write the whole scenario. ``seats`` is what each office of a district holds."""
    write_estate(
        folder,
        [_BLANK | dict(row) for row in hosts],
        servers=[{"from_at": "", "to_at": "", **row} for row in server_rows or servers(districts)],
        groups=[
            {"server_code": district(number), "group_path": path}
            for number in range(1, districts + 1)
            for path in (HOME_AFFAIRS, JUSTICE)
        ],
        keys=keys,
        events=events,
        estate_code=ESTATE,
    )
    _write_timeline(folder, collected_at)
    write_registry(folder / "registry" / ESTATE, districts, seats)
    return folder


def write_registry(folder: Path, districts: int, seats: int) -> None:
    """What the offices decided: units, servers, groups, seats and the naming rule."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "estate.yml").write_text(
        f"estate_code: {ESTATE}\nestate_name: Tỉnh Mẫu\nold_bases_days: 15\nstale_working_days: 7\n",
        "utf-8",
    )
    dated = {"valid_from_date": SINCE, "valid_to_date": "", "source_document": SOURCE}
    units: list[Row] = [_unit(PROVINCE, "Tỉnh Mẫu", "tinh", "", "", 0)]
    served: list[Row] = [_server(PROVINCE, "province", 0)]
    groups: list[Row] = []
    grants: list[Row] = []
    for number in range(1, districts + 1):
        code = district(number)
        units.append(_unit(code, f"Huyện Mẫu {number}", "huyen_tp", "", PROVINCE, number))
        served.append(_server(code, "district", number))
        offices = (
            ("pnv", "Phòng Nội vụ", f"NV{number:02d}", HOME_AFFAIRS),
            ("ptp", "Phòng Tư pháp", f"TP{number:02d}", JUSTICE),
        )
        for order, (short, name, prefix, path) in enumerate(offices, start=1):
            office = f"{code}_{short}"
            units.append(_unit(office, name, "phong", prefix, code, order))
            groups.append({"server_code": code, "group_path": path, "unit_code": office, **dated})
            grants.append(
                {
                    "entry_id": f"2022-{office}",
                    "entry_kind": "grant",
                    "from_unit_code": "",
                    "to_unit_code": office,
                    "seat_count": seats,
                    **dated,
                }
            )
    write_csv(folder / "units.csv", units)
    write_csv(folder / "servers.csv", served)
    write_csv(folder / "server_groups.csv", groups)
    write_csv(folder / "allocations.csv", grants)
    write_csv(
        folder / "naming_rules.csv",
        [
            {
                "rule_code": "mau_mac_dinh",
                "unit_code": PROVINCE,
                "separator": "-",
                "max_length": 15,
                "allowed_part": "[A-Z0-9]+",
                "min_parts": 1,
                "max_parts": 2,
                **dated,
            }
        ],
    )


def _unit(code: str, name: str, kind: str, prefix: str, parent: str, order: int) -> Row:
    return {
        "unit_code": code,
        "unit_name": name,
        "unit_kind": kind,
        "official_code": "",
        "name_prefix": prefix,
        "parent_unit_code": parent,
        "list_order": order,
        "valid_from_date": SINCE,
        "valid_to_date": "",
        "source_document": SOURCE,
    }


def _server(code: str, role: str, order: int) -> Row:
    return {
        "server_code": code,
        "server_name": f"Máy chủ KSC {code}",
        "server_role": role,
        "unit_code": code,
        "list_order": order,
        "valid_from_date": SINCE,
        "valid_to_date": "",
        "source_document": SOURCE,
    }


def _write_timeline(folder: Path, collected_at: Sequence[str]) -> None:
    """The scenario's own file again, in the form that the recount reads."""
    lines = [f"name: {folder.name}", "title: Tỉnh Mẫu", f"estate_code: {ESTATE}", "timeline:"]
    lines += [f'  - {{at: "{at}", do: collect}}' for at in collected_at]
    lines.append(f'ends_at: "{collected_at[-1]}"')
    (folder / "scenario.yml").write_text("\n".join(lines) + "\n", "utf-8")
