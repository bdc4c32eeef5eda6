"""rpt_national_coverage_daily: every estate by day and the whole of them, and the check on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse.twins import twins

SQL = REPOSITORY / "sql"
MART = "rpt_national_coverage_daily"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2024-01-{text}:00+07:00")


# Two estates of a unit and one below it each; the second begins a day later and never landed that day.
GIVEN = """
set TimeZone = 'UTC';
create schema marts;
create table ref_run as select $now::timestamptz as as_of_at;
create table stg_calendar as select * from (values
    ('dt', date '2024-01-11'), ('dt', date '2024-01-12'), ('kt', date '2024-01-12')
) as t (estate_code, snapshot_date);
create table marts.dim_unit as select *, date '2022-09-01' as valid_from_date,
    null::date as valid_to_date from (values
    ('dt', 'dt', 'Tỉnh Đồng Tháp', null), ('tm', 'dt', 'Huyện Tháp Mười', 'dt'),
    ('kt', 'kt', 'Tỉnh Kon Tum', null), ('kp', 'kt', 'Huyện Kon Plông', 'kt')
) as t (unit_code, estate_code, unit_name, parent_unit_code);
create table stg_own_daily as select *, 0 as protected_count from (values
    ('dt', 'dt', date '2024-01-11', 0, 1, 0), ('dt', 'tm', date '2024-01-11', 10, 6, 5),
    ('dt', 'dt', date '2024-01-12', 0, 1, 0), ('dt', 'tm', date '2024-01-12', 10, 7, 5),
    ('kt', 'kt', date '2024-01-12', 0, 0, 0), ('kt', 'kp', date '2024-01-12', 30, 0, 0)
) as t (estate_code, unit_code, snapshot_date, seat_count, installed_count, correctly_named_count);
create table marts.fct_unit_coverage_daily as
select
    o.estate_code, o.unit_code, o.snapshot_date,
    sum(b.seat_count)::bigint as allocated_count,
    if(o.estate_code = 'kt', null, sum(b.installed_count))::bigint as installed_count,
    if(o.estate_code = 'kt', null, sum(b.correctly_named_count))::bigint as correctly_named_count,
    if(o.estate_code = 'kt', null, 0)::bigint as protected_count,
    if(o.estate_code = 'kt', 1, 2)::bigint as servers_expected_count,
    if(o.estate_code = 'kt', 0, 2)::bigint as servers_observed_count,
    o.snapshot_date = date '2024-01-12' as is_provisional,
    if(o.estate_code = 'kt', null, o.snapshot_date::timestamptz) as oldest_observed_at
from stg_own_daily as o
inner join stg_own_daily as b
    on o.snapshot_date = b.snapshot_date
        and (o.unit_code = b.unit_code or o.unit_code = b.estate_code)
group by o.estate_code, o.unit_code, o.snapshot_date;
create table ref_server as select *, date '2022-09-01' as valid_from_date,
    null::date as valid_to_date from (values
    ('dt', 's_dt'), ('dt', 's_tm'), ('kt', 's_kt')) as t (estate_code, server_code);
create table marts.fct_server_link (server_code varchar, started_at timestamptz, state varchar,
    ended_at timestamptz);
create table marts.fct_server_outage (server_code varchar, started_at timestamptz,
    ended_at timestamptz);
create table marts.fct_obligation_status (obligation_code varchar, estate_code varchar,
    status varchar, due_at timestamptz, met_at timestamptz)
"""


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        for statement in GIVEN.split(";"):
            con.execute(statement, {"now": at("12T12:00")} if "$now" in statement else None)
        con.execute((SQL / "staging" / "macros.sql").read_text("utf-8"))
        yield con


def made(con: duckdb.DuckDBPyConnection, *columns: str) -> dict[tuple[str, int], tuple[Any, ...]]:
    """The mart's columns by estate and day of January."""
    query = (SQL / "marts" / f"{MART}.sql").read_text("utf-8")
    con.execute(f"create or replace table marts.{MART} as {query}")
    rows = con.execute(
        f"select estate_code, snapshot_date, {', '.join(columns)} from marts.{MART}"
    ).fetchall()
    return {(code, day.day): tuple(values) for code, day, *values in rows}


def mistakes(con: duckdb.DuckDBPyConnection) -> set[tuple[str, date, str]]:
    query = (SQL / "checks" / "national_is_sum.sql").read_text("utf-8")
    return {row[:3] for row in con.execute(query).fetchall()}


def link(
    con: duckdb.DuckDBPyConnection, code: str, begin: str, end: str | None, state: str
) -> None:
    con.execute(
        "insert into marts.fct_server_link values (?, ?, ?, ?)",
        [code, at(begin), state, at(end) if end else None],
    )


def outage(con: duckdb.DuckDBPyConnection, code: str, begin: str, end: str | None) -> None:
    con.execute(
        "insert into marts.fct_server_outage values (?, ?, ?)",
        [code, at(begin), at(end) if end else None],
    )


def duty(con: duckdb.DuckDBPyConnection, status: str, due: str, met: str | None = None) -> None:
    con.execute(
        "insert into marts.fct_obligation_status values ('b', 'dt', ?, ?, ?)",
        [status, at(due), at(met) if met else None],
    )


def test_a_day_has_its_estates_and_the_whole_of_them(con: duckdb.DuckDBPyConnection) -> None:
    found = made(con, "is_whole", "estates_count", "allocated_count", "installed_count")
    assert found == {
        ("dt", 11): (False, 1, 10, 7),
        ("*", 11): (True, 1, 10, 7),
        ("dt", 12): (False, 1, 10, 8),
        ("kt", 12): (False, 1, 30, None),
        ("*", 12): (True, 2, 40, 8),
    }
    assert mistakes(con) == set()


def test_an_estate_that_never_landed_is_null_and_is_said_of_the_whole(
    con: duckdb.DuckDBPyConnection,
) -> None:
    found = made(con, "estates_landed_count", "is_complete", "installed_ratio")
    assert found["kt", 12] == (0, False, None)
    assert found["*", 12] == (1, False, 8 / 40)
    assert found["*", 11] == (1, True, 7 / 10)


def test_names_and_types_are_those_of_the_twin(con: duckdb.DuckDBPyConnection) -> None:
    made(con, "1")
    told = {name: kind for name, kind, *_ in con.execute(f"describe marts.{MART}").fetchall()}
    twin = twins(SQL)[MART]
    assert list(told) == [column.name for column in twin.columns]
    assert {kind for name, kind in told.items() if name.endswith("_count")} == {"BIGINT"}
    assert {kind for name, kind in told.items() if name.endswith("_ratio")} == {"DOUBLE"}


def test_a_server_is_connected_or_lost_at_the_end_of_the_day(
    con: duckdb.DuckDBPyConnection,
) -> None:
    link(con, "s_dt", "10T00:00", None, "up")
    link(con, "s_tm", "10T00:00", "11T22:00", "up")
    link(con, "s_tm", "11T22:00", "12T09:00", "down")
    link(con, "s_tm", "12T09:00", None, "up")
    outage(con, "s_tm", "11T22:00", "12T09:00")
    found = made(con, "servers_connected_count", "servers_lost_count")
    assert (found["dt", 11], found["dt", 12]) == ((1, 1), (2, 0))
    # Nobody has watched the other estate yet, which is not the same as none connected.
    assert found["kt", 12] == (None, None)
    assert found["*", 12] == (2, 0)
    assert mistakes(con) == set()


@pytest.mark.parametrize(
    ("ended", "lost"), [("11T23:59", 0), ("12T00:00", 1), ("12T12:00", 1), (None, 1)]
)
def test_what_ended_by_the_last_second_of_the_day_is_lost_no_more(
    con: duckdb.DuckDBPyConnection, ended: str | None, lost: int
) -> None:
    link(con, "s_tm", "10T00:00", None, "down")
    outage(con, "s_tm", "11T22:00", ended)
    assert made(con, "servers_lost_count")["dt", 11] == (lost,)


def test_on_the_open_day_the_instant_is_the_builds(con: duckdb.DuckDBPyConnection) -> None:
    link(con, "s_tm", "10T00:00", None, "up")
    outage(con, "s_tm", "12T11:59", "12T12:01")
    found = made(con, "servers_lost_count", "servers_connected_count")
    assert (found["dt", 11], found["dt", 12]) == ((0, 1), (1, 0))


@pytest.mark.parametrize(
    ("status", "due", "met", "on_11", "on_12"),
    [
        ("breached", "10T23:59", None, 1, 1),
        ("breached", "11T23:59", None, 1, 1),
        ("breached", "12T09:00", None, 0, 1),
        ("met_late", "10T23:59", "12T09:00", 1, 0),
        ("met", "10T23:59", "10T09:00", 0, 0),
        ("undetermined", "10T23:59", None, 0, 0),
        ("waived", "10T23:59", None, 0, 0),
        ("pending", "20T23:59", None, 0, 0),
    ],
)
def test_a_breach_is_open_from_when_it_was_due_until_it_is_met(
    con: duckdb.DuckDBPyConnection,
    status: str,
    due: str,
    met: str | None,
    on_11: int,
    on_12: int,
) -> None:
    duty(con, status, due, met)
    found = made(con, "open_breach_count")
    assert (found["dt", 11], found["dt", 12]) == ((on_11,), (on_12,))
    assert found["kt", 12] == (None,)
    assert found["*", 12] == (on_12,)


@pytest.mark.parametrize("column", ["installed", "allocated", "servers_expected", "estates"])
def test_a_whole_that_is_not_the_sum_is_not_published(
    con: duckdb.DuckDBPyConnection, column: str
) -> None:
    made(con, "1")
    con.execute(f"update marts.{MART} set {column}_count = {column}_count + 1 where is_whole")
    assert mistakes(con) == {
        ("*", date(2024, 1, 11), column),
        ("*", date(2024, 1, 12), column),
    }


def test_an_estate_whose_units_say_otherwise_is_not_published(
    con: duckdb.DuckDBPyConnection,
) -> None:
    made(con, "1")
    con.execute("update stg_own_daily set installed_count = 9 where unit_code = 'tm'")
    assert {code for code, *_ in mistakes(con)} == {"dt"}


def test_an_estate_that_is_left_out_is_missed(con: duckdb.DuckDBPyConnection) -> None:
    made(con, "1")
    con.execute(f"delete from marts.{MART} where estate_code = 'dt'")
    assert ("dt", date(2024, 1, 11), "installed") in mistakes(con)
