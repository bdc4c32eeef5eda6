"""Backup, drill and restore where the operational database is a real PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Engine,
    Integer,
    Table,
    event,
    insert,
    select,
    text,
)

from ksc_ledger import cli
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import in_force
from ksc_ledger.settings import Settings
from ksc_ledger.settings import load as load_settings
from ksc_ledger.state import open_state
from ksc_ledger.state.copies import copy_state, held
from ksc_ledger.state.tables import METADATA, OUTAGE, OUTBOX, Instant
from ksc_ledger.warehouse import backup, build, publish
from unit.state.postgresql import Cluster, running
from unit.warehouse.builders import T0, a_host, land
from unit.warehouse.test_backup import REGISTRY

pytestmark = [pytest.mark.long]

ROWS = 3
# What the marts read must be a word they know.
KNOWN = {
    ("link_interval", "state"): "down",
    ("link_interval", "cause"): "link",
    ("outage", "cause"): "link",
    ("outbox", "channel"): "alerts",
    ("outbox", "status"): "sent",
    ("outbox", "mail_kind"): "lost",
    ("obligation_status", "status"): "met",
}
WORDS = "Huyện Tháp Mười – mất kết nối; “255/330”\n\t' \\ \U0001f512"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running() as cluster:
        yield cluster


def settings_of(home: Path, state_url: str) -> Settings:
    return load_settings(
        {
            "KSC_LEDGER_HOME": str(home),
            "KSC_LEDGER_REGISTRY": str(home / "files"),
            "KSC_LEDGER_STATE_URL": state_url,
        }
    )


def value_of(table: Table, name: str, number: int) -> Any:
    """A value of the column's own type that is hard to keep: a whole text, microseconds, big numbers."""
    column = table.columns[name]
    kind = column.type
    if (table.name, name) in KNOWN:
        return KNOWN[table.name, name]
    if isinstance(kind, Instant):
        return T0 + timedelta(days=number, microseconds=number + 1)
    if isinstance(kind, JSON):
        return {"b": [number, None, 1.5], "a": WORDS}
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, BigInteger):
        return 2**62 + number
    if isinstance(kind, Integer):
        return 2**30 + number
    if column.nullable and number == 0:
        return None
    if column.foreign_keys:
        (key,) = column.foreign_keys
        return value_of(key.column.table, key.column.name, number)
    whole = f"{number}-{table.name}-{name} {WORDS}"
    length = getattr(kind, "length", None)
    return whole[:length] if length else whole


def fill(engine: Engine) -> None:
    """Rows in every table, so that a column that does not survive the copy is seen."""
    with engine.begin() as connection:
        for table in METADATA.sorted_tables:
            for number in range(ROWS):
                row = {one.name: value_of(table, one.name, number) for one in table.columns}
                connection.execute(insert(table).values(row))


def rows_of(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    with engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in METADATA.sorted_tables
        }


@pytest.fixture
def settings(tmp_path: Path, cluster: Cluster) -> Settings:
    """A home that is at work: figures in the warehouse, every table of the state filled."""
    home = tmp_path / "home"
    (home / "files" / "tinh").mkdir(parents=True)
    for name, content in REGISTRY.items():
        (home / "files" / "tinh" / name).write_text(content, "utf-8")
    settings = settings_of(home, cluster.migrated())
    land(settings, "huyen", T0, [a_host("m1", display_name="HUYEN-1"), a_host("m2")])
    build(settings, in_force(settings).registry, as_of_at=T0, code_version="1.2.3")
    publish(settings, now=T0)
    engine = open_state(settings.state_url)
    assert engine.dialect.name == "postgresql"
    fill(engine)
    engine.dispose()
    return settings


def test_a_backup_of_postgresql_is_tried_out_in_the_same_run(settings: Settings) -> None:
    folder = backup.back_up(settings, code_version="1.2.3", now=T0)
    found = backup.read(folder)
    assert found.state == {table.name: ROWS for table in METADATA.sorted_tables}
    assert set(found.state_sums) == set(found.state)
    result = backup.drill(settings, folder)
    assert result.figures["marts.fct_unit_coverage_daily"] == 2
    assert [path.name for path in settings.places.backups.iterdir()] == [folder.name]


def test_a_backup_goes_back_into_an_empty_postgresql_row_for_row(
    settings: Settings, cluster: Cluster, tmp_path: Path
) -> None:
    folder = backup.back_up(settings, code_version="1.2.3", now=T0)
    there = settings_of(tmp_path / "another", cluster.empty())
    backup.restore(there, folder)
    before, after = open_state(settings.state_url), open_state(there.state_url)
    wanted = rows_of(before)
    assert all(len(rows) == ROWS for rows in wanted.values())
    assert rows_of(after) == wanted
    assert held(after) == held(before)
    before.dispose()
    after.dispose()
    # A home whose database was lost with its machine goes on from there.
    build(there, in_force(settings).registry, as_of_at=T0, code_version="1.2.3", loads=[])


def test_what_was_in_the_home_is_moved_aside_with_postgresql_too(
    settings: Settings, cluster: Cluster
) -> None:
    folder = backup.back_up(settings, code_version="1.2.3", now=T0)
    before = sha256(settings.places.warehouse_file)
    backup.restore(settings_of(settings.home, cluster.empty()), folder)
    (aside,) = settings.home.glob("before_restore-*")
    assert sha256(aside / "ledger.duckdb") == before
    assert (aside / "registry" / "last_good").is_file()


def test_a_database_that_is_not_empty_is_refused_and_nothing_is_touched(
    settings: Settings,
) -> None:
    folder = backup.back_up(settings, code_version="1.2.3", now=T0)
    before = sha256(settings.places.warehouse_file)
    engine = open_state(settings.state_url)
    rows = rows_of(engine)
    with pytest.raises(LedgerError) as raised:
        backup.restore(settings, folder)
    assert raised.value.code == "state_not_empty"
    assert sha256(settings.places.warehouse_file) == before
    assert list(settings.home.glob("before_restore-*")) == []
    assert rows_of(engine) == rows
    engine.dispose()


def test_a_copy_is_of_one_instant_while_others_go_on_writing(
    cluster: Cluster, tmp_path: Path
) -> None:
    """A transaction that commits between two tables is in the copy whole or not at all."""
    source = open_state(cluster.migrated())
    fill(source)
    target = open_state(f"sqlite:///{tmp_path / 'copy.sqlite'}")
    before = held(source)
    seen: list[str] = []

    def commit_beside(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.lower().startswith("insert") and not seen:
            seen.append(statement)
            with source.begin() as connection:
                for table in (OUTAGE, OUTBOX):
                    row = {one.name: value_of(table, one.name, 9) for one in table.columns}
                    connection.execute(insert(table).values(row))

    event.listen(target, "before_cursor_execute", commit_beside)
    assert copy_state(source, target) == before
    assert seen
    assert held(source) != before
    source.dispose()
    target.dispose()


def test_a_row_that_postgresql_does_not_take_leaves_it_empty(
    cluster: Cluster, tmp_path: Path
) -> None:
    """SQLite keeps what it is given; a text with a zero in it is none for PostgreSQL."""
    source = open_state(f"sqlite:///{tmp_path / 'a.sqlite'}")
    fill(source)
    with source.begin() as connection:
        connection.execute(text("update outbox set facts = 'a' || char(0)"))
    target = open_state(cluster.migrated())
    with pytest.raises(LedgerError) as raised:
        copy_state(source, target)
    assert raised.value.code == "state_not_copied"
    assert "outbox" in raised.value.text
    assert all(one.rows == 0 for one in held(target).values())
    source.dispose()
    target.dispose()


def test_a_state_that_was_altered_on_its_way_back_is_noticed(
    settings: Settings, cluster: Cluster, tmp_path: Path
) -> None:
    folder = backup.back_up(settings, code_version="1.2.3", now=T0)
    manifest = json.loads((folder / "backup.json").read_text("utf-8"))
    manifest["state_sums"]["outage"] = "0" * 64
    (folder / "backup.json").chmod(0o640)
    (folder / "backup.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(LedgerError) as raised:
        backup.restore(settings_of(tmp_path / "another", cluster.empty()), folder)
    assert raised.value.code == "restored_state_differs"


def test_the_commands_back_up_and_restore_with_postgresql(
    settings: Settings,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KSC_LEDGER_HOME", str(settings.home))
    monkeypatch.setenv("KSC_LEDGER_REGISTRY", str(settings.registry))
    monkeypatch.setenv("KSC_LEDGER_STATE_URL", settings.state_url)
    assert cli.main(["backup"]) == 0
    assert "đã phục hồi thử" in capsys.readouterr().out
    (folder,) = backup.backups(settings.places)
    empty = cluster.empty()
    monkeypatch.setenv("KSC_LEDGER_STATE_URL", empty)
    assert cli.main(["restore", folder.name, "--yes"]) == 0
    engine = open_state(empty)
    assert {one.rows for one in held(engine).values()} == {ROWS}
    engine.dispose()


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
