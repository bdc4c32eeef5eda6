"""A ministry's hour: 34 provinces, 700 servers, 500,000 endpoints, through the real scheduler."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb

from bench import ministry, rows
from bench.groups import Plan
from bench.memory_watch import MemoryWatch
from bench.ministry import Ministry
from bench.process import CaseFailed
from bench.report import Section, Table, at_most, number
from bench.scheduler import Installation, Spent, installation
from ksc_ledger.landing import manifest

FULL = Ministry(provinces=34, servers=700, hosts=500_000)
SMALL = Ministry(provinces=4, servers=70, hosts=50_000)
DAGS = ("collect_endpoints", "build_marts")
# The first run meets an empty history. The second comes a day later: every instant has moved, and of
# every fifty hosts one has changed, a day's worth in one hour. The third finds nothing changed.
DAYS = 2
HOUR = timedelta(hours=1)
RUNS = (("first", 0, timedelta()), ("a day later", 1, timedelta()), ("an hour later", 1, HOUR))
WITHIN_SECONDS, WITHIN_MB = 3600.0, 8000.0
PHASES = ("name_servers", "ask_server", "judge_landed", "build", "publish")
DISK = {
    "bodies as received": "landing/raw",
    "typed snapshots, manifests": "landing/snapshot",
    "warehouse": "warehouse",
    "published": "marts",
    "Airflow's own": "airflow",
}


@dataclass(frozen=True, slots=True)
class Hour:
    """One run of collect_endpoints and of the build_marts that it woke."""

    name: str
    spent: Spent
    peak_mb: float
    held: tuple[tuple[str, float], ...]
    phases: dict[str, float]
    disk: dict[str, float]


def run(plan: Plan) -> list[Section]:
    size = FULL if plan.is_full_size else SMALL
    folder = plan.work / "ministry"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        hours = _hours(plan, size, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [_section(plan, size, hours)]


def _hours(plan: Plan, size: Ministry, folder: Path) -> list[Hour]:
    data, home = folder / "data", folder / "home"
    for day in range(DAYS):
        plan.say(f"making {size.hosts:,} hosts of day {day}")
        ministry.make_hosts(data, size, day)
    scenarios = ministry.write(folder / "scenarios", size)
    serve = ministry.served(data, home, size)
    hours = []
    plan.say(f"starting Airflow and {size.servers} servers")
    with installation(home, scenarios, ministry.observed_at(0), DAGS, serve) as found:
        for name, day, later in RUNS:
            at = ministry.observed_at(day) + later
            # Not driven: the clock runs on, and the units' files are made as in any other hour.
            found.move(at, is_driven=False)
            plan.say(f"collect, gate, build, publish: {name}")
            with _watched(found) as memory:
                spent = found.spent_on(
                    "collect_endpoints",
                    {"as_of_at": at.isoformat()},
                    "build_marts",
                    within_seconds=WITHIN_SECONDS,
                )
            hours.append(
                Hour(
                    name,
                    spent,
                    memory.peak_mb,
                    tuple(memory.at_peak),
                    found.phases(spent),
                    {word: megabytes(home / place) for word, place in DISK.items()},
                )
            )
            plan.say(
                f"{spent.wall:.0f} s, {spent.cpu:.0f} CPU s, {memory.peak_mb:.0f} MB; {hours[-1].phases}"
            )
            _check(found, size, hours)
    return hours


@contextmanager
def _watched(found: Installation) -> Iterator[MemoryWatch]:
    watch = MemoryWatch(lambda: [one.pid for one in found.airflow.processes.values()])
    with watch:
        yield watch


def _check(found: Installation, size: Ministry, hours: list[Hour]) -> None:
    """Every server landed, every host is published once, and the parts are the whole."""
    loads = list(manifest.read_all(found.places))
    complete = [one for one in loads if one.status.value == "complete"]
    wanted = size.servers * len(hours)
    if len(complete) != wanted:
        faults = {one.fault_text for one in loads if one.fault_text}
        raise CaseFailed(f"{len(complete)} complete loads instead of {wanted}: {faults}")
    closed = check_published(found.places.named_marts_file, size)
    if len(hours) > 1 and not 0 < closed <= rows.changed_count(size.hosts):
        raise CaseFailed(f"{closed} closed intervals")


def check_published(file: Path, size: Ministry) -> int:
    """Raise CaseFailed unless every host is there once, on its server; how many intervals are closed."""
    with duckdb.connect(str(file), read_only=True) as con:
        (machines, counting, servers) = con.execute(
            "select count(*), count(*) filter (not is_duplicate), count(distinct server_code)"
            " from marts.dim_endpoint"
        ).fetchall()[0]
        (closed,) = con.execute(
            "select count(*) from marts.fct_endpoint_state where valid_to_at is not null"
        ).fetchall()[0]
        (counted, provinces) = con.execute(
            "select sum(endpoint_count), count(*) from marts.fct_unit_coverage_daily"
            " where snapshot_date = (select max(snapshot_date) from marts.fct_unit_coverage_daily)"
            " and unit_code in (select unit_code from marts.dim_unit where parent_unit_code is null)"
        ).fetchall()[0]
    held = (machines, servers, counted, provinces)
    # Of a machine that was set up anew two records are there, and one counts.
    if held != (size.hosts, size.servers, counting, size.provinces) or counting < size.hosts * 0.99:
        raise CaseFailed(f"published are {held}, of which {counting} count")
    return int(closed)


def megabytes(folder: Path) -> float:
    files = (one for one in folder.rglob("*") if one.is_file() and not one.is_symlink())
    return sum(one.stat().st_size for one in files) / 1e6


def _section(plan: Plan, size: Ministry, hours: list[Hour]) -> Section:
    section = Section(
        f"A ministry's hour: {size.provinces} provinces, {size.servers} servers,"
        f" {size.hosts:,} endpoints, {size.units_count:,} units"
    )
    section.tables.append(
        Table(
            ("run", "elapsed s", *PHASES, "CPU s", "peak MB, all processes"),
            tuple(
                (
                    hour.name,
                    number(hour.spent.wall),
                    *(number(hour.phases.get(phase, 0.0)) for phase in PHASES),
                    number(hour.spent.cpu),
                    number(hour.peak_mb),
                )
                for hour in hours
            ),
        )
    )
    section.tables.append(
        Table(
            ("on disk after it, MB", *DISK),
            tuple((hour.name, *(number(hour.disk[word]) for word in DISK)) for hour in hours),
        )
    )
    worst = max(hours, key=lambda hour: hour.peak_mb)
    top = "; ".join(f"{number(mb)} {title}" for title, mb in worst.held[:6])
    section.lines.append(
        "Seconds of a task are from the start of its first piece to the end of its last. Memory is the"
        " proportional share (PSS) of every process of Airflow, its tasks included, looked at every two"
        " seconds; the stand-in servers run on the same two cores and are in neither figure."
    )
    section.lines.append(f"At the peak ({worst.name}): {top}.")
    is_full_size = plan.is_full_size
    section.judgements += [
        at_most(
            "a ministry's hour, the slowest run, elapsed s",
            max(hour.spent.wall for hour in hours),
            WITHIN_SECONDS,
            is_full_size=is_full_size,
        ),
        at_most(
            "a ministry's hour, peak MB of all processes",
            max(hour.peak_mb for hour in hours),
            WITHIN_MB,
            is_full_size=is_full_size,
        ),
    ]
    return section
