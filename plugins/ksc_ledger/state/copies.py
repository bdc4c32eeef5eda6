"""The whole operational database into another one: for backups, and to give a backup back.

A backup is always a SQLite file of the same tables, whatever the database itself is, so that it can
be opened and tried out anywhere (docs/adr/0016).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, select
from sqlalchemy.exc import DBAPIError

from ksc_ledger.errors import LedgerError
from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import METADATA

_ROWS_AT_ONCE = 1000
_SUM_BITS = 256


@dataclass(frozen=True, slots=True)
class Held:
    """What a table holds: its rows, and a sum over them in which their order plays no part.

    The sum is the same on SQLite and on PostgreSQL.
    """

    rows: int
    digest: str


def copy_state(source: Engine, target: Engine) -> dict[str, Held]:
    """Copy every table as it stands at one instant; what was copied, by table.

    All or nothing; what the target holds in the end was read back and found equal. The target must
    be migrated and empty, else LedgerError.
    """
    copied: dict[str, Held] = {}
    with reading(_at_one_instant(source)) as reader, target.begin() as writer:
        _need_empty(writer)
        for table in METADATA.sorted_tables:
            total = _Sum()
            for part in _parts(reader, table):
                try:
                    writer.execute(
                        insert(table), [dict(zip(_names(table), row, strict=True)) for row in part]
                    )
                except DBAPIError as error:
                    raise _not_copied(table, str(error.orig)) from error
                total.add(part)
            copied[table.name] = total.held
            if _held(writer, table) != total.held:
                raise _not_copied(table, "số dòng hoặc nội dung khác nhau")
    return copied


def held(engine: Engine) -> dict[str, Held]:
    """What every table holds at one instant."""
    with reading(_at_one_instant(engine)) as connection:
        return {table.name: _held(connection, table) for table in METADATA.sorted_tables}


def _need_empty(connection: Connection) -> None:
    for table in METADATA.sorted_tables:
        if connection.execute(select(func.count()).select_from(table)).scalar_one():
            raise LedgerError(
                "state_not_empty",
                f"Cơ sở dữ liệu đích đã có dữ liệu (bảng {table.name}).",
                "Chỉ phục hồi vào một cơ sở dữ liệu trống; đổi tên cơ sở dữ liệu cũ trước.",
            )


def _at_one_instant(engine: Engine) -> Engine:
    """On SQLite a reading transaction is that already."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ")
    return engine


class _Sum:
    """Rows counted and their digests added up."""

    def __init__(self) -> None:
        self._rows = 0
        self._total = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            text = json.dumps([_plain(value) for value in row], ensure_ascii=False, sort_keys=True)
            self._total += int.from_bytes(hashlib.sha256(text.encode()).digest())
        self._rows += len(rows)

    @property
    def held(self) -> Held:
        return Held(self._rows, f"{self._total % 2**_SUM_BITS:064x}")


def _held(connection: Connection, table: Table) -> Held:
    total = _Sum()
    for part in _parts(connection, table):
        total.add(part)
    return total.held


def _parts(connection: Connection, table: Table) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows, some at a time: PostgreSQL would else send a whole table at once."""
    options = {"yield_per": _ROWS_AT_ONCE}
    yield from connection.execute(select(table), execution_options=options).partitions()


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _not_copied(table: Table, why: str) -> LedgerError:
    return LedgerError(
        "state_not_copied",
        f"Không chép được trọn bảng {table.name} của cơ sở dữ liệu vận hành: {why}.",
        "Cơ sở dữ liệu đích chưa bị thay đổi. Kiểm tra ổ đĩa và máy chủ PostgreSQL rồi chạy lại.",
    )
