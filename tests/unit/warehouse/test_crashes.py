"""F37-F41, F45-F49 of the warehouse: killed, full, damaged, held open; and what is true afterwards."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.warehouse import publish
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.rebuild import rebuild
from ksc_ledger.warehouse.writer import writer
from unit.warehouse.builders import T0, House, a_host
from unit.warehouse.crash_child import a_registry, land, turn

if TYPE_CHECKING:
    from collections.abc import Iterator

CHILD = Path(__file__).with_name("crash_child.py")
TABLES = (
    "hist.intervals",
    "hist.load_log",
    "marts.fct_unit_coverage_daily",
    "marts.fct_endpoint_state",
    "marts.dim_endpoint",
)
POINTS = [
    "history:_read_facts:after",  # facts read, nothing written
    "history:_put_current:before",  # what ended is written, the current state is that of before
    "history:_put_current:after",
    "history:_record:before",  # rows of the history written, the load's own row not yet
    "history:_record:after",  # both written, not committed
    "lake:transaction:before",  # the wave is about to begin
    "lake:transaction:after",  # committed, and nobody has been told
    "builder:build_models:before",
    "builder:build_models:after",
    "builder:check_models:before",
    "builder:check_models:after",
    "builder:transaction:before",
    "builder:transaction:after",  # built, not published
    "publisher:_fill:before",
    "publisher:_fill:after",
    "publisher:_verify:before",
    "publisher:_verify:after",
    "publisher:_write_named:before",  # the file for everybody is whole, the other not begun
    "publisher:_write_named:after",
    "publisher:_link:before",  # a whole version that nobody serves
    "publisher:_link:after",  # one of the two editions is linked
    "publisher:_write_flat:before",
    "publisher:write_spreadsheets:before",
    "publisher:write_spreadsheets:after",
    "unit_files:link:before",
    "unit_files:link:after",
]
FEW = {"history:_record:before", "publisher:_link:before"}
ROUNDS = 2


def child(home: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(home), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def everything(home: Path) -> dict[str, list[dict[str, Any]]]:
    file = House(home).settings.places.warehouse_file
    return {table: query(file, f"from {table} order by all") for table in TABLES}


def served(home: Path) -> dict[str, Any] | None:
    """The published version as a reader finds it, read through; None before the first."""
    file = House(home).settings.places.marts_file
    if not file.exists():
        return None
    (row,) = query(file, "from marts._published")
    days = query(file, "select unit_code, installed_count from marts.fct_unit_coverage_daily")
    assert days
    assert query(file, "select count(*) as n from marts.dim_endpoint")
    return row


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What comes out when nothing goes wrong."""
    home = tmp_path_factory.mktemp("undisturbed")
    house = House(home, a_registry())
    for number in range(ROUNDS):
        turn(house, number)
    return home


@pytest.mark.parametrize(
    "point",
    [pytest.param(one, marks=() if one in FEW else pytest.mark.long) for one in POINTS],
)
def test_f37_to_f40_killed_at_a_named_point_nothing_is_partial_lost_or_twice(
    point: str, undisturbed: Path, tmp_path: Path
) -> None:
    """Killed in the second round, with a version in service; then simply run again."""
    house = House(tmp_path, a_registry())
    turn(house, 0)
    before = served(tmp_path)
    killed = child(tmp_path, str(ROUNDS), point)
    _, said = killed.communicate(timeout=240)
    assert killed.returncode == -signal.SIGKILL, said
    after = served(tmp_path)
    assert before is not None
    assert after is not None
    assert after["version_id"] >= before["version_id"]
    assert (after["as_of_at"] == before["as_of_at"]) or after["as_of_at"] == T0 + timedelta(hours=1)
    turn(house, 1)  # the next run, as a scheduler would start it
    assert everything(tmp_path) == everything(undisturbed)
    newest = served(tmp_path)
    assert newest is not None
    assert newest["as_of_at"] == T0 + timedelta(hours=1)
    left = [path for path in house.settings.places.marts.rglob(".*") if path.suffix == ".tmp"]
    assert left == []


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_two_hundred_random_kills_leave_nothing_partial_lost_or_twice(tmp_path: Path) -> None:
    chance = random.Random(20240110)  # noqa: S311 (a fixed seed is the point)
    house = House(tmp_path / "killed", a_registry())
    rounds = 24
    for _ in range(200):
        process = child(house.settings.home, str(rounds))
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 1.5))
        process.kill()
        process.communicate(timeout=60)
        served(house.settings.home)  # a reader finds a whole version at every moment
    for number in range(rounds):
        turn(house, number)
    clean = House(tmp_path / "clean", a_registry())
    for number in range(rounds):
        turn(clean, number)
    assert everything(house.settings.home) == everything(clean.settings.home)
    ids = house.ask("select load_id, count(*) as n from hist.load_log group by all")
    assert {row["n"] for row in ids} == {1}
    assert len(ids) == rounds


def test_f41_two_runs_at_once_take_each_load_in_once(tmp_path: Path) -> None:
    """An attempt that was given up and its successor: the lock lets one go after the other."""
    house = House(tmp_path, a_registry())
    for number in range(4):
        land(house, number)
    first = child(tmp_path, "4")
    second = child(tmp_path, "4")
    for process in (first, second):
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said
    ids = house.ask("select load_id from hist.load_log order by 1")
    assert [row["load_id"] for row in ids] == [
        "huyen-0000",
        "huyen-0002",
        "huyen2-0001",
        "huyen2-0003",
    ]


HOLDER = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_open(file: Path) -> Iterator[subprocess.Popen[str]]:
    """A BI tool with an idle read-only connection, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    try:
        yield process
    finally:
        process.communicate("")


def test_f45_who_holds_the_warehouse_open_is_named_and_waited_for(tmp_path: Path) -> None:
    house = House(tmp_path, a_registry())
    turn(house, 0)
    with held_open(house.settings.places.warehouse_file) as process:
        with pytest.raises(LedgerError) as raised, writer(house.settings, timeout_seconds=0.5):
            raise AssertionError("the file was free")
        assert raised.value.code == "warehouse_held_open"
        assert f"tiến trình {process.pid}" in str(raised.value)
        # It lets go while the next attempt is waiting: then the attempt goes on.
        assert process.stdin is not None
        timer = threading.Timer(0.6, process.stdin.close)
        timer.start()
        with writer(house.settings, timeout_seconds=30) as con:
            assert con.execute("select count(*) from hist.load_log").fetchone() == (1,)
        timer.join()
        process.stdin = None


def test_f46_a_reader_keeps_its_version_whole_and_sees_the_new_one_when_it_connects_again(
    tmp_path: Path,
) -> None:
    """In one process, as in a BI server: the old connection stays open throughout."""
    house = House(tmp_path, a_registry())
    turn(house, 0)
    file = str(house.settings.places.marts_file)
    question = "select version_id from marts._published"
    with duckdb.connect(file, read_only=True) as old:
        first = old.execute(question).fetchall()
        for number in range(1, 6):  # more versions than are kept
            publish(house.settings, now=T0 + timedelta(minutes=number))
            with duckdb.connect(file, read_only=True) as new:
                assert new.execute(question).fetchall() > first
        assert old.execute(question).fetchall() == first
        assert old.execute("select count(*) from marts.dim_endpoint").fetchone() == (4,)


def test_f47_a_disk_that_is_full_rolls_back_and_leaves_what_was(tmp_path: Path) -> None:
    """The largest file a process may write stands for the disk: every write beyond it fails."""
    house = House(tmp_path, a_registry())
    turn(house, 0)
    before = everything(tmp_path)
    house.land(
        T0 + timedelta(hours=2),
        [
            a_host(f"voll{number}", display_name=f"PNV-{number}-{number:08d}")
            for number in range(9000)
        ],
    )
    limit = 2 * 1024 * 1024  # less than the warehouse and every published file already have
    assert house.settings.places.warehouse_file.stat().st_size > limit
    full = child(tmp_path, "2", str(limit))
    _, said = full.communicate(timeout=240)
    assert full.returncode == 1, said
    version = served(tmp_path)
    assert version is not None
    assert version["as_of_at"] == T0  # nothing of the round that did not fit
    now = everything(tmp_path)
    # Committed whole or not at all; what was there before is there still.
    voll = [row for row in now["hist.intervals"] if row["endpoint_id"].startswith("voll")]
    assert len(voll) in {0, 9000}
    assert {row["load_id"] for row in before["hist.load_log"]} <= {
        row["load_id"] for row in now["hist.load_log"]
    }
    turn(house, 1)  # there is room again
    (row,) = house.ask("select count(*) as n from hist.cur where endpoint_id like 'voll%'")
    assert row["n"] == 9000


LEAVE_A_LOG = """
import duckdb, os, signal, sys
con = duckdb.connect(sys.argv[1])
con.execute("set checkpoint_threshold = '1TB'")
con.execute("create table main.t as select 1 as a")
os.kill(os.getpid(), signal.SIGKILL)
"""


class TestF48:
    @pytest.fixture
    def house(self, tmp_path: Path) -> House:
        house = House(tmp_path, a_registry())
        for number in range(2):
            turn(house, number)
        return house

    @pytest.mark.parametrize(
        "damage",
        [
            "bits",
            pytest.param("cut", marks=pytest.mark.long),
            pytest.param("garbage", marks=pytest.mark.long),
        ],
    )
    def test_f48_a_damaged_warehouse_is_refused_and_rebuilt_equal(
        self, house: House, damage: str
    ) -> None:
        before, version = everything(house.settings.home), served(house.settings.home)
        file = house.settings.places.warehouse_file
        raw = bytearray(file.read_bytes())
        if damage == "bits":
            for place in range(8192, len(raw), 1024):
                raw[place] ^= 1
        file.write_bytes(
            {"bits": bytes(raw), "cut": bytes(raw[: len(raw) // 3]), "garbage": b"hong" * 9000}[
                damage
            ]
        )
        with pytest.raises(LedgerError) as raised:
            turn(house, 2)
        assert raised.value.code == "warehouse_damaged"
        assert "keep_house" in raised.value.remedy
        assert served(house.settings.home) == version  # readers do not notice
        places = house.settings.places
        for path in places.snapshot.rglob("*0002*"):
            path.unlink()
        rebuild(
            house.settings, house.registry, code_version="1.2.3", as_of_at=T0 + timedelta(hours=1)
        )
        assert everything(house.settings.home) == before

    def test_f48_a_log_that_belongs_to_another_file_is_refused(
        self, house: House, tmp_path: Path
    ) -> None:
        """A file put in the place of another whose log was left behind by a kill."""
        before = everything(house.settings.home)
        file = house.settings.places.warehouse_file
        other = tmp_path / "other"
        shutil.copytree(house.settings.home / "warehouse", other)
        killed = subprocess.run(
            [sys.executable, "-c", LEAVE_A_LOG, str(other / file.name)],
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL
        house.build(T0 + timedelta(hours=1))  # our own file has moved on since it was copied
        shutil.copy2(other / f"{file.name}.wal", file.with_name(f"{file.name}.wal"))
        with pytest.raises(LedgerError) as raised:
            turn(house, 1)
        assert raised.value.code == "warehouse_damaged"
        file.with_name(f"{file.name}.wal").unlink()
        now = everything(house.settings.home)
        assert now["hist.intervals"] == before["hist.intervals"]


def test_f49_every_file_keeps_the_storage_version_that_is_pinned(tmp_path: Path) -> None:
    house = House(tmp_path, a_registry())
    turn(house, 0)
    places = house.settings.places
    files = [
        places.warehouse_file,
        places.marts_file.resolve(),
        places.named_marts_file.resolve(),
        *(path.resolve() for path in (places.marts / "units").glob("*.duckdb")),
    ]
    for file in files:
        with duckdb.connect(str(file), read_only=True) as con:
            (tag,) = con.execute(
                "select tags['storage_version'] from duckdb_databases() where not internal"
            ).fetchall()
        assert str(tag[0]).startswith("v1.5"), file
