"""Rows that a rule did not accept, set down one by one with the reason, for a person to look at.

A quarantined row is not taken out of the load (a `fail` rule refuses the whole load; a `warn`
rule lets it pass): the file says which devices to look for on the server. It names no machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ksc_ledger.landing.manifest import Load
from ksc_ledger.settings import Places

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Text that cannot name a machine or a person. Any other text is shown as its shape only.
_PLAIN_TEXT = frozenset({"server_code", "agent_version", "antivirus_version", "os_name"})
_HIDDEN = frozenset({"ip_number"})
_SHAPE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One row and one reason. The same device with the same reason keeps its id over all loads."""

    quarantine_id: str
    source: str
    reason_code: str
    reason_text: str
    sample: str
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that did not hold, and for each row it named the values that the rule looked at."""

    code: str
    text: str
    rows: Sequence[Mapping[str, Any]]


def path_of(load: Load, places: Places) -> Path:
    """Where the quarantined rows of a load lie."""
    return places.quarantine / f"{load.load_id}.jsonl"


def write(load: Load, suite_name: str, reasons: Sequence[Reason], places: Places) -> int:
    """Write a load's quarantine file whole, replacing an earlier one; the number of its lines.

    Without a row there is no file.
    """
    path = path_of(load, places)
    lines = [_to_json(row) for row in _rows(load, suite_name, reasons)]
    if not lines:
        path.unlink(missing_ok=True)
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    beside.replace(path)
    return len(lines)


def sample_of(row: Mapping[str, Any]) -> str:
    """The values of a row as one line that names no machine: ``status_bits=-1; dns_name=xx-99``."""
    return "; ".join(f"{name}={_shown(name, value)}" for name, value in row.items())


def _rows(load: Load, suite_name: str, reasons: Sequence[Reason]) -> Iterator[Quarantined]:
    source = f"{suite_name}:{load.server_code}"
    seen = set()
    for reason in reasons:
        for row in reason.rows:
            quarantine_id = _id_of(source, reason.code, row)
            if quarantine_id in seen:
                continue  # one device, one reason: one thing to look at
            seen.add(quarantine_id)
            yield Quarantined(
                quarantine_id,
                source,
                reason.code,
                reason.text,
                sample_of(row),
                load.observed_at,
            )


def _id_of(source: str, code: str, row: Mapping[str, Any]) -> str:
    """By the device's id, since its other values change from load to load; else by the values."""
    endpoint_id = row.get("endpoint_id")
    device = endpoint_id if isinstance(endpoint_id, str) else dict(row)
    identity = json.dumps([source, code, device], default=str, sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _to_json(row: Quarantined) -> str:
    raw = {field.name: getattr(row, field.name) for field in fields(row)}
    raw["first_seen_at"] = row.first_seen_at.astimezone(UTC).isoformat()
    return json.dumps(raw, ensure_ascii=False)


def _shown(name: str, value: Any) -> str:
    if value is None or value != value:  # NaN and NaT differ from themselves
        return "(trống)"
    if name in _HIDDEN:
        return "(ẩn)"
    if isinstance(value, str):
        is_plain = name in _PLAIN_TEXT or (name == "endpoint_id" and _UUID.fullmatch(value))
        return value[:_SHAPE_LENGTH] if is_plain else _shape(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _shape(text: str) -> str:
    """Letters as x, digits as 9, what cannot be seen as ?, the rest as it is."""
    shown = "".join(
        "x" if one.isalpha() else "9" if one.isdigit() else one if one.isprintable() else "?"
        for one in text[:_SHAPE_LENGTH]
    )
    return f"{shown}… ({len(text)} ký tự)" if len(text) > _SHAPE_LENGTH else shown
