"""Typing of what lands beside the devices of a load: each kind becomes a Parquet of its own.

The files lie beside the snapshot of the devices, are as immutable, and history rebuilds from them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Extra, ExtraFault, ExtraKind, Load
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse.engine import Connection, connect, one, quoted, statement

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


@contextmanager
def typing_connection(settings: Settings) -> Iterator[Connection]:
    """A connection that knows the wire's values; making one costs more than typing a district."""
    con = connect(settings)
    try:
        con.execute(statement(settings.sql, "landing/macros"))
        yield con
    finally:
        con.close()


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
        con.execute("set variable rows_path = $1", [str(rows)])
        query = statement(settings.sql, f"landing/ksc_{kind.value}")
        con.execute(f"create or replace temp table extra as {query}")
        _refuse_wrong_rows(con, load, name, extra)
        _write(con, target)
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
    wrong = con.execute(
        "select line_number, wrong_field from extra where wrong_field is not null"
        " order by line_number limit 1"
    ).fetchone()
    if wrong is not None:
        raise SourceFault(
            FaultCode.PROTOCOL,
            f"Dữ liệu {name} của {load.server_code} (tải {load.load_id}): dòng {wrong[0]} thiếu "
            f"hoặc sai kiểu thuộc tính {wrong[1]}.",
            _REMEDY,
        )
    (rows,) = one(con, "select count(*) from extra")
    # A compressed file that was cut short reads as a shorter one, without an error.
    if rows != extra.count:
        raise SourceFault(
            FaultCode.INTERNAL,
            f"Tệp {name} của tải {load.load_id} có {rows} dòng, lúc thu thập đọc được "
            f"{extra.count} dòng.",
            "Kiểm tra ổ đĩa; lượt sau sẽ hỏi lại phần này.",
        )


def _write(con: Connection, target: Path) -> None:
    beside = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        con.execute(
            "copy (select * exclude (line_number, wrong_field) from extra)"
            f" to {quoted(str(beside))} (format parquet, compression zstd)"
        )
        beside.chmod(0o640)  # names of objects and of machines: not for everybody
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
