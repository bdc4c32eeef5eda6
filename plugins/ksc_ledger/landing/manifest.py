"""The record of one load: one attempt to read one server whole.

Written as ``landing/snapshot/<server_code>/<YYYY-MM>/<load_id>.json`` beside the typed Parquet of
the same stem, whole or not at all. The warehouse reads loads from here only, so a rebuild, a
retry and a first run see the same thing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ksc_ledger.settings import Places


class LoadStatus(StrEnum):
    COMPLETE = "complete"  # whole, believable, passed its gate: figures may rest on it
    INCOMPLETE = "incomplete"  # read in part; its rows are kept raw and never counted
    FAILED = "failed"  # nothing usable was read
    REJECTED = "rejected"  # whole, but a `fail` expectation did not hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load. Instants are aware UTC; paths are relative to ``KSC_LEDGER_HOME``.

    ``observed_at`` is on the mode's clock, ``collected_at`` is real time. ``hosts_path`` is the
    zstd NDJSON of one unwrapped-container JSON object a host, exactly as the server typed it.
    ``gated_at`` is None until the gate has judged the load.
    """

    load_id: str
    estate_code: str
    server_code: str
    as_of_at: datetime
    observed_at: datetime
    collected_at: datetime
    status: LoadStatus
    rows_expected_count: int | None = None
    rows_read_count: int = 0
    content_sha256: str | None = None
    fault_code: str | None = None
    fault_text: str | None = None
    product_version: str | None = None
    clock_skew_seconds: int | None = None
    raw_path: str | None = None
    hosts_path: str | None = None
    groups_path: str | None = None
    snapshot_path: str | None = None
    fence: int = 0
    gated_at: datetime | None = None
    verdicts: tuple[dict[str, Any], ...] = ()

    @property
    def month(self) -> str:
        return f"{self.observed_at:%Y-%m}"

    def path(self, places: Places) -> Path:
        return places.snapshot / self.server_code / self.month / f"{self.load_id}.json"

    def parquet(self, places: Places) -> Path:
        return self.path(places).with_suffix(".parquet")


def load_id_of(server_code: str, observed_at: datetime, content: str) -> str:
    """The id of a load: the same content read at the same instant is the same load.

    ``content`` is the SHA-256 of what was read, or the fault's code and text when nothing was.
    """
    stamp = observed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(f"{server_code}|{stamp}|{content}".encode()).hexdigest()[:10]
    return f"{server_code}-{stamp}-{digest}"


def write(load: Load, places: Places) -> Path:
    """Write the manifest whole; an existing one of the same id is replaced."""
    path = load.path(places)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(_to_json(load), file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return path


def read(path: Path) -> Load:
    """Read one manifest."""
    raw = json.loads(path.read_text("utf-8"))
    for name in ("as_of_at", "observed_at", "collected_at", "gated_at"):
        raw[name] = datetime.fromisoformat(raw[name]) if raw[name] else None
    raw["status"] = LoadStatus(raw["status"])
    raw["verdicts"] = tuple(raw["verdicts"])
    return Load(**raw)


def read_all(places: Places) -> Iterator[Load]:
    """Every load that was landed, in no particular order."""
    for path in places.snapshot.glob("*/*/*.json"):
        yield read(path)


def changed(load: Load, **changes: Any) -> Load:
    """A copy of the load with some fields changed."""
    return replace(load, **changes)


def _to_json(load: Load) -> dict[str, Any]:
    raw = asdict(load)
    for name, value in raw.items():
        if isinstance(value, datetime):
            raw[name] = value.astimezone(UTC).isoformat()
    return raw
