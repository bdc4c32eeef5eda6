"""The one writer of the warehouse: a file lock first, then a short connection.

DuckDB itself refuses a second process at once and without waiting; the lock makes it wait. It also
covers what Airflow's pool does not: the command line and a second deployment on the same home.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse.definitions import Part, define, waiting
from ksc_ledger.warehouse.engine import Connection, attach, connect, one
from ksc_ledger.warehouse.lake import (
    Lake,
    attach_lake,
    close,
    lake_of,
    open_lake,
    show_history,
    told,
)

POLL_SECONDS = 0.2
SPARE_BYTES = 64 * 1024 * 1024


@contextmanager
def lock(settings: Settings, *, timeout_seconds: float = 600) -> Iterator[None]:
    """Hold the warehouse for oneself; ends with the process at the latest.

    Raises LedgerError when another process still holds it after ``timeout_seconds``.
    """
    path = settings.places.warehouse_file.with_name("ledger.duckdb.lock")
    # DuckDB makes its files readable for everybody; the folder is what keeps them from being read.
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o660)
    try:
        _wait(descriptor, path, timeout_seconds)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def writer(settings: Settings, *, timeout_seconds: float = 600) -> Iterator[Connection]:
    """The lock and a connection whose current database is the warehouse, migrated.

    The file is made on first use. Nothing is in a transaction yet. Raises LedgerError when another
    program keeps the file open, and when the file turns out to be damaged.
    """
    with lock(settings, timeout_seconds=timeout_seconds):
        file = settings.places.warehouse_file
        lake = lake_of(settings)
        _need_space(file)
        con = connect(settings)
        try:
            with _told(file), told(lake):
                open_warehouse(con, settings, file, lake=lake, timeout_seconds=timeout_seconds)
                yield con
        finally:
            close(con)


@contextmanager
def locked_reader(
    settings: Settings, *, timeout_seconds: float = 600, with_history: bool = True
) -> Iterator[Connection]:
    """The lock and a connection whose current database is in memory; the warehouse is ``wh``.

    The warehouse cannot be written through it, and it must exist. Who reads the marts alone needs no
    history, and is then not kept from it by a lake that is away. Raises LedgerError when a writer
    of this code has not brought its tables up to date yet.
    """
    with lock(settings, timeout_seconds=timeout_seconds):
        con = connect(settings)
        try:
            with _told(settings.places.warehouse_file), told(lake_of(settings)):
                open_to_read(con, settings, with_history=with_history)
                _need_tables(con, settings)
                yield con
        finally:
            close(con)


def open_warehouse(
    con: Connection,
    settings: Settings,
    file: Path,
    *,
    lake: Lake | None = None,
    timeout_seconds: float = 0,
) -> None:
    """Attach a warehouse file as the current database and bring its tables up to date.

    With a lake, the history is there, and the file only shows it.
    """
    _attach_when_free(con, file, timeout_seconds)
    con.execute("use wh")
    _need_kind(con, file, lake)
    if lake is None:
        define(con, settings.sql)
        return
    open_lake(con, lake, settings.sql)
    con.execute("use wh")
    con.execute("create table if not exists main.applied_ddl (name varchar not null)")
    if waiting(con, settings.sql):
        show_history(con)
        define(con, settings.sql, Part.OWN)


def open_to_read(con: Connection, settings: Settings, *, with_history: bool = True) -> None:
    """Attach the warehouse as ``wh``, read-only, and what it needs to show the history."""
    file = settings.places.warehouse_file
    lake = lake_of(settings)
    attach(con, file, "wh", read_only=True)
    _need_kind(con, file, lake)
    if lake is not None and with_history:
        attach_lake(con, lake, read_only=True)


def shows_history(con: Connection) -> bool:
    """Whether the history in the attached file ``wh`` is that of a lake."""
    (is_shown,) = one(
        con,
        "select count(*) > 0 from duckdb_views()"
        " where database_name = 'wh' and schema_name = 'hist' and view_name = 'cur'",
    )
    return bool(is_shown)


def _need_kind(con: Connection, file: Path, lake: Lake | None) -> None:
    """Refuse a file whose history is elsewhere than the settings say: one of the two would be empty."""
    (has_history,) = one(
        con,
        "select count(*) > 0 from duckdb_tables()"
        " where database_name = 'wh' and schema_name = 'hist'",
    )
    if lake is not None and has_history:
        raise LedgerError(
            "warehouse_not_shared",
            f"Kho số liệu {file} còn giữ lịch sử riêng, trong khi KSC_LEDGER_WAREHOUSE_URL chọn kho "
            f"dùng chung {lake}.",
            "Chạy ksc-ledger rebuild một lần để đưa lịch sử vào kho dùng chung, hoặc để trống "
            "KSC_LEDGER_WAREHOUSE_URL.",
        )
    if lake is None and shows_history(con):
        raise LedgerError(
            "warehouse_is_shared",
            f"Lịch sử của kho số liệu {file} nằm ở kho dùng chung, trong khi KSC_LEDGER_WAREHOUSE_URL "
            "đang trống.",
            "Đặt lại KSC_LEDGER_WAREHOUSE_URL, hoặc chạy ksc-ledger rebuild một lần để dựng lịch sử "
            "riêng từ landing/snapshot.",
        )


def _need_tables(con: Connection, settings: Settings) -> None:
    """Refuse a warehouse that code before this one left: some of the tables are not there yet."""
    (is_begun,) = one(
        con,
        "select count(*) > 0 from duckdb_tables()"
        " where database_name = 'wh' and table_name = 'applied_ddl'",
    )
    rows = con.execute("select name from wh.main.applied_ddl").fetchall() if is_begun else []
    missing = {path.stem for path in (settings.sql / "ddl").glob("*.sql")} - {
        name for (name,) in rows
    }
    if missing:
        raise LedgerError(
            "warehouse_not_migrated",
            f"Kho số liệu {settings.places.warehouse_file} còn theo cấu trúc của phiên bản phần mềm "
            f"trước (thiếu {', '.join(sorted(missing))}).",
            "Chạy build_marts một lần: lượt dựng số liệu đưa kho lên cấu trúc mới, rồi chạy lại lệnh này.",
        )


def _wait(descriptor: int, path: Path, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LedgerError(
                    "warehouse_busy",
                    f"Kho số liệu đang được một tiến trình khác ghi (khóa {path}).",
                    "Chờ lượt đang chạy kết thúc rồi chạy lại; không xóa tệp khóa.",
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return


_HELD = re.compile(r"Conflicting lock is held in (?P<program>.*?) ?\(PID (?P<pid>\d+)\)")
# What DuckDB says of a file that is not, or no longer, the database it was.
_DAMAGED = re.compile(
    r"corrupt|checksum|WAL (?:was created for|does not match)|not a valid DuckDB|read enough bytes"
    r"|failed to (?:load|deserialize)|serialization error|replaying WAL",
    re.IGNORECASE,
)


def _attach_when_free(con: Connection, file: Path, timeout_seconds: float) -> None:
    """Attach the file, waiting while somebody else has it open; DuckDB itself gives up at once.

    Nobody but the pipeline should ever open it. A person who does stops the pipeline, and is named.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            attach(con, file, "wh")
        except duckdb.IOException as error:
            held = _HELD.search(str(error))
            if held is None:
                raise
            if time.monotonic() >= deadline:
                raise LedgerError(
                    "warehouse_held_open",
                    f"Kho số liệu {file} đang bị chương trình {held['program'] or '?'} (tiến trình "
                    f"{held['pid']}) mở.",
                    f"Đóng chương trình đó (tiến trình {held['pid']}); công cụ BI chỉ được mở "
                    "marts/ksc_ledger.duckdb.",
                ) from error
            time.sleep(POLL_SECONDS)
        else:
            return


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Say of a damaged file what it is and what to do; let every other error pass."""
    try:
        yield
    except duckdb.Error as error:
        if not _DAMAGED.search(str(error)):
            raise
        raise LedgerError(
            "warehouse_damaged",
            f"Kho số liệu {file} bị hỏng hoặc nhật ký .wal bên cạnh không phải của nó: {error}",
            "Bản đã xuất bản vẫn dùng được. Làm theo docs/runbooks/keep_house.md, mục “Kho hỏng”: "
            "ksc-ledger rebuild dựng lại từ landing/snapshot.",
        ) from error


def _need_space(file: Path) -> None:
    """A full disk in the middle of a load costs more than one refused at its start."""
    size = file.stat().st_size if file.exists() else 0
    free = shutil.disk_usage(file.parent).free
    if free < 3 * size + SPARE_BYTES:
        raise LedgerError(
            "disk_nearly_full",
            f"Ổ đĩa của {file.parent} chỉ còn {free // 2**20} MB, "
            f"cần ít nhất {(3 * size + SPARE_BYTES) // 2**20} MB.",
            "Giải phóng ổ đĩa (bản xuất bản cũ, bản sao lưu) rồi chạy lại.",
        )
