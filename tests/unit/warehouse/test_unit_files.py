"""A unit's own file: its subtree with names, and nothing of anybody else."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.warehouse import publish
from ksc_ledger.warehouse import unit_files as unit_files_module
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.unit_files import edition_of, publish_units
from unit.warehouse.builders import DAY, T0, House, RegistryDraft, a_host, a_small_estate

TREE = {
    "tinh": {"tinh", "huyen", "pnv", "ptp", "huyen2", "xa"},
    "huyen": {"huyen", "pnv", "ptp"},
    "pnv": {"pnv"},
    "ptp": {"ptp"},
    "huyen2": {"huyen2", "xa"},
    "xa": {"xa"},
}
ABOVE = {
    "tinh": set(),
    "huyen": {"tinh"},
    "pnv": {"tinh", "huyen"},
    "ptp": {"tinh", "huyen"},
    "huyen2": {"tinh"},
    "xa": {"tinh", "huyen2"},
}
SERVERS = {
    "tinh": {"huyen", "huyen2"},
    "huyen": {"huyen"},
    "pnv": {"huyen"},
    "ptp": {"huyen"},
    "huyen2": {"huyen2"},
    "xa": {"huyen2"},
}


def draft() -> RegistryDraft:
    return (
        a_small_estate()
        .unit("huyen2", "tinh")
        .unit("xa", "huyen2", name_prefix="XA")
        .server("huyen2")
        .group("huyen2", "Xã", "xa")
        .grant("huyen", 9)
        .grant("pnv", 4, from_unit_code="huyen")
        .grant("ptp", 2, from_unit_code="pnv")  # from one neighbour to another
        .grant("xa", 3)
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Built, published and cut into unit files; to be read only."""
    house = House(tmp_path_factory.mktemp("built"), draft().registry())
    house.land(
        T0,
        [
            a_host("m1", display_name="PNV-BIMAT", group_path="Phòng Nội vụ"),
            a_host("m2", display_name="PTP-BIMAT", group_path="Phòng Tư pháp"),
            a_host("m3", display_name="HUYEN BIMAT"),
            a_host("m5", display_name="PNV-BIMAT2", group_path="Phòng Nội vụ"),
        ],
    )
    house.land(
        T0,
        [
            a_host("m4", display_name="XA BIMAT", group_path="Xã"),
            a_host("m5", display_name="XA-BIMAT2", group_path="Xã", last_connected_at=T0),
        ],
        "huyen2",
    )
    house.build(T0)
    publish(house.settings, now=T0)
    assert set(publish_units(house.settings).made) == set(TREE)
    return house


@pytest.fixture
def house(built: House, tmp_path: Path) -> House:
    shutil.copytree(built.settings.home, tmp_path / "home", symlinks=True)
    return House(tmp_path / "home", built.registry)


def contents(house: House, unit_code: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of a unit's file."""
    file = edition_of(house.settings.places, unit_code).link
    with duckdb.connect(str(file), read_only=True) as con:
        tables = con.execute("select table_name from duckdb_tables()").fetchall()
        found = {}
        for (table,) in tables:
            cursor = con.execute(f'from marts."{table}"')
            names = [column[0] for column in cursor.description]
            found[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return found


def seen(house: House, unit_code: str, sql: str) -> list[dict[str, Any]]:
    return query(edition_of(house.settings.places, unit_code).link, sql)


def test_nothing_of_anybody_else_is_in_any_table_of_any_unit(built: House) -> None:
    every_unit, every_server = set(TREE), SERVERS["tinh"]
    names_of = {"pnv": {"PNV-BIMAT"}, "ptp": {"PTP-BIMAT"}, "xa": {"XA BIMAT", "XA-BIMAT2"}}
    for unit_code, subtree in TREE.items():
        tables = contents(built, unit_code)
        assert len(tables) > 20
        known = subtree | ABOVE[unit_code] | SERVERS[unit_code]
        foreign_names = {
            name for owner, names in names_of.items() if owner not in subtree for name in names
        }
        for table, rows in tables.items():
            for row in rows:
                where = (unit_code, table, row)
                # Neither a unit nor a server of others is even mentioned, in whatever column.
                texts = {value for value in row.values() if isinstance(value, str)}
                assert texts & (every_unit | every_server) <= known, where
                assert not foreign_names & texts, where
                if "unit_code" in row and table != "dim_unit":
                    assert row["unit_code"] in subtree, where
        assert {row["unit_code"] for row in tables["dim_unit"]} == subtree | ABOVE[unit_code]


def test_the_subtree_is_there_whole_and_with_names(built: House) -> None:
    named = built.settings.places.named_marts_file
    for unit_code in ("huyen", "pnv"):
        listed = ", ".join(f"'{code}'" for code in TREE[unit_code])
        for table in ("dim_endpoint", "fct_unit_coverage_daily", "fct_endpoint_state"):
            wanted = query(named, f"from marts.{table} where unit_code in ({listed}) order by all")
            assert wanted
            assert seen(built, unit_code, f"from marts.{table} order by all") == wanted
    (row,) = seen(built, "pnv", "select display_name from marts.dim_endpoint")
    assert row["display_name"] == "PNV-BIMAT"


def test_tables_without_a_unit_are_those_of_the_servers_it_is_seen_through(built: House) -> None:
    for unit_code, servers in SERVERS.items():
        rows = seen(built, unit_code, "select distinct server_code from marts.fct_source_load")
        assert {row["server_code"] for row in rows} == servers


def test_seats_that_moved_show_only_the_side_that_is_the_units_business(built: House) -> None:
    columns = "from_unit_code, to_unit_code, seat_count"

    def entries(unit_code: str) -> set[tuple[Any, ...]]:
        rows = seen(built, unit_code, f"select {columns} from marts.fct_allocation_entry")
        return {tuple(row.values()) for row in rows}

    assert entries("ptp") == {(None, "ptp", 2)}
    assert entries("pnv") == {("huyen", "pnv", 4), ("pnv", None, 2)}
    assert entries("xa") == {(None, "xa", 3)}
    assert len(entries("tinh")) == 4


def test_the_days_figures_can_be_asked_with_their_sources(built: House) -> None:
    (row,) = seen(built, "pnv", "from marts.coverage_as_of(date '2022-10-12')")
    assert (row["unit_code"], row["installed_count"], row["sources"][0]["server_code"]) == (
        "pnv",
        1,
        "huyen",
    )


def test_comments_are_those_of_the_published_file(built: House) -> None:
    comments = (
        "select table_name, column_name, comment from duckdb_columns()"
        " where schema_name = 'marts' order by all"
    )
    assert seen(built, "pnv", comments) == query(built.settings.places.named_marts_file, comments)


def test_only_the_few_may_read_them(built: House) -> None:
    file = edition_of(built.settings.places, "pnv").link
    assert file.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.parent.stat().st_mode & 0o777 == 0o750
    assert (file.parent / ".made.json").stat().st_mode & 0o777 == 0o640


def test_what_has_not_changed_is_left_as_it_is_and_two_versions_stay(house: House) -> None:
    again = publish_units(house.settings)
    assert (again.made, set(again.unchanged)) == ((), set(TREE))
    for hour in (1, 2):  # one server is read again: its units change, and those above them
        instant = T0 + timedelta(hours=hour)
        host = a_host("m4", display_name=f"XA-{hour}", group_path="Xã")
        house.land(instant, [host], "huyen2")
        house.build(instant)
        publish(house.settings, now=instant)
        after = publish_units(house.settings)
        assert {"tinh", "huyen2", "xa"} <= set(after.made)
    (row,) = seen(house, "xa", "select display_name from marts.dim_endpoint")
    assert row["display_name"] == "XA-2"
    assert len(edition_of(house.settings.places, "xa").versions) == 2


def test_a_round_that_dies_leaves_whole_files_and_the_next_one_sweeps(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = house.settings.places
    folder = places.marts / "units"
    (folder / ".made.json").unlink()  # then every file is made anew

    def served() -> dict[str, Path]:
        return {code: edition_of(places, code).link.resolve() for code in TREE}

    def die(*_: object) -> None:
        raise OSError("hết chỗ")

    before = served()
    with monkeypatch.context() as patch:
        patch.setattr(unit_files_module._Round, "_verify", die)
        with pytest.raises(OSError, match="hết chỗ"):
            publish_units(house.settings)
    assert served() == before
    (folder / ".pnv.20990101T000000000000Z.tmp").write_bytes(b"x")
    (folder / "pnv.20990101T000000000000Z.duckdb").write_bytes(b"x")  # finished, never linked
    assert set(publish_units(house.settings).made) == set(TREE)
    assert list(folder.glob(".*.tmp*")) == []
    assert not (folder / "pnv.20990101T000000000000Z.duckdb").exists()
    assert seen(house, "pnv", "select count(*) as n from marts.dim_unit") == [{"n": 3}]


def test_a_unit_that_is_no_more_has_no_file_any_more(tmp_path: Path) -> None:
    ends = date(2022, 10, 12)
    house = House(tmp_path, draft().unit("cu", "tinh", valid_to_date=ends).registry())
    house.land(T0, [a_host("m1")])
    for instant in (T0, T0 + DAY):
        house.build(instant)
        publish(house.settings, now=instant)
        report = publish_units(house.settings)
    assert report.removed == ("cu",)
    assert list((house.settings.places.marts / "units").glob("cu.*")) == []


def test_before_anything_is_published_there_is_nothing_to_cut(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as raised:
        publish_units(House(tmp_path).settings)
    assert raised.value.code == "not_published"
