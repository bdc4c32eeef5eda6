"""Publishing: the checked marts become an immutable file that readers see whole or not at all.

Readers open ``marts/ksc_ledger.duckdb``, a link to the newest version. The version is made under
another name, verified by reading it through, and only then linked; an interrupted run leaves the
version before it in service, and the next run sweeps what it left.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import duckdb

from ksc_ledger.clock import clock_of
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.archive import sync as _sync
from ksc_ledger.settings import Places, Settings
from ksc_ledger.warehouse.bi_views import make_views
from ksc_ledger.warehouse.engine import Connection, attach, quoted, statement, transaction
from ksc_ledger.warehouse.spreadsheets import write_spreadsheets
from ksc_ledger.warehouse.twins import PUBLISHED, Column, Twin, comments, twins
from ksc_ledger.warehouse.versioned import Edition, next_version_id, renew, whole_or_not_at_all
from ksc_ledger.warehouse.versioned import link as _link
from ksc_ledger.warehouse.writer import locked_reader

MASK_PREFIX = "MÁY-"
MACROS = ("macros", "todays_map")
"""Files of sql/published whose macros every published file carries."""


def editions(places: Places) -> tuple[Edition, Edition]:
    """With names (for the few), then masked (for BI). Linked in this order."""
    return (
        Edition(
            link=places.named_marts_file,
            file_mode=0o640,
            directory_mode=0o750,
            is_masked=False,
        ),
        Edition(
            link=places.marts_file,
            file_mode=0o444,
            directory_mode=0o755,
            is_masked=True,
        ),
    )


def publish(
    settings: Settings,
    *,
    as_of_at: datetime | None = None,
    code_version: str | None = None,
    registry_sha256: str | None = None,
    now: datetime | None = None,
) -> str:
    """Publish the marts that the last build left in the warehouse; the id of the new version.

    What the caller says of the build must be what it finds, else LedgerError: then another build
    came in between. ``now`` is the instant written into the version, by default the clock's of
    this home; the id itself follows real time.
    """
    places = settings.places
    published_at = now if now is not None else clock_of(places).now()
    both = named, masked = editions(places)
    with locked_reader(settings, with_history=False) as con:
        _agree(_built(con), as_of_at, code_version, registry_sha256)
        for edition in both:
            edition.link.parent.mkdir(parents=True, exist_ok=True)
            edition.link.parent.chmod(edition.directory_mode)
        _sweep(places, both)
        version_id = next_version_id([*both[0].versions, *both[1].versions])
        contents = _write_masked(con, settings, masked, version_id, published_at)
        _write_named(con, settings, named, masked, version_id)
        for edition in both:
            _link(edition, version_id)
            _sync(edition.link.parent)
        _write_flat(con, settings, masked.version(version_id), contents)
        for edition in both:
            for old in edition.versions[: -settings.published_versions_kept]:
                old.unlink()
    return version_id


def mask_salt(places: Places) -> str:
    """The secret of this home that keeps masks stable and names from being guessed; made once."""
    path = places.state / "mask_salt"
    with suppress(FileNotFoundError):
        return path.read_text("ascii")
    path.parent.mkdir(parents=True, exist_ok=True)
    salt = secrets.token_hex(32)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(salt)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    return salt


def _built(con: Connection) -> Mapping[str, object]:
    cursor = con.execute("select as_of_at, code_version, registry_sha256 from wh.meta.build")
    row = cursor.fetchone()
    if row is None:
        raise LedgerError(
            "nothing_built",
            "Kho chưa có số liệu nào được dựng xong để xuất bản.",
            "Chạy bước dựng số liệu của build_marts trước.",
        )
    return dict(zip(("as_of_at", "code_version", "registry_sha256"), row, strict=True))


def _agree(
    built: Mapping[str, object],
    as_of_at: datetime | None,
    code_version: str | None,
    registry_sha256: str | None,
) -> None:
    wanted = {
        "as_of_at": as_of_at,
        "code_version": code_version,
        "registry_sha256": registry_sha256,
    }
    for name, value in wanted.items():
        if value is not None and built[name] != value:
            raise LedgerError(
                "another_build",
                f"Số liệu trong kho không phải của lượt dựng này ({name}: trong kho "
                f"{built[name]}, lượt này {value}).",
                "Một lượt dựng khác đã chạy xen vào. Chạy lại build_marts.",
            )


def _sweep(places: Places, both: tuple[Edition, Edition]) -> None:
    """Remove what an interrupted run left; we hold the lock, so nobody else is writing."""
    folders = [edition.link.parent for edition in both]
    folders += [places.marts / "parquet", places.marts / "xlsx"]
    for folder in folders:
        for left in [*folder.glob(".*.tmp"), *folder.glob(".*.tmp.wal"), *folder.glob(".*.lnk")]:
            left.unlink()
    for edition in both:
        # A version that was finished but never linked is newer than the one that is served.
        if edition.link.exists():
            served = edition.link.resolve()
            for version in edition.versions:
                if version.name > served.name:
                    version.unlink()


def _write_masked(
    con: Connection,
    settings: Settings,
    edition: Edition,
    version_id: str,
    published_at: datetime,
) -> Mapping[str, str]:
    """The file for everybody; what each of its tables holds, as _verify says it."""
    with _made(edition, version_id) as beside:
        with _attached(con, beside):
            with transaction(con):
                _fill(con, settings, version_id, published_at)
            con.execute("checkpoint pub")
        return _verify(con, settings, beside)


def _write_named(
    con: Connection, settings: Settings, edition: Edition, masked: Edition, version_id: str
) -> None:
    """The file for the few: the other one again, but its tables with names as the warehouse has them.

    All else would come out the same, comments and views included. Not the other way round: what a
    replaced table leaves in a file are bytes that somebody could read.
    """
    with _made(edition, version_id) as beside:
        shutil.copyfile(masked.version(version_id), beside)
        with _attached(con, beside):
            with transaction(con):
                for twin in twins(settings.sql).values():
                    if any(column.is_masked for column in twin.columns):
                        _copy(con, twin, None)
                        _comment(con, twin)
            con.execute("checkpoint pub")
        _verify(con, settings, beside)


@contextmanager
def _made(edition: Edition, version_id: str) -> Iterator[Path]:
    """Where to make a version; it gets its name when it is whole, and is not served yet."""
    beside = edition.beside(version_id)
    with whole_or_not_at_all(beside):
        yield beside
        beside.chmod(edition.file_mode)
        _sync(beside)
        beside.rename(edition.version(version_id))
        _sync(beside.parent)


def _fill(
    con: Connection,
    settings: Settings,
    version_id: str,
    published_at: datetime,
) -> None:
    """The tables with masked names, their comments, the macros and the views, in the attached file."""
    salt = mask_salt(settings.places)
    con.execute("create schema pub.marts")
    for twin in twins(settings.sql).values():
        if twin.table != PUBLISHED:
            _copy(con, twin, salt)
    con.execute(
        f"create table pub.marts.{PUBLISHED} as select $version_id as version_id,"
        " $published_at::timestamptz as published_at, as_of_at, code_version,"
        " registry_sha256, rules_version from wh.meta.build",
        {"version_id": version_id, "published_at": published_at},
    )
    for twin in twins(settings.sql).values():
        _comment(con, twin)
    con.execute("use pub")
    for name in MACROS:
        con.execute(statement(settings.sql, f"published/{name}"))
    make_views(con, settings.sql)
    con.execute("use memory")


@contextmanager
def _attached(con: Connection, file: Path) -> Iterator[None]:
    attach(con, file, "pub")
    try:
        yield
    finally:
        con.execute("use memory")
        con.execute("detach pub")


def _copy(con: Connection, twin: Twin, salt: str | None) -> None:
    columns = ", ".join(_column(column, salt) for column in twin.columns)
    con.execute(
        f'create or replace table pub.marts."{twin.table}" as'
        f' select {columns} from wh.marts."{twin.table}"'
    )


def _column(column: Column, salt: str | None) -> str:
    name = f'"{column.name}"'
    if salt is None or not column.is_masked:
        return name
    digest = f"upper(sha256({quoted(salt)} || ':' || endpoint_id)[1:8])"
    return (
        f"case when {name} <> '' then {quoted(MASK_PREFIX)} || {digest} else {name} end as {name}"
    )


def _comment(con: Connection, twin: Twin) -> None:
    con.execute(comments(twin, "table", f'pub.marts."{twin.table}"'))


def _verify(con: Connection, settings: Settings, file: Path) -> Mapping[str, str]:
    """Read the file through, as a damaged block shows itself only when it is read.

    Returns of each table what tells its rows from others: how many they are, and a sum over them.
    """
    if file.with_name(file.name + ".wal").exists():
        raise LedgerError(
            "published_file_not_whole",
            f"Tệp {file.name} chưa được ghi trọn (còn nhật ký giao dịch).",
            "Chạy lại build_marts; bản trước vẫn được phục vụ.",
        )
    contents: dict[str, str] = {}
    try:
        attach(con, file, "made", read_only=True)
        for table in twins(settings.sql):
            (count, total) = con.execute(
                f'select count(*), sum(hash(t)::hugeint) from made.marts."{table}" as t'
            ).fetchall()[0]
            contents[table] = f"{count}, {total}"
            if table == PUBLISHED:
                continue
            wanted = con.execute(f'select count(*) from wh.marts."{table}"').fetchall()[0]
            if count != wanted[0]:
                raise LedgerError(
                    "published_file_not_whole",
                    f"Bảng {table} trong tệp xuất bản có {count} dòng, trong kho có "
                    f"{wanted[0]} dòng.",
                    "Chạy lại build_marts; bản trước vẫn được phục vụ.",
                )
        con.execute("detach made")
    except duckdb.Error as error:
        raise LedgerError(
            "published_file_not_whole",
            f"Không đọc lại được tệp vừa ghi {file.name}: {error}",
            "Kiểm tra ổ đĩa rồi chạy lại build_marts; bản trước vẫn được phục vụ.",
        ) from error
    return contents


def _write_flat(
    con: Connection, settings: Settings, masked: Path, contents: Mapping[str, str]
) -> None:
    """The same tables for tools without a DuckDB driver: Parquet, and workbooks of the reports."""

    def write(table: str, beside: Path) -> None:
        con.execute(
            f'copy made.marts."{table}" to {quoted(str(beside))} (format parquet, compression zstd)'
        )

    places = settings.places
    attach(con, masked, "made", read_only=True)
    try:
        shapes = dict(
            con.execute(
                "select table_name, string_agg(column_name || ' ' || data_type, ', ' order by column_index)"
                " from duckdb_columns()"
                " where database_name = 'made' and schema_name = 'marts' group by table_name"
            ).fetchall()
        )
        prints = {table: f"{shapes[table]}: {rows}" for table, rows in contents.items()}
        renew(places.marts / "parquet", ".parquet", prints, write)
        write_spreadsheets(con, "made", twins(settings.sql).values(), places.marts / "xlsx")
    finally:
        con.execute("detach made")
