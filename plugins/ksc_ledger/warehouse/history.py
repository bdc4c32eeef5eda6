"""The history of what servers said about endpoints: facts only, as intervals.

A load becomes part of it in one transaction, often with others of its hour. What a unit is, which group belongs to whom and how a
machine should be named is not here: that is judged when the marts are built, so that an edit of
the registry never touches the history (docs/adr/0004).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Literal

import pyarrow as pa

from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.settings import Places
from ksc_ledger.warehouse.engine import Connection, given, one, statement, temp_table
from ksc_ledger.warehouse.extras import apply_extras, tell_hardware
from ksc_ledger.warehouse.lake import Turns

WRONG_CLOCK = timedelta(minutes=10)
"""A server's clock that differs by more is wrong, and what it stamped is judged by its own clock."""

WAVE_ROWS = 60_000
"""What is applied in one transaction: as many rows as a large server has, so that memory is bounded."""

Became = Literal["applied", "recorded", "refused"]

_INSTANT = pa.timestamp("us", tz="UTC")
_WAVE = pa.schema(
    [
        ("place", pa.int32()),
        ("load_id", pa.string()),
        ("server_code", pa.string()),
        ("observed_at", _INSTANT),
        ("stale_before_at", _INSTANT),
        ("old_bases_before_at", _INSTANT),
        ("clock_ahead", pa.duration("us")),
        ("snapshot_path", pa.string()),
    ]
)
_LOG = pa.schema(
    [
        ("load_id", pa.string()),
        ("estate_code", pa.string()),
        ("server_code", pa.string()),
        ("as_of_at", _INSTANT),
        ("observed_at", _INSTANT),
        ("collected_at", _INSTANT),
        ("gated_at", _INSTANT),
        ("status", pa.string()),
        ("rows_expected_count", pa.int64()),
        ("rows_read_count", pa.int64()),
        ("content_sha256", pa.string()),
        ("fault_code", pa.string()),
        ("fault_text", pa.string()),
        ("product_version", pa.string()),
        ("clock_skew_seconds", pa.int64()),
        ("is_applied", pa.bool_()),
        ("refusal_code", pa.string()),
        ("stale_before_at", _INSTANT),
        ("old_bases_before_at", _INSTANT),
    ]
)
_VERDICT = pa.schema(
    [
        ("load_id", pa.string()),
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
    """What became of each load: load ids. ``recorded`` had no usable rows.

    ``conflicts`` counts how often another writer came between and a load was done again.
    """

    applied: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    conflicts: int = 0


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
    """Apply loads in order of observation, a wave in one transaction each; known ones are skipped.

    Complete loads change the history of their server, and of no other server. Incomplete, failed
    and rejected ones are recorded only. A load that is older than one already applied is recorded
    as refused. Raises LedgerError when a snapshot has an endpoint twice, or is missing; the loads
    before it stay applied.
    """
    outcome = Outcome()
    turns = Turns(con)
    order = pa.table(
        {
            "server_code": pa.array(list(server_order), pa.string()),
            "list_order": pa.array(list(server_order.values()), pa.int32()),
        }
    )
    temp_table(con, "server_order", order)

    def take(wave: Sequence[Load]) -> None:
        work = partial(_take_in, con, wave, places, sql, cutoffs_of, turns.is_shared)
        for load, became in turns.take(work):
            getattr(outcome, became).append(load.load_id)

    for wave in _waves(in_order(loads, server_order), known_loads(con), places):
        try:
            take(wave)
        except _NotAtOnce:
            for load in wave:
                take([load])
    outcome.conflicts = turns.conflicts
    return outcome


class _NotAtOnce(Exception):  # noqa: N818 (not an error: the loads are applied one by one then)
    """One of several loads needs what only those before it bring about."""


def _waves(loads: Iterable[Load], known: set[str], places: Places) -> Iterator[list[Load]]:
    """Consecutive loads of servers that differ: what one statement can do, thirteen need not.

    Raises LedgerError at the load that cannot be applied, after the ones before it were given.
    """
    wave: dict[str, Load] = {}
    rows = 0
    for load in loads:
        if load.load_id in known:
            continue
        known.add(load.load_id)
        fault = _fault(load, places)
        is_full = rows + load.rows_read_count > WAVE_ROWS
        if wave and (fault or load.server_code in wave or is_full):
            yield list(wave.values())
            wave, rows = {}, 0
        if fault:
            raise fault
        wave[load.server_code] = load
        rows += load.rows_read_count
    if wave:
        yield list(wave.values())


def _fault(load: Load, places: Places) -> LedgerError | None:
    """What forbids to apply a complete load, as far as one can tell without reading it."""
    if load.status is not LoadStatus.COMPLETE:
        return None
    if load.gated_at is None:
        return LedgerError(
            "load_not_gated",
            f"Tải {load.load_id} chưa qua kiểm tra chất lượng.",
            "Chạy bước kiểm tra của collect_endpoints trước khi dựng số liệu.",
        )
    snapshot = load.parquet(places)
    if not snapshot.is_file():
        return LedgerError(
            "snapshot_missing",
            f"Thiếu tệp số liệu {snapshot} của tải {load.load_id}.",
            "Khôi phục thư mục landing/snapshot từ bản sao lưu, hoặc thu thập lại máy chủ.",
        )
    return None


def _take_in(
    con: Connection,
    wave: Sequence[Load],
    places: Places,
    sql: Path,
    cutoffs_of: Callable[[Load], Cutoffs],
    is_shared: bool,
) -> list[tuple[Load, Became]]:
    """Make loads of different servers part of the history, within the caller's transaction.

    Loads that another writer took in meanwhile are left out of what is handed back. Raises
    _NotAtOnce, with nothing changed, when they must be applied one by one.
    """
    if is_shared:
        known = known_loads(con)
        wave = [load for load in wave if load.load_id not in known]
    newest = dict(
        con.execute(
            "select server_code, max(observed_at) from hist.load_log where is_applied group by all"
        ).fetchall()
    )
    became: dict[str, Became] = {}
    usable: list[Load] = []
    for load in wave:
        if load.status is not LoadStatus.COMPLETE:
            became[load.load_id] = "recorded"
        elif load.observed_at < newest.get(load.server_code, load.observed_at):
            became[load.load_id] = "refused"
        else:
            usable.append(load)
    # With nothing newer anywhere, nothing that is shared can have been decided by what came later.
    latest = max(newest.values(), default=None)
    is_late = latest is not None and any(load.observed_at < latest for load in usable)
    if is_late and len(wave) > 1:
        raise _NotAtOnce
    cutoffs = {load.load_id: cutoffs_of(load) for load in usable}
    if usable:
        is_applied = _apply(con, usable, cutoffs, places, sql, is_late=is_late)
        became |= dict.fromkeys(cutoffs, "applied" if is_applied else "refused")
    _record(con, wave, became, cutoffs)
    return [(load, became[load.load_id]) for load in wave]


def _apply(
    con: Connection,
    loads: Sequence[Load],
    cutoffs: Mapping[str, Cutoffs],
    places: Places,
    sql: Path,
    *,
    is_late: bool,
) -> bool:
    """Apply complete loads of different servers; False (and nothing changed) for one too late."""
    _read_facts(con, loads, cutoffs, places, sql)
    _temp(con, "shared_endpoint", statement(sql, "history/shared_endpoints"))
    if is_late and one(con, statement(sql, "history/later_elsewhere"))[0]:
        return False
    (has_hardware,) = one(
        con, "select count(coalesce(mac_address, serial_number)) > 0 from load_facts"
    )
    # Hardware is compared only where a server tells it.
    none = "" if has_hardware else " limit 0"
    _temp(con, "replaced", statement(sql, "history/replaced") + none)
    con.execute(statement(sql, "history/apply_wave"))
    _put_current(con, loads, sql)
    apply_extras(con, loads, places, sql)
    return True


def _put_current(con: Connection, loads: Sequence[Load], sql: Path) -> None:
    """Bring hist.cur to the loads, and after each that shares endpoints decide which sighting counts."""
    rows = con.execute("select distinct server_code from shared_endpoint").fetchall()
    sharing = {server_code for (server_code,) in rows}

    def put(*server_codes: str) -> None:
        temp_table(con, "turn", pa.table({"server_code": pa.array(server_codes, pa.string())}))
        con.execute(statement(sql, "history/put_current"))

    put(*(load.server_code for load in loads if load.server_code not in sharing))
    for load in loads:
        if load.server_code not in sharing:
            continue
        put(load.server_code)
        _temp(
            con,
            "shared_endpoint_of_load",
            "select endpoint_id from shared_endpoint semi join turn using (server_code)",
        )
        con.execute("set variable observed_at = $1", [load.observed_at])
        con.execute(statement(sql, "history/resolve_home"))


def _temp(con: Connection, name: str, query: str) -> None:
    con.execute(f"create or replace temp table {name} as {query}")


def _read_facts(
    con: Connection,
    loads: Sequence[Load],
    cutoffs: Mapping[str, Cutoffs],
    places: Places,
    sql: Path,
) -> None:
    """Fill temp tables wave, told_hardware and load_facts from the typed snapshots."""
    paths = [str(load.parquet(places)) for load in loads]
    wave = pa.Table.from_pylist(
        [
            {
                "place": place,
                "load_id": load.load_id,
                "server_code": load.server_code,
                "observed_at": load.observed_at,
                "stale_before_at": cutoffs[load.load_id].stale_before_at,
                "old_bases_before_at": cutoffs[load.load_id].old_bases_before_at,
                "clock_ahead": _clock_ahead(load),
                "snapshot_path": path,
            }
            for place, (load, path) in enumerate(zip(loads, paths, strict=True))
        ],
        schema=_WAVE,
    )
    temp_table(con, "wave", wave)
    con.execute("set variable snapshot_paths = $1", [paths])
    tell_hardware(con, loads, places, sql)
    _temp(con, "load_facts", statement(sql, "history/load_facts"))
    twice = con.execute(
        "select server_code, endpoint_id from load_facts group by all having count(*) > 1"
        " order by all limit 1"
    ).fetchall()
    if twice:
        if len(loads) > 1:
            raise _NotAtOnce
        raise LedgerError(
            "duplicate_endpoint",
            f"Tải {loads[0].load_id} có máy {twice[0][1]} xuất hiện nhiều lần.",
            "Đây là lỗi của lần thu thập hoặc của bộ kiểm tra; báo nhóm kỹ thuật, giữ nguyên tệp.",
        )


def _clock_ahead(load: Load) -> timedelta:
    """What the server's stamps are put right by; a small difference may be the network's."""
    skew = timedelta(seconds=load.clock_skew_seconds or 0)
    return skew if abs(skew) > WRONG_CLOCK else timedelta()


def _record(
    con: Connection,
    loads: Sequence[Load],
    became: Mapping[str, Became],
    cutoffs: Mapping[str, Cutoffs],
) -> None:
    """Write down the loads and what the gate said of them: at once, a statement costs as much as a load."""
    log = []
    for load in loads:
        outcome = became[load.load_id]
        # A load that came too late was not judged by its age either.
        judged = cutoffs.get(load.load_id) if outcome == "applied" else None
        log.append(
            {
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
                "is_applied": outcome == "applied",
                "refusal_code": Refusal.OUT_OF_ORDER.value if outcome == "refused" else None,
                "stale_before_at": judged.stale_before_at if judged else None,
                "old_bases_before_at": judged.old_bases_before_at if judged else None,
            }
        )
    _insert(con, "hist.load_log", pa.Table.from_pylist(log, schema=_LOG))
    verdicts = [
        {"load_id": load.load_id} | {name: verdict.get(name) for name in _VERDICT.names[1:]}
        for load in loads
        for verdict in load.verdicts
    ]
    if verdicts:
        _insert(con, "hist.verdict", pa.Table.from_pylist(verdicts, schema=_VERDICT))


def _insert(con: Connection, table: str, rows: pa.Table) -> None:
    with given(con, rows):
        con.execute(f"insert into {table} by name select * from given")
