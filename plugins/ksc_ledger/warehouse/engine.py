"""How every DuckDB connection of this package is made, and how the files of ``sql/`` are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa  # readers of published files need not load it

# From storage v1.4.0 on, a WAL left beside another file of the same name is refused, not replayed.
STORAGE_VERSION = "v1.5.0"

# What DuckDB says of a file or a log whose storage version is beyond what it, or this code, uses.
_NEWER = re.compile(
    r"Trying to read a database file with version number"
    r"|storage version greater than the latest version supported"
    r"|lower than what the database itself uses"
    r"|Failed to read WAL of version"
)

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
            # What is larger goes straight into the file at the commit, not into the log first: all of
            # a large load, or of a version to be published, would else be written twice.
            "checkpoint_threshold": "4MB",
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
    with opening(file):
        con.execute(f"attach {quoted(str(file))} as {alias} ({option})")


@contextmanager
def opening(file: Path) -> Iterator[None]:
    """Say of a file that a newer DuckDB wrote what it is and what to do; let other errors pass.

    DuckDB refuses such a file before it touches it: nothing is lost.
    """
    try:
        yield
    except duckdb.Error as error:
        if not _NEWER.search(str(error)):
            raise
        raise LedgerError(
            "database_newer",
            f"Tệp {file} được ghi theo phiên bản lưu trữ DuckDB mới hơn phiên bản mà chương trình "
            f"này dùng (DuckDB {duckdb.__version__}, lưu trữ {STORAGE_VERSION}), nên không mở "
            "được; tệp vẫn nguyên vẹn.",
            "Không xóa, không sửa tệp. Chạy lại phiên bản phần mềm đã ghi tệp, hoặc làm theo "
            "docs/runbooks/keep_house.md, mục “Tệp của DuckDB mới hơn”: kho thì ksc-ledger rebuild, "
            "bản xuất bản thì chạy lại build_marts.",
        ) from error


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


def tables_in(con: Connection, schema: str) -> set[str]:
    """The tables of a schema of the current database."""
    rows = con.execute(
        "select table_name from duckdb_tables()"
        " where database_name = current_database() and schema_name = ?",
        [schema],
    ).fetchall()
    return {name for (name,) in rows}


@contextmanager
def given(con: Connection, table: pa.Table) -> Iterator[None]:
    """Let statements read rows of Python as ``given``."""
    con.register("given", table)
    try:
        yield
    finally:
        con.unregister("given")


def temp_table(con: Connection, name: str, table: pa.Table) -> None:
    """Make a temporary table of rows of Python, or make it anew."""
    with given(con, table):
        con.execute(f"create or replace temp table {name} as select * from given")


def one(con: Connection, query: str, parameters: object = None) -> tuple[object, ...]:
    """The single row of a query that always has one."""
    # All of it: from 2.0 on, a result that was not read to its end forbids to register a table.
    rows: list[tuple[object, ...]] = con.execute(query, parameters).fetchall()
    if not rows:
        raise LookupError(f"no row: {query}")
    return rows[0]
