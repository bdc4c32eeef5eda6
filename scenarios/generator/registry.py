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
    *,
    console_name: str = "",
) -> Row:
    return {
        "server_code": code,
        "server_name": name,
        "server_role": role,
        "unit_code": unit_code,
        "list_order": str(order),
        "console_name": console_name,
        "valid_from_date": valid_from,
        "valid_to_date": "",
        "source_document": source_document,
    }


# Who is told, in which order: the operations team at any hour, the unit in its first working hour,
# its department after 4 working hours, the Sở after a working day.
LADDER = (
    ("lost", 1, "ops_team", 0, "hour", "any"),
    ("lost", 2, "unit", 0, "hour", "working"),
    ("lost", 3, "department", 4, "working_hour", "working"),
    ("lost", 4, "so", 1, "working_day", "working"),
    ("province_down", 1, "ops_team", 0, "hour", "any"),
    ("province_down", 2, "so", 0, "hour", "working"),
    ("flapping", 1, "ops_team", 0, "hour", "any"),
    ("collector_blind", 1, "ops_team", 0, "hour", "any"),
    ("trouble", 1, "engineers", 0, "hour", "any"),
    ("digest", 1, "ops_team", 0, "hour", "any"),
    ("self_test", 1, "ops_team", 0, "hour", "any"),
)
OFFICE_HOURS = (("07:00", "11:30"), ("13:30", "17:00"))


def notice_steps(valid_from: str, source_document: str) -> list[Row]:
    return [
        {
            "notice_kind": kind,
            "step": str(step),
            "role": role,
            "after": str(after),
            "after_unit": unit,
            "window": window,
            "valid_from_date": valid_from,
            "valid_to_date": "",
            "source_document": source_document,
        }
        for kind, step, role, after, unit, window in LADDER
    ]


def office_hours(valid_from: str, source_document: str) -> list[Row]:
    return [
        {
            "from_time": begin,
            "to_time": end,
            "valid_from_date": valid_from,
            "valid_to_date": "",
            "source_document": source_document,
        }
        for begin, end in OFFICE_HOURS
    ]


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
