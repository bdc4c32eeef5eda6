"""The invented province: its history written at once is the history that applying it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from bench import estate
from bench.cases.compliance import FULL, INTERVALS, MART
from bench.cases.prepare_province import COMPLIANCE, settings_of
from bench.estate import SERVERS, Province, Schedule

from ksc_ledger.settings import Settings
from ksc_ledger.warehouse import build, publish, snapshot_arrow
from ksc_ledger.warehouse.history import apply_loads
from ksc_ledger.warehouse.writer import writer

ENDPOINTS, STEPS = 400, 12
SCHEDULE = Schedule(ENDPOINTS, SERVERS[:2])


@pytest.fixture(scope="module")
def province() -> Iterator[Province]:
    made = Province.of(SCHEDULE, STEPS, one_in=20)
    yield made
    made.close()


@pytest.fixture(scope="module")
def filled(province: Province, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_of(tmp_path_factory.mktemp("filled"))
    province.fill_history(settings, STEPS, estate.passed(settings))
    return settings


def tables(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    names = ("closed", "cur", "gone", "home", "load_log", "verdict")
    with writer(settings) as con:
        return {
            name: sorted(con.execute(f"from hist.{name}").fetchall(), key=repr) for name in names
        }


def test_a_filled_history_is_the_one_that_applying_each_step_leaves(
    province: Province, filled: Settings, tmp_path: Path
) -> None:
    applied = settings_of(tmp_path)
    for step in range(STEPS):
        loads = SCHEDULE.loads(step, estate.passed(applied))
        for load in loads:
            province.write_snapshot(step, load, applied.places)
        with writer(applied) as con:
            outcome = apply_loads(
                con,
                loads,
                places=applied.places,
                sql=applied.sql,
                cutoffs_of=estate.cutoffs_of,
                server_order=SCHEDULE.server_order,
            )
        assert len(outcome.applied) == len(loads)
    by_steps, at_once = tables(applied), tables(filled)
    assert by_steps.keys() == at_once.keys()
    for name, found in by_steps.items():
        assert at_once[name] == found, name
    assert len(by_steps["cur"]) == ENDPOINTS
    assert len(by_steps["closed"]) > 100


def test_every_step_but_the_first_changes_about_the_asked_share(province: Province) -> None:
    counts = [province.changed(step) for step in range(STEPS)]
    assert counts[0] == ENDPOINTS
    assert all(5 <= count <= 25 for count in counts[1:])


def test_a_snapshot_has_the_columns_of_the_products_own(province: Province, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    load = SCHEDULE.loads(0)[0]
    table_written = snapshot_arrow(province.write_snapshot(0, load, settings.places))
    assert table_written.num_rows == load.rows_read_count == ENDPOINTS / 2
    empty = tmp_path / "hosts.ndjson"
    empty.touch()
    con = duckdb.connect()
    con.execute("set variable rows_paths = $1", [[str(empty)]])
    sql = settings.sql / "landing"
    con.execute((sql / "macros.sql").read_text("utf-8"))
    con.execute("create table landed_groups (rows_path varchar, id integer, grp_full_name varchar)")
    product = con.sql((sql / "ksc_hosts.sql").read_text("utf-8"))
    types = dict(zip(product.columns, map(str, product.types), strict=True))
    written = con.sql("from table_written")
    assert dict(zip(written.columns, map(str, written.types), strict=True)) == {
        name: kind
        for name, kind in types.items()
        if name not in ("line_number", "rows_path", "wrong_field")
    }


def test_rows_are_counted_for_each_server_whatever_the_remainder() -> None:
    schedule = Schedule(100, SERVERS)
    counts = [load.rows_read_count for load in schedule.loads(0)]
    assert sum(counts) == 100
    assert max(counts) - min(counts) <= 1


def test_three_ways_to_ask_for_compliance_give_one_answer(
    province: Province, filled: Settings, tmp_path: Path
) -> None:
    as_of_at = SCHEDULE.at(STEPS - 1, SCHEDULE.servers[-1])
    build(filled, estate.registry(ENDPOINTS), as_of_at=as_of_at, code_version="test", loads=[])
    publish(filled, now=as_of_at)
    full = tmp_path / "full.duckdb"
    province.write_full(full, STEPS, COMPLIANCE)
    days = {"first": "date '2023-01-01'", "last": f"date '2023-01-{STEPS:02d}'"}

    def asked(file: Path, question: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(file), read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            return con.execute(question.format(**days)).fetchall()

    published = filled.places.named_marts_file
    answer = asked(full, FULL)
    assert len(answer) == STEPS * len(SCHEDULE.servers) * estate.UNITS_PER_SERVER
    assert asked(published, INTERVALS) == answer
    # Units without a server of this schedule have a row in the mart and no machine.
    units = {row[0] for row in answer}
    assert [row for row in asked(published, MART) if row[0] in units] == answer
