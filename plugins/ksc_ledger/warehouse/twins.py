"""The .yml twins of the marts: grain, descriptions in Vietnamese and English, what is masked.

They become the comments in the published files and docs/warehouse.md, so both always agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ksc_ledger.warehouse.engine import quoted

# Safe as well, and ten times as fast as the one in Python: every build and every publication reads them.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

COMMON = "common"
PUBLISHED = "_published"  # made when publishing; every other twin has a model


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``is_masked``: a machine's name, readable only in the restricted file."""

    name: str
    vi: str
    en: str
    is_masked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """One published table. ``grain``: the columns that identify a row."""

    table: str
    vi: str
    en: str
    grain: tuple[str, ...]
    columns: tuple[Column, ...]


@cache
def twins(sql: Path) -> Mapping[str, Twin]:
    """Every table that is published, by name."""
    return _read_folder(sql / "marts")


@cache
def view_twins(sql: Path) -> Mapping[str, Twin]:
    """Every view of schema ``bi``, by name. The Vietnamese text of a column is its label."""
    return _read_folder(sql / "published" / "bi")


def comments(twin: Twin, kind: str, relation: str) -> str:
    """The statements that put a twin's Vietnamese text on its table or view and every column.

    Together, because a statement at a time costs a publication more than copying the rows does.
    """
    said = [f"comment on {kind} {relation} is {quoted(twin.vi)}"]
    said += [
        f'comment on column {relation}."{column.name}" is {quoted(column.vi)}'
        for column in twin.columns
    ]
    return ";\n".join(said)


def _read_folder(folder: Path) -> Mapping[str, Twin]:
    common = _read(folder / f"{COMMON}.yml")["columns"]
    return {
        path.stem: _twin(path.stem, _read(path), common)
        for path in sorted(folder.glob("*.yml"))
        if path.stem != COMMON
    }


def _twin(table: str, raw: Mapping[str, Any], common: Mapping[str, Any]) -> Twin:
    columns: list[Column] = []
    for name, own in raw["columns"].items():
        said = own or common[name]
        columns.append(
            Column(
                name=name,
                vi=said["vi"],
                en=said["en"],
                is_masked=bool(said.get("mask", False)),
            )
        )
    return Twin(
        table=table,
        vi=raw["description"]["vi"],
        en=raw["description"]["en"],
        grain=tuple(raw["grain"]),
        columns=tuple(columns),
    )


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(path.read_text("utf-8"), _LOADER)  # noqa: S506
    return content
