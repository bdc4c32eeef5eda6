"""The rows of source/demo_units.csv."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parent / "source" / "demo_units.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    estate_code: str
    unit_code: str
    official_code: str
    unit_name: str
    unit_kind: str
    parent_unit_code: str
    server_code: str
    name_prefix: str
    list_order: int
    as_of_date: str
    allocated_count: int | None
    installed_count: int | None
    correctly_named_count: int | None


@cache
def all_units() -> tuple[UnitRow, ...]:
    with SOURCE.open(encoding="utf-8", newline="") as file:
        return tuple(
            UnitRow(
                **{
                    name: row[name]
                    for name in UnitRow.__slots__
                    if name != "list_order" and not name.endswith("_count")
                },
                list_order=int(row["list_order"]),
                allocated_count=_count(row["allocated_count"]),
                installed_count=_count(row["installed_count"]),
                correctly_named_count=_count(row["correctly_named_count"]),
            )
            for row in csv.DictReader(file)
        )


def children_of(unit_code: str) -> tuple[UnitRow, ...]:
    return tuple(unit for unit in all_units() if unit.parent_unit_code == unit_code)


def of_estate(estate_code: str) -> tuple[UnitRow, ...]:
    return tuple(unit for unit in all_units() if unit.estate_code == estate_code)


def _count(text: str) -> int | None:
    return int(text) if text else None
