"""One file a unit: its own subtree and nothing of anybody else, with the machines' names.

They are cut out of the published file with names, so that they can be made at leisure: nobody
waits for them, and the pipeline's warehouse is not touched. A file whose rows have not changed
stays the version it is (docs/adr/0011).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.archive import sync
from ksc_ledger.settings import Places, Settings
from ksc_ledger.warehouse.engine import (
    STORAGE_VERSION,
    Connection,
    attach,
    connect,
    one,
    quoted,
    statement,
    transaction,
)
from ksc_ledger.warehouse.publisher import MACROS
from ksc_ledger.warehouse.reader import published
from ksc_ledger.warehouse.twins import PUBLISHED
from ksc_ledger.warehouse.versioned import (
    Edition,
    link,
    next_version_id,
    remember,
    remembered,
    whole_or_not_at_all,
)

VERSIONS_KEPT = 2
"""Of each unit: the one that is served and the one before, for a reader that still has it open."""

_BLOCK_BYTES = (
    16 * 1024
)  # a unit has few rows: with DuckDB's own 256 KB the files are six times as big
_MODES = (0o750, 0o640)  # they name machines
_FAR = "date '9999-12-31'"
# What grows older by itself is no change.
_NO_CHANGE = {"rpt_source_age": ("age_hours",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFiles:
    """What a round did, as unit codes. ``removed``: units that are in force no more."""

    made: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"Tệp riêng của đơn vị: ghi mới {len(self.made)}, giữ nguyên {len(self.unchanged)}, "
            f"gỡ bỏ {len(self.removed)}."
        )


@dataclass(frozen=True, slots=True)
class _Table:
    """A published table: its columns, and from which scope a row comes (``_scope``)."""

    name: str
    columns: tuple[str, ...]
    comment: str | None
    column_comments: tuple[str | None, ...]


def edition_of(places: Places, unit_code: str) -> Edition:
    """The file of a unit."""
    return Edition(
        link=places.marts / "units" / f"{unit_code}.duckdb",
        file_mode=_MODES[1],
        directory_mode=_MODES[0],
        is_masked=False,
    )


def publish_units(settings: Settings) -> UnitFiles:
    """Bring the files of all units in force up to the published version.

    A unit's file holds: of tables with ``unit_code`` the rows of the unit and of all below it; of
    ``dim_unit`` the units above as well, one row each; entries that move seats, where either side
    is in the subtree, with the other side left blank unless it is above; other tables by the
    servers through which the unit is seen; nothing of a table that says neither.

    Each file is whole or not there. Raises LedgerError when nothing was published.
    """
    places = settings.places
    # The version behind the link: it stays the same while the link moves on.
    source = published(places.named_marts_file)
    folder = places.marts / "units"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(_MODES[0])
    with _locked(folder):
        _sweep(folder)
        con = connect(settings)
        try:
            # A file is filled in one transaction: straight into it, and never into a log beside it first.
            con.execute("set checkpoint_threshold = '1KB'")
            attach(con, source, "src", read_only=True)
            return _Round(con, settings, folder).run()
        finally:
            con.close()


class _Round:
    def __init__(self, con: Connection, settings: Settings, folder: Path) -> None:
        self.con = con
        self.places = settings.places
        self.folder = folder
        self.macros = "\n".join(statement(settings.sql, f"published/{name}") for name in MACROS)
        self.tables = _tables(con)
        self.memory = folder / ".made.json"
        self.below: dict[str, list[str]] = {}
        self.above: dict[str, list[str]] = {}
        self.servers: dict[str, list[str]] = {}
        self.since: dict[str, date] = {}  # of the row that is in force, where a unit has several
        # Looked up once: a folder of thousands of files is not listed again for each of them.
        self.versions: dict[str, list[Path]] = {}
        for version in sorted(folder.glob("*.2*.duckdb")):
            self.versions.setdefault(version.name.partition(".")[0], []).append(version)

    def run(self) -> UnitFiles:
        (as_of_at,) = one(self.con, f"select as_of_at from src.marts.{PUBLISHED}")
        self._make_scopes(as_of_at)
        prints = self._prints()
        before = remembered(self.memory)
        template = self.folder / ".template.tmp"
        self._make_template(template)
        made: list[str] = []
        kept: list[str] = []
        version = next_version_id(one for kept in self.versions.values() for one in kept)
        try:
            for unit_code, (shown, filled) in prints.items():
                edition = edition_of(self.places, unit_code)
                if before.get(unit_code) == shown and edition.link.exists():
                    kept.append(unit_code)
                    continue
                self._write(template, edition, unit_code, version, filled)
                before[unit_code] = shown
                made.append(unit_code)
        finally:
            template.unlink(missing_ok=True)
            sync(self.folder)
            removed = self._remove_others(prints.keys())
            remember(self.memory, {code: before[code] for code in [*made, *kept]}, _MODES[1])
        return UnitFiles(made=tuple(made), unchanged=tuple(kept), removed=tuple(removed))

    def _make_scopes(self, as_of_at: object) -> None:
        """Temp tables: which units and servers a unit's file may show."""
        if not isinstance(as_of_at, datetime):
            raise TypeError("as_of_at is no instant")
        self.con.execute(
            f"""
            create temp table unit_now as
            select unit_code, parent_unit_code, valid_from_date from src.marts.dim_unit
            where $day >= valid_from_date and $day <= coalesce(valid_to_date, {_FAR});
            """,
            {"day": vietnamese_date(as_of_at)},
        )
        self.con.execute(
            """
            create temp table scope_unit as
            with recursive down as (
                select unit_code as file_code, unit_code from unit_now
                union
                select d.file_code, u.unit_code
                from down as d inner join unit_now as u on u.parent_unit_code = d.unit_code
            )
            from down order by all;
            create temp table scope_server as
            select distinct unit_code as file_code, server_code from src.marts.dim_unit_server
            where unit_code in (select unit_code from unit_now) order by all;
            """
        )
        for unit_code, since in self.con.execute(
            "select unit_code, valid_from_date from unit_now"
        ).fetchall():
            self.since[unit_code] = since
        for file_code, unit_code in self.con.execute("from scope_unit").fetchall():
            self.below.setdefault(file_code, []).append(unit_code)
            if file_code != unit_code:
                self.above.setdefault(unit_code, []).append(file_code)
        for file_code, server_code in self.con.execute("from scope_server").fetchall():
            self.servers.setdefault(file_code, []).append(server_code)

    def _prints(self) -> dict[str, tuple[str, frozenset[str]]]:
        """What tells whether the rows of a unit's file have changed, and the tables that have any."""
        parts = []
        for table in self.tables:
            scope = _scope(table)
            if scope is None or table.name == PUBLISHED:
                continue
            left_out = _NO_CHANGE.get(table.name, ())
            columns = ", ".join(f't."{name}"' for name in table.columns if name not in left_out)
            parts.append(
                f"select s.file_code, {quoted(table.name)} as part, count(*) as n,"
                f' sum(hash({columns}))::varchar as h from src.marts."{table.name}" as t'
                f" inner join {scope[0]} on {scope[1]} group by s.file_code"
            )
        rows = self.con.execute(
            "select u.unit_code, md5(coalesce(string_agg(p.part || p.n || p.h, '|' order by p.part), '')),"
            " coalesce(list(p.part) filter (p.part is not null), [])"
            " from unit_now as u left join ("
            + " union all ".join(parts)
            + ") as p on u.unit_code = p.file_code group by u.unit_code order by u.unit_code"
        ).fetchall()
        # Another program may fill another set of tables or columns.
        shape = json.dumps([[table.name, *table.columns] for table in self.tables])
        return {
            code: (hashlib.sha256(f"{shape}{found}".encode()).hexdigest(), frozenset(parts))
            for code, found, parts in rows
        }

    def _make_template(self, file: Path) -> None:
        """An empty file with every table, comment and macro; copying it is what makes 240 cheap."""
        con = self.con
        file.unlink(missing_ok=True)
        con.execute(
            f"attach {quoted(str(file))} as pub"
            f" (storage_version '{STORAGE_VERSION}', block_size {_BLOCK_BYTES})"
        )
        try:
            with transaction(con):
                con.execute("create schema pub.marts")
                for table in self.tables:
                    name = f'pub.marts."{table.name}"'
                    con.execute(f'create table {name} as from src.marts."{table.name}" limit 0')
                    if table.comment:
                        con.execute(f"comment on table {name} is {quoted(table.comment)}")
                    for column, said in zip(table.columns, table.column_comments, strict=True):
                        if said:
                            con.execute(f'comment on column {name}."{column}" is {quoted(said)}')
                con.execute("use pub")
                con.execute(self.macros)
                con.execute("use memory")
            con.execute("checkpoint pub")
        finally:
            con.execute("use memory; detach pub")

    def _write(
        self,
        template: Path,
        edition: Edition,
        unit_code: str,
        version_id: str,
        filled: frozenset[str],
    ) -> None:
        """Make and link one file. ``filled``: the tables of which it gets rows."""
        beside = edition.beside(version_id)
        con = self.con
        shutil.copyfile(template, beside)
        beside.chmod(edition.file_mode)
        with whole_or_not_at_all(beside):
            con.execute(f"attach {quoted(str(beside))} as pub")
            try:
                with transaction(con):
                    # Of forty tables a unit has rows in a dozen: the others are not even looked at.
                    wanted = {
                        table.name: self._fill(table, unit_code)
                        for table in self.tables
                        if table.name in filled or table.name == PUBLISHED
                    }
                con.execute("checkpoint pub")
            finally:
                con.execute("detach pub")
            self._verify(beside, wanted)
            sync(beside)
            beside.rename(edition.version(version_id))
        link(edition, version_id)
        versions = self.versions.setdefault(unit_code, [])
        versions.append(edition.version(version_id))
        for old in versions[:-VERSIONS_KEPT]:
            old.unlink()
        del versions[:-VERSIONS_KEPT]

    def _fill(self, table: _Table, unit_code: str) -> int:
        """Copy the unit's rows of one table; how many there were."""
        condition = self._condition(table, unit_code)
        if condition is None:
            return 0
        columns = ", ".join(self._shown(table, column, unit_code) for column in table.columns)
        (count,) = one(
            self.con,
            f'insert into pub.marts."{table.name}"'
            f' select {columns} from src.marts."{table.name}" where {condition}',
        )
        return int(str(count))

    def _condition(self, table: _Table, unit_code: str) -> str | None:
        """Which rows of a table the unit may see, as ``_scope`` has it; None: none.

        In literals: against them a scan is three times as cheap as a join.
        """
        columns = set(table.columns)
        below = self.below[unit_code]
        servers = _among("server_code", self.servers.get(unit_code, ()))
        if table.name == PUBLISHED:
            return "true"
        if table.name == "dim_unit":
            above = (
                f"(unit_code = {quoted(code)} and valid_from_date = date '{self.since[code]}')"
                for code in self.above.get(unit_code, ())
            )
            return " or ".join([_among("unit_code", below), *above])
        if "unit_code" in columns:
            return _among("unit_code", below)
        if columns >= set(_SIDES):
            return " or ".join(_among(side, below) for side in _SIDES)
        if "server_code" in columns:
            return servers
        for key, of_server in _OF_SERVER.items():
            if key in columns:
                return f"{key} in (select {key} from src.marts.{of_server} where {servers})"
        return None

    def _shown(self, table: _Table, column: str, unit_code: str) -> str:
        """A column, blank where it names a unit that is none of this unit's business."""
        if column not in _SIDES or "unit_code" in table.columns:
            return f'"{column}"'
        known = [*self.below[unit_code], *self.above.get(unit_code, ())]
        return f'case when {_among(column, known)} then "{column}" end'

    def _verify(self, file: Path, wanted: dict[str, int]) -> None:
        con = self.con
        is_whole = not file.with_name(file.name + ".wal").exists()
        if is_whole:
            attach(con, file, "made", read_only=True)
            try:
                counts = con.execute(
                    " union all ".join(
                        f'select {quoted(name)}, count(*) from made.marts."{name}"'
                        for name in wanted
                    )
                ).fetchall()
            finally:
                con.execute("detach made")
            is_whole = dict(counts) == wanted
        if not is_whole:
            raise LedgerError(
                "published_file_not_whole",
                f"Tệp {file.name} không được ghi trọn.",
                "Kiểm tra ổ đĩa rồi chạy lại; tệp trước của đơn vị vẫn được phục vụ.",
            )

    def _remove_others(self, units: Collection[str]) -> list[str]:
        gone = sorted(
            path.stem
            for path in self.folder.glob("*.duckdb")
            if path.is_symlink() and path.stem not in units
        )
        for unit_code in gone:
            edition = edition_of(self.places, unit_code)
            edition.link.unlink()
            for old in edition.versions:
                old.unlink()
        return gone


_SIDES = ("from_unit_code", "to_unit_code")
_OF_SERVER = {"load_id": "fct_source_load", "incident_id": "fct_server_outage"}


def _among(column: str, codes: Iterable[str]) -> str:
    listed = [quoted(code) for code in codes]
    if not listed:
        return "false"
    return f"{column} = {listed[0]}" if len(listed) == 1 else f"{column} in ({', '.join(listed)})"


def _scope(table: _Table) -> tuple[str, str] | None:
    """The same for all units at once: the relation ``s`` of files, and how a row ``t`` joins it."""
    columns = set(table.columns)
    if "unit_code" in columns:
        return "scope_unit as s", "t.unit_code = s.unit_code"
    if columns >= set(_SIDES):
        return "scope_unit as s", "s.unit_code in (t.from_unit_code, t.to_unit_code)"
    if "server_code" in columns:
        return "scope_server as s", "t.server_code = s.server_code"
    for key, of_server in _OF_SERVER.items():
        if key in columns:
            relation = (
                f"(select c.file_code, k.{key} from src.marts.{of_server} as k"
                " inner join scope_server as c using (server_code)) as s"
            )
            return relation, f"t.{key} = s.{key}"
    return None


def _tables(con: Connection) -> list[_Table]:
    rows = con.execute(
        """
        select c.table_name, any_value(t.comment),
            list(c.column_name order by c.column_index), list(c.comment order by c.column_index)
        from duckdb_columns() as c
        inner join duckdb_tables() as t
            using (database_name, schema_name, table_name)
        where c.database_name = 'src' and c.schema_name = 'marts'
        group by c.table_name order by c.table_name
        """
    ).fetchall()
    return [
        _Table(name, tuple(columns), comment, tuple(comments))
        for name, comment, columns, comments in rows
    ]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One round at a time; a second one waits. Ends with the process at the latest."""
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, _MODES[1])
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what an interrupted round left, versions that were never linked included."""
    for left in [*folder.glob(".*.tmp"), *folder.glob(".*.tmp.wal"), *folder.glob(".*.lnk")]:
        left.unlink()
    served = {
        path.stem: path.readlink().name for path in folder.glob("*.duckdb") if path.is_symlink()
    }
    for version in folder.glob("*.2*.duckdb"):
        if version.name > served.get(version.name.split(".")[0], ""):
            version.unlink()
