"""The rehearsal's timeline: the scenarios' own timelines, merged by instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from ksc_ledger.errors import LedgerError


class Deed(StrEnum):
    COLLECT = "collect"
    WATCH = "watch"
    DEADLINES = "deadlines"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done at one instant for all estates. ``note`` says why, for the run's note."""

    at: datetime
    deed: Deed
    note: str


@dataclass(frozen=True, slots=True)
class Timeline:
    steps: tuple[Step, ...]
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class WantedLetter:
    """A letter that the run has written once the day of its figures is over."""

    estate_code: str
    as_of_date: date
    kind: str
    unit_code: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure the run must reproduce: columns of fct_unit_coverage_daily for one unit and day."""

    as_of_date: str
    unit_code: str
    columns: dict[str, int]
    shown: dict[str, str]
    children_with_seats: int | None
    letter: str


@dataclass(frozen=True, slots=True)
class ExpectedReport:
    """What a unit reported beside what was observed: columns of rpt_reported_vs_observed."""

    unit_code: str
    report_date: date
    counts: dict[str, int]


def merged(scenarios: list[Path]) -> Timeline:
    """Steps of all scenarios in ascending order; the same deed at the same instant is one step."""
    notes: dict[tuple[datetime, Deed], list[str]] = {}
    ends: list[datetime] = []
    for scenario in scenarios:
        raw = _read(scenario / "scenario.yml")
        for entry in raw.get("timeline", []):
            key = (datetime.fromisoformat(str(entry["at"])), Deed(entry["do"]))
            notes.setdefault(key, [])
            if entry.get("note"):
                notes[key].append(str(entry["note"]))
        ends.append(datetime.fromisoformat(str(raw["ends_at"])))
    steps = tuple(
        Step(at, deed, "; ".join(notes[at, deed]))
        for at, deed in sorted(notes, key=lambda key: key)
    )
    return Timeline(steps, max(ends))


def wanted_letters(scenarios: list[Path]) -> list[WantedLetter]:
    """The letters that the scenarios ask for, by the day of their figures."""
    wanted = []
    for scenario in scenarios:
        raw = _read(scenario / "scenario.yml")
        wanted += [
            WantedLetter(
                estate_code=str(raw["estate_code"]),
                as_of_date=date.fromisoformat(str(entry["as_of"])),
                kind=str(entry["kind"]),
                unit_code=str(entry["unit_code"]),
            )
            for entry in raw.get("letters", [])
        ]
    return sorted(wanted, key=lambda one: one.as_of_date)


def expected(scenarios: list[Path]) -> list[Figure]:
    """Every figure of the scenarios' ``expected.yml``."""
    figures = []
    for scenario in scenarios:
        for raw in _read(scenario / "expected.yml").get("figures", []):
            known = {"as_of_date", "unit_code", "shown", "letter", "children_with_seats"}
            figures.append(
                Figure(
                    as_of_date=str(raw["as_of_date"]),
                    unit_code=str(raw["unit_code"]),
                    columns={name: value for name, value in raw.items() if name not in known},
                    shown=dict(raw.get("shown", {})),
                    children_with_seats=raw.get("children_with_seats"),
                    letter=str(raw.get("letter", "")),
                )
            )
    return figures


def expected_reports(scenarios: list[Path]) -> list[ExpectedReport]:
    """Every row of rpt_reported_vs_observed that the scenarios' ``expected.yml`` names."""
    found = []
    for scenario in scenarios:
        for raw in _read(scenario / "expected.yml").get("reported", []):
            counts = {name: int(value) for name, value in raw.items() if name.endswith("_count")}
            day = date.fromisoformat(str(raw["report_date"]))
            found.append(ExpectedReport(str(raw["unit_code"]), day, counts))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(yaml.safe_load(path.read_text("utf-8")) or {})
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise LedgerError(
            "scenario_unreadable",
            f"Không đọc được {path}: {error}",
            "Xem docs/scenarios.md; chạy ksc-ledger simulator check để thấy từng lỗi.",
        ) from error
