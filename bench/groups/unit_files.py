"""A thousand files of units in one run: read in the sandbox, matched, gated, answered."""

from __future__ import annotations

import shutil

from bench.groups import Plan
from bench.process import Case, in_turn, run_case
from bench.report import Section, Table, at_most, number

FILES = 1_000
CPU_SECONDS = 60.0
# What the run may hold more for four times the files: receipts to compare the next ones with.
GROWN_MB = 40.0


def run(plan: Plan) -> list[Section]:
    section = Section("Units' files, one run")
    table = []
    peaks: dict[int, float] = {}
    spent: float | None = None
    note = ""
    for count in (plan.sized(FILES) // 4, plan.sized(FILES)):
        base = plan.work / f"unit-files-{count}"
        shutil.rmtree(base, ignore_errors=True)
        try:
            plan.say(f"making {count:,} files to receive")
            made = {"base": str(base), "files": count}
            run_case(Case("files", "bench.cases.prepare_unit_files", made), plan.work)
            case = Case(f"{count} files", "bench.cases.unit_files", {"base": str(base)})
            # One turn of the smaller run: only its memory is asked.
            reps = 1 if count < plan.sized(FILES) else plan.reps
            found = in_turn([case], reps, plan.work, plan.say)[case.name]
        finally:
            shutil.rmtree(base, ignore_errors=True)
        if found.failure:
            note = found.failure.splitlines()[0]
            break
        if found.facts["accepted"] != count:
            note = f"{found.facts['accepted']} of {count} files were accepted"
            break
        spent = found.cpu("receive")
        peaks[count] = found.peak_mb * 1.048576
        table.append(
            (
                f"{count:,}",
                f"{found.facts['rows']:,}",
                number(spent),
                number(1000 * spent / count),
                number(peaks[count]),
            )
        )
    section.tables.append(
        Table(
            ("files", "units in them", "CPU s", "CPU ms a file", "peak MB"),
            tuple(table),
        )
    )
    line = (
        "Workbooks of 27 units. CPU of the run and of all its children; the import of Great"
        " Expectations is paid once and not in it."
    )
    section.lines = [line]
    grown = max(peaks.values()) - min(peaks.values()) if len(peaks) > 1 else None
    section.judgements += [
        at_most(
            f"{FILES:,} unit files in one run, CPU s",
            spent if len(peaks) > 1 else None,
            CPU_SECONDS,
            is_full_size=plan.is_full_size,
            note=note,
        ),
        at_most(
            "the same, MB more than for a quarter of them",
            grown,
            GROWN_MB,
            is_full_size=plan.is_full_size,
            note=note,
        ),
    ]
    return [section]
