"""The page "Tình hình" of a large province after a year: how long it thinks, how much it sends."""

from __future__ import annotations

import shutil
from datetime import timedelta

from bench import estate
from bench.groups import Plan
from bench.process import Case, in_turn, run_case
from bench.report import Section, Table, at_most, number

ENDPOINTS = 50_000
DAYS = 367  # so that there is a day a year back
FIRST_MS = 300
PAST_MS = 500
BYTES = 1_000_000
READERS, VERSIONS = 20, 3


def run(plan: Plan) -> list[Section]:
    folder = plan.work / "ops_page"
    shutil.rmtree(folder, ignore_errors=True)
    endpoints = plan.sized(ENDPOINTS)
    servers = len(estate.SERVERS)
    published = folder / "published.duckdb"
    past = estate.FIRST_AT.date() + timedelta(days=1)
    try:
        plan.say("making the province's year, its marts and a version of them")
        order = {"endpoints": endpoints, "servers": servers}
        run_case(
            Case(
                "the province's year",
                "bench.cases.prepare_province",
                order
                | {
                    "folder": str(folder),
                    "steps": DAYS,
                    "fills": {"year": DAYS},
                    "snapshots": [],
                    "full": 0,
                },
            ),
            plan.work,
        )
        run_case(
            Case(
                "build and publish",
                "bench.cases.marts_build",
                order | {"base": str(folder), "fill": "year", "days": DAYS, "keep": str(published)},
            ),
            plan.work,
        )
        page = Case(
            "the page",
            "bench.cases.ops_page",
            {
                "file": str(published),
                "root": estate.SERVERS[1],
                "past": f"{past:%d/%m/%Y}",
                "readers": READERS,
                "versions": VERSIONS,
            },
        )
        found = in_turn([page], plan.reps, plan.work, plan.say)[page.name]
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    units = servers * (estate.UNITS_PER_SERVER + 1)
    section = Section(
        f"The page, a year of {endpoints:,} endpoints, {servers} servers, {units} units"
    )
    facts = found.facts if found.turns else {}
    if found.turns:
        section.tables.append(
            Table(
                ("view", "CPU ms", "wall ms"),
                (
                    (
                        "first of a process",
                        number(facts["first_ms"]),
                        number(facts["first_wall_ms"]),
                    ),
                    ("again", number(facts["again_ms"]), "–"),
                    ("a year back", number(facts["past_ms"]), number(facts["past_wall_ms"])),
                    ("a district with its machines", number(facts["unit_ms"]), "–"),
                ),
            )
        )
        section.lines.append(
            f"Page, style and script together {facts['bytes'] / 1e3:.0f} kB. {facts['asked']} views by"
            f" {READERS} readers at once, each time a new version had just been published."
        )
    else:
        section.lines.append(f"refused: {found.failure}")
    section.lines.append(
        "The application is asked in its own process, without Airflow's sign-in. Judged on CPU time:"
        " other work of the machine does not count against it."
    )
    targets = (
        ("page: first view, CPU ms", "first_ms", FIRST_MS),
        ("page: first view of a day a year back, CPU ms", "past_first_ms", PAST_MS),
        ("page: bytes of a first view", "bytes", BYTES),
        ("page: failed views", "failed", 0),
    )
    section.judgements += [
        at_most(target, facts.get(name), limit, is_full_size=plan.is_full_size)
        for target, name, limit in targets
    ]
    return [section]
