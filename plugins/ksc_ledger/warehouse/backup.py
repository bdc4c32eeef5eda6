"""Backups: state, warehouse, registry versions; given back, and tried out when they are made.

A backup is a folder ``backups/<stamp>/`` that is there whole or not at all. What it does not hold:
``landing/`` (immutable files that any copying tool keeps), ``contacts.csv`` (people's data, to be
erased without hunting for copies) and ``marts/`` (made from the rest).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ksc_ledger.clock import clock_of
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.archive import sync
from ksc_ledger.registry import version
from ksc_ledger.settings import Places, Settings
from ksc_ledger.state import open_state
from ksc_ledger.state.copies import Held, copy_state, held
from ksc_ledger.state.database import HEAD
from ksc_ledger.warehouse.builder import build
from ksc_ledger.warehouse.engine import Connection, attach, connect, one, transaction
from ksc_ledger.warehouse.lake import close, lake_of
from ksc_ledger.warehouse.lake_upkeep import copy_whole, hand_over, need_empty, tables_of
from ksc_ledger.warehouse.writer import lock, open_to_read

if TYPE_CHECKING:
    from sqlalchemy import Engine

MANIFEST = "backup.json"
WAREHOUSE = "ledger.duckdb"
STATE = "state.sqlite"
REGISTRY = "registry"
MASK_SALT = "mask_salt"
_STAMP = "%Y%m%dT%H%M%SZ"
_DRILL = ".drill-"
_BESIDE = ("-wal", "-shm")  # what SQLite keeps beside an open database
_MODE = 0o640
_FOLDER_MODE = 0o750
# Made anew in a restore drill and compared, row by row.
_FIGURES = ("fct_unit_coverage_daily", "rpt_coverage_gap", "rpt_wrong_name", "dim_endpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup says of itself (``backup.json``).

    ``made_at`` is on the mode's clock. ``files``: SHA-256 by path within the folder. ``tables``:
    rows and a sum over their content, by ``schema.table`` of the warehouse. ``state``: rows by table
    of the operational database, ``state_sums`` a sum over their content at its ``state_revision`` (none
    in older backups).
    ``as_of_at``, ``built_by`` (code version), ``registry_sha256``: of the marts in the warehouse, None
    before the first build.
    """

    made_at: str
    code_version: str
    as_of_at: str | None
    built_by: str | None
    registry_sha256: str | None
    files: Mapping[str, str]
    tables: Mapping[str, str]
    state: Mapping[str, int]
    state_sums: Mapping[str, str] = field(default_factory=dict)
    state_revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What a restore drill proved: figures that came out the same from the backup alone."""

    folder: Path
    figures: Mapping[str, int]

    def __str__(self) -> str:
        if not self.figures:
            return f"Bản sao lưu {self.folder.name} đã phục hồi thử, mọi bảng khớp."
        said = ", ".join(f"{table} {rows} dòng" for table, rows in self.figures.items())
        return f"Bản sao lưu {self.folder.name} đã phục hồi thử, số liệu khớp: {said}."


def back_up(settings: Settings, *, code_version: str, now: datetime | None = None) -> Path:
    """Make a backup; its folder. The pipeline's writer waits meanwhile, readers do not.

    Raises LedgerError when there is no warehouse yet or it cannot be read whole.
    """
    places = settings.places
    made_at = now if now is not None else clock_of(places).now()
    places.backups.mkdir(parents=True, exist_ok=True)
    places.backups.chmod(_FOLDER_MODE)
    for left in places.backups.glob(".*.tmp"):
        shutil.rmtree(left)
    beside = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=places.backups))
    try:
        built, tables = _copy_warehouse(settings, beside / WAREHOUSE)
        state = _copy_state(settings.state_url, beside / STATE)
        if places.registry_versions.is_dir():
            shutil.copytree(places.registry_versions, beside / REGISTRY)
        salt = places.state / MASK_SALT
        if salt.exists():
            shutil.copy2(salt, beside / MASK_SALT)
        manifest = Backup(
            made_at=made_at.astimezone(UTC).isoformat(),
            code_version=code_version,
            as_of_at=built[0],
            built_by=built[1],
            registry_sha256=built[2],
            files={name: _sha256(beside / name) for name in _files(beside)},
            tables=tables,
            state={name: one.rows for name, one in state.items()},
            state_sums={name: one.digest for name, one in state.items()},
            state_revision=HEAD,
        )
        (beside / MANIFEST).write_text(
            json.dumps(asdict(manifest), ensure_ascii=False, indent=1), "utf-8"
        )
        for name in _files(beside):
            if name != MASK_SALT:
                (beside / name).chmod(_MODE)
            sync(beside / name)
        beside.chmod(_FOLDER_MODE)
        target = _free_name(places, made_at)
        beside.rename(target)
        sync(places.backups)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def backups(places: Places) -> list[Path]:
    """Every backup, oldest first."""
    return sorted(path.parent for path in places.backups.glob(f"2*/{MANIFEST}"))


def read(folder: Path) -> Backup:
    """What a backup says of itself, after each of its files was read and found unaltered."""
    try:
        found = Backup(**json.loads((folder / MANIFEST).read_text("utf-8")))
        altered = [name for name, digest in found.files.items() if _sha256(folder / name) != digest]
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(folder, str(error)) from error
    if altered:
        raise _damaged(folder, ", ".join(altered))
    return found


def restore(settings: Settings, folder: Path) -> Backup:
    """Give a backup back to the home of ``settings``; its manifest.

    What is there now is moved aside into ``before_restore-<stamp>/`` of the home, never deleted; a
    PostgreSQL database and a lake must be empty, else nothing is touched. Landed loads that are newer than the
    backup are taken in by the next build. Everything that writes must be stopped; the warehouse's lock
    is held meanwhile. What was given back is read once more and must be what was backed up.
    """
    found = read(folder)
    places = settings.places
    is_sqlite = settings.state_url.startswith("sqlite")
    with lock(settings):
        need_empty(settings)
        if not is_sqlite:  # first, because it may be refused
            _give_state_back(folder / STATE, settings.state_url)
        aside = places.home / f"before_restore-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z"
        _move_aside(places, aside, with_state=is_sqlite)
        for name in _files(folder):
            if name in (MANIFEST, STATE):
                continue
            target = places.warehouse_file if name == WAREHOUSE else places.state / Path(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, target)
        if is_sqlite:
            shutil.copy2(folder / STATE, places.state_database)
        _share_history(settings)
        _same_tables(settings, found)
        _same_state(settings, found)
    return found


def drill(settings: Settings, folder: Path) -> Drill:
    """Give a backup back to an empty folder and make its figures anew there; the home is not touched.

    The restored files alone are used: warehouse, state, the registry's version. Every table is
    compared with what was backed up; the figures are made anew as well, unless the marts were made
    by another version of the code, or others wrote to a shared history since. Raises LedgerError when anything differs or cannot be read.
    """
    places = settings.places
    for left in places.backups.glob(f"{_DRILL}*"):
        shutil.rmtree(left)  # of a drill that was killed
    with tempfile.TemporaryDirectory(prefix=_DRILL, dir=places.backups) as scratch:
        home = Path(scratch)
        there = replace(
            settings,
            home=home,
            state_url=_sqlite_url(Places(home).state_database),
            warehouse_url="",  # a backup holds the history whole, so no lake is needed to try it
        )
        found = restore(there, folder)
        figures: dict[str, int] = {}
        # Marts of another version of the code cannot be expected to come out the same.
        if found.as_of_at is not None and found.built_by == found.code_version:
            figures = _made_again(there, found)
        return Drill(folder=folder, figures=figures)


def _made_again(there: Settings, found: Backup) -> dict[str, int]:
    """Build the marts in the restored home and compare them with those that were backed up."""
    build(
        there,
        version(there, str(found.registry_sha256)),
        as_of_at=datetime.fromisoformat(str(found.as_of_at)),
        code_version=found.code_version,
        loads=[],
    )
    rows: dict[str, int] = {}
    with _opened(there) as con:
        now = _content(con, "wh", only=_FIGURES)
    for table, said in now.items():
        if found.tables.get(table) != said:
            raise LedgerError(
                "restore_drill_failed",
                f"Phục hồi thử: bảng {table} dựng lại từ bản sao lưu khác bảng đã sao lưu "
                f"({said} thay vì {found.tables.get(table)}).",
                "Giữ nguyên bản sao lưu, báo nhóm kỹ thuật; kho đang chạy không bị ảnh hưởng.",
            )
        rows[table] = int(said.split(":")[0])
    return rows


def _copy_warehouse(
    settings: Settings, target: Path
) -> tuple[tuple[str | None, str | None, str | None], dict[str, str]]:
    """A compact, consistent copy; of which build its marts are, and what its tables hold."""
    try:
        with lock(settings), _opened(settings) as con:
            attach(con, target, "copied")
            with transaction(con):  # of a lake: one and the same version throughout
                is_as_built = copy_whole(con, settings)
                tables = _content(con, "wh")
                row = con.execute(
                    "select as_of_at, code_version, registry_sha256 from wh.meta.build"
                ).fetchone()
            con.execute("checkpoint copied")
            con.execute("detach copied")
        con = connect(settings)
        try:
            attach(con, target, "copied", read_only=True)
            copied = _content(con, "copied")
        finally:
            con.close()
    except duckdb.Error as error:
        raise LedgerError(
            "warehouse_not_readable",
            f"Không đọc được trọn kho số liệu để sao lưu: {error}",
            "Xem docs/runbooks/keep_house.md, mục kho hỏng: ksc-ledger rebuild, hoặc phục hồi bản "
            "sao lưu trước.",
        ) from error
    if copied != tables:
        raise LedgerError(
            "backup_differs",
            "Bản sao của kho số liệu khác kho số liệu.",
            "Kiểm tra ổ đĩa chứa backups/ rồi chạy lại keep_house.",
        )
    if row is None:
        return (None, None, None), tables
    built_by = str(row[1]) if is_as_built else None
    return (row[0].astimezone(UTC).isoformat(), built_by, str(row[2])), tables


@contextmanager
def _opened(settings: Settings) -> Iterator[Connection]:
    """The warehouse as ``wh``, to be read only. The caller holds the lock, or is alone."""
    con = connect(settings)
    try:
        open_to_read(con, settings)
        yield con
    finally:
        close(con)


def _content(con: Connection, catalog: str, *, only: tuple[str, ...] = ()) -> dict[str, str]:
    """Rows and a sum over their content, by schema.table. Reads every block."""
    found: dict[str, str] = {}
    for schema, table in tables_of(con, catalog):
        if only and (schema != "marts" or table not in only):
            continue
        # MD5 of the text: DuckDB's own hash() may be another one in its next version.
        rows, total = one(
            con,
            "select count(*), coalesce(sum(md5_number_lower(t::varchar)), 0)"
            f' from {catalog}."{schema}"."{table}" as t',
        )
        found[f"{schema}.{table}"] = f"{rows}:{total}"
    return found


def _share_history(settings: Settings) -> None:
    """Put a history that was given back into the lake, where the settings choose one."""
    lake = lake_of(settings)
    if lake is None:
        return
    con = connect(settings)
    try:
        attach(con, settings.places.warehouse_file, "wh")
        hand_over(con, lake, settings)
    finally:
        close(con)


def _same_tables(settings: Settings, found: Backup) -> None:
    with _opened(settings) as con:
        now = _content(con, "wh")
    if now != found.tables:
        raise LedgerError(
            "restored_warehouse_differs",
            "Kho số liệu sau khi phục hồi khác bản sao lưu.",
            "Kiểm tra ổ đĩa rồi phục hồi lại; dữ liệu trước khi phục hồi nằm trong before_restore-….",
        )


def _same_state(settings: Settings, found: Backup) -> None:
    if found.state_revision != HEAD:
        return  # what was given back has been migrated since, and its rows with it
    with _state(settings.state_url) as engine:
        now = {name: one.digest for name, one in held(engine).items()}
    if now != found.state_sums:
        raise LedgerError(
            "restored_state_differs",
            "Cơ sở dữ liệu vận hành sau khi phục hồi khác bản sao lưu.",
            "Kiểm tra ổ đĩa và máy chủ PostgreSQL rồi phục hồi lại vào một cơ sở dữ liệu trống.",
        )


@contextmanager
def _state(url: str) -> Iterator[Engine]:
    engine = open_state(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _copy_state(source_url: str, target: Path) -> dict[str, Held]:
    """Copy the operational database into a SQLite file that is whole by itself."""
    with _state(source_url) as source, _state(_sqlite_url(target)) as copied:
        found = copy_state(source, copied)
    _settle(target)
    return found


def _give_state_back(file: Path, target_url: str) -> None:
    """Copy a backup's file into an empty database; the backup itself is not opened for writing."""
    with tempfile.TemporaryDirectory() as scratch:
        copied = Path(shutil.copy2(file, scratch))
        with _state(_sqlite_url(copied)) as source, _state(target_url) as target:
            copy_state(source, target)


def _settle(file: Path) -> None:
    """Fold the write-ahead log into the file, so that the file alone is the database."""
    import sqlite3

    con = sqlite3.connect(file)
    try:
        con.execute("pragma journal_mode = delete")
    finally:
        con.close()
    file.with_name(f"{file.name}.lock").unlink(missing_ok=True)


def _move_aside(places: Places, aside: Path, *, with_state: bool) -> None:
    there = [
        places.warehouse_file,
        places.warehouse_file.with_name(f"{places.warehouse_file.name}.wal"),
        places.registry_versions,
        places.state / MASK_SALT,
    ]
    if with_state:
        database = places.state_database
        there += [database, *(database.with_name(f"{database.name}{end}") for end in _BESIDE)]
    for path in there:
        if path.exists():
            aside.mkdir(exist_ok=True, mode=_FOLDER_MODE)
            path.rename(aside / path.name)


def _files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sqlite_url(file: Path) -> str:
    return f"sqlite:///{file}"


def _free_name(places: Places, made_at: datetime) -> Path:
    """A rehearsal's clock stands still: the same instant may have two backups."""
    stamp = made_at.astimezone(UTC).strftime(_STAMP)
    number = 1
    while (target := places.backups / (stamp if number == 1 else f"{stamp}-{number:02d}")).exists():
        number += 1
    return target


def _damaged(folder: Path, what: str) -> LedgerError:
    return LedgerError(
        "backup_damaged",
        f"Bản sao lưu {folder} không nguyên vẹn: {what}.",
        "Dùng bản sao lưu khác trong backups/ (ksc-ledger restore --list).",
    )


def as_text(found: Backup) -> str:
    """One line about a backup, for a terminal."""
    made = datetime.fromisoformat(found.made_at)
    rows = sum(found.state.values())
    return f"lúc {made:%d/%m/%Y %H:%M} UTC, {len(found.tables)} bảng kho, {rows} dòng vận hành"
