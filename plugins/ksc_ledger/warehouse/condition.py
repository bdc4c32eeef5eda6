"""What state the warehouse's file is in, without changing it: for who looks before something runs."""

from __future__ import annotations

from dataclasses import dataclass

from ksc_ledger.settings import Settings
from ksc_ledger.warehouse.engine import STORAGE_VERSION, one
from ksc_ledger.warehouse.writer import locked_reader

BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``waiting`` are the definitions in ``sql/ddl`` that the next build applies first.

    ``load_count`` counts the loads in the history, of whatever status.
    """

    storage_version: str
    waiting: tuple[str, ...]
    load_count: int

    @property
    def is_older_storage(self) -> bool:
        return _number(self.storage_version) < _number(STORAGE_VERSION)


def condition(settings: Settings, *, timeout_seconds: float = BUSY_SECONDS) -> Condition:
    """Open the file read-only and look; LedgerError when there is none, it is busy or damaged."""
    with locked_reader(settings, timeout_seconds=timeout_seconds) as con:
        (version,) = one(
            con, "select tags['storage_version'] from duckdb_databases() where database_name = 'wh'"
        )
        applied = {
            name for (name,) in con.execute("select name from wh.main.applied_ddl").fetchall()
        }
        (loads,) = one(con, "select count(*) from wh.hist.load_log")
    known = sorted(path.stem for path in (settings.sql / "ddl").glob("*.sql"))
    return Condition(
        storage_version=str(version or ""),
        waiting=tuple(name for name in known if name not in applied),
        load_count=int(str(loads)),
    )


def _number(version: str) -> tuple[int, ...]:
    """``v1.5.0+`` as numbers that can be compared."""
    return tuple(int(part) for part in version.strip("v+").split(".") if part.isdigit())
