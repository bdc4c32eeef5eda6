"""Readers that never stop while versions are published: nothing fails, nothing is torn."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import estate
from bench.cases.prepare_province import settings_of
from bench.groups import Plan
from bench.meter import RESULT
from bench.process import ROOT, Case, Reading, environment, run_case
from bench.report import Section, Table, at_most

ENDPOINTS = 5_000
SERVERS = 1
DAYS = 30
READERS, THREADS = 8, 4
VERSIONS, SECONDS = 20, 60.0
LATE_SECONDS = 1.0
TIMEOUT_SECONDS = 300.0


def run(plan: Plan) -> list[Section]:
    folder = plan.work / "readers"
    shutil.rmtree(folder, ignore_errors=True)
    endpoints = plan.sized(ENDPOINTS)
    versions, seconds = (VERSIONS, SECONDS) if plan.is_full_size else (3, 10.0)
    plan.say("making the province that is published")
    steps = list(range(DAYS, DAYS + versions + 1))
    order = {
        "folder": str(folder),
        "endpoints": endpoints,
        "steps": steps[-1] + 1,
        "servers": SERVERS,
        "fills": {str(DAYS): DAYS},
        "snapshots": steps,
        "full": 0,
    }
    try:
        run_case(Case("the province", "bench.cases.prepare_province", order), plan.work)
        plan.say(f"{READERS} readers, a process of {THREADS} more, {versions} versions")
        published, readers = _together(folder, endpoints, versions, seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [_section(plan, published, readers, versions)]


def late_openings(seen: Mapping[str, Mapping[str, Any]], published: list[dict[str, Any]]) -> int:
    """How many versions were still given to an opening a second after the next one was there."""
    after = dict(
        zip(
            (one["version"] for one in published),
            (one["at"] for one in published[1:]),
            strict=False,
        )
    )
    return sum(
        version in after and facts["last_opened_at"] > after[version] + LATE_SECONDS
        for version, facts in seen.items()
    )


def _together(
    folder: Path, endpoints: int, versions: int, seconds: float
) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    home, stop = folder / "ledger", folder / "stop"
    order = {
        "base": str(folder),
        "ledger": str(home),
        "fill": DAYS,
        "versions": versions,
        "endpoints": endpoints,
        "servers": SERVERS,
    }
    children: list[subprocess.Popen[str]] = []
    try:
        publisher = _start(folder, "publisher", "bench.cases.publisher", order)
        children.append(publisher)
        if publisher.stdout is None or publisher.stdin is None:
            raise RuntimeError("the publisher has no pipes")
        if publisher.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the publisher did not begin:\n{publisher.communicate()[1]}")
        question = {
            "file": str(settings_of(home).places.marts_file),
            "root": estate.SERVERS[0],
            "stop": str(stop),
        }
        for number in range(READERS + 1):
            threads = THREADS if number == READERS else 1
            children.append(
                _start(
                    folder,
                    f"reader-{number}",
                    "bench.cases.reader",
                    question | {"threads": threads},
                )
            )
        began = time.monotonic()
        publisher.stdin.write("begin\n")
        publisher.stdin.flush()
        publisher.wait(TIMEOUT_SECONDS)
        time.sleep(max(seconds - (time.monotonic() - began), 2 * LATE_SECONDS))
        stop.touch()
        for child in children:
            _, said = child.communicate(timeout=TIMEOUT_SECONDS)
            if child.returncode:
                raise RuntimeError(f"a process ended with status {child.returncode}:\n{said}")
    finally:
        for child in children:
            child.kill()
            child.wait()
    published = _reading(folder, "publisher").facts["published"]
    readers = [_reading(folder, f"reader-{n}").facts["readers"] for n in range(READERS + 1)]
    return published, readers


def _start(folder: Path, name: str, module: str, order: dict[str, Any]) -> subprocess.Popen[str]:
    scratch = folder / f"{name}-home"
    scratch.mkdir()
    return subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(order)],
        cwd=ROOT,
        env=environment(scratch, os.environ) | {RESULT: str(folder / f"{name}.json")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _reading(folder: Path, name: str) -> Reading:
    return Reading.of(json.loads((folder / f"{name}.json").read_text("utf-8")))


def _section(
    plan: Plan,
    published: list[dict[str, Any]],
    processes: list[list[dict[str, Any]]],
    versions: int,
) -> Section:
    seconds = published[-1]["at"] - published[0]["at"]
    section = Section(f"Readers while {versions} versions are published in {seconds:.0f} s")
    groups = {
        f"{READERS} processes of one": [one for group in processes[:-1] for one in group],
        f"one process of {THREADS} threads": processes[-1],
    }
    table = []
    failed = torn = late = 0
    for name, readers in groups.items():
        counts = [
            sum(one["queries"] for one in readers),
            sum(len(one["failed"]) for one in readers),
            sum(len(one["torn"]) for one in readers),
            sum(late_openings(one["seen"], published) for one in readers),
        ]
        fewest = min(len(one["seen"]) for one in readers)
        table.append((name, *(f"{count:,}" for count in counts), f"{fewest} of {versions + 1}"))
        failed, torn, late = failed + counts[1], torn + counts[2], late + counts[3]
        section.lines += [text for one in readers for text in (one["failed"] + one["torn"])[:3]]
    section.tables.append(
        Table(
            ("readers", "openings", "failed", "torn", "late", "versions seen, at least"),
            tuple(table),
        )
    )
    section.lines.append(
        "Each opening is a new connection through the link. Torn: figures of three tables that do"
        " not agree, or a version whose content is not what it was. Late: an opening more than a"
        " second after a version was there that still got an older one."
    )
    for what, count in (("failed", failed), ("torn", torn), ("late", late)):
        section.judgements.append(
            at_most(f"readers: {what}", count, 0, is_full_size=plan.is_full_size)
        )
    return section
