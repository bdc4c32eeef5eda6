"""The corpus: each file or builder with its kind and its expected verdict, and what is known of units."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from corpus import builders
from ksc_ledger.intake.examining import Directory

HERE = Path(__file__).parent
FILES = HERE / "files"
RECEIVED_AT = datetime(2022, 10, 18, 2, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KnownUnit:
    unit_code: str
    unit_name: str
    parent_unit_code: str | None
    seats: int | None
    valid_from_date: date
    valid_to_date: date | None


@dataclass(frozen=True, slots=True)
class KnownAlias:
    alias: str
    unit_code: str
    valid_from_date: date
    valid_to_date: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``name`` is the file's or its builder's, ``file_name`` the one it is sent under."""

    name: str
    kind: str
    says: str
    verdict: str
    reasons: frozenset[str]
    notes: frozenset[str]
    figures: Mapping[str, Mapping[str, int]] | None
    names: tuple[str, ...] | None
    report_date: str
    sender: str
    received_at: datetime
    cells: frozenset[str] | None
    file_name: str

    def data(self) -> bytes:
        path = FILES / self.name
        return path.read_bytes() if path.exists() else _built(self.name)


@cache
def _built(name: str) -> bytes:
    return builders.BUILDERS[name]()


@cache
def _raw() -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load((HERE / "corpus.yml").read_text("utf-8"))
    return raw


@cache
def cases() -> tuple[Case, ...]:
    raw = _raw()
    return tuple(_case(name, one, raw["tables"]) for name, one in raw["cases"].items())


def elsewhere() -> dict[str, str]:
    """Kinds that are no file of a unit, and where they are tested."""
    found: dict[str, str] = _raw()["elsewhere"]
    return found


def _case(name: str, raw: dict[str, Any], tables: dict[str, Any]) -> Case:
    figures = raw.get("figures")
    received = raw.get("received_at")
    reasons = raw.get("reason", "")
    return Case(
        name=name,
        kind=name.partition("_")[0],
        says=raw["says"],
        verdict=raw["verdict"],
        reasons=frozenset(reasons.split()),
        notes=frozenset(raw.get("notes", "").split()),
        figures=tables[figures] if isinstance(figures, str) else figures,
        names=tuple(raw["names"]) if "names" in raw else None,
        report_date=str(raw.get("report_date", "2022-10-12")),
        sender=raw.get("sender", "dtp_872"),
        received_at=datetime.fromisoformat(received) if received else RECEIVED_AT,
        cells=frozenset(raw["cells"].split()) if "cells" in raw else None,
        file_name=raw.get("file_name", name),
    )


@cache
def directory() -> Directory:
    """The corpus' units and aliases; seats are the same on every day."""
    units = [
        KnownUnit(
            row["unit_code"],
            row["unit_name"],
            row["parent_unit_code"] or None,
            int(row["seats"]) if row["seats"] else None,
            *_period(row),
        )
        for row in _rows("units.csv")
    ]
    aliases = [
        KnownAlias(row["alias"], row["unit_code"], *_period(row)) for row in _rows("aliases.csv")
    ]
    seats = {unit.unit_code: unit.seats for unit in units if unit.seats is not None}
    return Directory.of(units, aliases, lambda day: seats)


def _rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _period(row: dict[str, str]) -> tuple[date, date | None]:
    end = row["valid_to_date"]
    return date.fromisoformat(row["valid_from_date"]), date.fromisoformat(end) if end else None
