"""The record of one load: one attempt to read one server whole.

Written as ``landing/snapshot/<server_code>/<YYYY-MM>/<load_id>.json`` beside the typed Parquet of
the same stem, whole or not at all. The warehouse reads loads from here only, so a rebuild, a
retry and a first run see the same thing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
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


class ExtraKind(StrEnum):
    """What is asked beside the hosts."""

    LICENCES = "licences"  # one row a key
    LICENCE_HOSTS = "licence_hosts"  # one row a device that uses a key
    DETECTIONS = "detections"  # one row an event: a detection or what became of it
    HARDWARE = "hardware"  # one row a device, at most once a Vietnamese day
    PRODUCTS = "products"  # one row a foreign antivirus on a device, at most once a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """Rows of one kind, read whole: zstd NDJSON at ``path``, which exists for no rows too.

    ``newest_at`` (detections only): up to here everything that the server registered has been
    read, by this load or one before it; None when the server never had any. ``snapshot_path``:
    the same rows typed, relative to the home; None until then.
    """

    path: str
    count: int
    newest_at: datetime | None = None
    snapshot_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraFault:
    """Why a kind is missing or, when it is there too, what is missing in it.

    ``code``: a FaultCode, or ABSENT when the server does not offer the question. ``text`` is
    Vietnamese and ends with the remedy.
    """

    code: str
    text: str


ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load. Instants are aware UTC; paths are relative to ``KSC_LEDGER_HOME``.

    ``observed_at`` is on the mode's clock, ``collected_at`` is real time. ``hosts_path`` is the
    zstd NDJSON of one unwrapped-container JSON object a host, exactly as the server typed it.
    ``gated_at`` is None until the gate has judged the load. ``extras`` and ``extra_faults`` are by
    ExtraKind; a kind in neither was not due. What befalls an extra never changes ``status``: one
    that cannot be typed or does not pass its gate moves from the first to the second.
    ``drift`` is how the devices' rows differ in shape from what was asked for, as rows by
    ``missing.<attribute>``, ``new.…`` and ``retyped.…``, None where no row has shown it yet; what of it
    the server's last complete load did not have is among ``verdicts`` from the beginning.
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
    extras: Mapping[str, Extra] = field(default_factory=dict)
    extra_faults: Mapping[str, ExtraFault] = field(default_factory=dict)
    drift: Mapping[str, int] | None = None

    @property
    def month(self) -> str:
        return _month(self.observed_at)

    def path(self, places: Places) -> Path:
        return path_of(places, self.server_code, self.observed_at, self.load_id)

    def parquet(self, places: Places) -> Path:
        return self.path(places).with_suffix(".parquet")

    def extra_parquet(self, places: Places, kind: str) -> Path:
        return self.path(places).with_suffix(f".{kind}.parquet")


def path_of(places: Places, server_code: str, observed_at: datetime, load_id: str) -> Path:
    """Where the manifest of a load lies, or would lie."""
    return places.snapshot / server_code / _month(observed_at) / f"{load_id}.json"


def _month(observed_at: datetime) -> str:
    return f"{observed_at.astimezone(UTC):%Y-%m}"


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
        # Not asdict: it copies every verdict member by member, at several times the cost of the rest.
        members = {one.name: getattr(load, one.name) for one in fields(load)}
        json.dump(members, file, ensure_ascii=False, indent=1, default=_plain)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return path


def read(path: Path) -> Load:
    """Read one manifest."""
    raw = json.loads(path.read_text("utf-8"))
    for name in ("as_of_at", "observed_at", "collected_at", "gated_at"):
        raw[name] = _instant(raw[name])
    raw["status"] = LoadStatus(raw["status"])
    raw["verdicts"] = tuple(raw["verdicts"])
    # Loads that landed before there were extras have neither.
    raw["extras"] = {
        kind: Extra(
            path=one["path"],
            count=one["count"],
            newest_at=_instant(one["newest_at"]),
            snapshot_path=one.get("snapshot_path"),
        )
        for kind, one in raw.get("extras", {}).items()
    }
    raw["extra_faults"] = {
        kind: ExtraFault(**one) for kind, one in raw.get("extra_faults", {}).items()
    }
    return Load(**raw)


def read_all(places: Places) -> Iterator[Load]:
    """Every load that was landed, in no particular order."""
    for path in places.snapshot.glob("*/*/*.json"):
        yield read(path)


def changed(load: Load, **changes: Any) -> Load:
    """A copy of the load with some fields changed."""
    return replace(load, **changes)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _plain(value: object) -> str | dict[str, Any]:
    """What JSON does not know: instants, and the records of extras."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Extra | ExtraFault):
        return asdict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
