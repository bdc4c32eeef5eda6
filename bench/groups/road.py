"""The whole road and the link watch through the real scheduler, beside empty DAGs."""

from __future__ import annotations

import shutil
import statistics
from datetime import datetime, timedelta

from bench import provinces
from bench.groups import Plan
from bench.process import ROOT
from bench.report import Section, Table, at_most, number
from bench.scheduler import Installation, Spent, installation, simulated
from ksc_ledger.landing import manifest
from ksc_ledger.rehearsal import home

SCENARIO = ROOT / "scenarios" / "dong_thap"
SERVERS = 13
BEGIN_AT = datetime.fromisoformat("2024-01-12T08:00:00+07:00")
HOUR, TICK = timedelta(hours=1), timedelta(minutes=5)
TICKS = 6  # half an hour: the province is asked in one of them
WARM_UP_TICKS = 3  # from "new" to "up"; what changes there wakes build_marts
DAGS = (
    "collect_endpoints",
    "build_marts",
    "watch_server_links",
    "empty_collect",
    "empty_build",
    "empty_tick",
)
RUNS = 9  # a run lasts ten seconds: a busy spell of the machine takes one of them whole
RUN_RATIO = TICK_RATIO = 2.0
PROVINCES, MANY_SERVERS, MANY_TICKS = 63, 700, 3
WITHIN_SECONDS = 300.0


def run(plan: Plan) -> list[Section]:
    folder = plan.work / "road"
    shutil.rmtree(folder, ignore_errors=True)
    turns = RUNS if plan.is_full_size else plan.reps
    ours: list[Spent] = []
    empty: list[Spent] = []
    ticks: list[Spent] = []
    empty_ticks: list[Spent] = []
    try:
        plan.say("starting Airflow and 13 simulated servers")
        with installation(folder, [SCENARIO], BEGIN_AT, DAGS) as found:
            at = BEGIN_AT
            plan.say("the first run of the day, which also asks for hardware and programs")
            _collect(found, at)
            _empty(found)
            for turn in range(turns):
                at += HOUR
                plan.say(f"collect, gate, build, publish ({turn + 1}/{turns})")
                ours.append(_collect(found, at))
                empty.append(_empty(found))
            loads = [load for load in manifest.read_all(found.places) if load.as_of_at == at]
            rows = sum(load.rows_read_count for load in loads if load.status.value == "complete")
            for _ in range(WARM_UP_TICKS):
                at += TICK
                _watch(found, at)
            for turn in range(TICKS if plan.is_full_size else 2):
                at += TICK
                plan.say(f"a tick ({turn + 1}/{TICKS})")
                ticks.append(_watch(found, at))
                empty_ticks.append(found.spent_on("empty_tick", {}))
            many, watched = _many(plan, found, at)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        _road(plan, ours, empty, len(loads), rows),
        _ticks(plan, ticks, empty_ticks),
        _country(plan, many, watched),
    ]


def _collect(found: Installation, at: datetime) -> Spent:
    found.move(at)
    return found.spent_on("collect_endpoints", {"as_of_at": at.isoformat()}, "build_marts")


def _empty(found: Installation) -> Spent:
    return found.spent_on("empty_collect", {}, "empty_build")


def _watch(found: Installation, at: datetime) -> Spent:
    found.move(at)
    return found.spent_on("watch_server_links", {"as_of_at": at.isoformat()})


def _many(plan: Plan, found: Installation, at: datetime) -> tuple[list[Spent], int]:
    """Ticks over a country: what each cost, and how many servers have a state afterwards."""
    count = 5 if not plan.is_full_size else PROVINCES
    servers = plan.sized(MANY_SERVERS)
    plan.say(f"{count} more provinces with {servers} servers")
    folder = found.places.home / "country"
    scenarios = provinces.write(folder / "scenarios", count, servers)
    spent = []
    with simulated(folder, scenarios, at) as simulator:
        home.gather_registry(scenarios, found.places.home / "registry")
        found.connect(simulator)
        for turn in range(MANY_TICKS):
            at += TICK
            plan.say(f"a tick over them ({turn + 1}/{MANY_TICKS})")
            spent.append(_watch(found, at))
    return spent, servers


def _country(plan: Plan, spent: list[Spent], servers: int) -> Section:
    section = Section(f"A tick of the link watch over {servers + SERVERS} servers")
    section.tables.append(
        Table(
            ("tick", "elapsed s", "CPU s"),
            tuple(
                (str(number_of), number(one.wall), number(one.cpu))
                for number_of, one in enumerate(spent, start=1)
            ),
        )
    )
    section.lines.append(
        "In every province one server takes no connection and says nothing until the time limit of"
        " a knock is over. In the first tick every province is asked as well. Elapsed time includes"
        " the scheduler's own and, where a tick changed something, nothing of the marts it woke."
    )
    section.judgements.append(
        at_most(
            "a tick over 700 servers of 63 provinces, slowest, elapsed s",
            max(one.wall for one in spent),
            WITHIN_SECONDS,
            is_full_size=plan.is_full_size,
        )
    )
    return section


def _road(plan: Plan, ours: list[Spent], empty: list[Spent], loads: int, rows: int) -> Section:
    section = Section(f"The whole run: {loads} servers, {rows:,} hosts, through the scheduler")
    section.tables.append(_table({"collect, gate, build, publish": ours, "empty DAGs": empty}))
    note = "" if loads == SERVERS else f"{loads} servers answered instead of {SERVERS}"
    section.lines.append(
        "All of Airflow's processes together, from the trigger to the end of build_marts, the idle"
        " work of the components included in both rows. The simulated servers are not counted."
    )
    section.judgements.append(
        at_most(
            "a whole run, times the CPU of empty DAGs of its shape",
            None if note else _ratio(ours, empty),
            RUN_RATIO,
            is_full_size=plan.is_full_size,
            note=note,
        )
    )
    return section


def _ticks(plan: Plan, ticks: list[Spent], empty: list[Spent]) -> Section:
    section = Section(f"A tick of the link watch over {SERVERS} servers, through the scheduler")
    section.tables.append(_table({"watch_server_links": ticks, "an empty task": empty}))
    section.lines.append(
        f"Mean of {len(ticks)} ticks, one after the other, each beside an empty one: in one of"
        " them the province is asked as well."
    )
    ratio = sum(one.cpu for one in ticks) / sum(one.cpu for one in empty)
    section.judgements.append(
        at_most(
            "a tick over 13 servers, times the CPU of an empty task",
            ratio,
            TICK_RATIO,
            is_full_size=plan.is_full_size,
        )
    )
    return section


def _ratio(ours: list[Spent], empty: list[Spent]) -> float:
    return statistics.median(one.cpu for one in ours) / statistics.median(one.cpu for one in empty)


def _table(rows: dict[str, list[Spent]]) -> Table:
    return Table(
        ("run", "CPU s, median", "lowest", "highest", "elapsed s, median"),
        tuple(
            (
                name,
                number(statistics.median(one.cpu for one in spent)),
                number(min(one.cpu for one in spent)),
                number(max(one.cpu for one in spent)),
                number(statistics.median(one.wall for one in spent)),
            )
            for name, spent in rows.items()
        ),
    )
