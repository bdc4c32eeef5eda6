"""The history of what lands beside the devices: a log of detections, states of all else.

It rides on the history of the devices: a load that is not applied brings none of it. Which program
is a foreign antivirus or which machine is weak is not here, that is judged when marts are built.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ksc_ledger.landing.manifest import Extra, ExtraKind, Load
from ksc_ledger.settings import Places
from ksc_ledger.warehouse.engine import Connection, given, statement, temp_table

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _State:
    """A kind that is a state: its table in ``hist``, what identifies a row, what may change."""

    table: str
    keys: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"hist.{self.table}"


_LICENCES = _State(
    "licence",
    ("licence_serial",),
    ("product_name", "key_type", "seat_limit_count", "used_count", "created_at", "expires_at"),
)
_LICENCE_HOSTS = _State("licence_host", ("endpoint_id", "licence_serial"), ())
_HARDWARE = _State(
    "hardware",
    ("endpoint_id",),
    ("memory_mb", "disk_gb", "cpu_name", "manufacturer", "mac_address", "serial_number"),
)
_PRODUCTS = _State(
    "product",
    ("endpoint_id", "product_name"),
    ("listed_name", "product_version", "publisher", "installed_date"),
)
_LOG = pa.schema(
    [
        ("load_id", pa.string()),
        ("server_code", pa.string()),
        ("observed_at", pa.timestamp("us", tz="UTC")),
        ("kind", pa.string()),
        ("is_applied", pa.bool_()),
        ("row_count", pa.int64()),
        ("fault_code", pa.string()),
        ("fault_text", pa.string()),
    ]
)
_INTERVALS = ("licence", "licence_host", "hardware", "product")


def tell_hardware(con: Connection, loads: Sequence[Load], places: Places, sql: Path) -> None:
    """Fill temp table told_hardware, by which the devices of the loads are told apart.

    It is what a load tells, or what its server told last; the history is not changed yet.
    """
    columns = ", ".join(("h.server_code", *_HARDWARE.keys, *_HARDWARE.facts))
    told = (
        f"select {columns} from hist.hardware as h semi join wave using (server_code)"
        " where h.valid_to_at is null"
    )
    if _points_at(con, loads, ExtraKind.HARDWARE, places):
        told = (
            f"({statement(sql, 'history/told_hardware')}) union all by name"
            f" ({told} and h.server_code not in (select t.server_code from told_by as t))"
        )
    con.execute(f"create or replace temp table told_hardware as {told}")


def apply_extras(con: Connection, loads: Sequence[Load], places: Places, sql: Path) -> None:
    """Bring the history of all other kinds to the loads, after their devices; write down what was.

    A kind that a load does not have stays as it is. Temp tables wave, load_facts and told_hardware
    are those of the loads; the caller holds the transaction.
    """
    if _points_at(con, loads, ExtraKind.HARDWARE, places):
        _bring_to(
            con, _HARDWARE, "select * from told_hardware semi join told_by using (server_code)"
        )
    if _points_at(con, loads, ExtraKind.DETECTIONS, places):
        con.execute(statement(sql, "history/add_detections"))
    if _points_at(con, loads, ExtraKind.LICENCES, places):
        _bring_to(con, _LICENCES, statement(sql, "history/told_licences"))
    if _points_at(con, loads, ExtraKind.LICENCE_HOSTS, places):
        _bring_to(con, _LICENCE_HOSTS, statement(sql, "history/told_licence_hosts"))
    if _points_at(con, loads, ExtraKind.PRODUCTS, places):
        # Where the server would not speak of some devices, what it said of them before stays,
        # as long as it still calls them to account for it.
        unless = (
            "exists (from told_by as b where b.server_code = h.server_code and b.is_partial)"
            " and exists (from load_facts as f where f.server_code = h.server_code"
            " and f.endpoint_id = h.endpoint_id and f.has_antivirus_conflict)"
            " and not exists (from told as o where o.server_code = h.server_code"
            " and o.endpoint_id = h.endpoint_id)"
        )
        _bring_to(con, _PRODUCTS, statement(sql, "history/told_products"), stays=unless)
    _record(con, loads, places)


def point_at_extras(con: Connection, prefix: str = "") -> None:
    """Let the src_ views of the extras read the history as the build's cutoff_at left it."""
    for table in _INTERVALS:
        con.execute(f"""
            create or replace temp view src_{table} as
            select
                h.* exclude (valid_from_at, valid_to_at),
                h.valid_from_at as from_at,
                case when h.valid_to_at <= r.cutoff_at then h.valid_to_at else far_at() end
                    as until_at
            from {prefix}hist.{table} as h
            cross join ref_run as r
            where h.valid_from_at <= r.cutoff_at
        """)
    for table in ("detection_event", "extra_log"):
        con.execute(f"""
            create or replace temp view src_{table} as
            select h.* from {prefix}hist.{table} as h
            cross join ref_run as r where h.observed_at <= r.cutoff_at
        """)


def _points_at(con: Connection, loads: Sequence[Load], kind: ExtraKind, places: Places) -> bool:
    """Whether any load has a kind; then told_by says which, and told_rows has their rows, by server."""
    found = [(load, path) for load in loads if (path := _file(load, kind, places)) is not None]
    if not found:
        return False
    paths = [str(path) for _, path in found]
    temp_table(
        con,
        "told_by",
        pa.table(
            {
                "server_code": pa.array([load.server_code for load, _ in found], pa.string()),
                "path": pa.array(paths, pa.string()),
                "is_partial": pa.array(
                    [kind in load.extra_faults for load, _ in found], pa.bool_()
                ),
            }
        ),
    )
    con.execute("set variable extra_paths = $1", [paths])
    con.execute(
        "create or replace temp view told_rows as select b.server_code, t.* exclude (filename)"
        " from read_parquet(getvariable('extra_paths'), filename = true) as t"
        " inner join told_by as b on t.filename = b.path"
    )
    return True


def _file(load: Load, kind: str, places: Places) -> Path | None:
    extra: Extra | None = load.extras.get(kind)
    if extra is None or extra.snapshot_path is None:
        return None  # not due, not usable, or landed before these were typed
    path = places.home / extra.snapshot_path
    if not path.is_file():
        # Figures of machines do not wait for it; a rebuild takes it in once it is restored.
        log.error(
            "Thiếu tệp %s của tải %s. Cách khắc phục: khôi phục landing/snapshot từ bản sao lưu "
            "rồi chạy ksc-ledger rebuild.",
            path,
            load.load_id,
        )
        return None
    return path


def _bring_to(con: Connection, state: _State, told: str, *, stays: str = "false") -> None:
    """End what is no longer told, begin what is new. ``stays``: rows that do not end all the same.

    A row that began at this very instant is the same load read again and leaves nothing behind.
    """
    keys = " and ".join(f"t.{key} = h.{key}" for key in ("server_code", *state.keys))
    facts = "".join(f" and t.{name} is not distinct from h.{name}" for name in state.facts)
    columns = ", ".join(f"t.{name}" for name in ("server_code", *state.keys, *state.facts))
    con.execute(f"create or replace temp table told as {told}")
    ending = (
        "h.server_code = w.server_code and h.valid_to_at is null"
        " and h.server_code in (select b.server_code from told_by as b)"
        f" and not exists (from told as t where {keys}{facts}) and not ({stays})"
    )
    con.execute(
        f"delete from {state.name} as h using wave as w"
        f" where {ending} and h.valid_from_at >= w.observed_at"
    )
    con.execute(
        f"update {state.name} as h set valid_to_at = w.observed_at from wave as w where {ending}"
    )
    con.execute(
        f"insert into {state.name} by name"
        f" select {columns}, w.observed_at as valid_from_at, null::timestamptz as valid_to_at"
        " from told as t inner join wave as w on t.server_code = w.server_code"
        f" where not exists (from {state.name} as h where h.valid_to_at is null and {keys})"
    )


def _record(con: Connection, loads: Sequence[Load], places: Places) -> None:
    rows = []
    for load in loads:
        for kind in sorted({*load.extras, *load.extra_faults}):
            extra = load.extras.get(kind)
            fault = load.extra_faults.get(kind)
            rows.append(
                {
                    "load_id": load.load_id,
                    "server_code": load.server_code,
                    "observed_at": load.observed_at,
                    "kind": str(kind),
                    "is_applied": _file(load, kind, places) is not None,
                    "row_count": extra.count if extra else None,
                    "fault_code": fault.code if fault else None,
                    "fault_text": fault.text if fault else None,
                }
            )
    if rows:
        with given(con, pa.Table.from_pylist(rows, schema=_LOG)):
            con.execute("insert into hist.extra_log by name select * from given")
