"""What keeping a history costs: with its length, on disk, and beside dlt's scd2."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import estate
from bench.cases.prepare_province import settings_of
from bench.environments import python_of
from bench.groups import Plan
from bench.process import Case, Readings, in_turn, run_case
from bench.report import Section, Table, at_most, number

ENDPOINTS = 50_000
SHORT_DAYS, LONG_DAYS = 36, 360
DAYS_APPLIED = 3
POLLED_ENDPOINTS = 5_000
HOURS, HOURS_APPLIED, HOURS_FULL = 8_760, 120, 720
SIZE_RATIO = 1 / 20
TRACKED = (
    "display_name",
    "netbios_name",
    "dns_name",
    "group_path",
    "is_unassigned",
    "status_bits",
    "status_id",
    "status_mask",
    "rtp_state",
    "antivirus_version",
    "computer_type_bits",
)


def run(plan: Plan) -> list[Section]:
    base = plan.work / "history"
    shutil.rmtree(base, ignore_errors=True)
    try:
        return [_length(plan, base / "length"), _size(plan), _beside_dlt(plan, base / "dlt")]
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _prepared(plan: Plan, folder: Path, **order: Any) -> Mapping[str, int]:
    """How many endpoints change at each of the steps that are written."""
    plan.say("making the province's days")
    order = {"folder": str(folder), "fills": {}, "full": 0, **order}
    case = Case("the province's days", "bench.cases.prepare_province", order)
    changed: Mapping[str, int] = run_case(case, plan.work).facts["changed"]
    return changed


def _length(plan: Plan, folder: Path) -> Section:
    endpoints = plan.sized(ENDPOINTS)
    following = {days: list(range(days, days + DAYS_APPLIED)) for days in (SHORT_DAYS, LONG_DAYS)}
    servers = len(estate.SERVERS)
    changed = _prepared(
        plan,
        folder,
        endpoints=endpoints,
        steps=LONG_DAYS + DAYS_APPLIED,
        servers=servers,
        fills={str(days): days for days in following},
        snapshots=[step for steps in following.values() for step in steps],
    )
    cases = {
        days: Case(
            f"a day applied to a history of {days} days",
            "bench.cases.history_apply",
            {
                "base": str(folder),
                "fill": str(days),
                "steps": steps,
                "endpoints": endpoints,
                "servers": servers,
            },
        )
        for days, steps in following.items()
    }
    found = in_turn(list(cases.values()), plan.reps, plan.work, plan.say)
    section = Section(
        f"History, {endpoints:,} endpoints on {servers} servers, 2 % change a day: a longer history"
    )
    problems = _problems(found)
    cpu: dict[int, float] = {}
    table = []
    for days, case in cases.items():
        one = found[case.name]
        for turn in one.turns:
            for step, counts in zip(following[days], turn.facts["counts"], strict=True):
                wanted = {"current": endpoints, "closed": changed[str(step)], "stale": 0}
                if counts != wanted:
                    problems.append(f"{one.name}: {counts} instead of {wanted}")
        if one.turns:
            cpu[days] = statistics.median(
                turn.cpu[f"step {step}"] for turn in one.turns for step in following[days]
            )
            table.append(
                (
                    one.name,
                    number(cpu[days]),
                    number(one.facts["file_bytes"] / 1e6),
                    number(one.peak_mb),
                )
            )
    section.tables.append(Table(("case", "CPU s a day", "file MB", "peak MB"), tuple(table)))
    section.lines += [f"refused: {problem}" for problem in problems]
    section.judgements.append(
        at_most(
            "a day applied to a history ten times longer, times the CPU",
            None if problems else cpu[LONG_DAYS] / cpu[SHORT_DAYS],
            1.3,
            is_full_size=plan.is_full_size,
        )
    )
    return section


def _size(plan: Plan) -> Section:
    endpoints = plan.sized(POLLED_ENDPOINTS)
    case = Case(
        "a year of hourly polling",
        "bench.cases.history_size",
        {
            "endpoints": endpoints,
            "hours": HOURS,
            "applied": HOURS_APPLIED if plan.is_full_size else HOURS_APPLIED // 10,
            "full": HOURS_FULL,
        },
    )
    found = in_turn([case], 1, plan.work, plan.say)[case.name]
    section = Section(f"History on disk: a year of hourly polling of {endpoints:,} endpoints")
    problems = _problems({case.name: found})
    ratio = None
    if found.turns:
        facts = found.facts
        if not facts["is_whole"]:
            problems.append("the history does not hold the endpoints, spells and loads of the year")
        ratio = facts["file_bytes"] / facts["full_bytes"]
        rows = (
            ("history, after loads of daily use", facts["file_bytes"]),
            ("history, before those", facts["filled_bytes"]),
            ("full snapshots of the tracked columns", facts["full_bytes"]),
            ("landing: typed Parquet, one a load", facts["landing_bytes"]),
        )
        section.tables.append(
            Table(
                ("a year", "MB", "÷ full snapshots"),
                tuple(
                    (name, number(size / 1e6), number(size / facts["full_bytes"]))
                    for name, size in rows
                ),
            )
        )
        hours = case.order["applied"]
        section.lines.append(
            f"The last {hours} hours were applied by the product, each in its own connection"
            f" ({found.cpu('apply') / hours:.3f} CPU s each); the hours before are the rows that"
            f" applying them would have left. Full snapshots: {HOURS_FULL} hours written, taken to"
            " the year in proportion. The history holds every load's record and verdicts as well."
        )
    section.lines += [f"refused: {problem}" for problem in problems]
    section.judgements.append(
        at_most(
            "history of a year of hourly polling, part of full snapshots",
            None if problems else ratio,
            SIZE_RATIO,
            is_full_size=plan.is_full_size,
        )
    )
    return section


def _beside_dlt(plan: Plan, folder: Path) -> Section:
    endpoints = plan.sized(ENDPOINTS)
    steps = [0, 1, 2]
    changed = _prepared(
        plan, folder, endpoints=endpoints, steps=len(steps), servers=1, snapshots=steps
    )
    schedule = estate.Schedule(endpoints, estate.SERVERS[:1])
    places = settings_of(folder / "next").places
    snapshots = [[str(load.parquet(places)) for load in schedule.loads(step)] for step in steps]
    ours = Case(
        "KSC Ledger, apply",
        "bench.cases.history_apply",
        {"base": str(folder), "fill": "", "steps": steps, "endpoints": endpoints, "servers": 1},
    )
    dlt = Case(
        "dlt scd2, Arrow",
        "bench.cases.history_dlt",
        {"snapshots": snapshots, "tracked": list(TRACKED)},
        python_of("dlt", plan.work, plan.say),
    )
    found = in_turn([ours, dlt], plan.reps, plan.work, plan.say)
    section = Section(f"History beside dlt's scd2, {endpoints:,} endpoints on one server")
    problems = _problems(found)
    cpu = {}
    table = []
    for case in (ours, dlt):
        one = found[case.name]
        for turn in one.turns:
            so_far = 0
            for step, counts in zip(steps, turn.facts["counts"], strict=True):
                so_far += changed[str(step)] if step else 0
                of_that_day = changed[str(step)] if step else 0
                wanted = (endpoints, of_that_day if case is ours else so_far)
                if (counts["current"], counts["closed"]) != wanted:
                    problems.append(f"{one.name}, day {step + 1}: {counts} instead of {wanted}")
        if one.turns:
            # Either day is a day with changes; two of them are less of a chance than one.
            cpu[case.name] = one.cpu("step 1") + one.cpu("step 2")
            table.append(
                (
                    one.name,
                    *(number(one.cpu(f"step {step}")) for step in steps),
                    f"{one.facts['counts'][-1]['stale']:,}",
                    number(one.facts["file_bytes"] / 1e6),
                    number(one.peak_mb),
                )
            )
    section.tables.append(
        Table(
            (
                "case",
                "day 1, CPU s",
                "day 2, CPU s",
                "day 3, CPU s",
                "stale LAST_VISIBLE",
                "file MB",
                "peak MB",
            ),
            tuple(table),
        )
    )
    section.lines += [f"refused: {problem}" for problem in problems]
    section.judgements.append(
        at_most(
            "a day applied, times the CPU of dlt's scd2 fed with Arrow",
            None if problems else cpu[ours.name] / cpu[dlt.name],
            0.5,
            is_full_size=plan.is_full_size,
        )
    )
    return section


def _problems(found: Mapping[str, Readings]) -> list[str]:
    return [one.failure.splitlines()[0] for one in found.values() if one.failure]
