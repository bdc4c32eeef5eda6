"""The whole road through a real scheduler, watched by a reader that never stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse.reader import query

HERE = Path(__file__).resolve().parent

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@dataclass
class Watched:
    """What the run printed, its exit status, and what the reader saw meanwhile."""

    status: int
    output: str
    home: Path
    seen: dict[str, Any]


@contextmanager
def watching(home: Path, folder: Path, unit: str, day: str) -> Iterator[dict[str, Any]]:
    report, stop = folder / "reader.json", folder / "stop"
    reader = subprocess.Popen(
        [
            sys.executable,
            str(HERE / "reader.py"),
            str(home / "marts" / "ksc_ledger.duckdb"),
            str(report),
            str(stop),
            unit,
            day,
        ]
    )
    seen: dict[str, Any] = {}
    try:
        yield seen
    finally:
        stop.touch()
        reader.wait(timeout=30)
        seen.update(json.loads(report.read_text()))
        stop.unlink()


def rehearse(home: Path, folder: Path, scenarios: Sequence[Path], unit: str, day: str) -> Watched:
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    with watching(home, folder, unit, day) as seen:
        done = subprocess.run(
            [sys.executable, "-m", "ksc_ledger.rehearsal", "--once", "--port", "0"]
            + [str(scenario) for scenario in scenarios],
            cwd=REPOSITORY,
            env={**env, "KSC_LEDGER_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
    return Watched(done.returncode, done.stdout + done.stderr, home, seen)


def test_figures_are_computed_from_what_servers_say(tmp_path: Path) -> None:
    """One host renamed, one host without its protection bit, one server switched off."""
    run = rehearse(tmp_path / "home", tmp_path, [HERE / "scenario"], "dtp_872", "2022-10-12")
    assert run.status == 0, run.output
    assert run.seen["failed"] == []
    assert run.seen["torn"] == []
    in_order = [run.seen["versions"][version] for version in sorted(run.seen["versions"])]
    figures = [
        (row["allocated_count"], row["installed_count"], row["correctly_named_count"])
        for row in in_order
    ]
    assert figures[:4] == [(330, 255, 235), (330, 255, 234), (330, 254, 234), (330, 254, 234)]
    # What became of the mails is published once more at the end.
    assert set(figures[4:]) <= {(330, 254, 234)}
    (town,) = query(
        run.home / "marts" / "ksc_ledger.duckdb",
        "select * from marts.rpt_source_age where server_code = 'dtp_872'",
    )
    assert town["is_failing"]
    assert town["last_fault_code"] == "unreachable"
    assert town["age_hours"] == 1.0


def test_the_rehearsal_of_two_estates_and_its_repetition(tmp_path: Path) -> None:
    """The letters' figures, twice in the same home; no reader fails or sees half a version."""
    scenarios = [REPOSITORY / "scenarios" / name for name in ("dong_thap", "kon_tum")]
    for _ in range(2):
        run = rehearse(tmp_path / "home", tmp_path, scenarios, "dtp_872", "2022-10-12")
        assert run.status == 0, run.output
        assert run.seen["failed"] == []
        assert run.seen["torn"] == []
        summary = json.loads((run.home / "summary.json").read_text("utf-8"))
        assert summary["holds"]
        assert summary["failed_runs"] == []
        shown = {
            (c["as_of_date"], c["unit_code"], c["column"]): c["found"] for c in summary["checks"]
        }
        assert shown["2022-10-12", "dtp_872", "installed_ratio"] == "77,3 %"
        assert shown["2023-10-13", "dtp", "allocated_count"] == "5.037"
        assert shown["2024-01-08", "ktm_613", "installed_ratio"] == "32,6 %"


def test_an_estate_written_from_the_documentation_alone_runs(tmp_path: Path) -> None:
    """Written by hand by somebody who read docs/ and no code; its figures were counted by hand."""
    run = rehearse(tmp_path / "home", tmp_path, [HERE / "third_estate"], "btm_cdu", "2024-03-05")
    assert run.status == 0, run.output
    assert run.seen["failed"] == []
    assert run.seen["torn"] == []
    mails = sorted(file.name for file in (run.home / "mail").glob("*.eml"))
    assert sum("-lost-btm_rse-" in name for name in mails) == 2, mails
