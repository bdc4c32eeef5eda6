"""The shared warehouse: the history in a DuckLake that several installations read and write.

A DuckLake is Parquet files in one folder that all of them reach, and a catalog in PostgreSQL. Only
the history (schema ``hist``) is there, attached as ``lake``; the marts and everything else that is
made from it stay in each installation's own file, where views of the same names show the history.
So the rest of this room reads one warehouse, whichever it is (docs/adr/0022).

A lake has no keys: what keeps a load from being applied twice, or two servers' sightings from being
weighed without each other, is that every load takes its turn (``Turns``).
"""

from __future__ import annotations

import importlib.util
import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse.definitions import Part, define
from ksc_ledger.warehouse.engine import Connection, one, quoted, transaction

log = logging.getLogger(__name__)

Result = TypeVar("Result")

SCHEME = "ducklake+postgresql"
_EXAMPLE = f"{SCHEME}://ksc_lake:<mật khẩu>@may-chu:5432/ksc_lake?data_path=/srv/ksc-lake"
_EXTENSIONS = ("postgres_scanner", "ducklake")
_OPTIONS = ("sslmode", "sslrootcert")  # of the connection to PostgreSQL, beside host and data_path
_CONNECT_SECONDS = 10

# What a writer waits for its turn before it tries without; nobody can hold up the others for longer.
TURN_SECONDS = 60.0
# What it goes on for in all, as long as for the file's lock.
GIVE_UP_SECONDS = 600.0
_TURN_POLL_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_TURN = "lake.main.writer_turn"
# "ksc" and what the key is of, in the database of the catalog.
_TURN_KEY = 0x6B736301

_CONFLICT = re.compile(
    r"transaction conflict|conflict on|maximum retry|max retry|could not serialize"
    r"|deadlock detected|duplicate key value|already exists in the catalog",
    re.IGNORECASE,
)
_UNREACHED = re.compile(
    r"unable to connect to postgres|server closed the connection|no connection to the server"
    r"|could not receive data from server|could not send data to server|terminating connection"
    r'|connection to server|failed to execute query "(?:rollback|commit)"',
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lake:
    """Where the catalog and the data of a lake are."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    data_path: Path
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """For people; without the password."""
        return f"{self.database} tại {self.host}:{self.port}, tệp ở {self.data_path}"


def lake_of(settings: Settings) -> Lake | None:
    """The lake that the settings choose; None for the plain file. Raises LedgerError."""
    text = settings.warehouse_url
    if not text:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port or 5432
        given = dict(parse_qsl(parts.query, strict_parsing=True))
    except ValueError:
        raise _not_understood() from None
    data_path = Path(given.pop("data_path", ""))
    host = given.pop("host", "") or parts.hostname or ""
    database = unquote(parts.path.strip("/"))
    is_whole = parts.scheme == SCHEME and host and database and data_path.is_absolute()
    if not is_whole or given.keys() - set(_OPTIONS):
        raise _not_understood()
    return Lake(
        host=host,
        port=port,
        database=database,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        data_path=data_path,
        options=tuple(sorted(given.items())),
    )


def attach_lake(con: Connection, lake: Lake, *, read_only: bool = False) -> None:
    """Attach the lake as ``lake``; its catalog is made on first use, its data folder never is."""
    if not lake.data_path.is_dir():
        raise LedgerError(
            "lake_data_missing",
            f"Không thấy thư mục số liệu {lake.data_path} của kho dùng chung.",
            "Gắn ổ đĩa dùng chung hoặc tạo thư mục rồi chạy lại; xem data_path trong "
            "KSC_LEDGER_WAREHOUSE_URL.",
        )
    _load_extensions(con)
    con.execute(
        f"create or replace temporary secret lake_catalog (type postgres, host {quoted(lake.host)},"
        f" port {lake.port}, database {quoted(lake.database)}, user {quoted(lake.user)},"
        f" password {quoted(lake.password)})"
    )
    more = " ".join(f"{name}={value}" for name, value in lake.options)
    at = f"ducklake:postgres:connect_timeout={_CONNECT_SECONDS} {more}".strip()
    options = f"data_path {quoted(str(lake.data_path))}, meta_secret 'lake_catalog'"
    with told(lake):
        con.execute(f"attach {quoted(at)} as lake ({options}{', read_only' if read_only else ''})")


@contextmanager
def told(lake: Lake | None) -> Iterator[None]:
    """Say of a catalog that cannot be reached, or is another one, what to do; let others pass."""
    try:
        yield
    except duckdb.Error as error:
        said = str(error)
        if lake is None:
            raise
        if "DATA_PATH" in said:
            raise LedgerError(
                "lake_data_path_differs",
                f"Kho dùng chung {lake} đã được tạo với thư mục số liệu khác.",
                "Ghi đúng data_path như các máy khác trong KSC_LEDGER_WAREHOUSE_URL.",
            ) from error
        if "creating a new DuckLake is explicitly disabled" in said:
            raise LedgerError(
                "lake_missing",
                f"Cơ sở dữ liệu của kho dùng chung {lake} chưa có danh mục nào.",
                "Lần đầu: chạy build_marts. Nếu kho đã từng có số liệu: kiểm tra "
                "KSC_LEDGER_WAREHOUSE_URL, rồi phục hồi bản sao lưu hoặc chạy ksc-ledger rebuild.",
            ) from error
        if not _UNREACHED.search(said):
            raise
        raise LedgerError(
            "lake_unreachable",
            f"Không kết nối được danh mục của kho dùng chung {lake}: {said}",
            "Kiểm tra máy chủ PostgreSQL, đường mạng, tài khoản trong KSC_LEDGER_WAREHOUSE_URL rồi "
            "chạy lại; các lần tải đã nằm trong landing/ và sẽ được nhận ở lượt sau.",
        ) from error


def open_lake(con: Connection, lake: Lake, sql: Path) -> None:
    """Attach the lake to be written and bring its tables up to date. Leaves ``lake`` current.

    Several installations may do so at once on an empty database; one of them is first.
    """
    deadline = time.monotonic() + GIVE_UP_SECONDS
    for attempt in range(1_000):
        try:
            if not _is_attached(con):
                attach_lake(con, lake)
            con.execute("use lake")
            _refuse_newer(con, lake, sql)
            with transaction(con):
                con.execute(f"create table if not exists {_TURN} (number bigint not null)")
                con.execute(f"insert into {_TURN} select 0 where not exists (from {_TURN})")
            define(con, sql, Part.HISTORY)
        except duckdb.Error as error:
            is_race = is_conflict(error) or "already exists" in str(error)
            if not is_race or time.monotonic() >= deadline:
                raise
            _pause(attempt)
        else:
            return


def show_history(con: Connection) -> None:
    """Make views of the lake's tables in the installation's own file, under the names it knows."""
    with transaction(con):
        con.execute("create schema if not exists wh.hist")
        for table in history_tables(con):
            con.execute(f"create or replace view wh.hist.{table} as from lake.hist.{table}")


def history_tables(con: Connection) -> list[str]:
    """The tables of the history in the attached lake."""
    rows = con.execute(
        "select table_name from duckdb_tables()"
        " where database_name = 'lake' and schema_name = 'hist' order by all"
    ).fetchall()
    return [name for (name,) in rows]


def close(con: Connection) -> None:
    """Close a connection to which a lake may be attached, and let go of its files at once.

    What conflicts leave behind in DuckLake can keep the database of a closed connection alive, and
    with it the file that the next one in this process wants to open.
    """
    with suppress(duckdb.Error):
        con.execute("rollback")
    with suppress(duckdb.Error):
        con.execute("use memory")
    for alias in ("lake", "wh"):
        with suppress(duckdb.Error):  # as closing does; an error that mattered was raised before
            con.execute(f"detach database if exists {alias}")
    con.close()


class Turns:
    """Loads enter the history one after another, each in one transaction, whoever applies them.

    In the plain file the writer's lock already sees to that. In a lake every transaction updates
    one row, so that of two at once the second to commit fails, whatever it wrote, and is done again
    on what the first left. Who waits for the turn first wastes nothing, and nobody is overtaken for
    ever; but a turn that is not given back (a machine that froze) only costs the wait.
    ``conflicts`` counts what had to be done again.
    """

    def __init__(self, con: Connection) -> None:
        self._con = con
        self.is_shared = _is_attached(con)
        self.conflicts = 0

    def take(self, work: Callable[[], Result], *, is_upkeep: bool = False) -> Result:
        """Do the work in a transaction; from the start again when another writer came between.

        The work sees the history as the last turn left it. Upkeep, which changes no row, waits for
        its turn as all do; what conflicts with it DuckLake finds out itself. Raises LedgerError when
        others come between for ten minutes on end.
        """
        if not self.is_shared:
            with transaction(self._con):
                return work()
        (current,) = one(self._con, "select current_database()")
        try:
            return self._again(work, is_upkeep)
        finally:
            self._con.execute(f"use {current}")

    def _again(self, work: Callable[[], Result], is_upkeep: bool) -> Result:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        attempt = 0
        while True:
            try:
                with transaction(self._con):
                    self._wait()
                    self._con.execute("use lake")
                    # DuckLake lets no transaction both change rows and merge files.
                    if not is_upkeep:
                        self._con.execute(f"update {_TURN} set number = number + 1")
                    return work()
            except duckdb.Error as error:
                if not is_conflict(error):
                    raise
                self.conflicts += 1
                log.info("Bộ ghi khác vừa ghi vào kho dùng chung, làm lại: %s", error)
                if time.monotonic() >= deadline:
                    raise LedgerError(
                        "lake_contended",
                        "Các bộ ghi khác liên tục ghi vào kho dùng chung nên chưa đến lượt.",
                        "Chờ các lượt đang chạy kết thúc rồi chạy lại; các lần tải không bị mất.",
                    ) from error
                attempt += 1
                _pause(attempt)

    def _wait(self) -> None:
        """Wait for the turn, which ends with the transaction.

        Nothing of the lake may be looked at before, not even for the name of a function: what is
        seen then is what the work would be done on, however long the wait.
        """
        self._con.execute("use memory")
        deadline = time.monotonic() + TURN_SECONDS
        while time.monotonic() < deadline:
            (has_turn,) = one(
                self._con,
                "from postgres_query('__ducklake_metadata_lake',"
                f" 'select pg_try_advisory_xact_lock({_TURN_KEY})')",
            )
            if has_turn:
                return
            time.sleep(_TURN_POLL_SECONDS * (0.5 + random.random()))  # noqa: S311 (no secret)


def is_conflict(error: duckdb.Error) -> bool:
    """Whether another writer caused it, so that doing it again may do."""
    return _CONFLICT.search(str(error)) is not None


def _is_attached(con: Connection) -> bool:
    (is_attached,) = one(
        con, "select count(*) > 0 from duckdb_databases() where database_name = 'lake'"
    )
    return bool(is_attached)


def _pause(attempt: int) -> None:
    """Longer each time, and never as long as the other's."""
    longest = min(_LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(attempt, 10))
    time.sleep(longest * (0.5 + random.random() / 2))  # noqa: S311 (no secret)


def _refuse_newer(con: Connection, lake: Lake, sql: Path) -> None:
    """Another installation may have brought the lake further than this code knows."""
    (is_begun,) = one(
        con,
        "select count(*) > 0 from duckdb_tables()"
        " where database_name = 'lake' and table_name = 'applied_ddl'",
    )
    rows = con.execute("select name from lake.main.applied_ddl").fetchall() if is_begun else []
    unknown = {name for (name,) in rows} - {path.stem for path in (sql / "ddl").glob("*.sql")}
    if unknown:
        raise LedgerError(
            "lake_newer",
            f"Kho dùng chung {lake} đã theo cấu trúc mới hơn phần mềm này "
            f"({', '.join(sorted(unknown))}).",
            "Nâng cấp phần mềm trên máy này lên cùng phiên bản với máy kia rồi chạy lại.",
        )


def _load_extensions(con: Connection) -> None:
    for name in _EXTENSIONS:
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        file = (
            Path(spec.origin).parent
            / "extensions"
            / f"v{duckdb.__version__}"
            / f"{name}.duckdb_extension"
            if spec is not None and spec.origin
            else None
        )
        if file is None or not file.is_file():
            raise LedgerError(
                "lake_extension_missing",
                f"Chưa có phần mở rộng {name} của DuckDB {duckdb.__version__}, nên không mở được kho "
                "dùng chung.",
                "Cài requirements/lake.lock vào môi trường đang chạy (docs/deployment.md), hoặc để "
                "trống KSC_LEDGER_WAREHOUSE_URL để dùng kho riêng.",
            )
        con.execute(f"load {quoted(str(file))}")


def _not_understood() -> LedgerError:
    # The text holds a password, so it is not repeated.
    return LedgerError(
        "warehouse_url_not_supported",
        "Không hiểu giá trị của KSC_LEDGER_WAREHOUSE_URL.",
        f"Ghi theo mẫu {_EXAMPLE} (ký tự đặc biệt trong mật khẩu viết dạng %XX; data_path là đường "
        "dẫn tuyệt đối), hoặc để trống để dùng kho riêng.",
    )
