"""The history of what servers said about endpoints: facts only, as intervals.

A load becomes part of it in one transaction. What a unit is, which group belongs to whom and how a
machine should be named is not here: that is judged when the marts are built, so that an edit of
the registry never touches the history (docs/adr/0004).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pyarrow as pa

from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.settings import Places
from ksc_ledger.warehouse.engine import Connection, given, one, statement, temp_table, transaction
from ksc_ledger.warehouse.extras import apply_extras, tell_hardware

WRONG_CLOCK = timedelta(minutes=10)
"""A server's clock that differs by more is wrong, and what it stamped is judged by its own clock."""

_VERDICT = pa.schema(
    [
        ("suite", pa.string()),
        ("expectation", pa.string()),
        ("severity", pa.string()),
        ("is_success", pa.bool_()),
        ("unexpected_count", pa.int64()),
        ("description", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoffs:
    """The instants against which a load's ages are judged, once and for all, at observed_at.

    A machine that connected before ``stale_before_at`` is stale; bases made before
    ``old_bases_before_at`` are old.
    """

    stale_before_at: datetime
    old_bases_before_at: datetime


class Refusal(StrEnum):
    """Why a complete load is kept in the log but not in the history."""

    OUT_OF_ORDER = "out_of_order"  # something newer is already in; only a rebuild takes it in


@dataclass(slots=True)
class Outcome:
    """What became of each load: load ids. ``recorded`` had no usable rows."""

    applied: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def in_order(loads: Iterable[Load], server_order: Mapping[str, int]) -> list[Load]:
    """The order in which loads are applied, the same in every run and in a rebuild."""
    return sorted(
        loads,
        key=lambda load: (
            load.observed_at,
            server_order.get(load.server_code, len(server_order)),
            load.server_code,
            load.collected_at,
            load.load_id,
        ),
    )


def known_loads(con: Connection) -> set[str]:
    """The ids of the loads that the history has already seen."""
    return {load_id for (load_id,) in con.execute("select load_id from hist.load_log").fetchall()}


def apply_loads(
    con: Connection,
    loads: Sequence[Load],
    *,
    places: Places,
    sql: Path,
    cutoffs_of: Callable[[Load], Cutoffs],
    server_order: Mapping[str, int],
) -> Outcome:
    """Apply loads in order of observation, one transaction each; known ones are skipped.

    Complete loads change the history of their server, and of no other server. Incomplete, failed
    and rejected ones are recorded only. A load that is older than one already applied is recorded
    as refused. Raises LedgerError when a snapshot has an endpoint twice, or is missing; the loads
    before it stay applied.
    """
    known = known_loads(con)
    outcome = Outcome()
    order = pa.table(
        {
            "server_code": pa.array(list(server_order), pa.string()),
            "list_order": pa.array(list(server_order.values()), pa.int32()),
        }
    )
    temp_table(con, "server_order", order)
    for load in in_order(loads, server_order):
        if load.load_id in known:
            continue
        known.add(load.load_id)
        if load.status is LoadStatus.COMPLETE and load.gated_at is None:
            raise LedgerError(
                "load_not_gated",
                f"Tải {load.load_id} chưa qua kiểm tra chất lượng.",
                "Chạy bước kiểm tra của collect_endpoints trước khi dựng số liệu.",
            )
        with transaction(con):
            if load.status is not LoadStatus.COMPLETE:
                _record(con, load, is_applied=False)
                outcome.recorded.append(load.load_id)
            elif _apply(con, load, places, sql, cutoffs_of(load)):
                outcome.applied.append(load.load_id)
            else:
                _record(con, load, is_applied=False, refusal=Refusal.OUT_OF_ORDER)
                outcome.refused.append(load.load_id)
    return outcome


def _apply(con: Connection, load: Load, places: Places, sql: Path, cutoffs: Cutoffs) -> bool:
    """Apply one complete load; False (and nothing changed) when it comes too late."""
    (newest,) = one(
        con,
        "select max(observed_at) from hist.load_log where server_code = ? and is_applied",
        [load.server_code],
    )
    if newest is not None and newest > load.observed_at:  # type: ignore[operator]
        return False
    has_hardware = _read_facts(con, load, places, sql, cutoffs)
    shared = statement(sql, "history/shared_endpoints")
    con.execute(f"create or replace temp table shared_endpoint as {shared}")
    (shared_count, is_late) = one(
        con, "select count(*), bool_or(is_newer_elsewhere) from shared_endpoint"
    )
    if is_late:
        return False
    # Hardware is compared only where a server tells it.
    replaced = statement(sql, "history/replaced") + ("" if has_hardware else " limit 0")
    con.execute(f"create or replace temp table replaced as {replaced}")
    con.execute(statement(sql, "history/apply_load"))
    if shared_count:
        con.execute(statement(sql, "history/resolve_home"))
    apply_extras(con, load, places, sql)
    _record(con, load, is_applied=True, cutoffs=cutoffs)
    return True


def _read_facts(con: Connection, load: Load, places: Places, sql: Path, cutoffs: Cutoffs) -> bool:
    """Fill temp table load_facts from the typed snapshot; whether any hardware is told."""
    snapshot = load.parquet(places)
    if not snapshot.is_file():
        raise LedgerError(
            "snapshot_missing",
            f"Thiếu tệp số liệu {snapshot} của tải {load.load_id}.",
            "Khôi phục thư mục landing/snapshot từ bản sao lưu, hoặc thu thập lại máy chủ.",
        )
    variables = {
        "snapshot_path": str(snapshot),
        "server_code": load.server_code,
        "load_id": load.load_id,
        "observed_at": load.observed_at,
        "stale_before_at": cutoffs.stale_before_at,
        "old_bases_before_at": cutoffs.old_bases_before_at,
        "clock_ahead": _clock_ahead(load),
    }
    for name, value in variables.items():
        con.execute(f"set variable {name} = $1", [value])
    tell_hardware(con, load, places, sql)
    con.execute(
        f"create or replace temp table load_facts as {statement(sql, 'history/load_facts')}"
    )
    (rows, ids, hardware) = one(
        con,
        "select count(*), count(distinct endpoint_id), count(coalesce(mac_address, serial_number))"
        " from load_facts",
    )
    if rows != ids:
        raise _twice(con, load)
    return bool(hardware)


def _clock_ahead(load: Load) -> timedelta:
    """What the server's stamps are put right by; a small difference may be the network's."""
    skew = timedelta(seconds=load.clock_skew_seconds or 0)
    return skew if abs(skew) > WRONG_CLOCK else timedelta()


def _twice(con: Connection, load: Load) -> LedgerError:
    (endpoint_id,) = one(
        con,
        "select endpoint_id from load_facts group by all having count(*) > 1"
        " order by endpoint_id limit 1",
    )
    return LedgerError(
        "duplicate_endpoint",
        f"Tải {load.load_id} có máy {endpoint_id} xuất hiện nhiều lần.",
        "Đây là lỗi của lần thu thập hoặc của bộ kiểm tra; báo nhóm kỹ thuật, giữ nguyên tệp.",
    )


def _record(
    con: Connection,
    load: Load,
    *,
    is_applied: bool,
    refusal: Refusal | None = None,
    cutoffs: Cutoffs | None = None,
) -> None:
    row = {
        "load_id": load.load_id,
        "estate_code": load.estate_code,
        "server_code": load.server_code,
        "as_of_at": load.as_of_at,
        "observed_at": load.observed_at,
        "collected_at": load.collected_at,
        "gated_at": load.gated_at,
        "status": load.status.value,
        "rows_expected_count": load.rows_expected_count,
        "rows_read_count": load.rows_read_count,
        "content_sha256": load.content_sha256,
        "fault_code": load.fault_code,
        "fault_text": load.fault_text,
        "product_version": load.product_version,
        "clock_skew_seconds": load.clock_skew_seconds,
        "is_applied": is_applied,
        "refusal_code": refusal.value if refusal else None,
        "stale_before_at": cutoffs.stale_before_at if cutoffs else None,
        "old_bases_before_at": cutoffs.old_bases_before_at if cutoffs else None,
    }
    _insert(con, "hist.load_log", row)
    _insert_verdicts(con, load)


def _insert_verdicts(con: Connection, load: Load) -> None:
    """All at once: a load has dozens, and a statement each costs more than the load itself."""
    if not load.verdicts:
        return
    table = pa.Table.from_pylist(
        [{name: verdict.get(name) for name in _VERDICT.names} for verdict in load.verdicts],
        schema=_VERDICT,
    )
    with given(con, table):
        con.execute(
            "insert into hist.verdict by name select $load_id as load_id, * from given",
            {"load_id": load.load_id},
        )


def _insert(con: Connection, table: str, row: Mapping[str, object]) -> None:
    columns = ", ".join(row)
    marks = ", ".join(f"${name}" for name in row)
    con.execute(f"insert into {table} ({columns}) values ({marks})", dict(row))
