"""The history put into a lake, a lake tended every night, and a text taken out of it for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse.engine import Connection, connect, one, transaction
from ksc_ledger.warehouse.lake import Lake, Turns, close, history_tables, lake_of, open_lake, told

# How long the lake can be asked for what it was (after a rebuild gone wrong), and how long a file
# that nothing refers to stays for readers that began before.
PAST_KEPT = timedelta(days=7)
FILES_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """Files that the newest state of the history is read from, before and after; old files removed.

    A few rows lie in the catalog at first and become files when it is tended, so of little there may
    be more files after than before.
    """

    files_before: int
    files_after: int
    removed: int

    def __str__(self) -> str:
        return (
            f"Kho dùng chung: {self.files_before} tệp số liệu đang dùng trước khi dọn, "
            f"{self.files_after} sau khi dọn, đã xóa {self.removed} tệp cũ."
        )


def hand_over(con: Connection, lake: Lake, settings: Settings) -> None:
    """Put the history of the file ``wh`` into the lake, in place of what is there, and show it there.

    One transaction of the lake: readers see the old history or the new one. Raises LedgerError, and
    leaves the lake as it is, when it knows a load from the file's time that the file does not.
    """
    open_lake(con, lake, settings.sql)
    con.execute("use wh")
    Turns(con).take(lambda: _replace_history(con))
    tables = history_tables(con)
    with transaction(con):
        for table in tables:
            con.execute(f"drop table wh.hist.{table}")
            con.execute(f"create view wh.hist.{table} as from lake.hist.{table}")
    con.execute("checkpoint wh")


def need_empty(settings: Settings) -> None:
    """Refuse a lake that already has a history."""
    lake = lake_of(settings)
    if lake is None:
        return
    con = connect(settings)
    try:
        with told(lake):
            open_lake(con, lake, settings.sql)
            (loads,) = one(con, "select count(*) from lake.hist.load_log")
    finally:
        close(con)
    if loads:
        raise LedgerError(
            "lake_not_empty",
            f"Kho dùng chung {lake} đang có {loads} lần tải, không phục hồi đè lên.",
            "Tạo một cơ sở dữ liệu PostgreSQL trống và một thư mục số liệu trống, trỏ "
            "KSC_LEDGER_WAREHOUSE_URL vào đó rồi phục hồi lại.",
        )


def tables_of(con: Connection, catalog: str) -> list[tuple[str, str]]:
    """Schema and table of all that a warehouse holds, where it shows a lake's history that too."""
    rows = con.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = $catalog"
        " union select t.schema_name, t.table_name from duckdb_tables() as t"
        " inner join duckdb_views() as v"
        " on t.schema_name = v.schema_name and t.table_name = v.view_name"
        " where t.database_name = 'lake' and v.database_name = $catalog order by all",
        {"catalog": catalog},
    ).fetchall()
    return [(schema, table) for schema, table in rows]


def copy_whole(con: Connection, settings: Settings) -> bool:
    """Copy the warehouse ``wh`` into the empty file ``copied``, as a plain one, within a transaction.

    False when the history has moved on since the marts were made, as a lake's may by another's hand.
    """
    if lake_of(settings) is None:
        con.execute("copy from database wh to copied")
        return True
    con.execute("use copied")
    for path in sorted((settings.sql / "ddl").glob("*.sql")):
        con.execute(path.read_text("utf-8"))
    there = set(tables_of(con, "copied"))
    for schema, table in tables_of(con, "wh"):
        name = f'"{schema}"."{table}"'
        if (schema, table) in there:
            con.execute(f"insert into copied.{name} by name from wh.{name}")
        else:
            con.execute(f"create table copied.{name} as from wh.{name}")
    con.execute("use memory")
    return _is_as_built(con)


def _is_as_built(con: Connection) -> bool:
    built = "fct_source_load"
    if ("marts", built) not in tables_of(con, "wh"):
        return False
    (is_same,) = one(
        con,
        "select count(*) = 0 from wh.hist.load_log as l"
        f" full join wh.marts.{built} as m on l.load_id = m.load_id"
        " where (l.load_id is null or m.load_id is null)"
        " and coalesce(l.observed_at <= (select cutoff_at from wh.meta.build), true)",
    )
    return bool(is_same)


def tend(settings: Settings, *, now: datetime | None = None) -> Tended | None:
    """Merge small files, drop the past beyond a week and the files that nobody needs; None: no lake.

    ``now`` is the real time, as the catalog stamps its versions, also in a rehearsal. Figures stay
    as they are. Writers wait meanwhile, or what is tended waits for them.
    """
    lake = lake_of(settings)
    if lake is None:
        return None
    at = now if now is not None else datetime.now(UTC)
    con = connect(settings)
    try:
        with told(lake):
            open_lake(con, lake, settings.sql)
            return _tend(con, past_before=at - PAST_KEPT, files_before=at - FILES_KEPT)
    finally:
        close(con)


def forget_past(con: Connection) -> None:
    """Leave nothing of what the attached lake was: neither versions nor their files."""
    con.execute("call ducklake_flush_inlined_data('lake')")
    con.execute("call ducklake_rewrite_data_files('lake', delete_threshold => 0.0)")
    con.execute("call ducklake_expire_snapshots('lake', older_than => now() + interval 1 day)")
    con.execute("call ducklake_cleanup_old_files('lake', cleanup_all => true)")


def _replace_history(con: Connection) -> None:
    (lost, example) = one(
        con,
        "select count(*), min(load_id) from lake.hist.load_log anti join wh.hist.load_log"
        " using (load_id)"
        " where observed_at >= (select min(observed_at) from wh.hist.load_log)",
    )
    if lost:
        raise LedgerError(
            "lake_knows_more",
            f"Kho dùng chung có {lost} lần tải (như {example}) mà landing/snapshot của máy này không "
            "có; thay lịch sử bây giờ sẽ làm mất chúng.",
            "Dừng các máy ghi khác, chép landing/snapshot của chúng về máy này rồi chạy lại.",
        )
    for table in history_tables(con):
        con.execute(f"delete from lake.hist.{table}")
        con.execute(f"insert into lake.hist.{table} by name from wh.hist.{table}")


def _tend(con: Connection, *, past_before: datetime, files_before: datetime) -> Tended:
    before = _files(con)
    turns = Turns(con)
    past = {"at": past_before}
    steps: tuple[Callable[[], object], ...] = (
        lambda: con.execute("call ducklake_flush_inlined_data('lake')"),
        lambda: con.execute("call ducklake_expire_snapshots('lake', older_than => $at)", past),
        lambda: con.execute("call ducklake_rewrite_data_files('lake')"),
        lambda: con.execute("call ducklake_merge_adjacent_files('lake')"),
    )
    for step in steps:
        turns.take(step, is_upkeep=True)
    removed = con.execute(
        "call ducklake_cleanup_old_files('lake', older_than => $at)", {"at": files_before}
    ).fetchall()
    return Tended(files_before=before, files_after=_files(con), removed=len(removed))


def _files(con: Connection) -> int:
    """Data and delete files of the newest version of the history."""
    (count,) = one(
        con,
        "select coalesce(sum(file_count + delete_file_count), 0) from ducklake_table_info('lake')",
    )
    return int(str(count))
