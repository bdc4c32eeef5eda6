"""What units sent and what was quarantined, as it lies in the home's files.

The files are the truth, and a rebuild finds them again. A year of hourly loads has a hundred thousand of
them, so the warehouse keeps a copy of their rows (``received``) and each build reads only the files
that are new or were changed, and forgets those that are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import DirEntry, scandir
from pathlib import Path

import pyarrow as pa

from ksc_ledger.settings import Places
from ksc_ledger.warehouse.engine import Connection, quoted, temp_table

_FILES_AT_ONCE = 2000
"""Each open reader of a file costs DuckDB memory: a hundred thousand at once would need a gigabyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Files of one kind: the view a build reads, its copy in ``received``, where the files lie."""

    view: str
    table: str
    columns: dict[str, str]
    files: Callable[[Places], Iterator[DirEntry[str]]]


def point_at_received(con: Connection, places: Places) -> None:
    """Bring the copy up to date and make the temporary views of ``_KINDS``.

    The caller holds the transaction: when it is rolled back, the files count as unread.
    """
    for kind in _KINDS:
        new = _forget_and_find(con, kind, places)
        for first in range(0, len(new), _FILES_AT_ONCE):
            _read(con, kind, new[first : first + _FILES_AT_ONCE])
        con.execute(
            f"create or replace temp view {kind.view} as"
            f" select * exclude (path) from received.{kind.table}"
        )


def _forget_and_find(con: Connection, kind: _Kind, places: Places) -> list[str]:
    """Take out the rows of files that are gone or other than they were; the files to be read."""
    there = [(entry.path, entry.stat()) for entry in kind.files(places)]
    temp_table(
        con,
        "file_there",
        pa.table(
            {
                "path": pa.array([path for path, _ in there], pa.string()),
                "file_bytes": pa.array([facts.st_size for _, facts in there], pa.int64()),
                "modified_ns": pa.array([facts.st_mtime_ns for _, facts in there], pa.int64()),
            }
        ),
    )
    con.execute(
        "create or replace temp table stale_file as select path from received.file as f"
        f" anti join file_there using (path, file_bytes, modified_ns) where f.kind = '{kind.table}'"
    )
    for table, condition in ((kind.table, ""), ("file", f" and kind = '{kind.table}'")):
        con.execute(
            f"delete from received.{table} where path in (select path from stale_file){condition}"
        )
    con.execute(
        "create or replace temp table new_file as select * from file_there"
        f" anti join (from received.file where kind = '{kind.table}') using (path)"
    )
    con.execute(f"insert into received.file select '{kind.table}', * from new_file")
    rows = con.execute("select path from new_file order by path").fetchall()
    return [path for (path,) in rows]


def _read(con: Connection, kind: _Kind, files: Iterable[str]) -> None:
    listed = ", ".join(quoted(file) for file in files)
    typed = ", ".join(f"{column}: {quoted(name)}" for column, name in kind.columns.items())
    con.execute(
        f"insert into received.{kind.table} by name"
        f" select * exclude (filename), filename as path from read_json([{listed}],"
        f" format = 'newline_delimited', filename = true, columns = {{{typed}}},"
        " maximum_object_size = 1048576)"
    )


def _report_rows(places: Places) -> Iterator[DirEntry[str]]:
    for unit in _entries(places.reports):
        for receipt in _entries(unit.path) if unit.is_dir() else ():
            # A receipt that was returned to the inbox has a name with a dot.
            is_valid = receipt.is_dir() and "." not in receipt.name
            for file in _entries(receipt.path) if is_valid else ():
                if file.name == "rows.jsonl":
                    yield file


def _lines(folder: Path) -> Iterator[DirEntry[str]]:
    for entry in _entries(folder):
        if entry.name.endswith(".jsonl"):
            yield entry


def _entries(folder: Path | str) -> Iterator[DirEntry[str]]:
    """What lies in a folder; what is being written there has a name that begins with a dot."""
    try:
        with scandir(folder) as found:
            yield from (entry for entry in found if not entry.name.startswith("."))
    except FileNotFoundError:
        return


_KINDS = (
    _Kind(
        view="src_report_row",
        table="report_row",
        columns={
            "receipt_id": "varchar",
            "sender_unit_code": "varchar",
            "unit_code": "varchar",
            "report_date": "date",
            "received_at": "timestamptz",
            "file_sha256": "varchar",
            "installed_count": "bigint",
        },
        files=_report_rows,
    ),
    _Kind(
        view="src_report_verdict",
        table="report_verdict",
        columns={
            "load_id": "varchar",
            "suite": "varchar",
            "expectation": "varchar",
            "severity": "varchar",
            "is_success": "boolean",
            "unexpected_count": "bigint",
            "description": "varchar",
            "judged_at": "timestamptz",
        },
        files=lambda places: _lines(places.verdicts),
    ),
    _Kind(
        view="src_quarantined",
        table="quarantined",
        columns={
            "quarantine_id": "varchar",
            "source": "varchar",
            "reason_code": "varchar",
            "reason_text": "varchar",
            "sample": "varchar",
            "first_seen_at": "timestamptz",
        },
        files=lambda places: _lines(places.quarantine),
    ),
)
