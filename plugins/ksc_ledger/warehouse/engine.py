"""How every DuckDB connection of this package is made, and how the files of ``sql/`` are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings

# From storage v1.4.0 on, a WAL left beside another file of the same name is refused, not replayed.
STORAGE_VERSION = "v1.5.0"

Connection = duckdb.DuckDBPyConnection


def connect(settings: Settings) -> Connection:
    """An in-memory connection within the limits of the settings; files are attached to it.

    No extension is ever looked for on the network, and the session's time zone is UTC, so that
    nothing depends on the machine it runs on.
    """
    spill = settings.places.warehouse_file.parent / "tmp"
    con = duckdb.connect(
        config={
            "memory_limit": settings.warehouse_memory,
            "threads": settings.warehouse_threads,
            "temp_directory": str(spill),
            "max_temp_directory_size": "20GB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    con.execute("set TimeZone = 'UTC'")
    return con


def attach(con: Connection, file: Path, alias: str, *, read_only: bool = False) -> None:
    """Attach a database file. Read-only demands that it exists; else it is created when missing."""
    if read_only and not file.is_file():
        raise LedgerError(
            "database_missing",
            f"Chưa có tệp dữ liệu {file}.",
            "Chạy lần dựng số liệu đầu tiên (build_marts), hoặc kiểm tra KSC_LEDGER_HOME.",
        )
    option = "READ_ONLY" if read_only else f"STORAGE_VERSION '{STORAGE_VERSION}'"
    con.execute(f"attach {quoted(str(file))} as {alias} ({option})")


@contextmanager
def transaction(con: Connection) -> Iterator[None]:
    """All or nothing."""
    con.execute("begin")
    try:
        yield
    except BaseException:
        con.execute("rollback")
        raise
    con.execute("commit")


def quoted(text: str) -> str:
    """An SQL literal, where a parameter cannot stand."""
    return "'" + text.replace("'", "''") + "'"


@cache
def statement(sql: Path, name: str) -> str:
    """The text of ``sql/<name>.sql``."""
    return (sql / f"{name}.sql").read_text("utf-8")


def one(con: Connection, query: str, parameters: object = None) -> tuple[object, ...]:
    """The single row of a query that always has one."""
    row: tuple[object, ...] | None = con.execute(query, parameters).fetchone()
    if row is None:
        raise LookupError(f"no row: {query}")
    return row
