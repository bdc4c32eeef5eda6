"""Open the operational database, migrated to this code's revision."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    NullPool,
    column,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    table,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from ksc_ledger.errors import LedgerError

# The newest revision below migrations/versions (a test compares). Kept here so that opening a
# database that is already there does not import Alembic.
HEAD = "0005"

# Not Alembic's default name: the database may be a schema beside Airflow's own tables.
REVISION_TABLE = "state_revision"

BUSY_TIMEOUT_MS = 30_000
_READING = "ksc_ledger_reading"
_MIGRATION_LOCK = 0x6B73635F  # an arbitrary key of PostgreSQL's advisory locks


def open_state(url: str) -> Engine:
    """Open the database behind an SQLAlchemy URL, creating and migrating it where needed.

    Safe when several processes start at once. The engine is not to be carried over a fork.
    Raise LedgerError when the URL is wrong, the database cannot be reached, or it was migrated
    by newer code than this.
    """
    parsed = _parsed(url)
    try:
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(parsed)
        return _open_postgresql(parsed)
    except (DBAPIError, OSError, ImportError) as error:
        raise _unreachable(parsed, error) from error


def revision_of(url: str) -> str | None:
    """At which revision a database is; None when there is none yet. Nothing is made or migrated.

    Raise LedgerError when the URL is wrong or the database cannot be reached.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        file = Path(parsed.database or "").absolute()
        if not file.exists() or file.stat().st_size == 0:
            return None
        parsed = parsed.set(database=str(file))
    try:
        engine = create_engine(parsed, poolclass=NullPool)
        with reading(engine) as connection:
            return _revision(connection)
    except (DBAPIError, OSError, ImportError) as error:
        raise _unreachable(parsed, error) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection for statements that only read; on SQLite it waits for no writer."""
    with engine.connect().execution_options(**{_READING: True}) as connection:
        yield connection


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise _wrong_url() from error
    is_file = backend == "sqlite" and parsed.database not in (None, "", ":memory:")
    if not is_file and backend != "postgresql":
        raise _wrong_url()
    return parsed


def _unreachable(parsed: URL, error: Exception) -> LedgerError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return LedgerError(
        "state_unreachable",
        f"Không mở được cơ sở dữ liệu vận hành {parsed.render_as_string()} ({cause}).",
        "Kiểm tra KSC_LEDGER_STATE_URL, quyền ghi thư mục state/ hoặc máy chủ PostgreSQL.",
    )


def _wrong_url() -> LedgerError:
    # The URL itself is not repeated: one that does not parse may carry a password anywhere.
    return LedgerError(
        "state_url_not_supported",
        "KSC_LEDGER_STATE_URL không phải là địa chỉ của một tệp SQLite hoặc của PostgreSQL.",
        "Đặt dạng sqlite:////đường/dẫn/state.sqlite hoặc postgresql+psycopg://…",
    )


def _open_sqlite(url: URL) -> Engine:
    file = Path(url.database or "").absolute()
    # No pool: opening a file costs less than a connection that outlives a fork.
    engine = create_engine(url.set(database=str(file)), poolclass=NullPool)
    event.listen(engine, "connect", _set_up_sqlite_connection)
    event.listen(engine, "begin", _begin_sqlite)
    if file.exists() and file.stat().st_size > 0 and is_at_head(engine):
        return engine
    file.parent.mkdir(parents=True, exist_ok=True)
    with _file_lock(file.with_name(f"{file.name}.lock")):
        _create_private(file)
        _let_readers_go_on(engine)
        _migrate(engine)
    return engine


def _open_postgresql(url: URL) -> Engine:
    engine = create_engine(url, pool_pre_ping=True)
    try:
        if not is_at_head(engine):
            _migrate(engine)
    except BaseException:
        engine.dispose()  # nobody else holds the connection that the pool kept
        raise
    return engine


def is_at_head(engine: Engine) -> bool:
    """Whether the tables are those of this code."""
    with reading(engine) as connection:
        return _revision(connection) == HEAD


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(REVISION_TABLE):
        return None
    revision: str | None = connection.execute(
        select(column("version_num")).select_from(table(REVISION_TABLE))
    ).scalar_one_or_none()
    return revision


def _migrate(engine: Engine) -> None:
    """Bring the database to HEAD in one transaction that no second process can enter."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        revision = _revision(connection)
        if revision == HEAD:
            return
        # Alembic is loaded here only: a second of CPU that a database at its head never pays.
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        folder = str(Path(__file__).with_name("migrations"))
        config.set_main_option("script_location", folder.replace("%", "%%"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if revision is not None and revision not in known:
            raise LedgerError(
                "state_newer_than_code",
                f"Cơ sở dữ liệu vận hành ở phiên bản {revision}, mới hơn phần mềm đang chạy "
                f"({HEAD}).",
                "Chạy đúng phiên bản phần mềm đã nâng cấp cơ sở dữ liệu, hoặc phục hồi bản sao "
                "lưu trước khi nâng cấp.",
            )
        config.attributes["connection"] = connection
        config.attributes["version_table"] = REVISION_TABLE
        command.upgrade(config, "head")


def _set_up_sqlite_connection(raw: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver's own transaction handling leaves DDL and SELECT outside a transaction; without
    # it, BEGIN is ours (below).
    raw.isolation_level = None
    cursor = raw.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _let_readers_go_on(engine: Engine) -> None:
    """Write ahead log: readers see the last commit while somebody writes. Kept in the file."""
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode = WAL")  # refused inside a transaction
    finally:
        raw.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writing transaction takes the write lock at once: one that reads first and asks for the
    # lock afterwards is refused without waiting when somebody wrote meanwhile.
    is_reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


def _create_private(file: Path) -> None:
    """Make the file readable by owner and group only; its -wal and -shm inherit that."""
    os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640))
    file.chmod(0o640)


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """Hold a lock file; it is freed by the kernel however the process ends."""
    with path.open("a") as file:
        path.chmod(0o640)
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
