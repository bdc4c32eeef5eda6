"""One writer at a time, and a file that is made and migrated on first use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse import writer as writer_module
from ksc_ledger.warehouse.engine import transaction
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.writer import lock, locked_reader, writer
from unit.warehouse.builders import settings_for

HOLDER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path)


def test_a_second_writer_waits_and_then_says_who_to_wait_for(settings: Settings) -> None:
    path = settings.places.warehouse_file.with_name("ledger.duckdb.lock")
    path.parent.mkdir(parents=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(LedgerError) as raised, lock(settings, timeout_seconds=0.3):
            raise AssertionError("the lock was free")
        assert raised.value.code == "warehouse_busy"
    finally:
        holder.communicate("")
    with lock(settings, timeout_seconds=5):
        pass


def test_the_lock_is_free_again_after_an_error(settings: Settings) -> None:
    with pytest.raises(ValueError, match="x"), writer(settings):
        raise ValueError("x")
    with writer(settings, timeout_seconds=0):
        pass


def test_the_file_is_made_and_migrated_once(settings: Settings) -> None:
    for _ in range(2):
        with writer(settings) as con:
            names = con.execute("select name from main.applied_ddl").fetchall()
    assert names == [(path.stem,) for path in sorted((settings.sql / "ddl").glob("*.sql"))]
    (row,) = query(
        settings.places.warehouse_file,
        "select tags['storage_version'] as v from duckdb_databases() where database_name = 'ledger'",
    )
    assert row["v"].startswith("v1.5")


def test_limits_come_from_the_settings_and_nothing_is_fetched(settings: Settings) -> None:
    small = replace(settings, warehouse_memory="300MB", warehouse_threads=1)
    with writer(small) as con:
        found = con.execute(
            "select current_setting('threads'), current_setting('memory_limit'),"
            " current_setting('autoload_known_extensions'),"
            " current_setting('autoinstall_known_extensions'), current_setting('TimeZone')"
        ).fetchone()
    assert found == (1, "286.1 MiB", False, False, "UTC")


def test_a_transaction_is_all_or_nothing(settings: Settings) -> None:
    with writer(settings) as con:
        con.execute("create table t (a integer)")
        with suppress(ValueError), transaction(con):
            con.execute("insert into t values (1)")
            raise ValueError("x")
        assert con.execute("select count(*) from t").fetchone() == (0,)


def test_reading_demands_a_file_and_never_makes_one(settings: Settings) -> None:
    with pytest.raises(LedgerError) as raised, locked_reader(settings):
        raise AssertionError("there is no warehouse")
    assert raised.value.code == "database_missing"
    assert not settings.places.warehouse_file.exists()
    with pytest.raises(LedgerError) as unpublished:
        query(settings.places.marts_file, "select 1")
    assert unpublished.value.code == "not_published"


def test_a_nearly_full_disk_is_refused_at_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SPARE_BYTES", 1 << 60)
    with pytest.raises(LedgerError) as raised, writer(settings):
        raise AssertionError("the disk has room")
    assert raised.value.code == "disk_nearly_full"


def test_a_warehouse_that_older_code_left_is_told_as_such_until_a_writer_has_migrated_it(
    settings: Settings, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    (older / "ddl").mkdir(parents=True)
    shutil.copy2(settings.sql / "ddl" / "0001_history.sql", older / "ddl")
    with writer(replace(settings, sql=older)):
        pass
    with pytest.raises(LedgerError) as raised, locked_reader(settings):
        raise AssertionError("it was read")
    assert raised.value.code == "warehouse_not_migrated"
    assert "0002_extras" in raised.value.text
    assert "build_marts" in raised.value.remedy
    with writer(settings):
        pass
    with locked_reader(settings) as con:
        assert con.execute("select count(*) from wh.hist.product").fetchone() == (0,)
