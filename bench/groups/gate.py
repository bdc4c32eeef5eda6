"""The gate of Great Expectations beside the same rules as one SQL statement."""

from __future__ import annotations

import shutil

from bench import estate
from bench.groups import Plan
from bench.process import Case, in_turn, run_case
from bench.report import Section, Table, at_most, number

LIMITS = {50_000: 8.0, 300_000: 4.0}
BROKEN_ONE_IN = 100
MEMORY_MB = 1_500


def run(plan: Plan) -> list[Section]:
    section = Section(f"Gate, {len(estate.SERVERS)} loads in one batch")
    table = []
    peak = 0.0
    imports = 0.0
    for full_rows, limit in LIMITS.items():
        rows = plan.sized(full_rows)
        for broken_one_in in (0, BROKEN_ONE_IN):
            base = plan.work / f"gate-{rows}-{broken_one_in}"
            shutil.rmtree(base, ignore_errors=True)
            order = {
                "folder": str(base),
                "endpoints": rows,
                "servers": len(estate.SERVERS),
                "broken_one_in": broken_one_in,
            }
            try:
                plan.say(f"making {rows:,} rows to judge")
                run_case(Case("rows to judge", "bench.cases.prepare_gate", order), plan.work)
                ours = Case("gate", "bench.cases.gate_ours", {"base": str(base)})
                floor = Case("one SQL statement", "bench.cases.gate_sql", {"base": str(base)})
                found = in_turn([ours, floor], plan.reps, plan.work, plan.say)
            finally:
                shutil.rmtree(base, ignore_errors=True)
            what = f"{rows:,} rows, " + (
                f"one in {broken_one_in} wrong" if broken_one_in else "all right"
            )
            note = next((one.failure.splitlines()[0] for one in found.values() if one.failure), "")
            ratio = None
            if not note:
                note = _difference(
                    found[ours.name].facts["counts"], found[floor.name].facts["counts"]
                )
            if not note:
                gate, sql = found[ours.name], found[floor.name]
                ratio = gate.cpu("gate") / sql.cpu("gate")
                peak = max(peak, gate.peak_mb * 1.048576)
                imports = gate.cpu("imports")
                wrong = sum(sum(counts.values()) for counts in gate.facts["counts"].values())
                table.append(
                    (
                        what,
                        str(gate.facts["columns"]),
                        f"{wrong:,}",
                        number(gate.cpu("gate")),
                        number(sql.cpu("gate")),
                        number(ratio),
                        number(gate.peak_mb * 1.048576),
                        f"× {gate.spread('gate'):.2f}",
                    )
                )
                line = (
                    f"Great Expectations {gate.facts['engine']}; its import ({imports:.1f} CPU s)"
                    " is paid once a run and not in the figures."
                )
                section.lines = [line]
            section.judgements.append(
                at_most(
                    f"gate over {what}, times one SQL statement",
                    ratio,
                    limit,
                    is_full_size=plan.is_full_size,
                    note=note,
                )
            )
    section.tables.append(
        Table(
            (
                "rows",
                "columns",
                "findings",
                "gate, CPU s",
                "SQL, CPU s",
                "÷ SQL",
                "peak MB",
                "slowest ÷ fastest",
            ),
            tuple(table),
        )
    )
    section.judgements.append(
        at_most("gate, peak MB", peak or None, MEMORY_MB, is_full_size=plan.is_full_size)
    )
    return [section]


def _difference(gate: dict[str, dict[str, int]], sql: dict[str, dict[str, int]]) -> str:
    """Where the two do not count the same rows; '' when they agree."""
    for server_code, counts in gate.items():
        for rule, count in counts.items():
            other = sql.get(server_code, {}).get(rule)
            if other != count:
                return f"{server_code}, {rule}: the gate finds {count}, SQL {other}"
    return "" if gate and gate.keys() == sql.keys() else "not the same servers were judged"
