"""Typing of a load: the hosts as the wire typed them become one Parquet with our columns.

The Parquet is immutable, keeps for five years and is what history and marts are rebuilt from.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.settings import Places, Settings
from ksc_ledger.warehouse.engine import Connection, one, quoted, statement
from ksc_ledger.warehouse.extra_snapshots import type_extras, typing_connection

# DuckDB's own message names a line, but not always the right one. A line of JSON holds no U+0001.
_BROKEN_LINE = """
    select line_number
    from (
        select row_number() over () as line_number, line
        from read_csv(
            $path, columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '',
            header = false, auto_detect = false, null_padding = true, max_line_size = 16777216
        )
    )
    where not json_valid(line)
    order by line_number
    limit 1
"""
_REMEDY = (
    "Mở tệp gốc trong landing/raw, đối chiếu với phiên bản KSC của máy chủ; nếu máy chủ vừa nâng "
    "cấp thì báo nhóm kỹ thuật trước khi thu thập lại."
)


def type_loads(loads: Iterable[Load], settings: Settings) -> list[Load]:
    """Type every complete load that the gate has not judged yet; hand all of them back.

    A load that cannot be typed is marked rejected, with the fault in its manifest, and does not
    stop the others. Loads that are already typed are left as they are. What landed beside the
    devices is typed too, each kind for itself.
    """
    typed: list[Load] = []
    with typing_connection(settings) as con:
        for load in loads:
            if load.status is not LoadStatus.COMPLETE or load.gated_at is not None:
                typed.append(load)
                continue
            changed = _typed(con, load, settings)
            manifest.write(changed, settings.places)
            typed.append(changed)
    return typed


def _typed(con: Connection, load: Load, settings: Settings) -> Load:
    try:
        path = type_hosts(load, settings.places, settings, con)
    except SourceFault as fault:
        return manifest.changed(
            load,
            status=LoadStatus.REJECTED,
            fault_code=fault.fault_code.value,
            fault_text=str(fault),
        )
    changed = manifest.changed(load, snapshot_path=str(path.relative_to(settings.places.home)))
    return type_extras(changed, settings, con)


def type_hosts(
    load: Load, places: Places, settings: Settings, con: Connection | None = None
) -> Path:
    """Write the typed snapshot of a load, whole or not at all, and give its path.

    One that exists is kept: the same load has the same content. ``con`` is a typing_connection.
    Raises SourceFault: `protocol` naming row and attribute when the server's rows are not what the protocol says, `internal` when
    what collection kept cannot be read.
    """
    target = load.parquet(places)
    if target.exists():
        return target
    if load.hosts_path is None or not (places.home / load.hosts_path).is_file():
        raise SourceFault(
            FaultCode.INTERNAL,
            f"Tải {load.load_id} không còn tệp dữ liệu máy trạm đã đọc.",
            "Thu thập lại máy chủ này; nếu lặp lại thì báo nhóm kỹ thuật.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        with nullcontext(con) if con is not None else typing_connection(settings) as used:
            _type(used, load, places, settings)
            used.execute(
                "copy (select * exclude (line_number, wrong_field) from hosts)"
                f" to {quoted(str(beside))} (format parquet, compression zstd)"
            )
            used.execute("drop table hosts")
        beside.chmod(0o640)  # names of machines: not for everybody
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return target


def snapshot_arrow(path: Path) -> pa.Table:
    """The typed snapshot as an Arrow table; instants are UTC."""
    # read_table would import pyarrow.dataset for it, a third of a second in every process, and
    # threads cost more CPU than they save on files this small.
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def _type(con: Connection, load: Load, places: Places, settings: Settings) -> None:
    hosts = places.home / str(load.hosts_path)
    if load.groups_path is None:
        con.execute(
            "create or replace temp table landed_groups (id integer, grp_full_name varchar)"
        )
    else:
        groups = places.home / load.groups_path
        con.execute(
            "create or replace temp table landed_groups as select * from read_json($path,"
            " format = 'newline_delimited',"
            " columns = {'id': 'INTEGER', 'grp_full_name': 'VARCHAR'})",
            {"path": str(groups)},
        )
    try:
        con.execute("set variable hosts_path = $1", [str(hosts)])
        query = statement(settings.sql, "landing/ksc_hosts")
        con.execute(f"create or replace temp table hosts as {query}")
    except duckdb.InvalidInputException as error:
        broken = con.execute(_BROKEN_LINE, {"path": str(hosts)}).fetchone()
        where = f" ở dòng {broken[0]}" if broken else ""
        raise SourceFault(
            FaultCode.PROTOCOL,
            f"Dữ liệu máy trạm của {load.server_code} (tải {load.load_id}) có chỗ không phải "
            f"JSON hợp lệ{where}.",
            _REMEDY,
        ) from error
    except duckdb.IOException as error:
        raise SourceFault(
            FaultCode.INTERNAL,
            f"Không đọc được tệp dữ liệu máy trạm của tải {load.load_id}: {error}",
            "Kiểm tra ổ đĩa, rồi thu thập lại máy chủ này.",
        ) from error
    _refuse_wrong_rows(con, load)


def _refuse_wrong_rows(con: Connection, load: Load) -> None:
    wrong = con.execute(
        "select line_number, wrong_field from hosts where wrong_field is not null"
        " order by line_number limit 1"
    ).fetchone()
    if wrong is not None:
        raise SourceFault(
            FaultCode.PROTOCOL,
            f"Máy chủ {load.server_code} (tải {load.load_id}): dòng {wrong[0]} thiếu hoặc sai "
            f"kiểu thuộc tính {wrong[1]}.",
            _REMEDY,
        )
    (rows, named) = one(con, "select count(*), count(display_name) from hosts")
    # A compressed file that was cut short reads as a shorter one, without an error.
    if rows != load.rows_read_count:
        raise SourceFault(
            FaultCode.INTERNAL,
            f"Tệp dữ liệu của tải {load.load_id} có {rows} dòng, lúc thu thập đọc được "
            f"{load.rows_read_count} dòng.",
            "Kiểm tra ổ đĩa, rồi thu thập lại máy chủ này.",
        )
    # One machine may lack a name; a whole answer without names means that the attribute is gone.
    if rows and not named:
        raise SourceFault(
            FaultCode.PROTOCOL,
            f"Máy chủ {load.server_code} (tải {load.load_id}): không dòng nào có thuộc tính "
            "KLHST_WKS_DN.",
            _REMEDY,
        )
