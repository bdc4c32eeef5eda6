"""The gate of what landed beside the devices: one row a kind of a load, judged in one batch.

A suite that looked at every row of every kind would cost more than all else the gate does; what its
rules need to know of the rows is counted here, column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ksc_ledger.clock import VIETNAM
from ksc_ledger.landing.manifest import ExtraFault, ExtraKind, Load
from ksc_ledger.quality import frames
from ksc_ledger.quality.gate import REJECTED, Verdict, judge
from ksc_ledger.quality.suites import EXTRAS

_LATE = timedelta(minutes=10)
_IDS = {
    ExtraKind.LICENCES: ("licence_serial",),
    ExtraKind.LICENCE_HOSTS: ("licence_serial", "endpoint_id"),
    ExtraKind.DETECTIONS: ("event_id",),
    ExtraKind.HARDWARE: ("hardware_id",),
    ExtraKind.PRODUCTS: ("endpoint_id", "product_name"),
}
_NUMBERS = {
    ExtraKind.LICENCES: ("seat_limit_count", "used_count"),
    ExtraKind.HARDWARE: ("memory_mb", "disk_gb"),
}
# By which of its columns a kind names devices, and by which of theirs. Detections are left out:
# what was found on a device that is gone since is no fault of the reading.
_DEVICES = {
    ExtraKind.LICENCE_HOSTS: ("endpoint_id", "endpoint_id"),
    ExtraKind.PRODUCTS: ("endpoint_id", "endpoint_id"),
    ExtraKind.HARDWARE: ("device_name", "display_name"),
}
_COUNTS = (
    "rows_landed_count",
    "rows_typed_count",
    "ids_repeated_count",
    "negative_count",
    "device_missing_count",
    "unknown_device_ratio",
    "future_count",
    "expiry_missing_count",
    "over_limit_count",
)


@dataclass(frozen=True, slots=True)
class LandedExtra:
    """One kind of a load, typed, and the devices of the same load."""

    load: Load
    kind: ExtraKind
    table: pa.Table
    devices: pa.Table


def extras_frame(landed: Sequence[LandedExtra]) -> pd.DataFrame:
    """One row a kind of a load; a column that does not concern a kind is missing in its row."""
    rows = [_counted(one) for one in landed]
    frame = pd.DataFrame(rows, columns=[frames.SERVER, "kind", *_COUNTS])
    return frame.astype(dict.fromkeys(_COUNTS, "float64"))


def judge_extras(
    loads: Mapping[str, tuple[Load, pa.Table]],
    extra_reader: Callable[[Load, str], pa.Table],
    root: Path,
) -> dict[str, Load]:
    """Judge every typed kind of some loads (with their devices), by load id.

    The loads come back with the verdicts added. A kind that a `fail` rule refuses, or whose file
    cannot be read, moves from the extras to the faults; the load itself stays as it was.
    """
    judged = {load_id: load for load_id, (load, _) in loads.items()}
    landed: list[LandedExtra] = []
    for load_id, (load, devices) in loads.items():
        for kind, extra in load.extras.items():
            if extra.snapshot_path is None or kind not in _IDS:
                continue
            try:
                table = extra_reader(load, kind)
            except (OSError, pa.ArrowException) as error:
                text = (
                    f"Không đọc được tệp {extra.snapshot_path}: {error}. Cách khắc phục: kiểm tra "
                    "ổ đĩa; lượt sau sẽ hỏi lại phần này."
                )
                judged[load_id] = _without(judged[load_id], kind, "internal", text)
                continue
            landed.append(LandedExtra(load, ExtraKind(kind), table, devices))
    if not landed:
        return judged
    verdicts = judge(extras_frame(landed), EXTRAS, root=root)
    for load_id, load in judged.items():
        own = {place: one.kind for place, one in enumerate(landed) if one.load.load_id == load_id}
        if own:
            judged[load_id] = _with_verdicts(load, own, verdicts)
    return judged


def _with_verdicts(load: Load, own: Mapping[int, ExtraKind], verdicts: Sequence[Verdict]) -> Load:
    """``own``: the load's kinds by their place in the frame that was judged."""
    kept = []
    refusing: dict[ExtraKind, list[Verdict]] = {}
    for verdict in verdicts:
        wrong = [place for place in verdict.unexpected_rows if place in own]
        mine = replace(
            verdict,
            is_success=not wrong,
            unexpected_count=len(wrong),
            unexpected_rows=tuple(wrong),
        )
        kept.append(mine.to_json())
        if mine.is_refusing:
            for place in wrong:
                refusing.setdefault(own[place], []).append(mine)
    load = replace(load, verdicts=(*load.verdicts, *kept))
    for kind, found in refusing.items():
        why = "; ".join(one.description.rstrip(".") for one in found)
        remedies = " ".join(dict.fromkeys(one.remedy for one in found))
        text = (
            f"Phần {kind.value} của máy chủ {load.server_code} đọc lúc "
            f"{load.observed_at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y} không qua kiểm tra: "
            f"{why}. Số liệu máy trạm không bị ảnh hưởng. Cách khắc phục: {remedies}"
        )
        load = _without(load, kind, REJECTED, text)
    return load


def _without(load: Load, kind: str, code: str, text: str) -> Load:
    extras = {name: extra for name, extra in load.extras.items() if name != kind}
    faults = {**load.extra_faults, kind: ExtraFault(code=code, text=text)}
    return replace(load, extras=extras, extra_faults=faults)


def _counted(one: LandedExtra) -> dict[str, object]:
    table, kind = one.table, one.kind
    found: dict[str, object] = {
        frames.SERVER: one.load.server_code,
        "kind": kind.value,
        "rows_landed_count": one.load.extras[kind].count,
        "rows_typed_count": table.num_rows,
        "ids_repeated_count": table.num_rows
        - table.select(_IDS[kind]).group_by(list(_IDS[kind])).aggregate([]).num_rows,
    }
    if kind in _NUMBERS:
        found["negative_count"] = sum(_true(pc.less(table[name], 0)) for name in _NUMBERS[kind])
    if kind in _DEVICES and table.num_rows:
        own, theirs = _DEVICES[kind]
        known = pc.is_in(table[own], value_set=one.devices[theirs].combine_chunks())
        found["unknown_device_ratio"] = 1 - _true(known) / table.num_rows
    if kind is ExtraKind.DETECTIONS:
        found["device_missing_count"] = table["endpoint_id"].null_count
        latest = frames.reference_of(one.load) + _LATE
        late = pc.greater(table["registered_at"], pa.scalar(latest, pa.timestamp("us", "UTC")))
        found["future_count"] = _true(late)
    if kind is ExtraKind.LICENCES:
        found["expiry_missing_count"] = table["expires_at"].null_count
        # A limit of 0 stands for a key without one.
        is_limited = pc.greater(table["seat_limit_count"], 0)
        is_over = pc.greater(table["used_count"], table["seat_limit_count"])
        found["over_limit_count"] = _true(pc.and_kleene(is_limited, is_over))
    return found


def _true(flags: pa.ChunkedArray) -> int:
    """How many are true; unknown ones are not."""
    return pc.sum(flags.cast(pa.int64())).as_py() or 0
