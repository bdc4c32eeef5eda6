"""A home as the first release left it, opened by this code: every figure is still there and the same.

The older shape is made from today's: the operational database of the first revision, the warehouse
with the first definitions in an older storage version, manifests that know nothing of what came later.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from contract.provinces import district
from integration.clinic import AT, a_clinic
from ksc_ledger.doctor import house
from ksc_ledger.registry import in_force
from ksc_ledger.settings import Settings
from ksc_ledger.state import open_state
from ksc_ledger.state.database import HEAD, revision_of
from ksc_ledger.warehouse import backup
from ksc_ledger.warehouse.condition import condition
from ksc_ledger.warehouse.engine import STORAGE_VERSION
from ksc_ledger.warehouse.rebuild import rebuild
from unit.state.older import content, fill, make

FIRST = "0001_history"
OLDER_STORAGE = "v1.4.0"
LATER = timedelta(hours=1)
FIGURES = "select * from marts.fct_unit_coverage_daily order by all"
# What manifests have had since; the first release wrote none of it.
SINCE = ("extras", "extra_faults", "drift")
Sums = Mapping[str, tuple[Any, ...]]


def history(file: Path) -> Sums:
    """Rows and a sum over the content of every table of the history, by its name."""
    with duckdb.connect(str(file), read_only=True) as con:
        names = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'hist' order by all"
        ).fetchall()
        return {
            name: con.execute(
                f'select count(*), coalesce(sum(md5_number_lower(t::varchar)), 0) from hist."{name}" as t'
            ).fetchone()
            or ()
            for (name,) in names
        }


def of_the_first_release(settings: Settings) -> None:
    """Turn a home of today into one that the first release left."""
    _older_state(settings)
    _older_warehouse(settings)
    for path in settings.places.snapshot.rglob("*.json"):
        raw = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps({k: v for k, v in raw.items() if k not in SINCE}), "utf-8")


def _older_state(settings: Settings) -> None:
    file = settings.places.state_database
    for name in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        name.unlink(missing_ok=True)
    engine = make(settings.state_url, "0001")
    fill(engine)
    engine.dispose()


def _older_warehouse(settings: Settings) -> None:
    """The first definitions, and of today's rows what has a place in them."""
    file = settings.places.warehouse_file
    newer = file.with_name("newer.duckdb")
    file.rename(newer)
    with duckdb.connect() as con:
        con.execute(f"attach '{newer}' as newer (read_only)")
        con.execute(f"attach '{file}' as wh (storage_version '{OLDER_STORAGE}')")
        con.execute("use wh")
        con.execute("create table main.applied_ddl (name varchar not null)")
        con.execute((settings.sql / "ddl" / f"{FIRST}.sql").read_text("utf-8"))
        con.execute("insert into main.applied_ddl values (?)", [FIRST])
        tables = con.execute(
            "select schema_name, table_name from duckdb_tables()"
            " where database_name = 'wh' and schema_name <> 'main'"
        ).fetchall()
        for schema, table in tables:
            con.execute(
                f"insert into {schema}.{table} by name select * from newer.{schema}.{table}"
            )
    newer.unlink()


@pytest.mark.long
def test_a_home_of_the_first_release_is_upgraded_and_nothing_is_lost(tmp_path: Path) -> None:
    with a_clinic(tmp_path, districts=2) as clinic:
        clinic.way.kinds = ()  # the first release asked for nothing beside the devices
        clinic.way.collect_and_publish(AT)
        clinic.simulator.fault(district(2), "zero_hosts")  # its second reading is refused
        clinic.way.collect_and_publish(AT + LATER)
        settings = clinic.settings
        before = history(settings.places.warehouse_file)
        figures = clinic.way.query(FIGURES)
        assert (before["load_log"][0], before["cur"][0]) == (6, 30)
        assert sum(row["installed_count"] for row in figures) > 0

        of_the_first_release(settings)
        kept = content(make(settings.state_url, "0001"))
        assert house.warehouse(settings).code == "warehouse_not_migrated"
        assert house.state(settings)[0].code == "state_not_migrated"

        open_state(settings.state_url).dispose()
        clinic.way.publish(AT + LATER)
        engine = open_state(settings.state_url)
        assert content(engine, like=kept) == kept
        engine.dispose()
        assert revision_of(settings.state_url) == HEAD
        after = history(settings.places.warehouse_file)
        assert set(after) >= set(before)
        assert {name: after[name] for name in before} == before
        assert clinic.way.query(FIGURES) == figures
        found = condition(settings)
        assert (found.waiting, found.load_count) == ((), 6)
        assert found.storage_version.startswith(STORAGE_VERSION)  # the build has converted the file

        # What came through is as good as new: backed up, lost, given back, and made from landing alone.
        folder = backup.back_up(settings, code_version="test", now=AT + LATER)
        assert "khớp" in str(backup.drill(settings, folder))
        shutil.rmtree(settings.places.warehouse_file.parent)
        backup.restore(settings, folder)
        clinic.way.publish(AT + LATER)
        assert clinic.way.query(FIGURES) == figures
        rebuild(settings, in_force(settings).registry, code_version="test")
        clinic.way.publish(AT + LATER)
        assert clinic.way.query(FIGURES) == figures
