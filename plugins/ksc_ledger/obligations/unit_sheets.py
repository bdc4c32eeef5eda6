"""The one-pager of each unit in a letter's annex, with the machines' names.

Names come from the restricted published file and go to the unit alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from ksc_ledger.clock import end_of_day
from ksc_ledger.letters.model import (
    GapReason,
    Letter,
    LetterKind,
    Offender,
    Rename,
    Totals,
    UnitRow,
    UnitSheet,
)
from ksc_ledger.obligations.licences import has_table
from ksc_ledger.registry import Registry
from ksc_ledger.registry.model import Matter
from ksc_ledger.rules.computer_names import REASON_LABELS, NameReason
from ksc_ledger.warehouse.reader import query

LINES_AT_MOST = 25

# Installed machines as they were judged last on that day, with the names they had then.
_MACHINES = """
with asked as (select ?::timestamptz as at, ?::varchar[] as codes)

select
    s.unit_code,
    s.endpoint_id,
    n.display_name,
    n.reason_code,
    coalesce(w.suggested_name, n.suggested_name) as suggested_name,
    s.is_installed,
    s.is_agent_only,
    s.is_correctly_named,
    s.is_protected,
    s.is_stale,
    s.has_old_bases,
    s.has_antivirus_conflict
from marts.fct_endpoint_state as s
cross join asked as a
inner join marts.fct_endpoint_name as n
    on
        s.endpoint_id = n.endpoint_id
        and n.valid_from_at <= a.at
        and coalesce(n.valid_to_at, 'infinity'::timestamptz) > a.at
left join marts.rpt_wrong_name as w
    on s.endpoint_id = w.endpoint_id and n.display_name = w.display_name
where
    s.unit_code in (select unnest(codes) from asked)
    and not s.is_duplicate
    and s.valid_from_at <= a.at
    and coalesce(s.valid_to_at, 'infinity'::timestamptz) > a.at
order by s.unit_code, n.display_name, s.endpoint_id
"""

_PROBLEMS = (
    ("is_agent_only", True, "mới có tác tử quản trị, chưa có phần mềm bảo vệ"),
    ("is_protected", False, "không bật bảo vệ thời gian thực"),
    ("is_stale", True, "lâu không kết nối máy chủ quản trị"),
    ("has_old_bases", True, "dữ liệu nhận diện mã độc cũ"),
    ("has_antivirus_conflict", True, "có phần mềm phòng, chống mã độc thứ hai"),
)


def unit_sheets(words: Registry, letter: Letter, named_marts_file: Path) -> list[UnitSheet]:
    """The one-pagers of the units in a letter's annex; none for a letter without machines."""
    if letter.kind is not LetterKind.DON_DOC:
        return []
    rows = [row for row in letter.rows if row.unit_code != letter.unit_code]
    parts = _parts(named_marts_file, [row.unit_code for row in rows], letter.as_of_date)
    below = {row.unit_code: _below(words, row.unit_code, letter.as_of_date) for row in rows}
    machines = _machines(
        named_marts_file, {code for codes in below.values() for code in codes}, letter.as_of_date
    )
    return [
        _sheet(
            words,
            letter,
            row,
            parts.get(row.unit_code, {}),
            [machine for code in below[row.unit_code] for machine in machines.get(code, ())],
        )
        for row in rows
    ]


def _sheet(
    words: Registry,
    letter: Letter,
    row: UnitRow,
    parts: Mapping[GapReason, int],
    machines: Iterable[Mapping[str, Any]],
) -> UnitSheet:
    known = list(machines)
    renames = [
        Rename(
            display_name=one["display_name"] or "",
            reason=REASON_LABELS[NameReason(one["reason_code"])],
            suggested_name=one["suggested_name"] or "",
        )
        for one in known
        if one["is_installed"] and not one["is_correctly_named"] and one["reason_code"]
    ]
    offenders = [
        Offender(display_name=one["display_name"] or "", problems="; ".join(problems))
        for one in known
        if (problems := _problems(one))
    ]
    posts = [
        post.post_title
        for post in words.responsible_posts
        if post.unit_code == row.unit_code
        and post.matter is Matter.INSTALLATION
        and post.is_in_force(letter.as_of_date)
    ]
    return UnitSheet(
        estate_code=letter.estate_code,
        unit_code=row.unit_code,
        unit_name=row.unit_name,
        parent_name=letter.issuer.name,
        as_of_date=letter.as_of_date,
        totals=Totals(
            allocated_count=row.allocated_count,
            installed_count=row.installed_count,
            correctly_named_count=row.correctly_named_count,
            snapshot_id=row.snapshot_id,
        ),
        parts=parts,
        renames=tuple(renames[:LINES_AT_MOST]),
        more_renames=max(0, len(renames) - LINES_AT_MOST),
        offenders=tuple(offenders[:LINES_AT_MOST]),
        more_offenders=max(0, len(offenders) - LINES_AT_MOST),
        responsible=", ".join(posts),
        duties=tuple(
            f"{demand.text}: {demand.due}"
            for demand in letter.demands
            if demand.due and _binds(words, demand.obligation_code, row.unit_code)
        ),
        sources=letter.sources,
    )


def _problems(machine: Mapping[str, Any]) -> list[str]:
    """What is wrong with a machine besides its name, in words."""
    if machine["is_agent_only"]:
        return [_PROBLEMS[0][2]]
    if not machine["is_installed"]:
        return []
    return [text for name, is_wrong, text in _PROBLEMS[1:] if machine[name] is is_wrong]


def _binds(words: Registry, obligation_code: str, unit_code: str) -> bool:
    return any(
        unit.unit_code == unit_code
        for duty in words.obligations
        if duty.obligation_code == obligation_code
        for unit in words.obliged_units(duty)
    )


def _below(words: Registry, unit_code: str, day: date) -> list[str]:
    """The unit and every unit below it, groups included."""
    found = [unit_code]
    for unit in words.children_on(unit_code, day):
        found += _below(words, unit.unit_code, day)
    return found


def _parts(file: Path, codes: list[str], day: date) -> dict[str, dict[GapReason, int]]:
    found: dict[str, dict[GapReason, int]] = defaultdict(dict)
    rows = query(
        file,
        "select unit_code, reason_code, machine_count from marts.rpt_coverage_gap"
        " where snapshot_date = ? and unit_code in (select unnest(?))",
        [day, codes],
    )
    for row in rows:
        found[row["unit_code"]][GapReason(row["reason_code"])] = row["machine_count"]
    return found


def _machines(file: Path, codes: set[str], day: date) -> dict[str, list[dict[str, Any]]]:
    """The machines by unit; none where the published file does not remember names of past days."""
    if not has_table(file, "fct_endpoint_name"):
        return {}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in query(file, _MACHINES, [end_of_day(day), sorted(codes)]):
        found[row["unit_code"]].append(row)
    return found
