"""A ministry's estates, invented: provinces with their servers, units and hosts, in one installation.

The hosts are those of ``rows``, cut into one part a server; a machine's name begins with the prefix
of the unit its group belongs to, so that about as many are wrongly named as ``rows`` has it.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import provinces, rows
from bench.provinces import SINCE, write_rows

BLOCKS = 12  # of five groups each (``rows.group_name``): a unit has a block
_SEATS_ABOVE = 1.1  # more seats than machines, as the letters have it
_PAPER = "Số liệu dựng để đo"
_DATED = {"valid_from_date": SINCE, "valid_to_date": "", "source_document": _PAPER}


@dataclass(frozen=True, slots=True)
class Ministry:
    """How much of everything there is. Servers are spread evenly over provinces, hosts over servers."""

    provinces: int
    servers: int
    hosts: int

    @property
    def codes(self) -> tuple[str, ...]:
        """The servers, province by province, each province's own first."""
        return tuple(
            code
            for codes in provinces.server_codes(self.provinces, self.servers).values()
            for code in codes
        )

    def first_host(self, server: int) -> int:
        """The number of a server's first host; that of ``servers`` is the count of all hosts."""
        return server * self.hosts // self.servers

    @property
    def units_count(self) -> int:
        """A unit a server and twelve below each."""
        return self.servers * (1 + BLOCKS)


def unit_of(host: int) -> int:
    """The place, among those of its server, of the unit that a host's group belongs to."""
    return host % (BLOCKS * 5) // 5


def prefix_of(server: int, unit: int) -> str:
    """The name prefix of a unit, unique in the ministry."""
    return f"D{server:04d}{chr(ord('A') + unit)}"


def unit_code(server_code: str, unit: int) -> str:
    return f"{server_code}_u{unit:02d}"


def host(ministry: Ministry, server: int, number: int, day: int) -> dict[str, Any]:
    """A host of ``rows`` under the name that its unit would give it, right or wrong alike."""
    facts = rows.host(number, ministry.hosts, day)
    said = str(facts["KLHST_WKS_DN"])
    place = said.find("TM-P")
    if place >= 0:
        head, tail = said[:place], said[place:]
        machine, _, copy = tail.partition("~~")
        base = int(machine.rpartition("-")[2])
        prefix = prefix_of(server, unit_of(number))
        name = f"{head}{prefix}-{base:06d}" + (f"~~{copy}" if copy else "")
        label = name.partition("~")[0].lower()
        facts |= {
            "KLHST_WKS_DN": name,
            "KLHST_WKS_WINHOSTNAME": label[:15].upper(),
            "KLHST_WKS_DNSNAME": label,
            "KLHST_WKS_FQDN": f"{label}.bo.example",
        }
    return facts


def make_hosts(folder: Path, ministry: Ministry, day: int) -> None:
    """Write the items of a day, and where each begins, as ``rows.make`` does for one server."""
    folder.mkdir(parents=True, exist_ok=True)
    offsets = array("Q", [0])
    at = 0
    with (folder / f"day{day}.items").open("wb") as out:
        for server, number in _numbered(ministry):
            item = {"type": "params", "value": rows.wire(host(ministry, server, number, day))}
            line = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b","
            at += len(line)
            offsets.append(at)
            out.write(line)
    (folder / f"day{day}.offsets").write_bytes(offsets.tobytes())
    (folder / "groups.json").write_text(
        json.dumps(rows.groups(), ensure_ascii=False), encoding="utf-8"
    )


def _numbered(ministry: Ministry) -> Iterator[tuple[int, int]]:
    for server in range(ministry.servers):
        for number in range(ministry.first_host(server), ministry.first_host(server + 1)):
            yield server, number


def served(data: Path, home: Path, ministry: Ministry) -> list[str]:
    """The words by which ``scheduler.simulated`` starts the servers of the days in ``data``."""
    counts = (ministry.provinces, ministry.servers, ministry.hosts)
    return [
        "bench.ministry_standin",
        str(data),
        str(home / "simulator"),
        *(str(one) for one in counts),
    ]


def observed_at(day: int) -> datetime:
    """The instant at which a run of a day begins."""
    return rows.observed_at(day)


def write(folder: Path, ministry: Ministry) -> list[Path]:
    """A folder a province with its ``registry/<estate_code>/``, as ``gather_registry`` takes them."""
    server = 0
    made = []
    for number, codes in provinces.server_codes(ministry.provinces, ministry.servers).items():
        _write_registry(folder / codes[0], number, codes, server, ministry)
        made.append(folder / codes[0])
        server += len(codes)
    return made


def _write_registry(
    scenario: Path, number: int, codes: Sequence[str], first_server: int, ministry: Ministry
) -> None:
    provinces.write_registry(scenario / "registry" / codes[0], number, codes)
    folder = scenario / "registry" / codes[0]
    units: list[dict[str, object]] = []
    groups: list[dict[str, object]] = []
    seats: list[dict[str, object]] = []
    for place, code in enumerate(codes):
        server = first_server + place
        hosts = ministry.first_host(server + 1) - ministry.first_host(server)
        for unit in range(BLOCKS):
            leaf = unit_code(code, unit)
            units.append(
                {
                    "unit_code": leaf,
                    "unit_name": f"Phòng số {unit} của {code}",
                    "unit_kind": "phong",
                    "official_code": "",
                    "name_prefix": prefix_of(server, unit),
                    "parent_unit_code": code,
                    "list_order": len(codes) + len(units),
                    **_DATED,
                }
            )
            groups.append(
                {
                    "server_code": code,
                    "group_path": rows.group_name(unit * 5).split("/")[1],
                    "unit_code": leaf,
                    **_DATED,
                }
            )
            seats.append(
                {
                    "entry_id": f"{leaf}_1",
                    "entry_kind": "grant",
                    "from_unit_code": "",
                    "to_unit_code": leaf,
                    "seat_count": int(hosts / BLOCKS * _SEATS_ABOVE) + 1,
                    **_DATED,
                }
            )
    write_rows(folder / "units.csv", [*provinces.unit_rows(codes), *units])
    write_rows(folder / "server_groups.csv", groups)
    write_rows(folder / "allocations.csv", seats)
