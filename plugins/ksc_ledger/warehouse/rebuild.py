"""The warehouse anew from what was landed, beside the old one, then put in its place."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb

from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.manifest import Load
from ksc_ledger.registry.model import Registry
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse.builder import (
    BuildReport,
    build_in,
    cutoffs_by_registry,
    new_loads,
    report_of,
    server_order,
)
from ksc_ledger.warehouse.engine import attach, connect
from ksc_ledger.warehouse.history import Cutoffs, apply_loads
from ksc_ledger.warehouse.lake import attach_lake, close, lake_of
from ksc_ledger.warehouse.lake_upkeep import hand_over
from ksc_ledger.warehouse.writer import lock, open_warehouse, shows_history

log = logging.getLogger(__name__)


def rebuild(
    settings: Settings,
    registry: Registry,
    *,
    code_version: str,
    as_of_at: datetime | None = None,
) -> BuildReport:
    """History and marts from every landed load, in order; also takes in loads that came too late.

    No server is asked and nothing is published. Ages are judged with the limits that were in force
    when a load was first applied, as far as the old warehouse can still be read. ``as_of_at`` is
    that of the old marts, else of the newest load. The old file stays beside the new one as
    ``ledger.before_rebuild.duckdb``; it is in place until the new one is whole and checked. A shared
    history is made in the file first, and then put into the lake in one transaction.
    """
    places = settings.places
    target = places.warehouse_file
    fresh = target.with_name("ledger.rebuild.duckdb")
    with lock(settings):
        _remove(fresh)
        judged, built_at = _remembered(settings, target)
        by_registry = cutoffs_by_registry(registry)
        con = connect(settings)
        try:
            open_warehouse(con, settings, fresh)
            loads = list(new_loads(con, places))
            at = as_of_at or built_at or max((load.as_of_at for load in loads), default=None)
            if at is None:
                raise LedgerError(
                    "nothing_landed",
                    f"Thư mục {places.snapshot} chưa có lần tải nào để dựng lại.",
                    "Kiểm tra KSC_LEDGER_HOME, hoặc khôi phục landing/snapshot từ bản sao lưu.",
                )
            outcome = apply_loads(
                con,
                loads,
                places=places,
                sql=settings.sql,
                cutoffs_of=_first_judged(judged, by_registry),
                server_order=server_order(registry),
            )
            rows = build_in(con, settings, registry, as_of_at=at, code_version=code_version)
            lake = lake_of(settings)
            if lake is not None:
                hand_over(con, lake, settings)
            con.execute("checkpoint wh")
        except BaseException:
            close(con)
            _remove(fresh)
            raise
        close(con)
        _swap(fresh, target)
    return report_of(registry, at, outcome, rows)


def _remembered(settings: Settings, file: Path) -> tuple[dict[str, Cutoffs], datetime | None]:
    """What the old warehouse knows that landing does not: limits of each load, the last as_of_at."""
    lake = lake_of(settings)
    if not file.exists() and lake is None:
        return {}, None
    con = connect(settings)
    history, built = "wh", None
    try:
        if file.exists():
            attach(con, file, "wh", read_only=True)
            built = con.execute("select as_of_at from wh.meta.build").fetchone()
        if lake is not None and (not file.exists() or shows_history(con)):
            attach_lake(con, lake, read_only=True)
            history = "lake"
        rows = con.execute(
            f"select load_id, stale_before_at, old_bases_before_at from {history}.hist.load_log"
            " where stale_before_at is not null"
        ).fetchall()
    except (duckdb.Error, LedgerError) as error:
        # A rebuild is what one does when the file cannot be used, so this must not stop it.
        log.warning("Không đọc được kho cũ, xét tuổi số liệu theo danh mục hiện hành: %s", error)
        return {}, built[0] if built else None
    finally:
        close(con)
    cutoffs = {
        load_id: Cutoffs(stale_before_at=stale, old_bases_before_at=bases)
        for load_id, stale, bases in rows
    }
    return cutoffs, built[0] if built else None


def _first_judged(
    judged: dict[str, Cutoffs], by_registry: Callable[[Load], Cutoffs]
) -> Callable[[Load], Cutoffs]:
    return lambda load: judged.get(load.load_id) or by_registry(load)


def _swap(fresh: Path, target: Path) -> None:
    """Put the new file in place. A crash in between leaves no file, and a build then makes one."""
    old = target.with_name("ledger.before_rebuild.duckdb")
    _remove(old)
    for name in (target, _wal(target)):
        if name.exists():
            name.rename(old if name == target else _wal(old))
    fresh.rename(target)


def _remove(file: Path) -> None:
    for name in (file, _wal(file)):
        name.unlink(missing_ok=True)


def _wal(file: Path) -> Path:
    return file.with_name(file.name + ".wal")
