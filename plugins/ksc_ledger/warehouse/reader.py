"""Reading a published file: one question, one short connection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from ksc_ledger.errors import LedgerError
from ksc_ledger.warehouse.engine import opening

# One configuration for every reader of a process: DuckDB refuses a second, differing one.
READING: dict[str, Any] = {
    "threads": 1,
    "memory_limit": "512MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def published(link: Path) -> Path:
    """The version behind a link. Raises LedgerError when nothing was published yet."""
    version = link.resolve()
    if not version.is_file():
        raise LedgerError(
            "not_published",
            f"Chưa có bản số liệu nào được xuất bản ({link.name}).",
            "Chạy build_marts (hoặc make demo) rồi thử lại.",
        )
    return version


def query(file: Path, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
    """The rows of a query on a published file, by column name; instants are UTC.

    The file is opened anew each time, so that the newest version answers.
    """
    # The version behind the link, so that an older version still open elsewhere cannot answer.
    version = published(file)
    with opening(version):
        con = duckdb.connect(str(version), read_only=True, config=READING)
    try:
        con.execute("set TimeZone = 'UTC'")
        cursor = con.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        con.close()
