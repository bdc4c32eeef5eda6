"""What readers see: whole versions, masked names, nothing left behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.warehouse import publish, publisher
from ksc_ledger.warehouse.marts import RULES_VERSION
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.twins import twins
from unit.warehouse.builders import DAY, T0, House, a_host, a_small_estate

NAME = "PNV-BIMAT"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House(tmp_path_factory.mktemp("built"), a_small_estate().grant("pnv", 3).registry())
    house.land(
        T0,
        [
            a_host("m1", display_name=NAME, dns_name="pnv-bimat", group_path="Phòng Nội vụ"),
            a_host("m2", display_name="MAY BIMAT", group_path="Phòng Nội vụ"),
            a_host("m3", display_name=None, dns_name=""),
            a_host("m4", display_name=f"{NAME}~~1", last_connected_at=None),
        ],
    )
    house.build(T0)
    return house


@pytest.fixture
def house(built: House, tmp_path: Path) -> House:
    shutil.copytree(built.settings.home, tmp_path / "home")
    return House(tmp_path / "home", built.registry)


def masked(house: House, sql: str) -> list[dict[str, Any]]:
    return query(house.settings.places.marts_file, sql)


def named(house: House, sql: str) -> list[dict[str, Any]]:
    return query(house.settings.places.named_marts_file, sql)


def test_the_version_says_what_it_is(house: House) -> None:
    version = publish(house.settings, now=T0 + timedelta(minutes=5))
    (row,) = masked(house, "from marts._published")
    assert row == {
        "version_id": version,
        "published_at": T0 + timedelta(minutes=5),
        "as_of_at": T0,
        "code_version": "1.2.3",
        "registry_sha256": "a" * 64,
        "rules_version": RULES_VERSION,
    }


def test_names_are_masked_in_the_shared_file_and_readable_in_the_restricted_one(
    house: House,
) -> None:
    publish(house.settings, now=T0)
    shown = {row["endpoint_id"]: row for row in masked(house, "from marts.dim_endpoint")}
    clear = {row["endpoint_id"]: row for row in named(house, "from marts.dim_endpoint")}
    assert clear["m1"]["display_name"] == NAME
    assert shown["m1"]["display_name"].startswith("MÁY-")
    assert len(shown["m1"]["display_name"]) == len("MÁY-") + 8
    assert shown["m1"]["display_name"] != shown["m2"]["display_name"]
    assert (shown["m3"]["display_name"], shown["m3"]["dns_name"]) == (None, "")
    (wrong,) = masked(house, "from marts.rpt_wrong_name where endpoint_id = 'm2'")
    assert wrong["reason_code"] == "WHITESPACE"
    assert wrong["suggested_name"].startswith("MÁY-")


def test_no_name_is_anywhere_in_what_is_shared(house: House) -> None:
    publish(house.settings, now=T0)
    marts = house.settings.places.marts
    shared = [marts / "ksc_ledger.duckdb", *(marts / "parquet").glob("*.parquet")]
    for file in shared:
        assert b"bimat" not in file.read_bytes().lower(), file
    for table in twins(house.settings.sql):
        for row in masked(house, f'from marts."{table}"'):
            assert "bimat" not in str(row).lower()


def test_a_mask_stays_the_same_and_is_another_in_another_home(house: House, tmp_path: Path) -> None:
    publish(house.settings, now=T0)
    first = masked(house, "select endpoint_id, display_name from marts.dim_endpoint order by 1")
    publish(house.settings, now=T0)
    again = masked(house, "select endpoint_id, display_name from marts.dim_endpoint order by 1")
    assert again == first
    salt = house.settings.places.state / "mask_salt"
    assert salt.stat().st_mode & 0o777 == 0o600
    salt.unlink()
    publish(house.settings, now=T0)
    other = masked(house, "select endpoint_id, display_name from marts.dim_endpoint order by 1")
    assert other != first


def test_modes_and_links(house: House) -> None:
    version = publish(house.settings, now=T0)
    places = house.settings.places
    assert places.marts_file.readlink() == Path(f"ksc_ledger.{version}.duckdb")
    assert places.named_marts_file.readlink() == Path(f"ksc_ledger_named.{version}.duckdb")
    assert places.marts_file.stat().st_mode & 0o777 == 0o444
    assert places.named_marts_file.stat().st_mode & 0o777 == 0o640
    assert places.named_marts_file.parent.stat().st_mode & 0o777 == 0o750


def test_every_table_and_column_has_a_vietnamese_comment(house: House) -> None:
    publish(house.settings, now=T0)
    tables = masked(house, "select table_name, comment from duckdb_tables()")
    columns = masked(
        house,
        "select table_name, column_name, comment from duckdb_columns() where schema_name = 'marts'",
    )
    described = twins(house.settings.sql)
    assert {row["table_name"]: row["comment"] for row in tables} == {
        name: twin.vi for name, twin in described.items()
    }
    assert {(row["table_name"], row["column_name"]): row["comment"] for row in columns} == {
        (name, column.name): column.vi
        for name, twin in described.items()
        for column in twin.columns
    }


def test_parquet_files_hold_the_same_rows(house: House) -> None:
    publish(house.settings, now=T0)
    folder = house.settings.places.marts / "parquet"
    assert {path.stem for path in folder.glob("*.parquet")} == set(twins(house.settings.sql))
    for table in twins(house.settings.sql):
        (row,) = masked(house, f'select count(*) as n from marts."{table}"')
        assert pq.read_metadata(folder / f"{table}.parquet").num_rows == row["n"]


def test_a_parquet_file_is_written_when_its_table_has_changed(house: House) -> None:
    publish(house.settings, now=T0)
    folder = house.settings.places.marts / "parquet"
    first = {path.name: path.stat().st_ino for path in folder.glob("*.parquet")}
    (folder / "dim_unit.parquet").unlink()
    (folder / "was_a_table.parquet").write_bytes(b"x")
    publish(house.settings, now=T0)
    second = {path.name: path.stat().st_ino for path in folder.glob("*.parquet")}
    assert second.keys() == first.keys()
    assert {name for name in first if first[name] != second[name]} == {
        "_published.parquet",
        "dim_unit.parquet",
    }
    salt = house.settings.places.state / "mask_salt"
    salt.unlink()  # the same rows with other masks
    publish(house.settings, now=T0)
    third = {path.name: path.stat().st_ino for path in folder.glob("*.parquet")}
    changed = {name for name in first if second[name] != third[name]}
    assert "dim_endpoint.parquet" in changed
    assert "dim_unit.parquet" not in changed


def test_the_file_for_the_few_is_the_other_one_but_for_names(house: House) -> None:
    publish(house.settings, now=T0)
    places = house.settings.places
    for catalog, of_schema in (
        ("duckdb_columns()", "table_name, column_name, data_type, comment"),
        ("duckdb_tables()", "table_name, comment"),
        ("duckdb_views()", "view_name, comment, sql"),
        ("duckdb_functions()", "function_name, macro_definition"),
    ):
        asked = f"select {of_schema} from {catalog} where not internal order by all"
        assert query(places.named_marts_file, asked) == query(places.marts_file, asked)
    warehouse = places.warehouse_file
    for table, twin in twins(house.settings.sql).items():
        if table == "_published":
            continue
        columns = ", ".join(f'"{column.name}"' for column in twin.columns)
        rows = f'select {columns} from marts."{table}" order by all'
        assert query(places.named_marts_file, rows) == query(warehouse, rows)


def test_a_days_figures_come_with_their_loads(house: House) -> None:
    publish(house.settings, now=T0)
    rows = masked(house, "from marts.coverage_as_of(date '2022-10-12') where unit_code = 'pnv'")
    (row,) = rows
    assert (row["allocated_count"], row["installed_count"], row["unit_name"]) == (
        3,
        2,
        "Đơn vị pnv",
    )
    (source,) = row["sources"]
    assert (source["server_code"], source["observed_at"]) == ("huyen", T0)
    assert masked(house, "from marts.coverage_as_of(date '2022-10-11')") == []


def test_old_versions_go_and_as_many_as_set_stay(house: House) -> None:
    house.settings = replace(house.settings, published_versions_kept=2)
    versions = [publish(house.settings, now=T0) for _ in range(4)]
    assert versions == sorted(set(versions))
    for edition in publisher.editions(house.settings.places):
        kept = [path.name.split(".")[1] for path in edition.versions]
        assert kept == versions[-2:]


def test_what_a_killed_run_left_is_swept_and_was_never_served(house: House) -> None:
    version = publish(house.settings, now=T0)
    places = house.settings.places
    left = [
        places.marts / ".ksc_ledger.20990101T000000000000Z.tmp",
        places.marts / ".ksc_ledger.20990101T000000000000Z.tmp.wal",
        places.marts / ".ksc_ledger.lnk",
        places.marts / "parquet" / ".dim_unit.tmp",
        places.named_marts_file.parent / ".ksc_ledger_named.20990101T000000000000Z.tmp",
        # finished, but never linked
        places.marts / "ksc_ledger.20990101T000000000000Z.duckdb",
    ]
    for path in left:
        path.write_bytes(b"x")
    assert masked(house, "select version_id from marts._published") == [{"version_id": version}]
    after = publish(house.settings, now=T0)
    assert after < "20990101"
    assert [path for path in left if path.exists()] == []


@pytest.mark.parametrize("step", ["_copy", "_comment", "_verify", "_link"])
def test_a_publish_that_dies_leaves_the_version_before_in_service(
    house: House, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    version = publish(house.settings, now=T0)

    def die(*_: object) -> None:
        raise OSError("hết chỗ")

    with monkeypatch.context() as patch:
        patch.setattr(publisher, step, die)
        with pytest.raises(OSError, match="hết chỗ"):
            publish(house.settings, now=T0)
    assert masked(house, "select version_id from marts._published") == [{"version_id": version}]
    assert publish(house.settings, now=T0) > version
    hidden = list(house.settings.places.marts.rglob(".*"))
    assert hidden == []


def test_a_file_with_fewer_rows_than_the_warehouse_is_not_linked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(house.settings, now=T0)
    copy = publisher._copy

    def lossy(con: Any, twin: Any, salt: str | None) -> None:
        copy(con, twin, salt)
        if twin.table == "dim_endpoint":
            con.execute("delete from pub.marts.dim_endpoint where endpoint_id = 'm1'")

    monkeypatch.setattr(publisher, "_copy", lossy)
    with pytest.raises(LedgerError, match="dim_endpoint") as raised:
        publish(house.settings, now=T0)
    assert raised.value.code == "published_file_not_whole"


def test_no_wal_is_left_and_the_file_cannot_be_written(house: House) -> None:
    publish(house.settings, now=T0)
    marts = house.settings.places.marts
    assert list(marts.rglob("*.wal")) == []
    with duckdb.connect(str(marts / "ksc_ledger.duckdb"), read_only=True) as con:
        with pytest.raises(duckdb.Error):
            con.execute("delete from marts.dim_unit")
        version = con.execute(
            "select tags['storage_version'] from duckdb_databases() where database_name = 'ksc_ledger'"
        ).fetchone()
    assert version is not None
    assert str(version[0]).startswith("v1.5")


def test_nothing_built_is_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    with pytest.raises(LedgerError) as missing:
        publish(house.settings, now=T0)
    assert missing.value.code == "database_missing"
    house.apply()
    with pytest.raises(LedgerError) as empty:
        publish(house.settings, now=T0)
    assert empty.value.code == "nothing_built"


def test_another_build_than_the_callers_is_not_published(house: House) -> None:
    publish(house.settings, now=T0, as_of_at=T0, code_version="1.2.3", registry_sha256="a" * 64)
    for wrong in (
        {"as_of_at": T0 + DAY},
        {"code_version": "9"},
        {"registry_sha256": "b" * 64},
    ):
        with pytest.raises(LedgerError) as raised:
            publish(house.settings, now=T0, **wrong)  # type: ignore[arg-type]
        assert raised.value.code == "another_build"


READER = """
import sys, time, duckdb, os
file, until = sys.argv[1], float(sys.argv[2])
seen, reads = [], 0
while time.time() < until and not os.path.exists(file + ".stop"):
    con = duckdb.connect(file, read_only=True, config={"threads": 1})
    version, as_of_at = con.execute(
        "select version_id, epoch(as_of_at) from marts._published").fetchone()
    units, days, newest = con.execute(
        "select count(distinct unit_code), count(distinct snapshot_date), "
        "max(epoch(observed_at)) from marts.fct_unit_coverage_daily, "
        "(select max(observed_at) as observed_at from marts.fct_source_load)").fetchone()
    con.close()
    assert units == 4 and newest == as_of_at, (units, newest, as_of_at)
    assert not seen or version >= seen[-1], (seen, version)
    if not seen or version != seen[-1]:
        seen.append(version)
    reads += 1
    time.sleep(0.02)
print(len(seen), reads)
"""


@pytest.mark.parametrize(
    ("readers_count", "versions_count"),
    [
        pytest.param(2, 3, id="a few"),
        pytest.param(8, 10, id="eight readers, ten versions", marks=pytest.mark.long),
    ],
)
def test_readers_never_fail_nor_see_half_a_version(
    house: House, readers_count: int, versions_count: int
) -> None:
    """Versions in a row, each with another load, under processes that read all the time."""
    publish(house.settings, now=T0)
    file = house.settings.places.marts_file
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(file), str(time.time() + 200)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(readers_count)
    ]
    try:
        for number in range(1, versions_count + 1):
            instant: datetime = T0 + timedelta(minutes=number)
            house.land(instant, [a_host("m1", display_name=NAME)])
            house.build(instant)
            publish(house.settings, now=instant)
    finally:
        file.with_name(file.name + ".stop").touch()
        ends = [reader.communicate(timeout=120) for reader in readers]
    assert [error for _, error in ends if error] == []
    versions, reads = zip(*(map(int, out.split()) for out, _ in ends), strict=True)
    assert min(versions) >= 2
    assert min(reads) > versions_count
