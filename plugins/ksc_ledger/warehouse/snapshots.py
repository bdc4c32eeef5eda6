"""Typing of a load: the hosts as the wire typed them become one Parquet with our columns.

The Parquet is immutable, keeps for five years and is what history and marts are rebuilt from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.settings import Places, Settings
from ksc_ledger.warehouse import wire_rows
from ksc_ledger.warehouse.engine import Connection, one
from ksc_ledger.warehouse.extra_snapshots import type_extras, type_extras_together
from ksc_ledger.warehouse.wire_rows import typing_connection

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
    landed = list(loads)
    with typing_connection(settings) as con:
        waiting = [load for load in landed if _is_due(load)]
        _type_together(con, waiting, settings)
        type_extras_together(con, waiting, settings)
        for load in landed:
            if not _is_due(load):
                typed.append(load)
                continue
            changed = _typed(con, load, settings)
            manifest.write(changed, settings.places)
            typed.append(changed)
    return typed


def _is_due(load: Load) -> bool:
    return load.status is LoadStatus.COMPLETE and load.gated_at is None


def _type_together(con: Connection, loads: Sequence[Load], settings: Settings) -> None:
    """Write the typed hosts of as many loads as nothing is wrong with; the others are left."""
    places = settings.places
    sources = {
        wire_rows.Source(hosts, load.rows_read_count, load.parquet(places)): load
        for load in loads
        if load.hosts_path is not None
        and (hosts := places.home / load.hosts_path).is_file()
        and not load.parquet(places).exists()
    }
    for batch in wire_rows.together(list(sources)):
        with suppress(duckdb.Error):  # what is wrong with which load is told when each is alone
            _make_groups(con, [sources[one] for one in batch], places)
            wire_rows.read_rows(con, settings.sql, wire_rows.HOSTS, [one.path for one in batch])
            for one in wire_rows.faultless(con, batch):
                if _has_names(con, one.path):
                    wire_rows.write(con, one.path, one.target)


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
    with nullcontext(con) if con is not None else typing_connection(settings) as used:
        _type(used, load, places, settings)
        wire_rows.write(used, places.home / load.hosts_path, target)
        used.execute("drop table typed_rows")
    return target


def snapshot_arrow(path: Path) -> pa.Table:
    """The typed snapshot as an Arrow table; instants are UTC."""
    # read_table would import pyarrow.dataset for it, a third of a second in every process, and
    # threads cost more CPU than they save on files this small.
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def _type(con: Connection, load: Load, places: Places, settings: Settings) -> None:
    hosts = places.home / str(load.hosts_path)
    _make_groups(con, [load], places)
    try:
        wire_rows.read_rows(con, settings.sql, wire_rows.HOSTS, [hosts])
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


def _make_groups(con: Connection, loads: Iterable[Load], places: Places) -> None:
    """Fill temp table landed_groups with the groups of loads; a load may have none."""
    con.execute(
        "create or replace temp table landed_groups"
        " (rows_path varchar, id integer, grp_full_name varchar)"
    )
    told = {
        str(places.home / load.groups_path): str(places.home / str(load.hosts_path))
        for load in loads
        if load.groups_path is not None
    }
    if told:
        con.execute(
            "insert into landed_groups"
            " select $hosts[list_position($groups, groups_path)], id, grp_full_name"
            " from read_json($groups, format = 'newline_delimited', filename = 'groups_path',"
            " columns = {'id': 'INTEGER', 'grp_full_name': 'VARCHAR'})",
            {"groups": list(told), "hosts": list(told.values())},
        )


def _has_names(con: Connection, hosts: Path) -> bool:
    (named,) = one(
        con, "select count(display_name) from typed_rows where rows_path = ?", [str(hosts)]
    )
    return bool(named)


def _refuse_wrong_rows(con: Connection, load: Load) -> None:
    wrong = wire_rows.wrong_row(con)
    if wrong is not None:
        raise SourceFault(
            FaultCode.PROTOCOL,
            f"Máy chủ {load.server_code} (tải {load.load_id}): dòng {wrong[0]} thiếu hoặc sai "
            f"kiểu thuộc tính {wrong[1]}.",
            _REMEDY,
        )
    (rows, named) = one(con, "select count(*), count(display_name) from typed_rows")
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
