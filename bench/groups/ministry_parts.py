"""A ministry's hour part by part, each in a process of its own: what grows how, without Airflow.

The group ``ministry`` measures the same through the real scheduler; this one says where it goes, and can be
run on a machine that is not quiet, because only CPU and memory count.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import ministry, rows
from bench.groups import Plan
from bench.groups.ministry import DISK, FULL, RUNS, SMALL, check_published, megabytes
from bench.ministry import Ministry
from bench.process import Case, CaseFailed, Reading, run_case
from bench.report import Section, Table, number
from bench.scheduler import set_clock, simulated
from ksc_ledger.rehearsal import home as homes

PARTS = ("ask", "judge", "build", "publish", "units")
TIMEOUT_SECONDS = 3600.0
OLDER_HOURS = (0, 72)
MIB_TO_MB = 1.048576
Hour = tuple[str, dict[str, Reading], dict[str, float]]


def run(plan: Plan) -> list[Section]:
    folder = plan.work / "ministry_parts"
    size = FULL if plan.is_full_size else SMALL
    shutil.rmtree(folder, ignore_errors=True)
    try:
        hours = _hours(plan, size, folder)
        return [_section(size, hours), _older(plan, size, folder), _mails(plan)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _older(plan: Plan, size: Ministry, folder: Path) -> Section:
    """Build and publish with so many more hours of loads on record."""
    rows_found = []
    for hours in OLDER_HOURS:
        order = {
            "base": str(folder / "home"),
            "registry": str(folder / "registry"),
            "hours": hours,
        }
        case = Case(f"{hours} hours more", "bench.cases.ministry_older", order)
        found = run_case(case, plan.work, timeout_seconds=TIMEOUT_SECONDS)
        if found.facts["loads"] != size.servers * (len(RUNS) + hours):
            raise CaseFailed(f"{found.facts['loads']} loads with {case.name}")
        rows_found.append(
            (
                f"{found.facts['loads']:,}",
                number(found.cpu["build"]),
                number(found.cpu["publish"]),
                number(found.peak_mb * MIB_TO_MB),
                number(found.facts["warehouse_bytes"] / 1e6),
                number(found.facts["published_bytes"] / 1e6),
            )
        )
        plan.say(f"{case.name}: {rows_found[-1]}")
    section = Section("The same marts with more loads on record")
    header = (
        "loads on record",
        "build, CPU s",
        "publish, CPU s",
        "peak MB",
        "warehouse MB",
        "published MB",
    )
    section.tables.append(Table(header, tuple(rows_found)))
    section.lines.append(
        "Without the suites on the marts; no machine has more history than before."
    )
    return section


def _mails(plan: Plan) -> Section:
    """One drain of the outbox, full; deliver_mail has one a minute."""
    found = run_case(Case("mails", "bench.cases.ministry_mails"), plan.work)
    count = int(found.facts["wanted"])
    if (found.facts["counts"], found.facts["written"]) != ({"sent": count}, count):
        raise CaseFailed(f"{found.facts} of {count}")
    section = Section(f"Mails: one drain of {count}")
    section.tables.append(
        Table(
            ("CPU ms a mail", "mails a day, one such drain a minute"),
            ((number(found.cpu["mails"] * 1000 / count), f"{count * 60 * 24:,}"),),
        )
    )
    return section


def _hours(plan: Plan, size: Ministry, folder: Path) -> list[Hour]:
    data, home = folder / "data", folder / "home"
    for day in sorted({day for _, day, _ in RUNS}):
        plan.say(f"making {size.hosts:,} hosts of day {day}")
        ministry.make_hosts(data, size, day)
    scenarios = ministry.write(folder / "scenarios", size)
    registry = homes.gather_registry(scenarios, folder / "registry")
    found: list[Hour] = []
    begin = ministry.observed_at(0)
    with simulated(home, scenarios, begin, ministry.served(data, home, size)) as servers:
        for name, day, later in RUNS:
            at = ministry.observed_at(day) + later
            set_clock(servers, at)
            readings: dict[str, Reading] = {}
            for part in PARTS:
                case = Case(
                    f"{part}, {name}",
                    "bench.cases.ministry_part",
                    {
                        "part": part,
                        "folder": str(home),
                        "registry": str(registry),
                        "ports": str(home / "simulator" / "ports.json"),
                        "at": at.isoformat(),
                    },
                )
                readings[part] = run_case(case, plan.work, timeout_seconds=TIMEOUT_SECONDS)
                plan.say(
                    f"{case.name}: {readings[part].cpu[part]:.1f} CPU s,"
                    f" {readings[part].wall[part]:.0f} s, {readings[part].peak_mb * MIB_TO_MB:.0f} MB"
                )
            _check(size, readings)
            check_published(home / "marts" / "restricted" / "ksc_ledger_named.duckdb", size)
            disk = {word: megabytes(home / place) for word, place in DISK.items()}
            found.append((name, readings, disk))
    return found


def _check(size: Ministry, readings: Mapping[str, Reading]) -> None:
    facts: dict[str, Mapping[str, Any]] = {part: one.facts for part, one in readings.items()}
    held = (
        facts["ask"]["said"],
        facts["ask"]["rows"],
        facts["judge"]["said"],
        facts["build"]["applied"],
    )
    all_of_them = {"complete": size.servers}
    if held != (all_of_them, size.hosts, all_of_them, size.servers):
        raise CaseFailed(f"{held} of {size}")


def _section(size: Ministry, hours: list[Hour]) -> Section:
    section = Section(
        f"A ministry's hour in parts: {size.provinces} provinces, {size.servers} servers,"
        f" {size.hosts:,} endpoints, {size.units_count:,} units"
    )
    for what, of in (("CPU s", _cpu), ("peak MB", _peak)):
        section.tables.append(
            Table(
                (what, *PARTS),
                tuple(
                    (name, *(number(of(readings[part], part)) for part in PARTS))
                    for name, readings, _ in hours
                ),
            )
        )
    section.tables.append(
        Table(
            ("on disk after it, MB", *DISK),
            tuple((name, *(number(disk[word]) for word in DISK)) for name, _, disk in hours),
        )
    )
    last = hours[-1][1]
    made = sorted(last["build"].facts["rows"].items(), key=lambda one: -one[1])[:8]
    files = ", ".join(str(one["units"].facts["made"]) for _, one, _ in hours)
    section.lines.append(
        "ask: all servers one after the other, login to goodbye. units: the units' own files, of which"
        f" {files} were made. Imports, which a scheduler's process does once, are not in it."
    )
    section.lines.append(
        f"{rows.changed_count(size.hosts):,} hosts changed between the first two runs. Largest tables:"
        f" {', '.join(f'{name} {count:,}' for name, count in made)}."
    )
    return section


def _cpu(reading: Reading, part: str) -> float:
    return reading.cpu[part]


def _peak(reading: Reading, _: str) -> float:
    return reading.peak_mb * MIB_TO_MB
