"""From the first byte over TLS to the current rows of a history, beside dlt, a script and a floor."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from bench import rows
from bench.environments import python_of
from bench.groups import Plan
from bench.process import Case, Readings, in_turn, standin
from bench.report import Section, Table, at_least, at_most, number

SIZES = (5_000, 50_000, 500_000)
JUDGED = {50_000: (2.5, 2.0), 500_000: (1.8, 1.5)}  # times the floor: limit and goal
LARGEST = 500_000
SLOW_FROM = 50_000
CHUNK_SIZE = 1000
STEPS = ("collect", "type", "apply")

OURS = "KSC Ledger"
FLOOR = "floor (three parts added up)"
DLT = {
    "default": "dlt, defaults",
    "parquet": "dlt, Parquet files",
    "arrow": "dlt, Arrow tables",
    "own_parser": "dlt, Arrow by our own parser",
}
NAIVE = "requests + json_normalize"
KEEPS_HISTORY = {OURS, *DLT.values()}
LEAVES_STALE = {*DLT.values()}  # an unchanged row keeps yesterday's volatile attributes
TOO_HEAVY = {DLT["default"], NAIVE}  # at 500,000: tens of gigabytes, or half an hour


def run(plan: Plan) -> list[Section]:
    sizes = SIZES if plan.is_full_size else SIZES[:-1]
    return [_measured(plan, size) for size in sizes]


def _measured(plan: Plan, full_count: int) -> Section:
    count = plan.sized(full_count)
    folder = plan.work / f"hosts-{count}"
    plan.say(f"making {count:,} hosts of two days")
    made = [rows.make(folder, count, day) for day in (0, 1)]
    truth = [one.truth for one in made]
    size = made[0].items.stat().st_size
    reps = 1 if count == LARGEST else plan.reps
    try:
        with standin(folder) as server:
            order = {
                "ports": server.ports,
                "ca_file": server.ca_file,
                "sha256": server.sha256,
                "chunk_size": CHUNK_SIZE,
            }
            found = in_turn(_cases(plan, order, count), reps, plan.work, plan.say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _section(plan, found, truth, full_count, size)


def _cases(plan: Plan, order: Mapping[str, Any], count: int) -> list[Case]:
    dlt = python_of("dlt", plan.work, plan.say)
    naive = python_of("naive", plan.work, plan.say)
    cases = [
        Case(OURS, "bench.cases.ingest_ours", order),
        Case(FLOOR, "bench.cases.ingest_floor", order),
        *(
            Case(
                name,
                "bench.cases.ingest_dlt",
                {**order, "way": way},
                dlt,
                reps=1 if way == "default" and count >= SLOW_FROM else None,
            )
            for way, name in DLT.items()
        ),
        Case(NAIVE, "bench.cases.ingest_naive", order, naive),
    ]
    return [case for case in cases if count < LARGEST or case.name not in TOO_HEAVY]


def disagreement(
    name: str, facts: Mapping[str, Any], truth: list[dict[str, Any]], count: int
) -> str | None:
    """What a case landed that is not what was served; None when all is there."""
    for day, held in enumerate(facts["landed"]):
        if held["slow"] != truth[day]["slow"]:
            return f"{name}: day {day + 1}, {_difference(held['slow'], truth[day]['slow'])}"
        is_stale = day == 1 and name in LEAVES_STALE
        if not is_stale and held["volatile"] != truth[day]["volatile"]:
            return f"{name}: day {day + 1}, {_difference(held['volatile'], truth[day]['volatile'])}"
        if name in KEEPS_HISTORY:
            closed = rows.changed_count(count) if day else 0
            if (held["current"], held["closed"]) != (count, closed):
                return (
                    f"{name}: day {day + 1}, {held['current']} current and {held['closed']} closed"
                    f" rows instead of {count} and {closed}"
                )
    return None


def _difference(held: Mapping[str, int], truth: Mapping[str, int]) -> str:
    return "; ".join(
        f"{name} is {held.get(name)} instead of {value}"
        for name, value in truth.items()
        if held.get(name) != value
    )


def _section(
    plan: Plan,
    found: Mapping[str, Readings],
    truth: list[dict[str, Any]],
    full_count: int,
    size: int,
) -> Section:
    count = plan.sized(full_count)
    section = Section(f"Ingest, {count:,} hosts ({size / 1e6:.1f} MB of JSON a day)")
    problems = [one.failure.splitlines()[0] for one in found.values() if one.failure]
    for one in found.values():
        for turn in one.turns:
            wrong = disagreement(one.name, turn.facts, truth, count)
            if wrong and wrong not in problems:
                problems.append(wrong)
    is_agreed = not problems
    ours, floor = found[OURS], found[FLOOR]
    table = []
    for one in found.values():
        if not one.turns:
            table.append((one.name, *["failed"] * 8))
            continue
        second = one.cpu("second")
        table.append(
            (
                one.name,
                number(one.cpu("first")),
                number(second),
                number(second / ours.cpu("second")) if is_agreed else "refused",
                number(second / floor.cpu("second")) if is_agreed else "refused",
                number(one.cpu("imports")),
                number(one.peak_mb) if one is not floor else "–",
                _keeps(one.name),
                f"{len(one.turns)} (× {one.spread('second'):.2f})",
            )
        )
    section.tables.append(
        Table(
            (
                "case",
                "day 1, CPU s",
                "day 2, CPU s",
                "÷ ours",
                "÷ floor",
                "imports, CPU s",
                "peak MB",
                "keeps",
                "turns (slowest ÷ fastest)",
            ),
            tuple(table),
        )
    )
    section.lines += [f"refused: {problem}" for problem in problems]
    if ours.turns:
        facts = ours.facts
        section.lines.append(
            f"KSC Ledger leaves on disk, both days: raw {facts['raw_bytes'] / 1e6:.1f} MB, typed"
            f" snapshots {facts['snapshot_bytes'] / 1e6:.1f} MB, warehouse"
            f" {facts['warehouse_bytes'] / 1e6:.1f} MB; peak above its imports"
            f" {ours.peak_mb - ours.base_mb:.0f} MB. Of its second day "
            + ", ".join(f"{step} {number(ours.cpu(f'second: {step}'))}" for step in STEPS)
            + " CPU s."
        )
    if full_count not in JUDGED:
        return section
    note = "" if is_agreed else "the landed rows differ"
    best = min(
        (one for one in found.values() if one.name in DLT.values() and one.turns),
        key=lambda one: one.cpu("second"),
        default=None,
    )
    limit, goal = JUDGED[full_count]
    to_floor = ours.cpu("second") / floor.cpu("second") if is_agreed else None
    to_best = best.cpu("second") / ours.cpu("second") if is_agreed and best else None
    is_full_size = plan.is_full_size
    section.judgements += [
        at_most(
            f"ingest of {count:,} hosts, times the floor (goal {goal:g})",
            to_floor,
            limit,
            is_full_size=is_full_size,
            note=note,
        ),
        at_least(
            f"ingest of {count:,} hosts, times better than the best dlt (goal 2)",
            to_best,
            1.5,
            is_full_size=is_full_size,
            note=note or (best.name if best else ""),
        ),
    ]
    return section


def _keeps(name: str) -> str:
    if name == OURS:
        return "raw bodies, history, fresh instants"
    if name in KEEPS_HISTORY:
        return "history, stale instants"
    return "nothing (append)"
