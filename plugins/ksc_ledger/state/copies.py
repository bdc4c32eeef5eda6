"""The whole operational database into another one: for backups, and to give a backup back.

A backup is always a SQLite file of the same tables, whatever the database itself is, so that it can
be opened and tried out anywhere.
"""

from __future__ import annotations

from sqlalchemy import Engine, func, insert, select

from ksc_ledger.errors import LedgerError
from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import METADATA

_ROWS_AT_ONCE = 1000


def copy_state(source: Engine, target: Engine) -> dict[str, int]:
    """Copy every table as it stands at one instant; the rows copied, by table.

    All or nothing. The target must be migrated and empty, else LedgerError.
    """
    if source.dialect.name == "postgresql":
        source = source.execution_options(isolation_level="REPEATABLE READ")
    copied: dict[str, int] = {}
    with reading(source) as reader, target.begin() as writer:
        for table in METADATA.sorted_tables:
            if writer.execute(select(func.count()).select_from(table)).scalar_one():
                raise LedgerError(
                    "state_not_empty",
                    f"Cơ sở dữ liệu đích đã có dữ liệu (bảng {table.name}).",
                    "Chỉ phục hồi vào một cơ sở dữ liệu trống; đổi tên cơ sở dữ liệu cũ trước.",
                )
            copied[table.name] = 0
            for part in reader.execute(select(table)).mappings().partitions(_ROWS_AT_ONCE):
                writer.execute(insert(table), [dict(row) for row in part])
                copied[table.name] += len(part)
    return copied
