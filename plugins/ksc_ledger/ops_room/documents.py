"""The letters that the pipeline drafted, as they lie on the disk: found, never made here.

Units' one-pagers lie beside them and name machines: they are for their unit, and are not shown.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ksc_ledger.ops_room.words import LETTERS

log = logging.getLogger(__name__)

SUFFIXES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}
LONGEST_PROOF = 4 * 1024 * 1024
_STEM = re.compile(rf"(\d{{4}}-\d\d-\d\d)-({'|'.join(LETTERS)})-([a-z0-9_]{{2,32}})")
_ESTATE = re.compile(r"[a-z0-9_]{2,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """One letter; ``stem`` is the name of its files without the ending."""

    estate_code: str
    stem: str
    as_of_date: date
    kind: str
    unit_code: str


def drafted(estate_code: str, stem: str) -> Drafted | None:
    """What the name of a letter's files says; None for anything that is no such name."""
    found = _STEM.fullmatch(stem)
    if found is None or not _ESTATE.fullmatch(estate_code):
        return None
    try:
        day = date.fromisoformat(found[1])
    except ValueError:
        return None
    return Drafted(
        estate_code=estate_code, stem=stem, as_of_date=day, kind=found[2], unit_code=found[3]
    )


def letters_of(folder: Path, estates: Iterable[str]) -> list[Drafted]:
    """The letters of some estates that are whole (their proof is written last), newest day first."""
    found = [
        one
        for estate in estates
        for proof in folder.joinpath(estate).glob("*.json")
        if (one := drafted(estate, proof.stem)) is not None
    ]
    return sorted(found, key=lambda one: (one.as_of_date, one.stem), reverse=True)


def file_of(folder: Path, letter: Drafted, suffix: str) -> Path | None:
    """One of the letter's files; None where it is not there or no file of a letter."""
    path = folder / letter.estate_code / f"{letter.stem}.{suffix}"
    return path if suffix in SUFFIXES and path.is_file() else None


def proof_of(folder: Path, letter: Drafted) -> dict[str, Any]:
    """What the letter's proof says of it; empty where the file cannot be read as one."""
    path = file_of(folder, letter, "json")
    try:
        if path is None or path.stat().st_size > LONGEST_PROOF:
            return {}
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        log.warning("the proof of %s cannot be read: %r", letter.stem, error)
        return {}
    return found if isinstance(found, dict) else {}
