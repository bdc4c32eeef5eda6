"""The definitions of ``sql/ddl``, applied once each to the current database, in order.

Where the history is shared (``lake``), its tables are defined there and everything else in the
installation's own file; the same files serve both.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from pathlib import Path

from ksc_ledger.warehouse.engine import Connection, transaction


class Part(Enum):
    """Which of the definitions a database holds."""

    ALL = auto()
    # All but the history's schema and tables; the history's views stay with the reader.
    OWN = auto()
    # The history's schema and tables.
    HISTORY = auto()


def define(con: Connection, sql: Path, part: Part = Part.ALL) -> None:
    """Bring the current database up to date; a definition that was applied is not looked at again."""
    con.execute("create table if not exists main.applied_ddl (name varchar not null)")
    for name in waiting(con, sql):
        text = (sql / "ddl" / f"{name}.sql").read_text("utf-8")
        with transaction(con):
            for query in _statements(con, text, part):
                con.execute(query)
            con.execute("insert into main.applied_ddl values (?)", [name])
        if part is not Part.HISTORY:
            con.execute("checkpoint")  # definitions are the part of a WAL that replays worst


def waiting(con: Connection, sql: Path) -> list[str]:
    """The definitions that the current database does not have yet."""
    applied = {name for (name,) in con.execute("select name from main.applied_ddl").fetchall()}
    return [path.stem for path in sorted((sql / "ddl").glob("*.sql")) if path.stem not in applied]


def _statements(con: Connection, text: str, part: Part) -> list[str]:
    if part is Part.ALL:
        return [text]
    queries = [statement.query for statement in con.extract_statements(text)]
    return [query for query in queries if _is_history(query) is (part is Part.HISTORY)]


def _is_history(query: str) -> bool:
    bare = re.sub(r"--[^\n]*", "", query).strip().lower()
    return re.search(r"\bhist\b", bare) is not None and not bare.startswith("create view")
