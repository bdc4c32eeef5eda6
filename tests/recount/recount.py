"""A second count of a scenario's figures, made without the product.

It reads the files of a scenario folder and counts, for one instant, what docs and contract mean by
allocated, installed, correctly named, agent only, duplicate, second antivirus, exempt, gap, over and
net gap; and, with ``recount_beside``, detections, licences, second antiviruses and weak hardware. It
shares no code with the product and uses the standard library only, so that a mistake made twice is
unlikely.

    python tests/recount/recount.py scenarios/dong_thap --day 2022-10-12
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

VIETNAM = timezone(timedelta(hours=7))
NEVER = datetime(1, 1, 1, tzinfo=UTC)
COUNTS = (
    "allocated",
    "installed",
    "correctly_named",
    "agent_only",
    "duplicate",
    "antivirus_conflict",
    "exempt",
    "gap",
    "over",
    "net_gap",
)
# What comes of machines; None where no server of the unit was ever read whole.
OF_MACHINES = (
    "installed",
    "correctly_named",
    "agent_only",
    "duplicate",
    "antivirus_conflict",
    "gap",
    "over",
    "net_gap",
)
FIRST_LOOK = timedelta(days=30)  # so far back a server's log is read the first time
UNCURED = {"notcured"}

Row = dict[str, str]


def recount(scenario: Path, instant: datetime) -> dict[str, dict[str, int | None]]:
    """Every unit's figures as they stand at an instant, after the collection at that instant.

    A server's machines are those of its last collection that it answered; a machine's state is
    read at that collection. A unit none of whose servers has been read has None for all counts
    that come of machines.
    """
    figures: dict[str, dict[str, int | None]] = {}
    for registry in sorted((scenario / "registry").iterdir()):
        figures |= _recount_estate(scenario, registry, instant)
    return figures


def collection_instants(scenario: Path) -> list[datetime]:
    """The instants at which the timeline asks every server."""
    text = (scenario / "scenario.yml").read_text("utf-8")
    found = re.findall(r'at:\s*"?([0-9T:+-]+)"?\s*,\s*do:\s*collect', text)
    return [datetime.fromisoformat(one) for one in found]


def end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), VIETNAM)


def _recount_estate(
    scenario: Path, registry: Path, instant: datetime
) -> dict[str, dict[str, int | None]]:
    day = instant.astimezone(VIETNAM).date()
    units = {row["unit_code"]: row for row in _in_force(registry / "units.csv", day)}
    children: dict[str, list[str]] = defaultdict(list)
    for code, unit in units.items():
        children[unit["parent_unit_code"]].append(code)
    hosts, served = _read(scenario, registry, instant)
    own: dict[str, dict[str, int]] = {code: dict.fromkeys(COUNTS, 0) for code in units}
    _count_machines(hosts, own, units, _rules(registry, day, units))
    for position in _with_second_antivirus(hosts, registry, day):
        own[hosts[position]["unit"]]["antivirus_conflict"] += 1
    for row in _in_force(registry / "hardware_returns.csv", day):
        own[row["unit_code"]]["exempt"] += int(row["machine_count"])
    for row in _in_force(registry / "allocations.csv", day):
        if row["entry_kind"] in ("grant", "transfer"):
            own[row["to_unit_code"]]["allocated"] += int(row["seat_count"])
        if row["from_unit_code"]:
            own[row["from_unit_code"]]["allocated"] -= int(row["seat_count"])
    _count_gaps(own, units, children)

    figures: dict[str, dict[str, int | None]] = {}
    for code in units:
        below = _subtree(code, children)
        total: dict[str, int | None] = {
            name: sum(own[one][name] for one in below) for name in COUNTS
        }
        installed, allocated = total["installed"], total["allocated"]
        total["net_gap"] = (allocated or 0) - (installed or 0)
        if not served & below:
            total |= dict.fromkeys(OF_MACHINES)
        figures[code] = total
    return figures


def _read(scenario: Path, registry: Path, instant: datetime) -> tuple[list[Row], set[str]]:
    """The devices of every server as it last answered, and the units that its groups belong to."""
    day = instant.astimezone(VIETNAM).date()
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for row in _in_force(registry / "server_groups.csv", day):
        groups[row["server_code"]][_path_key(row["group_path"])] = row["unit_code"]
    servers = sorted(_table(registry / "servers.csv"), key=lambda row: int(row["list_order"]))
    hosts: list[Row] = []
    served: set[str] = set()
    for order, server in enumerate(servers):
        code = server["server_code"]
        read_at = _last_answer(scenario, server, instant)
        if read_at is None:
            continue
        served |= {server["unit_code"], *groups[code].values()}
        for row in _hosts_at(scenario, code, read_at):
            row["server_code"] = code
            row["server_order"] = f"{order:04d}"
            row["unit"] = _unit_of(row["group_path"], groups[code], server["unit_code"])
            hosts.append(row)
    return hosts, served


@dataclass
class Beside:
    """What lies beside the devices at an instant, by the ids that the servers gave.

    ``detections``: (server, host, registered) to outcome. ``infected``: host to the number of its
    uncured detections and of the days after the first on which something was found again.
    ``conflicts``: (host, program). ``licences``: (serial, server) to users; ``users``: unit to users
    in it and below, None where no server of it was ever read. ``weak``: host to memory, disk and
    whether a document names it.
    """

    detections: dict[tuple[str, str, datetime], str] = field(default_factory=dict)
    infected: dict[str, tuple[int, int]] = field(default_factory=dict)
    conflicts: set[tuple[str, str]] = field(default_factory=set)
    licences: dict[tuple[str, str], int] = field(default_factory=dict)
    users: dict[str, int | None] = field(default_factory=dict)
    weak: dict[str, tuple[str, str, bool]] = field(default_factory=dict)


def recount_beside(scenario: Path, instant: datetime) -> Beside:
    """Everything that a scenario's servers have told beside their devices up to an instant."""
    found = Beside()
    for registry in sorted((scenario / "registry").iterdir()):
        hosts, served = _read(scenario, registry, instant)
        _detections(found, scenario, registry, instant)
        _licences(found, scenario, registry, hosts, served, instant)
        day = instant.astimezone(VIETNAM).date()
        for position in _with_second_antivirus(hosts, registry, day):
            host = hosts[position]
            found.conflicts.add((host["host_id"], host["foreign_antivirus"]))
        _weak(found, registry, hosts, day)
    return found


def _with_second_antivirus(hosts: list[Row], registry: Path, day: date) -> list[int]:
    """The agent tells of programs; those that the registry excepts are none."""
    excepted = [
        row["product_text"].lower() for row in _in_force(registry / "antivirus_exceptions.csv", day)
    ]
    losers = _duplicates(hosts)
    return [
        position
        for position, host in enumerate(hosts)
        if host.get("foreign_antivirus")
        and host["agent_version"]
        and position not in losers
        and not any(text in host["foreign_antivirus"].lower() for text in excepted)
    ]


def _detections(found: Beside, scenario: Path, registry: Path, instant: datetime) -> None:
    """What was registered up to the last answer, from thirty days before the first one on."""
    read = {
        server["server_code"]: answers
        for server in _table(registry / "servers.csv")
        if (answers := _answers(scenario, server, instant))
    }
    days: dict[str, set[date]] = defaultdict(set)
    uncured: dict[str, int] = defaultdict(int)
    for row in _table(scenario / "estate" / "detections.csv"):
        registered = datetime.fromisoformat(row["registered_at"]).astimezone(UTC)
        answers = read.get(row["server_code"])
        if answers is None or not min(answers) - FIRST_LOOK < registered <= max(answers):
            continue
        host = row["host_id"]
        found.detections[row["server_code"], host, registered] = row["outcome"]
        days[host].add(registered.astimezone(VIETNAM).date())
        uncured[host] += row["outcome"] in UNCURED
    for host, seen in days.items():
        found.infected[host] = (uncured[host], len(seen) - 1)


def _licences(
    found: Beside,
    scenario: Path,
    registry: Path,
    hosts: list[Row],
    served: set[str],
    instant: datetime,
) -> None:
    """A key that its server lists is used by the machines that name it and have the protection."""
    keys = {}
    for server in _table(registry / "servers.csv"):
        read_at = _last_answer(scenario, server, instant)
        for row in _table(scenario / "estate" / "keys.csv"):
            if read_at and row["server_code"] == server["server_code"] and _holds(row, read_at):
                keys[row["serial"], row["server_code"]] = row
    day = instant.astimezone(VIETNAM).date()
    units = {row["unit_code"]: row for row in _in_force(registry / "units.csv", day)}
    for key in keys:
        found.licences[key] = 0
    users = dict.fromkeys(units, 0)
    for host in hosts:
        key = (host.get("licence_serial", ""), host["server_code"])
        if key in keys and host["antivirus_version"]:
            found.licences[key] += 1
            for code in _line_above(host["unit"], units):
                users[code] += 1
    seen = {code for unit in served & units.keys() for code in _line_above(unit, units)}
    for code in units:
        found.users[code] = users[code] if code in seen else None


def _weak(found: Beside, registry: Path, hosts: list[Row], day: date) -> None:
    """Hardware is told by agents; a document may name any machine."""
    limits = _in_force(registry / "hardware_limits.csv", day)
    named = {
        row["endpoint_id"]
        for row in _in_force(registry / "hardware_returns.csv", day)
        if row.get("endpoint_id")
    }
    losers = _duplicates(hosts)
    for position, host in enumerate(hosts):
        memory, disk = "", ""
        if host["agent_version"]:
            memory, disk = host.get("memory_mb", ""), host.get("disk_gb", "")
        is_weak = any(
            (memory and int(memory) < int(row["memory_mb"]))
            or (disk and int(disk) < int(row["disk_gb"]))
            for row in limits
        )
        is_named = host["host_id"] in named
        if position not in losers and (is_weak or is_named):
            found.weak[host["host_id"]] = (memory, disk, is_named)


def _count_machines(
    hosts: list[Row],
    own: dict[str, dict[str, int]],
    units: dict[str, Row],
    rules: dict[str, Row],
) -> None:
    losers = _duplicates(hosts)
    twins = _later_twins(hosts, losers)
    for position, host in enumerate(hosts):
        counts = own[host["unit"]]
        has_agent, is_protected = bool(host["agent_version"]), bool(host["antivirus_version"])
        if position in losers:
            counts["duplicate"] += 1
        elif has_agent and is_protected:
            counts["installed"] += 1
            prefix, rule = units[host["unit"]]["name_prefix"], rules.get(host["unit"])
            is_accepted = host["is_server"] == "1" or (
                rule is not None and _is_accepted(host, prefix, rule) and position not in twins
            )
            counts["correctly_named"] += is_accepted
        if has_agent and not is_protected:
            counts["agent_only"] += 1


def _is_accepted(host: Row, prefix: str, rule: Row) -> bool:
    """`<prefix>-<part>[-<part>]` in capitals and digits, not cut off at 15 characters."""
    name = _bare_name(host)
    label = host["dns_name"] or name
    if not prefix or len(name) > int(rule["max_length"]):
        return False
    if len(name) == 15 and len(label) > len(name):
        return False
    head, *parts = name.split(rule["separator"])
    return (
        head == prefix
        and int(rule["min_parts"]) <= len(parts) <= int(rule["max_parts"])
        and all(re.fullmatch(rule["allowed_part"], part) for part in parts)
    )


def _duplicates(hosts: list[Row]) -> set[int]:
    """The positions of the records that do not count: another record of the machine is newer."""
    same_machine: list[list[int]] = []
    by_id: dict[str, list[int]] = defaultdict(list)
    by_name: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, host in enumerate(hosts):
        by_id[host["host_id"]].append(position)
        by_name[host["server_order"], _bare_name(host)].append(position)
    same_machine += [positions for positions in by_id.values() if len(positions) > 1]
    for positions in by_name.values():
        for index, first in enumerate(positions):
            for second in positions[index + 1 :]:
                left, right = hosts[first], hosts[second]
                has_suffix = _has_suffix(left) or _has_suffix(right)
                same_part = any(
                    left[part] and left[part] == right[part]
                    for part in ("mac_address", "serial_number")
                )
                if has_suffix or same_part:
                    same_machine.append([first, second])
    losers: set[int] = set()
    for positions in same_machine:
        newest = min(positions, key=lambda position: _newest_first(hosts[position]))
        losers |= set(positions) - {newest}
    return losers


def _newest_first(host: Row) -> tuple[float, float, str]:
    connected = _moment(host["last_connected"], host["read_at"])
    visible = _moment(host["last_visible"], host["read_at"])
    return (-(connected - NEVER).total_seconds(), -(visible - NEVER).total_seconds(),
            host["server_order"])  # fmt: skip


def _later_twins(hosts: list[Row], losers: set[int]) -> set[int]:
    """Of two live machines of one name on one server, all but the one created first."""
    named: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, host in enumerate(hosts):
        if position not in losers and host["agent_version"] and host["antivirus_version"]:
            named[host["server_order"], _bare_name(host)].append(position)
    later: set[int] = set()
    for positions in named.values():
        ordered = sorted(
            positions,
            key=lambda one: (
                datetime.fromisoformat(hosts[one]["created_at"]),
                hosts[one]["host_id"],
            ),
        )
        later |= set(ordered[1:])
    return later


def _count_gaps(
    own: dict[str, dict[str, int]], units: dict[str, Row], children: dict[str, list[str]]
) -> None:
    """Compare seats and machines where seats are held; what nobody holds seats for is too many."""
    holders = {code for code, counts in own.items() if counts["allocated"]}

    def machines_of(code: str) -> int:
        """Installed machines of a unit and of everything below it that holds no seats itself."""
        below = (machines_of(child) for child in children[code] if child not in holders)
        return own[code]["installed"] + sum(below)

    for code in holders:
        left = own[code]["allocated"] - machines_of(code)
        own[code]["gap"], own[code]["over"] = max(0, left), max(0, -left)
    for code in units:
        line = _line_above(code, units)
        if not any(one in holders for one in line):
            own[code]["over"] = own[code]["installed"]


def _line_above(code: str, units: dict[str, Row]) -> list[str]:
    line = []
    while code:
        line.append(code)
        code = units[code]["parent_unit_code"]
    return line


def _subtree(code: str, children: dict[str, list[str]]) -> set[str]:
    return {code}.union(*(_subtree(child, children) for child in children[code]))


def _rules(registry: Path, day: date, units: dict[str, Row]) -> dict[str, Row]:
    """The naming rule of every unit: the one given to the nearest unit at or above it."""
    given = {row["unit_code"]: row for row in _in_force(registry / "naming_rules.csv", day)}
    rules = {}
    for code in units:
        nearest = next((one for one in _line_above(code, units) if one in given), None)
        if nearest is not None:
            rules[code] = given[nearest]
    return rules


def _last_answer(scenario: Path, server: Row, instant: datetime) -> datetime | None:
    """The last collection, not after the instant, that asked the server and was answered."""
    return max(_answers(scenario, server, instant), default=None)


def first_answers(scenario: Path, instant: datetime) -> list[tuple[str, datetime]]:
    """When each server that has answered so far did so for the first time."""
    return [
        (server["server_code"], min(answers))
        for registry in sorted((scenario / "registry").iterdir())
        for server in _table(registry / "servers.csv")
        if (answers := _answers(scenario, server, instant))
    ]


def _answers(scenario: Path, server: Row, instant: datetime) -> list[datetime]:
    events = [
        row
        for row in _table(scenario / "estate" / "events.csv")
        if row["server_code"] == server["server_code"] and row["kind"] == "server_down"
    ]
    estate = [
        row
        for row in _table(scenario / "estate" / "servers.csv")
        if row["server_code"] == server["server_code"]
    ]
    return [
        asked
        for asked in collection_instants(scenario)
        if asked <= instant
        and _is_valid(server, asked.astimezone(VIETNAM).date())
        and any(_holds(row, asked) for row in estate)
        and not any(_holds(row, asked) for row in events)
    ]


def _hosts_at(scenario: Path, server_code: str, read_at: datetime) -> list[Row]:
    rows = _table(scenario / "estate" / "hosts" / f"{server_code}.csv")
    return [row | {"read_at": read_at.isoformat()} for row in rows if _holds(row, read_at)]


def _unit_of(group_path: str, groups: dict[str, str], server_unit: str) -> str:
    """The unit of the nearest mapped group at or above; else the server's."""
    segments = _path_key(group_path).split("/")
    for length in range(len(segments), 0, -1):
        unit = groups.get("/".join(segments[:length]))
        if unit is not None:
            return unit
    return server_unit


def _path_key(path: str) -> str:
    composed = unicodedata.normalize("NFC", path)
    return "/".join(" ".join(segment.split()) for segment in composed.split("/"))


def _bare_name(host: Row) -> str:
    """The console's name without `~~n` or `~n`, in capitals."""
    return re.sub(r"~{1,2}[0-9]+$", "", unicodedata.normalize("NFC", host["display_name"])).upper()


def _has_suffix(host: Row) -> bool:
    return re.search(r"~[0-9]+$", host["display_name"]) is not None


def _moment(text: str, read_at: str) -> datetime:
    """An instant, or an age counted back from the collection."""
    if not text:
        return NEVER
    if text.startswith("-"):
        unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[text[-1]]
        return datetime.fromisoformat(read_at) - timedelta(**{unit: int(text[1:-1])})
    return datetime.fromisoformat(text)


def _holds(row: Row, instant: datetime) -> bool:
    return (not row["from_at"] or datetime.fromisoformat(row["from_at"]) <= instant) and (
        not row["to_at"] or instant < datetime.fromisoformat(row["to_at"])
    )


def _is_valid(row: Row, day: date) -> bool:
    return date.fromisoformat(row["valid_from_date"]) <= day and (
        not row["valid_to_date"] or day <= date.fromisoformat(row["valid_to_date"])
    )


def _in_force(file: Path, day: date) -> list[Row]:
    return [row for row in _table(file) if _is_valid(row, day)]


def _table(file: Path) -> list[Row]:
    if not file.exists():
        return []
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Count a scenario's figures without the product.")
    parser.add_argument("scenario", type=Path)
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument("--day", type=date.fromisoformat, help="figures at the end of this day")
    when.add_argument("--at", type=datetime.fromisoformat, help="figures at this instant")
    chosen = parser.parse_args(arguments)
    instant = chosen.at or end_of(chosen.day)
    figures = recount(chosen.scenario, instant)
    width = max(map(len, figures))
    lines = [" " * width + "".join(f"{name:>20}" for name in COUNTS)]
    for code, counts in figures.items():
        cells = ("-" if counts[name] is None else str(counts[name]) for name in COUNTS)
        lines.append(f"{code:<{width}}" + "".join(f"{cell:>20}" for cell in cells))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
