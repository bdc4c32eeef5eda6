"""A DuckLake with its catalog in a real PostgreSQL, beside the plain file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from integration.the_road import Road, road, settings_of
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.registry import in_force
from ksc_ledger.settings import Settings
from ksc_ledger.state import open_state
from ksc_ledger.warehouse import backup, build, publish
from ksc_ledger.warehouse.asof import coverage_as_of, replay
from ksc_ledger.warehouse.erasure import erase
from ksc_ledger.warehouse.lake import Turns
from ksc_ledger.warehouse.lake_upkeep import tend
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.rebuild import rebuild
from ksc_ledger.warehouse.writer import locked_reader, writer
from lake.estate import BOTH, FIRST, MACHINES, REGISTRY, SECOND, SILENT, land_hours
from unit.state.postgresql import Cluster, create, running
from unit.warehouse.builders import T0, House, a_host

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
SCENARIO = HERE.parent / "road" / "scenario"
_NUMBERS = count(1)


@dataclass(frozen=True)
class Lake:
    """A database of its own in the cluster, and a folder for the data."""

    cluster: Cluster
    database: str
    data: Path

    @property
    def url(self) -> str:
        return (
            f"ducklake+postgresql://ksc:khong-can@/{self.database}"
            f"?host={self.cluster.folder}&data_path={self.data}"
        )

    def files(self) -> int:
        return sum(path.is_file() for path in self.data.rglob("*"))

    def catalog(self) -> str:
        """Everything that its database holds, as text."""
        with psycopg.connect(
            host=str(self.cluster.folder), user="ksc", dbname=self.database
        ) as connection:
            names = connection.execute(
                "select tablename from pg_tables where schemaname = 'public'"
            ).fetchall()
            return "\n".join(
                str(connection.execute(f'select * from "{name}"'.encode()).fetchall())
                for (name,) in names
            )

    def cut_off(self) -> None:
        """End every connection to its database, as when the network fails."""
        with psycopg.connect(
            host=str(self.cluster.folder), user="ksc", dbname="postgres"
        ) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                [self.database],
            )

    def drop(self) -> None:
        """Lose both the catalog and the data."""
        with psycopg.connect(
            host=str(self.cluster.folder), user="ksc", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"drop database {self.database} with (force)".encode())
        shutil.rmtree(self.data)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running() as cluster:
        yield cluster


def a_lake(cluster: Cluster, folder: Path) -> Lake:
    lake = Lake(cluster, f"lake_{next(_NUMBERS)}", folder / "data")
    create(cluster.folder, lake.database, "template0")
    lake.data.mkdir(parents=True)
    return lake


def tables(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Every row of every published table."""
    file = settings.places.named_marts_file
    names = query(
        file,
        "select table_name as name from duckdb_tables()"
        " where schema_name = 'marts' and table_name <> '_published' order by all",
    )
    assert len(names) > 30
    return {row["name"]: query(file, f"from marts.{row['name']} order by all") for row in names}


def differing(one: Settings, other: Settings) -> list[str]:
    first, second = tables(one), tables(other)
    return [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]


def build_and_publish(settings: Settings, at: datetime) -> None:
    report = build(settings, in_force(settings).registry, as_of_at=at, code_version="1.2.3")
    publish(
        settings, as_of_at=at, code_version="1.2.3", registry_sha256=report.registry_sha256, now=at
    )


def at(hour: int) -> datetime:
    return datetime.fromisoformat(f"2022-10-12T{hour:02}:00:00+07:00")


HOURS = [at(hour) for hour in (8, 9, 10, 11, 12)]


@dataclass(frozen=True)
class Pair:
    """The same landed loads, in the plain file and in a lake."""

    plain: Settings
    shared: Settings
    lake: Lake


@pytest.fixture(scope="module")
def pair(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The road's day, built and published in both after every hour."""
    folder = tmp_path_factory.mktemp("pair")
    lake = a_lake(cluster, folder)
    with road([SCENARIO], folder / "plain") as way:
        shared = replace(
            settings_of(folder / "shared", way.settings.registry), warehouse_url=lake.url
        )
        _go(way, shared)
    return Pair(way.settings, shared, lake)


def _go(way: Road, shared: Settings) -> None:
    open_state(shared.state_url).dispose()
    for instant in HOURS:
        way.collect(instant)
        shutil.copytree(way.settings.home / "landing", shared.home / "landing", dirs_exist_ok=True)
        build_and_publish(way.settings, instant)
        build_and_publish(shared, instant)


def test_the_marts_of_the_roads_day_are_those_of_the_plain_file(pair: Pair) -> None:
    assert differing(pair.plain, pair.shared) == []
    with locked_reader(pair.shared) as con:
        kinds = con.execute(
            "select count(*) from duckdb_tables() where database_name = 'wh' and schema_name = 'hist'"
        ).fetchall()
        (loads,) = con.execute("select count(*) from lake.hist.load_log").fetchall()
    assert kinds == [(0,)]  # the history is in the lake and nowhere else
    assert loads[0] >= 2 * len(HOURS)


def test_a_printed_figure_is_made_again_from_the_lake(pair: Pair) -> None:
    (row,) = coverage_as_of(pair.shared, HOURS[0].date(), "dtp_872")
    again = replay(pair.shared, row["snapshot_id"])
    assert again == replay(pair.plain, row["snapshot_id"])
    assert json.dumps(again) == json.dumps(row)


def test_maintenance_removes_what_nobody_reads_and_no_figure(pair: Pair) -> None:
    before = tables(pair.shared)
    at_once = tend(pair.shared)
    assert at_once is not None
    assert at_once.removed == 0  # somebody may still read them
    later = tend(pair.shared, now=datetime.now(UTC) + timedelta(days=9))
    assert later is not None
    assert later.removed > 0
    build_and_publish(pair.shared, HOURS[-1])
    assert tables(pair.shared) == before


def test_catalog_and_data_come_back_from_the_backup(
    pair: Pair, cluster: Cluster, tmp_path: Path
) -> None:
    before = tables(pair.shared)
    folder = backup.back_up(pair.shared, code_version="1.2.3", now=HOURS[-1])
    drill = backup.drill(pair.shared, folder)
    assert drill.figures  # made anew from the backup alone, without a lake
    with pytest.raises(LedgerError, match="không phục hồi đè lên"):
        backup.restore(pair.shared, folder)

    again = a_lake(cluster, tmp_path)
    lost = replace(pair.shared, home=tmp_path / "home", warehouse_url=again.url)
    lost = replace(lost, state_url=f"sqlite:///{lost.places.state_database}")
    backup.restore(lost, folder)
    shutil.copytree(pair.shared.home / "landing", lost.home / "landing")
    build_and_publish(lost, HOURS[-1])
    assert tables(lost) == before

    # The same place once more, after everything in it was lost.
    again.drop()
    create(cluster.folder, again.database, "template0")
    again.data.mkdir()
    with pytest.raises(LedgerError), locked_reader(lost):
        pass
    backup.restore(lost, folder)
    build_and_publish(lost, HOURS[-1])
    assert tables(lost) == before


def test_a_rebuild_replaces_the_history_of_the_lake_in_one_go(pair: Pair) -> None:
    before = tables(pair.shared)
    with writer(pair.shared) as con:
        con.execute("use lake")
        con.execute("delete from hist.cur")  # as after an accident
    rebuild(pair.shared, in_force(pair.shared).registry, code_version="1.2.3")
    build_and_publish(pair.shared, HOURS[-1])
    assert tables(pair.shared) == before


def test_a_rebuild_refuses_to_lose_what_another_installation_landed(
    pair: Pair, tmp_path: Path
) -> None:
    other = replace(pair.shared, home=tmp_path / "other")
    shutil.copytree(pair.shared.places.snapshot, other.places.snapshot)
    lost = sorted(other.places.snapshot.glob("*/*/*.json"))[-1]
    lost.unlink()
    with pytest.raises(LedgerError, match=lost.stem) as caught:
        rebuild(other, in_force(pair.shared).registry, code_version="1.2.3")
    assert caught.value.code == "lake_knows_more"
    build_and_publish(pair.shared, HOURS[-1])
    assert differing(pair.plain, pair.shared) == []


@dataclass(frozen=True)
class Written:
    """What two writers said of themselves, and three readers."""

    writers: list[dict[str, int]]
    readers: list[dict[str, Any]]


def _child(program: str, *words: object) -> subprocess.Popen[str]:
    tests = HERE.parent
    paths = os.pathsep.join(str(path) for path in (tests, tests.parent / "plugins"))
    return subprocess.Popen(
        [sys.executable, str(HERE / program), *(str(word) for word in words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )


def _said(child: subprocess.Popen[str]) -> Any:
    out, err = child.communicate(timeout=600)
    assert child.returncode == 0, err
    return json.loads(out)


def write_and_read(lake: Lake, homes: list[Path], hours: int, wait: float) -> Written:
    stop = lake.data.parent / "stop"
    writers = [_child("writer_child.py", home, lake.url, hours, wait) for home in homes]
    readers = [
        _child("reader_child.py", lake.data.parent / f"reader{number}", lake.url, stop)
        for number in range(2)
    ]
    try:
        became = [_said(one) for one in writers]
        stop.touch()
        return Written(became, [_said(one) for one in readers])
    finally:
        for child in (*writers, *readers):
            child.kill()
            child.wait()


@pytest.mark.parametrize("wait", [0, 60], ids=["by_conflict_alone", "waiting_for_their_turn"])
def test_two_writers_at_once_lose_nothing_and_double_nothing(
    cluster: Cluster, tmp_path: Path, wait: float
) -> None:
    hours = 12
    plain = House(tmp_path / "plain", REGISTRY)
    land_hours(plain, hours)
    lake = a_lake(cluster, tmp_path)
    homes = [tmp_path / "first", tmp_path / "second"]
    for home, servers in zip(homes, ((*FIRST, *BOTH), (*SECOND, *BOTH, *SILENT)), strict=True):
        for server in servers:
            place = Path("landing") / "snapshot" / server
            shutil.copytree(plain.settings.home / place, home / place)
    written = write_and_read(lake, homes, hours, wait)
    (tmp_path / "written.json").write_text(json.dumps([written.writers, written.readers]))

    applied, recorded = (
        sum(one[name] for one in written.writers) for name in ("applied", "recorded")
    )
    assert applied == hours * len((*FIRST, *SECOND, *BOTH))
    assert recorded == hours * len(SILENT)
    assert sum(one["refused"] for one in written.writers) == 0
    conflicts = sum(one["conflicts"] for one in written.writers)
    assert conflicts < 4 if wait else conflicts > 0
    assert sum(one["torn"] for one in written.readers) == 0
    assert all(one["looks"] > 1 and len(one["seen"]) > 1 for one in written.readers)

    instant = T0 + timedelta(hours=hours)
    shared = House(homes[0], REGISTRY)
    shared.settings = replace(shared.settings, warehouse_url=lake.url)
    for house in (plain, shared):
        house.build(instant)
        publish(house.settings, now=instant)
    assert differing(plain.settings, shared.settings) == []
    with locked_reader(shared.settings) as con:
        (log,) = con.execute(
            "select count(*), count(distinct load_id) from wh.hist.load_log"
        ).fetchall()
        (machines,) = con.execute("select count(*) from wh.hist.cur").fetchall()
    assert log == (applied + recorded, applied + recorded)
    assert machines == (MACHINES * len((*FIRST, *SECOND, *BOTH)),)

    before, held = tables(shared.settings), lake.files()
    for days in (0, 9):
        tend(shared.settings, now=datetime.now(UTC) + timedelta(days=days))
    assert lake.files() < held / 2
    shared.build(instant)
    publish(shared.settings, now=instant + timedelta(minutes=1))
    assert tables(shared.settings) == before


def test_a_catalog_that_goes_away_leaves_no_half_load_and_does_not_stop_publishing(
    cluster: Cluster, tmp_path: Path
) -> None:
    lake = a_lake(cluster, tmp_path)
    house = House(tmp_path / "home")
    house.settings = replace(house.settings, warehouse_url=lake.url)
    house.land(T0, [a_host("m1")])
    with writer(house.settings):
        pass

    def half() -> None:
        con.execute("insert into hist.home values ('m1', now(), 'huyen')")
        lake.cut_off()

    with pytest.raises(LedgerError) as caught, writer(house.settings) as con:
        Turns(con).take(half)
    assert caught.value.code == "lake_unreachable"
    assert "khong-can" not in str(caught.value)
    assert len(house.apply().applied) == 1  # whoever was cut off holds up nobody
    with locked_reader(house.settings) as con:
        assert con.execute("from wh.hist.home").fetchall() == []

    house.build(T0)
    lake.drop()
    publish(house.settings, now=T0)  # what was built is published all the same
    assert len(tables(house.settings)["dim_endpoint"]) == 1


def test_a_text_is_erased_from_every_file_of_the_lake(cluster: Cluster, tmp_path: Path) -> None:
    lake = a_lake(cluster, tmp_path)
    house = House(tmp_path / "home")
    house.settings = replace(house.settings, warehouse_url=lake.url)
    open_state(house.settings.state_url).dispose()
    house.land(
        T0, status=LoadStatus.FAILED, fault_code="credentials", fault_text="nguoidung.can.xoa sai"
    )
    house.build(T0)
    publish(house.settings, now=T0)
    erased = erase(house.settings, "nguoidung.can.xoa", code_version="1.2.3", now=T0)
    assert erased.counts["ô trong kho"] >= 1
    with locked_reader(house.settings) as con:
        rows = con.execute("select fault_text from wh.hist.load_log").fetchall()
    assert rows == [("[đã xóa] sai",)]
    assert "nguoidung.can.xoa" not in lake.catalog()
    assert not any(
        b"nguoidung.can.xoa" in path.read_bytes() for path in lake.data.rglob("*") if path.is_file()
    )
