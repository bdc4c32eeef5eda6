"""The .json beside a letter: every printed figure with its snapshot id, and a hash over all of it.

The clerk fills in number and day by hand, so the signed file is never the file we wrote; the hash
is over the content, and ``ksc-ledger as-of --snapshot`` repeats each figure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ksc_ledger.letters.model import Demand, Figure, Letter, Totals, UnitRow, UnitSheet
from ksc_ledger.letters.words import PRESENCE_NAMES, citation, percent_of, shown_count

HASH = "content_sha256"
FILES = "files"

_ROW_COUNTS = ("allocated_count", "installed_count", "correctly_named_count")
_REPORTED_COUNTS = ("computer_count", "weak_count", "requested_count")


def letter_proof(letter: Letter, files: Mapping[str, bytes]) -> bytes:
    """``files``: the written files by name; their hashes stand outside the content's hash."""
    figures = [*_totals(letter.unit_code, letter.totals)]
    if letter.totals.installed_count is not None:
        gap, over = sum(row.gap for row in letter.rows), sum(row.over for row in letter.rows)
        snapshot_id = letter.totals.snapshot_id
        figures.append(_count(letter.unit_code, "gap_count", gap, snapshot_id))
        figures.append(_count(letter.unit_code, "over_count", over, snapshot_id))
    for row in letter.rows:
        figures += _row(row)
    facts: dict[str, Any] = {
        "kind": letter.kind.value,
        "estate_code": letter.estate_code,
        "unit_code": letter.unit_code,
        "as_of_date": letter.as_of_date.isoformat(),
        "snapshot_id": letter.totals.snapshot_id,
        "issuer": letter.issuer.name,
        "subject": letter.subject,
        "directives": [citation(basis.document) for basis in letter.bases],
        "demands": [_demand(one) for one in letter.demands],
        "sources": asdict(letter.sources) if letter.sources else None,
        "term": asdict(letter.term) if letter.term else None,
    }
    return _sealed(facts, figures, files)


def sheet_proof(sheet: UnitSheet, files: Mapping[str, bytes]) -> bytes:
    """Of a unit's one-pager; machine names stay out of it."""
    snapshot_id = sheet.totals.snapshot_id
    figures = _totals(sheet.unit_code, sheet.totals)
    figures += [
        _count(sheet.unit_code, f"machine_count[{reason.value}]", number, snapshot_id)
        for reason, number in sorted(sheet.parts.items())
    ]
    facts = {
        "kind": "phieu_don_vi",
        "estate_code": sheet.estate_code,
        "unit_code": sheet.unit_code,
        "as_of_date": sheet.as_of_date.isoformat(),
        "snapshot_id": snapshot_id,
        "sources": asdict(sheet.sources) if sheet.sources else None,
    }
    return _sealed(facts, figures, files)


def is_intact(path: Path) -> bool:
    """Whether a proof still has the content it was sealed with."""
    content = json.loads(path.read_text("utf-8"))
    return bool(content.pop(HASH) == _digest(content))


def _sealed(
    facts: Mapping[str, Any], figures: Iterable[Figure], files: Mapping[str, bytes]
) -> bytes:
    content: dict[str, Any] = {**facts, "figures": [asdict(figure) for figure in figures]}
    content = json.loads(json.dumps(content, default=lambda value: value.isoformat()))
    content[HASH] = _digest(content)
    content[FILES] = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _digest(content: Mapping[str, Any]) -> str:
    hashed = {name: value for name, value in content.items() if name not in {HASH, FILES}}
    text = json.dumps(hashed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _totals(unit_code: str, totals: Totals) -> list[Figure]:
    figures = [
        _count(unit_code, name, getattr(totals, name), totals.snapshot_id) for name in _ROW_COUNTS
    ]
    figures.append(_ratio(unit_code, totals))
    return [figure for figure in figures if figure.value is not None]


def _row(row: UnitRow) -> list[Figure]:
    names = (*_ROW_COUNTS, *_REPORTED_COUNTS)
    figures = [_count(row.unit_code, name, getattr(row, name), row.snapshot_id) for name in names]
    figures.append(_ratio(row.unit_code, row))
    if row.presence is not None:
        figures.append(
            Figure(
                unit_code=row.unit_code,
                name="presence",
                value=row.presence.value,
                shown=PRESENCE_NAMES[row.presence],
                snapshot_id=row.snapshot_id,
            )
        )
    return [figure for figure in figures if figure.value is not None]


def _count(unit_code: str, name: str, value: int | None, snapshot_id: str) -> Figure:
    return Figure(
        unit_code=unit_code,
        name=name,
        value=value,
        shown=shown_count(value),
        snapshot_id=snapshot_id,
    )


def _ratio(unit_code: str, of: Totals | UnitRow) -> Figure:
    """Value is the fraction itself (``62/190``): no rounding stands between paper and figure."""
    shown = percent_of(of.installed_count, of.allocated_count)
    return Figure(
        unit_code=unit_code,
        name="installed_ratio",
        value=f"{of.installed_count}/{of.allocated_count}" if shown else None,
        shown=shown,
        snapshot_id=of.snapshot_id,
    )


def _demand(demand: Demand) -> dict[str, Any]:
    facts = asdict(demand)
    return {name: facts[name] for name in ("obligation_code", "text", "due", "due_at")}
