"""Thirteen servers, three of them bad in the worst ways: what the other ten lose by it."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bench.groups import Plan
from bench.process import ROOT, Case, Readings, in_turn
from bench.report import Section, Table, at_most, number
from bench.scheduler import simulated
from ksc_ledger.orchestration.defaults import POOL_SLOTS, Pool

SCENARIO = ROOT / "scenarios" / "dong_thap"
AT = datetime.fromisoformat("2024-01-12T08:00:00+07:00")
SERVERS = 13
SERVER_SECONDS = 30.0  # instead of ten minutes: how long a turn has to last; no good one needs it
LIMIT = 1.3

# The fault of each bad server, and the fault code that its load must have; None: landed in the end.
BAD: dict[str, tuple[dict[str, Any], str | None]] = {
    "dtp_868": ({"kind": "syn_blackhole"}, "unreachable"),
    "dtp_871": ({"kind": "slow_loris", "value": 1}, "unreachable"),
    "dtp_874": ({"kind": "busy", "value": "1", "count": 3}, None),
}
ALONE, BESIDE = "the ten alone", "the ten beside the three"


def run(plan: Plan) -> list[Section]:
    folder = plan.work / "bad-servers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    plan.say(f"starting {SERVERS} simulated servers")
    try:
        with simulated(folder, [SCENARIO], AT) as simulator:
            found = in_turn(_cases(simulator), plan.reps, plan.work, plan.say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [section(plan, found)]


def _cases(simulator: Mapping[str, Any]) -> list[Case]:
    servers = [{"code": code, **facts} for code, facts in simulator["servers"].items()]
    order = {
        "control": simulator["control"]["port"],
        "at": AT.isoformat(),
        "slots": POOL_SLOTS[Pool.KSC_SERVERS],
        "server_seconds": SERVER_SECONDS,
    }
    faults = [{"server_code": code, **fault} for code, (fault, _) in BAD.items()]
    ten = [server for server in servers if server["code"] not in BAD]
    module = "bench.cases.collect_together"
    return [
        Case(ALONE, module, {**order, "servers": ten, "faults": []}),
        Case(BESIDE, module, {**order, "servers": servers, "faults": faults}),
    ]


def problems(alone: Mapping[str, Any], beside: Mapping[str, Any]) -> list[str]:
    """Why two turns cannot be compared: the good servers' rows, or the bad ones' faults."""
    found = []
    if len(alone) != SERVERS - len(BAD) or len(beside) != SERVERS:
        found.append(f"{len(alone)} and {len(beside)} servers were asked")
    for code, said in alone.items():
        other = beside.get(code, {})
        if said["status"] != "complete" or other.get("status") != "complete":
            found.append(f"{code} was not landed: {said['fault']}, {other.get('fault')}")
        elif said["rows"] != other["rows"]:
            found.append(f"{code} has {said['rows']} rows and {other['rows']}")
    for code, (_, fault) in BAD.items():
        seen = beside.get(code, {}).get("fault", "nothing")
        if seen != fault:
            found.append(f"{code} ended with {seen} instead of {fault}")
    return found


def last_of_the_ten(landed: Mapping[str, Mapping[str, Any]]) -> float:
    """Seconds from the beginning until the last good server was landed."""
    return max(float(said["seconds"]) for code, said in landed.items() if code not in BAD)


def section(plan: Plan, found: Mapping[str, Readings]) -> Section:
    section = Section(f"{SERVERS} servers, three of them bad")
    alone, beside = found[ALONE], found[BESIDE]
    wrong = [one.failure for one in (alone, beside) if one.failure]
    if not wrong:
        for left, right in zip(alone.turns, beside.turns, strict=True):
            wrong += problems(left.facts["landed"], right.facts["landed"])
    ratio = None
    if not wrong:
        seconds = {
            one.name: [last_of_the_ten(turn.facts["landed"]) for turn in one.turns]
            for one in (alone, beside)
        }
        ratio = statistics.median(seconds[BESIDE]) / statistics.median(seconds[ALONE])
        section.tables.append(
            Table(
                ("case", "last of the ten landed, s", "all done, s", "turns (slowest ÷ fastest)"),
                tuple(
                    (
                        one.name,
                        number(statistics.median(seconds[one.name])),
                        number(statistics.median(turn.wall["together"] for turn in one.turns)),
                        f"{len(one.turns)} (× {max(seconds[one.name]) / min(seconds[one.name]):.2f})",
                    )
                    for one in (alone, beside)
                ),
            )
        )
    section.lines += [f"refused: {one}" for one in dict.fromkeys(wrong)]
    section.lines.append(
        "One server swallows every SYN, one sends a byte a second, one answers the first three"
        f" questions with 503. {POOL_SLOTS[Pool.KSC_SERVERS]} are asked at a time, as the pool has it;"
        f" a server's time is cut to {SERVER_SECONDS:g} s so that a turn ends."
    )
    section.judgements.append(
        at_most(
            "the other ten beside a black hole, a slow-loris and a burst of 503, times alone",
            ratio,
            LIMIT,
            is_full_size=plan.is_full_size,
        )
    )
    return section
