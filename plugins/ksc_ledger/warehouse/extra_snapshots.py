"""Typing of what lands beside the devices of a load: each kind becomes a Parquet of its own.

The files lie beside the snapshot of the devices, are as immutable, and history rebuilds from them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Extra, ExtraFault, ExtraKind, Load
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse import wire_rows
from ksc_ledger.warehouse.engine import Connection, one
from ksc_ledger.warehouse.wire_rows import typing_connection

log = logging.getLogger(__name__)

NAMES = {
    ExtraKind.LICENCES: "khóa bản quyền",
    ExtraKind.LICENCE_HOSTS: "máy dùng bản quyền",
    ExtraKind.DETECTIONS: "phát hiện mã độc",
    ExtraKind.HARDWARE: "phần cứng",
    ExtraKind.PRODUCTS: "phần mềm không tương thích",
}
_REMEDY = (
    "Không cần làm gì với số liệu máy trạm; lượt sau sẽ hỏi lại phần này. Nếu lặp lại, mở tệp gốc "
    "trong landing/raw, đối chiếu với phiên bản KSC của máy chủ và báo nhóm kỹ thuật."
)


def type_extras_together(con: Connection, loads: Sequence[Load], settings: Settings) -> None:
    """Write each kind of as many loads as nothing is wrong with; ``type_extras`` does the others."""
    places = settings.places
    for kind in NAMES:
        sources = [
            wire_rows.Source(rows, extra.count, target)
            for load in loads
            if (extra := load.extras.get(kind)) is not None
            and extra.snapshot_path is None
            and (rows := places.home / extra.path).is_file()
            and not (target := load.extra_parquet(places, kind)).exists()
        ]
        for batch in wire_rows.together(sources):
            with suppress(duckdb.Error):  # what is wrong with which load is told when each is alone
                wire_rows.read_rows(con, settings.sql, kind.value, [one.path for one in batch])
                for one in wire_rows.faultless(con, batch):
                    wire_rows.write(con, one.path, one.target)


def type_extras(load: Load, settings: Settings, con: Connection | None = None) -> Load:
    """Type every kind of a load that is not typed yet; the load with their paths.

    A kind that cannot be typed moves to the faults, as if the server had not been asked: it is
    asked again, and the devices of the load are none the worse. Nothing is raised and no manifest
    is written. ``con`` is a typing_connection.
    """
    due = [kind for kind, extra in load.extras.items() if extra.snapshot_path is None]
    if not due:
        return load
    extras, faults = dict(load.extras), dict(load.extra_faults)
    with nullcontext(con) if con is not None else typing_connection(settings) as used:
        for kind in due:
            if kind not in NAMES:
                continue  # landed by a newer version of the program
            extra = extras[kind]
            try:
                path = _typed(used, load, ExtraKind(kind), extra, settings)
            except SourceFault as fault:
                log.warning("%s: %s", load.load_id, fault)
                del extras[kind]
                faults[kind] = ExtraFault(code=fault.fault_code.value, text=str(fault))
            else:
                extras[kind] = replace(
                    extra, snapshot_path=str(path.relative_to(settings.places.home))
                )
    return manifest.changed(load, extras=extras, extra_faults=faults)


def extra_arrow(path: Path) -> pa.Table:
    """A typed kind as an Arrow table; instants are UTC."""
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def _typed(con: Connection, load: Load, kind: ExtraKind, extra: Extra, settings: Settings) -> Path:
    """Write one kind typed, whole or not at all; one that exists is kept. Raises SourceFault."""
    places = settings.places
    target = load.extra_parquet(places, kind)
    if target.exists():
        return target
    name = NAMES[kind]
    rows = places.home / extra.path
    try:
        wire_rows.read_rows(con, settings.sql, kind.value, [rows])
        _refuse_wrong_rows(con, load, name, extra)
        wire_rows.write(con, rows, target)
    except duckdb.InvalidInputException as error:
        raise SourceFault(
            FaultCode.PROTOCOL,
            f"Dữ liệu {name} của {load.server_code} (tải {load.load_id}) có chỗ không phải JSON "
            "hợp lệ.",
            _REMEDY,
        ) from error
    except (duckdb.Error, OSError) as error:
        raise SourceFault(
            FaultCode.INTERNAL,
            f"Không đọc hoặc ghi được dữ liệu {name} của tải {load.load_id}: {error}",
            "Kiểm tra ổ đĩa; lượt sau sẽ hỏi lại phần này.",
        ) from error
    return target


def _refuse_wrong_rows(con: Connection, load: Load, name: str, extra: Extra) -> None:
    wrong = wire_rows.wrong_row(con)
    if wrong is not None:
        raise SourceFault(
            FaultCode.PROTOCOL,
            f"Dữ liệu {name} của {load.server_code} (tải {load.load_id}): dòng {wrong[0]} thiếu "
            f"hoặc sai kiểu thuộc tính {wrong[1]}.",
            _REMEDY,
        )
    (rows,) = one(con, "select count(*) from typed_rows")
    # A compressed file that was cut short reads as a shorter one, without an error.
    if rows != extra.count:
        raise SourceFault(
            FaultCode.INTERNAL,
            f"Tệp {name} của tải {load.load_id} có {rows} dòng, lúc thu thập đọc được "
            f"{extra.count} dòng.",
            "Kiểm tra ổ đĩa; lượt sau sẽ hỏi lại phần này.",
        )
