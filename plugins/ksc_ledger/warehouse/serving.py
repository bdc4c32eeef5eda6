"""A published file kept open for many readers of one process, and changed when a version is published.

``reader.query`` opens the file anew for each question. A page asks a dozen questions at once, and
all of them must be answered by one version: that is an ``Issue``.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ksc_ledger.warehouse.engine import opening
from ksc_ledger.warehouse.reader import READING, published

Rows = list[dict[str, Any]]


def warm_up() -> None:
    """Let DuckDB load now what it loads at its first parameter (numpy, pandas): 0.3 s of CPU."""
    with duckdb.connect(config=READING) as con:
        con.execute("select $day", {"day": date.min}).fetchall()


class Issue:
    """One published version, open read-only. It stays readable after newer ones were published."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with opening(file):
            self._con = duckdb.connect(str(file), read_only=True, config=READING)
        self._con.execute("set TimeZone = 'UTC'")
        self._kept: dict[object, Any] = {}
        self.tables: Mapping[str, frozenset[str]] = self._tables()

    def rows(self, sql: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> Rows:
        """The rows of a question by column name; instants are UTC. Safe in several threads."""
        with self._con.cursor() as cursor:
            cursor.execute("set TimeZone = 'UTC'")
            cursor.execute(sql, parameters or None)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def kept_rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> Rows:
        """As ``rows``, remembered for as long as this version is served: for what never changes."""
        key = (sql, tuple(sorted((parameters or {}).items(), key=lambda one: one[0])))
        found: Rows | None = self._kept.get(key)
        if found is None:
            if len(self._kept) > _KEPT:
                self._kept.clear()
            found = self._kept[key] = self.rows(sql, parameters or ())
        return found

    def has(self, table: str, *columns: str) -> bool:
        """Whether the version has the table with these columns."""
        return frozenset(columns) <= self.tables.get(table, frozenset()) and table in self.tables

    def _tables(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for row in self.rows(
            "select table_name, column_name from information_schema.columns"
            " where table_schema = 'marts'"
        ):
            found.setdefault(row["table_name"], set()).add(row["column_name"])
        return {name: frozenset(columns) for name, columns in found.items()}


_KEPT = 400


class Shelf:
    """The newest version of one published file."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._lock = threading.Lock()
        self._issue: Issue | None = None

    def newest(self) -> Issue:
        """The version that the link points at now.

        Raises LedgerError when nothing was published yet.
        """
        file = self._link.resolve()
        issue = self._issue
        if issue is not None and issue.file == file:
            return issue
        with self._lock:
            file = published(self._link)
            if self._issue is None or self._issue.file != file:
                # The former one is closed when the last page that reads it is done.
                self._issue = Issue(file)
            return self._issue
