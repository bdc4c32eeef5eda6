"""A year of a large province: its marts built, published and asked; a month rebuilt from landing."""

from __future__ import annotations

import shutil
from datetime import timedelta

from bench import estate
from bench.groups import Plan
from bench.process import Case, in_turn, run_case
from bench.report import Section, Table, at_most, failed, number

ENDPOINTS = 50_000
DAYS = 365
MEMORY_MB = 2_000
CPU_SECONDS = 60
ASK_RATIO = 0.3
REBUILT_ENDPOINTS, REBUILT_DAYS = 5_000, 30


def run(plan: Plan) -> list[Section]:
    return [_year(plan), _rebuilt(plan)]


def _rebuilt(plan: Plan) -> Section:
    """What has no target: history and marts anew from landing, shown apart from the marts of a year."""
    folder = plan.work / "rebuild"
    shutil.rmtree(folder, ignore_errors=True)
    endpoints, servers = plan.sized(REBUILT_ENDPOINTS), len(estate.SERVERS)
    first = estate.FIRST_AT.date()
    days = {"first": str(first), "last": str(first + timedelta(days=REBUILT_DAYS - 1))}
    try:
        plan.say("making the province's month")
        size = {"endpoints": endpoints, "servers": servers}
        order = {
            "folder": str(folder),
            "steps": REBUILT_DAYS,
            "fills": {},
            "snapshots": list(range(REBUILT_DAYS)),
            "full": REBUILT_DAYS,
            **size,
        }
        prepared = Case("the province's month", "bench.cases.prepare_province", order)
        changed = run_case(prepared, plan.work).facts["changed"]
        kept = folder / "rebuilt.duckdb"
        case = Case(
            "history and marts from landing",
            "bench.cases.rebuild",
            {"base": str(folder), "days": REBUILT_DAYS, "keep": str(kept), **size},
        )
        found = in_turn([case], plan.reps, plan.work, plan.say)[case.name]
        asked = [
            run_case(
                Case(way, "bench.cases.compliance", {"file": str(file), "way": way, **days}),
                plan.work,
            )
            for way, file in (("mart", kept), ("full", folder / "full.duckdb"))
            if found.turns
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    title = (
        f"Rebuild from landing: {REBUILT_DAYS} days of {endpoints:,} endpoints on {servers} servers"
    )
    if not found.turns:
        return failed(title, str(found.failure))
    wanted = {
        "loads": REBUILT_DAYS * servers,
        "current": endpoints,
        "closed": sum(changed[str(step)] for step in range(1, REBUILT_DAYS)),
    }
    held = {name: found.facts[name] for name in wanted}
    if held != wanted:
        return failed(title, f"{held} instead of {wanted}")
    if len({one.facts["answer"] for one in asked}) > 1:
        return failed(title, "the rebuilt marts do not give the answer of the full snapshots")
    section = Section(title)
    cpu, loads = found.cpu("rebuild"), wanted["loads"]
    section.tables.append(
        Table(
            ("case", "CPU s", "CPU ms a load", "peak MB", "landed MB", "warehouse MB"),
            (
                (
                    found.name,
                    number(cpu),
                    number(cpu * 1000 / loads),
                    number(found.peak_mb * 1.048576),
                    number(found.facts["landed_bytes"] / 1e6),
                    number(found.facts["warehouse_bytes"] / 1e6),
                ),
            ),
        )
    )
    section.lines.append(
        f"{loads:,} loads were read, applied in order and judged, then all marts were built and checked; nothing"
        " was there before but the landed files. The daily mart answers as the full snapshots do."
    )
    return section


def _year(plan: Plan) -> Section:
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
    return section
