"""The registry files of both estates: what the letters decided, each row with its document."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from scenarios.generator.estate import REGISTRY_COLUMNS, Row
from scenarios.generator.units import UnitRow


def empty() -> dict[str, list[Row]]:
    return {name: [] for name in REGISTRY_COLUMNS}


def unit_row(unit: UnitRow, valid_from: str, source_document: str, *, name_prefix: str = "") -> Row:
    return {
        "unit_code": unit.unit_code,
        "unit_name": unit.unit_name,
        "unit_kind": unit.unit_kind,
        "official_code": unit.official_code,
        "name_prefix": name_prefix or unit.name_prefix,
        "parent_unit_code": unit.parent_unit_code,
        "list_order": str(unit.list_order),
        "valid_from_date": valid_from,
        "valid_to_date": "",
        "source_document": source_document,
    }


def grant(
    entry_id: str,
    unit: UnitRow,
    valid_from: str,
    valid_to: str,
    source_document: str,
) -> Row:
    """The seats of a unit as its letter grants them, from outside the estate."""
    return {
        "entry_id": entry_id,
        "entry_kind": "grant",
        "from_unit_code": "",
        "to_unit_code": unit.unit_code,
        "seat_count": str(unit.allocated_count),
        "valid_from_date": valid_from,
        "valid_to_date": valid_to,
        "source_document": source_document,
    }


def group_rows(
    server_code: str,
    groups: Mapping[str, Iterable[str]],
    valid_from: str,
    source_document: str,
) -> list[Row]:
    """One row a group, spelled as in the console, in composed characters and without end blanks.

    A copy of a group that differs in nothing else is the same group for the registry.
    """
    rows: list[Row] = []
    for unit_code, paths in groups.items():
        spelled = dict.fromkeys(unicodedata.normalize("NFC", path).rstrip() for path in paths)
        rows += [
            {
                "server_code": server_code,
                "group_path": path,
                "unit_code": unit_code,
                "valid_from_date": valid_from,
                "valid_to_date": "",
                "source_document": source_document,
            }
            for path in spelled
        ]
    return rows


def alias(text: str, unit_code: str, valid_from: str, source_document: str) -> Row:
    return {
        "alias": text,
        "unit_code": unit_code,
        "valid_from_date": valid_from,
        "valid_to_date": "",
        "source_document": source_document,
    }


def server_row(
    code: str,
    name: str,
    role: str,
    unit_code: str,
    order: int,
    valid_from: str,
    source_document: str,
) -> Row:
    return {
        "server_code": code,
        "server_name": name,
        "server_role": role,
        "unit_code": unit_code,
        "list_order": str(order),
        "valid_from_date": valid_from,
        "valid_to_date": "",
        "source_document": source_document,
    }


def naming_rule(rule_code: str, unit_code: str, valid_from: str, source_document: str) -> Row:
    """`<prefix>-<part>[-<part>]`: one or two parts after the prefix."""
    return {
        "rule_code": rule_code,
        "unit_code": unit_code,
        "separator": "-",
        "max_length": "15",
        "allowed_part": "[A-Z0-9]+",
        "min_parts": "1",
        "max_parts": "2",
        "valid_from_date": valid_from,
        "valid_to_date": "",
        "source_document": source_document,
    }
