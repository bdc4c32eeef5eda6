"""A year of a large province: its marts built and published, and one question asked of them."""

from __future__ import annotations

import shutil
from datetime import timedelta

from bench import estate
from bench.groups import Plan
from bench.process import Case, in_turn, run_case
from bench.report import Section, Table, at_most, number

ENDPOINTS = 50_000
DAYS = 365
MEMORY_MB = 2_000
CPU_SECONDS = 60
ASK_RATIO = 0.3


def run(plan: Plan) -> list[Section]:
    folder = plan.work / "marts"
    shutil.rmtree(folder, ignore_errors=True)
    endpoints = plan.sized(ENDPOINTS)
    try:
        plan.say("making the province's year")
        order = {
            "folder": str(folder),
            "endpoints": endpoints,
            "steps": DAYS,
            "servers": len(estate.SERVERS),
            "fills": {"year": DAYS},
            "snapshots": [],
            "full": DAYS,
        }
        run_case(Case("the province's year", "bench.cases.prepare_province", order), plan.work)
        published = folder / "published.duckdb"
        build = Case(
            "build and publish",
            "bench.cases.marts_build",
            {
                "base": str(folder),
                "fill": "year",
                "days": DAYS,
                "endpoints": endpoints,
                "servers": len(estate.SERVERS),
                "keep": str(published),
            },
        )
        found = in_turn([build], plan.reps, plan.work, plan.say)
        built = found[build.name]
        first = estate.FIRST_AT.date()
        days = {"first": str(first), "last": str(first + timedelta(days=DAYS - 1))}
        ask = "bench.cases.compliance"
        intervals = Case(
            "intervals of the published file",
            ask,
            {"file": str(published), "way": "intervals", **days},
        )
        full = Case(
            "full snapshots", ask, {"file": str(folder / "full.duckdb"), "way": "full", **days}
        )
        mart = Case("the daily mart", ask, {"file": str(published), "way": "mart", **days})
        asked = in_turn([intervals, full, mart], max(plan.reps, 3), plan.work, plan.say)
        full_mb = (folder / "full.duckdb").stat().st_size / 1e6
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    section = Section(f"Marts, a year of {endpoints:,} endpoints on {len(estate.SERVERS)} servers")
    cpu = peak = None
    if built.turns:
        cpu = built.cpu("build") + built.cpu("publish")
        peak = built.peak_mb * 1.048576
        facts = built.facts
        section.tables.append(
            Table(
                (
                    "case",
                    "build, CPU s",
                    "publish, CPU s",
                    "peak MB",
                    "warehouse MB",
                    "published MB",
                ),
                (
                    (
                        built.name,
                        number(built.cpu("build")),
                        number(built.cpu("publish")),
                        number(peak),
                        number(facts["warehouse_bytes"] / 1e6),
                        number(facts["published_bytes"] / 1e6),
                    ),
                ),
            )
        )
        made = ", ".join(f"{name} {count:,}" for name, count in facts["rows"].items() if count)
        section.lines.append(f"Rows made: {made}.")
    else:
        section.lines.append(f"refused: {built.failure}")
    problems = [one.failure.splitlines()[0] for one in asked.values() if one.failure]
    answers = {(one.facts["rows"], one.facts["answer"]) for one in asked.values() if one.turns}
    if len(answers) > 1:
        problems.append("the three ways do not give the same answer")
    section.tables.append(
        Table(
            ("compliance per unit per day", "CPU s", "÷ full snapshots", "rows"),
            tuple(
                (
                    one.name,
                    number(one.cpu("ask")),
                    "refused" if problems else number(one.cpu("ask") / asked[full.name].cpu("ask")),
                    f"{one.facts['rows']:,}",
                )
                for one in asked.values()
                if one.turns
            ),
        )
    )
    section.lines.append(
        f"The table of full snapshots was written from the invented state of each day, not from our"
        f" history ({full_mb:.0f} MB); equal answers therefore prove the figures as well."
    )
    section.lines += [f"refused: {problem}" for problem in problems]
    is_full_size = plan.is_full_size
    section.judgements += [
        at_most("marts of a year, CPU s", cpu, CPU_SECONDS, is_full_size=is_full_size),
        at_most("marts of a year, peak MB", peak, MEMORY_MB, is_full_size=is_full_size),
        at_most(
            "compliance of a year, times the question on full snapshots",
            None if problems else asked[intervals.name].cpu("ask") / asked[full.name].cpu("ask"),
            ASK_RATIO,
            is_full_size=is_full_size,
        ),
    ]
    return [section]
