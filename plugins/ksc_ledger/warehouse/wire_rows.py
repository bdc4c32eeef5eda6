"""Rows as the wire typed them become rows with our columns: of one file, or of many at once.

What a statement costs is mostly its making, so thirteen small files are typed together. Whether
something is wrong is looked for in all of them; what is wrong, in one file alone: only there are
its lines counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ksc_ledger.settings import Settings
from ksc_ledger.warehouse.engine import Connection, connect, quoted, statement

HOSTS = "hosts"
ROWS_AT_ONCE = 60_000
"""As many as a large server has, so that many small ones need no more memory than it does."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of zstd NDJSON, how many rows it should have, and where they go, typed."""

    path: Path
    count: int
    target: Path


@contextmanager
def typing_connection(settings: Settings) -> Iterator[Connection]:
    """A connection that knows the wire's values; making one costs more than typing a district."""
    con = connect(settings)
    try:
        con.execute(statement(settings.sql, "landing/macros"))
        yield con
    finally:
        con.close()


def read_rows(con: Connection, sql: Path, kind: str, paths: Sequence[Path]) -> None:
    """Fill temp table typed_rows with the typed rows of files of one kind.

    ``con`` is a typing_connection; for hosts, temp table landed_groups is there. Raises duckdb.Error.
    """
    con.execute("set variable rows_paths = $1", [[str(path) for path in paths]])
    query = statement(sql, f"landing/ksc_{kind}")
    con.execute(f"create or replace temp table typed_rows as {query}")


def wrong_row(con: Connection) -> tuple[int, str] | None:
    """The first line that cannot be typed, and its field; for typed_rows of one file."""
    row: tuple[int, str] | None = con.execute(
        "select line_number, wrong_field from typed_rows where wrong_field is not null"
        " order by line_number limit 1"
    ).fetchone()
    return row


def faultless(con: Connection, sources: Sequence[Source]) -> list[Source]:
    """Those of the files in typed_rows whose rows are all there, and all typed."""
    found = con.execute(
        "select rows_path, count(*) from typed_rows group by all having count(wrong_field) = 0"
    ).fetchall()
    counts = dict(found)
    return [one for one in sources if counts.get(str(one.path)) == one.count]


def write(con: Connection, source: Path, target: Path) -> None:
    """Write what typed_rows has of one file as Parquet, whole or not at all."""
    beside = target.with_suffix(f".{os.getpid()}.tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        con.execute(
            "copy (select * exclude (line_number, rows_path, wrong_field) from typed_rows"
            f" where rows_path = {quoted(str(source))})"
            f" to {quoted(str(beside))} (format parquet, compression zstd)"
        )
        beside.chmod(0o640)  # names of objects and of machines: not for everybody
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def together(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Files that are typed at once; one that is alone is not among them."""
    batch: list[Source] = []
    rows = 0
    for source in sources:
        if batch and rows + source.count > ROWS_AT_ONCE:
            if len(batch) > 1:
                yield batch
            batch, rows = [], 0
        batch.append(source)
        rows += source.count
    if len(batch) > 1:
        yield batch
