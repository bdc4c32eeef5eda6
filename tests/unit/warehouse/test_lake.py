"""A shared warehouse is chosen by one setting, and says in Vietnamese what is wrong with it."""

from __future__ import annotations

import importlib.util
import socket
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.settings import load as load_settings
from ksc_ledger.warehouse import lake, lake_upkeep
from ksc_ledger.warehouse.definitions import Part, define, waiting
from ksc_ledger.warehouse.engine import connect
from ksc_ledger.warehouse.lake import Lake, Turns, lake_of
from ksc_ledger.warehouse.writer import locked_reader, writer
from unit.warehouse.builders import T0, House, a_host, settings_for

PASSWORD = "Mật-khẩu/1"
WRITTEN = "M%E1%BA%ADt-kh%E1%BA%A9u%2F1"


def url(data_path: Path, **changes: object) -> str:
    said = {"host": "127.0.0.1", "port": 5432, "more": ""} | changes
    return (
        f"ducklake+postgresql://ksc_lake:{WRITTEN}@{said['host']}:{said['port']}/ksc_lake"
        f"?data_path={data_path}{said['more']}"
    )


def sharing(tmp_path: Path, **changes: object) -> Settings:
    return replace(settings_for(tmp_path / "home"), warehouse_url=url(tmp_path, **changes))


def test_without_the_setting_the_plain_file_is_used(tmp_path: Path) -> None:
    assert lake_of(settings_for(tmp_path)) is None
    assert lake_upkeep.tend(settings_for(tmp_path)) is None


def test_the_setting_names_catalog_and_data(tmp_path: Path) -> None:
    assert lake_of(sharing(tmp_path, more="&sslmode=verify-full")) == Lake(
        host="127.0.0.1",
        port=5432,
        database="ksc_lake",
        user="ksc_lake",
        password=PASSWORD,
        data_path=tmp_path,
        options=(("sslmode", "verify-full"),),
    )


def test_the_setting_may_be_a_secret_file_and_is_never_printed(tmp_path: Path) -> None:
    file = tmp_path / "warehouse_url"
    file.write_text(url(tmp_path) + "\n", "utf-8")
    settings = load_settings(
        {"KSC_LEDGER_HOME": str(tmp_path), "KSC_LEDGER_WAREHOUSE_URL_FILE": str(file)}
    )
    found = lake_of(settings)
    assert found is not None
    assert found.password == PASSWORD
    for said in (repr(settings), repr(found), str(found)):
        assert PASSWORD not in said
        assert WRITTEN not in said


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ksc:bí-mật@may/lake?data_path=/srv",  # another kind
        "ducklake+postgresql://ksc:bí-mật@may/lake",  # no data
        "ducklake+postgresql://ksc:bí-mật@may/lake?data_path=lake",  # not absolute
        "ducklake+postgresql://ksc:bí-mật@may/?data_path=/srv",  # no database
        "ducklake+postgresql:///lake?data_path=/srv",  # no host
        "ducklake+postgresql://ksc:bí-mật@may:x/lake?data_path=/srv",  # no port
        "ducklake+postgresql://ksc:bí-mật@may/lake?data_path=/srv&options=-c",  # unknown
        "ducklake+postgresql://ksc:bí-mật@may/lake?data_path",  # no value
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_without_repeating_it(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(LedgerError) as caught:
        lake_of(replace(settings_for(tmp_path), warehouse_url=text))
    assert caught.value.code == "warehouse_url_not_supported"
    assert "bí-mật" not in str(caught.value)
    assert "Ghi theo mẫu" in str(caught.value)


def test_a_data_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    settings = replace(
        settings_for(tmp_path / "home"), warehouse_url=url(tmp_path / "chua_gan_o_dia")
    )
    with pytest.raises(LedgerError, match="Gắn ổ đĩa dùng chung") as caught, writer(settings):
        pass
    assert caught.value.code == "lake_data_missing"
    assert not (tmp_path / "chua_gan_o_dia").exists()


def test_a_missing_extension_is_told_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_spec(name: str) -> None:
        assert name.startswith("duckdb_extension_")

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    settings = sharing(tmp_path)
    with pytest.raises(LedgerError, match=r"requirements/lake\.lock") as caught, writer(settings):
        pass
    assert caught.value.code == "lake_extension_missing"


def test_a_catalog_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        settings = sharing(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(LedgerError, match="máy chủ PostgreSQL") as caught, writer(settings):
            pass
    assert caught.value.code == "lake_unreachable"
    assert PASSWORD not in str(caught.value)


def test_a_file_with_a_history_of_its_own_is_not_taken_for_a_shared_one(tmp_path: Path) -> None:
    house = House(tmp_path / "home")
    house.land(T0, [a_host("m1")])
    house.apply()
    settings = replace(house.settings, warehouse_url=url(tmp_path))
    for opening in (writer, locked_reader):
        with pytest.raises(LedgerError, match="ksc-ledger rebuild") as caught, opening(settings):
            pass
        assert caught.value.code == "warehouse_not_shared"
    assert len(house.ask("from hist.cur")) == 1


def test_a_file_that_shows_a_shared_history_does_not_begin_one_of_its_own(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    file = settings.places.warehouse_file
    file.parent.mkdir(parents=True)
    with duckdb.connect(file) as con:
        con.execute("create schema hist; create view hist.cur as select 1 as x")
    for opening in (writer, locked_reader):
        with pytest.raises(LedgerError, match="Đặt lại") as caught, opening(settings):
            pass
        assert caught.value.code == "warehouse_is_shared"


def test_the_two_halves_of_the_definitions_are_the_whole(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    found: dict[Part, set[tuple[str, str]]] = {}
    con = connect(settings)
    for part in Part:
        name = f"part_{part.name.lower()}"
        con.execute(f"attach ':memory:' as {name}")
        con.execute(f"use {name}")
        if part is Part.OWN:  # its views are of the history, which is there first
            con.execute("create schema hist")
            for table in ("closed", "cur"):
                con.execute(f"create view hist.{table} as from part_all.hist.{table}")
        define(con, settings.sql, part)
        assert waiting(con, settings.sql) == []
        define(con, settings.sql, part)
        rows = con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = ?"
            " and table_name <> 'applied_ddl'",
            [name],
        ).fetchall()
        found[part] = {(schema, table) for schema, table in rows}
    con.close()
    assert found[Part.OWN] | found[Part.HISTORY] == found[Part.ALL]
    assert {schema for schema, _ in found[Part.HISTORY]} == {"hist"}
    assert "hist" not in {schema for schema, _ in found[Part.OWN]}


def test_in_the_plain_file_a_turn_is_a_transaction() -> None:
    def fail() -> None:
        con.execute("insert into t values (2)")
        raise LookupError

    con = duckdb.connect()
    con.execute("create table t (n integer)")
    turns = Turns(con)
    assert turns.take(lambda: con.execute("insert into t values (1)").fetchall()) == [(1,)]
    with pytest.raises(LookupError):
        turns.take(fail)
    assert con.execute("from t").fetchall() == [(1,)]
    assert (turns.is_shared, turns.conflicts) == (False, 0)
    con.close()


@pytest.mark.parametrize(
    ("said", "is_conflict"),
    [
        ("Transaction conflict - attempting to delete from file with index 2", True),
        ("ERROR: could not serialize access due to concurrent update", True),
        ("Constraint Error: NOT NULL constraint failed: cur.endpoint_id", False),
        ("No space left on device", False),
    ],
)
def test_only_what_another_writer_caused_is_done_again(said: str, is_conflict: bool) -> None:
    assert lake.is_conflict(duckdb.Error(said)) is is_conflict
