"""One build: what was landed goes into the history, the marts are made anew and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ksc_ledger.clock import end_of_day, vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.registry import working_calendar
from ksc_ledger.registry.model import Registry
from ksc_ledger.settings import Places, Settings
from ksc_ledger.warehouse.engine import Connection, one, tables_in, transaction
from ksc_ledger.warehouse.extras import point_at_extras
from ksc_ledger.warehouse.history import Cutoffs, Outcome, apply_loads, known_loads
from ksc_ledger.warehouse.judged import Judge, judge_marts
from ksc_ledger.warehouse.marts import (
    RULES_VERSION,
    Run,
    build_models,
    check_models,
    point_at_history,
    prepare,
)
from ksc_ledger.warehouse.operations import point_at_operations
from ksc_ledger.warehouse.received import point_at_received
from ksc_ledger.warehouse.writer import writer


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build did. ``refused`` loads are newer loads' elders: only a rebuild takes them in.

    ``rows`` counts the rows of each table in ``marts``.
    """

    as_of_at: datetime
    registry_sha256: str
    applied: tuple[str, ...]
    recorded: tuple[str, ...]
    refused: tuple[str, ...]
    rows: dict[str, int]

    def __str__(self) -> str:
        return (
            f"Số liệu tại {self.as_of_at.isoformat()}: nhận {len(self.applied)} tải, "
            f"ghi nhận {len(self.recorded)} tải không dùng được, "
            f"{len(self.refused)} tải đến muộn (cần ksc-ledger rebuild), "
            f"{len(self.rows)} bảng, danh mục {self.registry_sha256[:8]}."
        )


def build(
    settings: Settings,
    registry: Registry,
    *,
    as_of_at: datetime,
    code_version: str,
    loads: Iterable[Load] | None = None,
    judge: Judge | None = None,
) -> BuildReport:
    """Apply every landed and gated load that is new (or just ``loads``), then make the marts.

    Safe to run again: known loads are skipped and the marts come out the same. The loads stay
    applied when a check fails; the marts of the last good build stay as well. ``judge`` has the
    last word on the marts. Raises LedgerError.
    """
    with writer(settings) as con:
        outcome = apply_loads(
            con,
            list(loads) if loads is not None else list(new_loads(con, settings.places)),
            places=settings.places,
            sql=settings.sql,
            cutoffs_of=cutoffs_by_registry(registry),
            server_order=server_order(registry),
        )
        rows = build_in(
            con, settings, registry, as_of_at=as_of_at, code_version=code_version, judge=judge
        )
    return report_of(registry, as_of_at, outcome, rows)


def build_in(
    con: Connection,
    settings: Settings,
    registry: Registry,
    *,
    as_of_at: datetime,
    code_version: str,
    judge: Judge | None = None,
) -> dict[str, int]:
    """Make and check the marts in the current database; the rows of each table."""
    run = Run(
        as_of_at=as_of_at,
        cutoff_at=cutoff_at(con, as_of_at),
        registry_sha256=registry.sha256,
    )
    with transaction(con):
        prepare(con, settings.sql, run)
        point_at_history(con)
        point_at_extras(con)
        point_at_operations(con, settings)
        point_at_received(con, settings.places)
        made = build_models(con, settings.sql, registry)
        _drop_others(con, made)
        con.execute("delete from meta.build")
        con.execute(
            "insert into meta.build values (?, ?, ?, ?, ?)",
            [as_of_at, code_version, registry.sha256, RULES_VERSION, run.cutoff_at],
        )
        check_models(con, settings.sql)
        if judge is not None:
            judge_marts(con, settings.sql, as_of_at, judge)
        return {name: _count(con, name) for name in made}


def cutoff_at(con: Connection, as_of_at: datetime, prefix: str = "") -> datetime:
    """The newest instant that a build as of ``as_of_at`` looks at, in UTC.

    A chain fixes as_of_at first and reads the servers some seconds later; what it read belongs to
    it, but never beyond the end of the Vietnamese day of as_of_at.
    """
    (newest,) = one(
        con,
        f"select max(observed_at) from {prefix}hist.load_log where as_of_at <= ?",
        [as_of_at],
    )
    instants = [as_of_at.astimezone(UTC)]
    if isinstance(newest, datetime):
        instants.append(newest.astimezone(UTC))
    return min(max(instants), end_of_day(vietnamese_date(as_of_at)))


def new_loads(con: Connection, places: Places) -> Iterator[Load]:
    """The landed loads that the history has not seen, save those that wait for their gate.

    Manifests of known loads are not opened: a year has a hundred thousand of them.
    """
    known = known_loads(con)
    for path in places.snapshot.glob("*/*/*.json"):
        if path.stem in known:
            continue
        load = manifest.read(path)
        if load.status is LoadStatus.COMPLETE and load.gated_at is None:
            continue
        yield load


def cutoffs_by_registry(registry: Registry) -> Callable[[Load], Cutoffs]:
    """How the ages in a load are judged, by its estate's limits and working days."""
    calendars = {
        estate.estate_code: working_calendar(registry, estate.estate_code)
        for estate in registry.estates
    }

    def cutoffs_of(load: Load) -> Cutoffs:
        estate = registry.estate(load.estate_code)
        calendar = calendars[load.estate_code]
        return Cutoffs(
            stale_before_at=calendar.stale_cutoff(load.observed_at, estate.stale_working_days),
            old_bases_before_at=load.observed_at - timedelta(days=estate.old_bases_days),
        )

    return cutoffs_of


def server_order(registry: Registry) -> dict[str, int]:
    """The order of servers in the registry, over all estates."""
    order: dict[str, int] = {}
    servers = sorted(registry.servers, key=lambda one: (one.estate_code, one.list_order))
    for server in servers:
        order.setdefault(server.server_code, len(order))
    return order


def report_of(
    registry: Registry, as_of_at: datetime, outcome: Outcome, rows: dict[str, int]
) -> BuildReport:
    """The report of a build or a rebuild."""
    return BuildReport(
        as_of_at=as_of_at,
        registry_sha256=registry.sha256,
        applied=tuple(outcome.applied),
        recorded=tuple(outcome.recorded),
        refused=tuple(outcome.refused),
        rows=rows,
    )


def _drop_others(con: Connection, made: Iterable[str]) -> None:
    """A model that is no more leaves no table behind."""
    for table in tables_in(con, "marts") - set(made):
        con.execute(f'drop table marts."{table}"')


def _count(con: Connection, table: str) -> int:
    (count,) = one(con, f"select count(*) from marts.{table}")
    if not isinstance(count, int):
        raise LedgerError("count_not_a_number", f"Không đếm được bảng {table}.")
    return count
