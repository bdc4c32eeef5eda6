"""The history of what lands beside the devices: a log of detections, states of all else.

It rides on the history of the devices: a load that is not applied brings none of it. Which program
is a foreign antivirus or which machine is weak is not here, that is judged when marts are built.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from ksc_ledger.landing.manifest import Extra, ExtraKind, Load
from ksc_ledger.settings import Places
from ksc_ledger.warehouse.engine import Connection, statement

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
_INTERVALS = ("licence", "licence_host", "hardware", "product")


def tell_hardware(con: Connection, load: Load, places: Places, sql: Path) -> None:
    """Fill temp table told_hardware, by which the devices of the load are told apart.

    It is what the load tells, or what the server told last; the history is not changed yet.
    """
    told = (
        statement(sql, "history/told_hardware")
        if _points_at(con, load, ExtraKind.HARDWARE, places)
        else "select * from hist.hardware"
        " where server_code = getvariable('server_code') and valid_to_at is null"
    )
    con.execute(f"create or replace temp table told_hardware as {told}")


def apply_extras(con: Connection, load: Load, places: Places, sql: Path) -> None:
    """Bring the history of all other kinds to the load, after its devices; write down what was.

    A kind that the load does not have stays as it is. load_facts, told_hardware and the variables
    of the load are set; the caller holds the transaction.
    """
    if _points_at(con, load, ExtraKind.HARDWARE, places):
        _bring_to(con, _HARDWARE, "from told_hardware")
    if _points_at(con, load, ExtraKind.DETECTIONS, places):
        con.execute(statement(sql, "history/add_detections"))
    if _points_at(con, load, ExtraKind.LICENCES, places):
        _bring_to(con, _LICENCES, statement(sql, "history/told_licences"))
    if _points_at(con, load, ExtraKind.LICENCE_HOSTS, places):
        _bring_to(con, _LICENCE_HOSTS, statement(sql, "history/told_licence_hosts"))
    if _points_at(con, load, ExtraKind.PRODUCTS, places):
        # Where the server would not speak of some devices, what it said of them before stays,
        # as long as it still calls them to account for it.
        is_partial = ExtraKind.PRODUCTS in load.extra_faults
        unless = (
            "endpoint_id in (select endpoint_id from load_facts where has_antivirus_conflict)"
            " and endpoint_id not in (select endpoint_id from told)"
            if is_partial
            else "false"
        )
        _bring_to(con, _PRODUCTS, statement(sql, "history/told_products"), stays=unless)
    _record(con, load, places)


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


def _points_at(con: Connection, load: Load, kind: ExtraKind, places: Places) -> bool:
    """Whether a kind can be applied; then variable extra_path names its file."""
    path = _file(load, kind, places)
    if path is None:
        return False
    con.execute("set variable extra_path = $1", [str(path)])
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
    keys = " and ".join(f"t.{key} = h.{key}" for key in state.keys)
    facts = "".join(f" and t.{name} is not distinct from h.{name}" for name in state.facts)
    columns = ", ".join((*state.keys, *state.facts))
    con.execute(f"create or replace temp table told as {told}")
    ending = (
        "h.server_code = getvariable('server_code') and h.valid_to_at is null"
        f" and not exists (from told as t where {keys}{facts}) and not ({stays})"
    )
    con.execute(
        f"delete from {state.name} as h"
        f" where {ending} and h.valid_from_at >= getvariable('observed_at')"
    )
    con.execute(
        f"update {state.name} as h set valid_to_at = getvariable('observed_at') where {ending}"
    )
    con.execute(
        f"insert into {state.name} by name"
        f" select getvariable('server_code') as server_code, {columns},"
        " getvariable('observed_at') as valid_from_at, null::timestamptz as valid_to_at"
        f" from told as t where not exists (from {state.name} as h"
        f" where h.server_code = getvariable('server_code') and h.valid_to_at is null and {keys})"
    )


def _record(con: Connection, load: Load, places: Places) -> None:
    for kind in sorted({*load.extras, *load.extra_faults}):
        extra = load.extras.get(kind)
        fault = load.extra_faults.get(kind)
        con.execute(
            "insert into hist.extra_log values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                load.load_id,
                load.server_code,
                load.observed_at,
                kind,
                _file(load, kind, places) is not None,
                extra.count if extra else None,
                fault.code if fault else None,
                fault.text if fault else None,
            ],
        )
