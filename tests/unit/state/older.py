"""Operational databases as older releases left them, filled with rows of their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    select,
)

from ksc_ledger.state import database

MIGRATIONS = Path(database.__file__).with_name("migrations")
AT = datetime(2023, 10, 20, 1, 2, 3)  # noqa: DTZ001 - as SQLite keeps it, in UTC without saying so
Rows = dict[str, list[dict[str, Any]]]


def revisions() -> list[str]:
    """Every revision there ever was, oldest first."""
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    return sorted(script.revision for script in scripts)


def make(url: str, revision: str) -> Engine:
    """A database that code of that revision made."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        config.attributes["version_table"] = database.REVISION_TABLE
        command.upgrade(config, revision)
    return engine


def fill(engine: Engine) -> Rows:
    """Three rows in every table, NULL wherever it may be in the second; what was put there."""
    for table in _tables(engine).sorted_tables:
        if table.name != database.REVISION_TABLE:
            with engine.begin() as connection:
                connection.execute(table.insert(), [_row(table, number) for number in range(3)])
    return content(engine)


def content(engine: Engine, like: Rows | None = None) -> Rows:
    """The rows of every table by its key; of the tables and columns of ``like`` where it is given."""
    found: Rows = {}
    metadata = _tables(engine)
    for table in metadata.sorted_tables:
        if table.name == database.REVISION_TABLE or (like is not None and table.name not in like):
            continue
        columns = [
            column
            for column in table.columns
            if like is None or not like[table.name] or column.name in like[table.name][0]
        ]
        with engine.connect() as connection:
            rows = connection.execute(select(*columns).order_by(*table.primary_key.columns))
            found[table.name] = [dict(row._mapping) for row in rows]
    return found


def _tables(engine: Engine) -> MetaData:
    metadata = MetaData()
    metadata.reflect(engine)
    return metadata


def _row(table: Table, number: int) -> dict[str, Any]:
    is_bare = number == 1
    return {
        column.name: None if is_bare and column.nullable else _value(column, number)
        for column in table.columns
    }


def _value(column: Column[Any], number: int) -> Any:
    """The same for the same number in every table, so that keys find what they refer to."""
    kind = column.type
    if isinstance(kind, DateTime):
        at = AT + timedelta(days=number)
        return at.replace(tzinfo=UTC) if kind.timezone else at
    if isinstance(kind, Boolean):
        return number == 0
    if isinstance(kind, Integer | BigInteger):
        return number + 1
    if isinstance(kind, JSON):
        return {"giá trị": number}
    return f"số {number}"
