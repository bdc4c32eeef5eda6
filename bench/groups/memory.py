"""The peak memory of one collecting task above that of a task that does nothing."""

from __future__ import annotations

import shutil

from bench import rows
from bench.groups import Plan
from bench.process import Case, in_turn, standin
from bench.report import Section, Table, at_most, number

MIB_TO_MB = 1.048576
ABOVE_EMPTY_MB = 300
LARGE_MB = 1_000
GROWTH = 1.1  # of the whole process, for ten times as many chunks of the same hosts
USUAL, SMALL = 1000, 100  # chunk sizes
SIZES = {50_000: (USUAL, SMALL), 500_000: (USUAL,)}


def run(plan: Plan) -> list[Section]:
    section = Section("Memory of one collecting task")
    table = []
    peak: dict[tuple[int, int], float] = {}
    above: dict[tuple[int, int], float] = {}
    problems = []
    for full_count, chunk_sizes in SIZES.items():
        count = plan.sized(full_count)
        folder = plan.work / f"memory-{count}"
        plan.say(f"making {count:,} hosts")
        rows.make(folder, count, 0)
        try:
            with standin(folder) as server:
                order = {"port": server.ports[0], "sha256": server.sha256}
                cases = [
                    Case(
                        f"{count:,} hosts, {count // size} chunks of {size}",
                        "bench.cases.collect_task",
                        {**order, "chunk_size": size},
                    )
                    for size in chunk_sizes
                ]
                found = in_turn(cases, 1, plan.work, plan.say)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        for size, case in zip(chunk_sizes, cases, strict=True):
            one = found[case.name]
            if one.failure or (one.facts["rows"], one.facts["status"]) != (count, "complete"):
                problems.append(one.failure or f"{case.name}: {dict(one.facts)}")
                continue
            key = (full_count, size)
            peak[key] = one.peak_mb * MIB_TO_MB
            above[key] = (one.peak_mb - one.base_mb) * MIB_TO_MB
            table.append(
                (
                    case.name,
                    number(one.base_mb * MIB_TO_MB),
                    number(peak[key]),
                    number(above[key]),
                    number(one.cpu("task")),
                )
            )
    section.tables.append(
        Table(("case", "empty task, MB", "peak MB", "above, MB", "CPU s"), tuple(table))
    )
    section.lines += [f"refused: {problem}" for problem in problems]
    usual, many, large = (50_000, USUAL), (50_000, SMALL), (500_000, USUAL)
    is_full_size = plan.is_full_size
    growth = peak[many] / peak[usual] if usual in peak and many in peak else None
    section.judgements += [
        at_most(
            "collecting task of 50,000 hosts, MB above an empty task",
            above.get(usual),
            ABOVE_EMPTY_MB,
            is_full_size=is_full_size,
        ),
        at_most(
            "collecting task, peak for ten times as many chunks",
            growth,
            GROWTH,
            is_full_size=is_full_size,
        ),
        at_most(
            "collecting task of 500,000 hosts, peak MB",
            peak.get(large),
            LARGE_MB,
            is_full_size=is_full_size,
        ),
    ]
    return [section]
