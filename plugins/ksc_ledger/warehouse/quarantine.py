"""How long what was put aside is kept, and how its first sighting outlives the file it stood in.

Rows of servers' answers (``quarantine/<load_id>.jsonl``) go like the bodies they came from: they are said anew
by every load in which they are still wrong. A file that a unit sent is a document with the instant of its
arrival, and stays as long as the snapshots do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.landing.archive import sync
from ksc_ledger.settings import Places

FIRST_SEEN = "first_seen.jsonl"
_OF_UNITS = "unit_reports:"  # how the source of a line begins that tells of a unit's file
# Load ids and receipt ids name the instant in UTC: <code>-<instant>-<digest>.
_STAMPED = re.compile(r"[a-z0-9_]+-(\d{8}T\d{6}Z)-[0-9a-f]+(?:\.returned-\w+)?")


def clear_quarantine(places: Places, *, rows_from: date, files_from: date) -> tuple[int, int]:
    """Take away what lies before these Vietnamese days: how many files of rows, of units' files.

    What is still put aside by newer loads keeps the line that tells when it was first seen.
    """
    days = {path: day for path in places.quarantine.glob("*.jsonl") if (day := _day_of(path))}
    old = {path: _lines(path) for path, day in days.items() if day < max(rows_from, files_from)}
    of_units = {path for path, lines in old.items() if _is_of_a_unit(lines)}
    rows = [path for path in old if path not in of_units and days[path] < rows_from]
    if rows:
        newer = [path for path, day in days.items() if day >= rows_from]
        _remember_first_sightings(places, [old[path] for path in rows], newer)
    folders = [
        path
        for path in (places.quarantine / "reports").glob("*/*")
        if (day := _day_of(path)) and day < files_from
    ]
    for path in (*rows, *(path for path in of_units if days[path] < files_from)):
        path.unlink()
    for folder in folders:
        shutil.rmtree(folder)
    return len(rows), len(folders)


def _day_of(path: Path) -> date | None:
    """The Vietnamese day that the name tells; None for what is named otherwise, and left alone."""
    found = _STAMPED.fullmatch(path.name.removesuffix(".jsonl"))
    if found is None:
        return None
    return vietnamese_date(datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))


def _remember_first_sightings(
    places: Places, old: Iterable[list[dict[str, Any]]], newer: Iterable[Path]
) -> None:
    target = places.quarantine / FIRST_SEEN
    lasting = {line["quarantine_id"] for path in newer for line in _lines(path)}
    first: dict[str, dict[str, Any]] = {}
    for lines in (_lines(target) if target.exists() else [], *old):
        for line in lines:
            known = first.get(line["quarantine_id"])
            if known is None or _seen_at(line) < _seen_at(known):
                first[line["quarantine_id"]] = line
    text = "".join(
        f"{json.dumps(line, ensure_ascii=False)}\n"
        for name, line in sorted(first.items())
        if name in lasting
    )
    beside = target.with_name(f".{FIRST_SEEN}.{os.getpid()}.tmp")
    beside.write_text(text, "utf-8")
    beside.chmod(0o640)
    sync(beside)
    beside.replace(target)
    sync(places.quarantine)


def _seen_at(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["first_seen_at"])


def _is_of_a_unit(lines: list[dict[str, Any]]) -> bool:
    return any(str(line["source"]).startswith(_OF_UNITS) for line in lines)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
