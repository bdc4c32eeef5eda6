"""fct_server_link, fct_server_outage, fct_server_availability_daily, fct_mail from what happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ksc_ledger.settings import REPOSITORY

SQL = REPOSITORY / "sql"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2024-01-{text}:00+07:00")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'; create schema marts")
        con.execute(
            "create table src_link_interval (server_code varchar, started_at timestamptz,"
            " state varchar, cause varchar, ended_at timestamptz, is_maintenance boolean)"
        )
        con.execute(
            "create table src_outage (incident_id varchar, server_code varchar,"
            " started_at timestamptz, confirmed_at timestamptz, ended_at timestamptz,"
            " duration_seconds bigint, cause varchar, inhibited_by varchar,"
            " is_in_maintenance boolean, notified_at timestamptz,"
            " recovered_notified_at timestamptz)"
        )
        con.execute("create table ref_run (as_of_at timestamptz)")
        con.execute("insert into ref_run values (?)", [at("12T12:00")])
        yield con


def availability(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    for name in ("fct_server_link", "fct_server_outage", "fct_server_availability_daily"):
        query = Path(SQL / "marts" / f"{name}.sql").read_text("utf-8")
        con.execute(f"create or replace table marts.{name} as {query}")
    return con.execute(
        "select snapshot_date, up_seconds, down_seconds, unknown_seconds, outage_count"
        " from marts.fct_server_availability_daily order by 1"
    ).fetchall()


def link(con: duckdb.DuckDBPyConnection, begin: str, end: str | None, state: str) -> None:
    con.execute(
        "insert into src_link_interval values ('dtp_875', ?, ?, null, ?, false)",
        [at(begin), state, at(end) if end else None],
    )


def outage(con: duckdb.DuckDBPyConnection, begin: str, confirmed: str, end: str | None) -> None:
    con.execute(
        "insert into src_outage (incident_id, server_code, started_at, confirmed_at, ended_at)"
        " values (?, 'dtp_875', ?, ?, ?)",
        [f"i-{begin}", at(begin), at(confirmed), at(end) if end else None],
    )


def test_a_loss_counts_from_its_first_bad_evidence(con: duckdb.DuckDBPyConnection) -> None:
    link(con, "10T00:00", "10T09:10", "up")
    link(con, "10T09:10", "10T09:25", "suspect")
    link(con, "10T09:25", "10T14:20", "down")
    link(con, "10T14:20", None, "up")
    outage(con, "10T09:10", "10T09:25", "10T14:20")
    lost = (5 * 60 + 10) * 60
    assert availability(con) == [
        (date(2024, 1, 10), 86400 - lost, lost, 0, 1),
        (date(2024, 1, 11), 86400, 0, 0, 0),
        (date(2024, 1, 12), 12 * 3600, 0, 0, 0),  # the day is still open
    ]


def test_a_suspicion_that_came_to_nothing_is_time_up(con: duckdb.DuckDBPyConnection) -> None:
    link(con, "11T00:00", "11T10:00", "up")
    link(con, "11T10:00", "11T10:05", "suspect")
    link(con, "11T10:05", "12T00:00", "up")
    assert availability(con) == [(date(2024, 1, 11), 86400, 0, 0, 0)]


def test_a_loss_over_midnight_belongs_to_both_days_and_began_once(
    con: duckdb.DuckDBPyConnection,
) -> None:
    link(con, "10T22:00", "11T02:00", "down")
    outage(con, "10T22:00", "10T22:15", "11T02:00")
    assert availability(con) == [
        (date(2024, 1, 10), 0, 7200, 0, 1),
        (date(2024, 1, 11), 0, 7200, 0, 0),
    ]


def test_time_without_evidence_is_unknown_also_inside_a_loss(
    con: duckdb.DuckDBPyConnection,
) -> None:
    link(con, "11T08:00", "11T09:00", "down")
    link(con, "11T09:00", "11T11:00", "unknown")
    link(con, "11T11:00", "11T12:00", "down")
    outage(con, "11T08:00", "11T08:15", "11T12:00")
    assert availability(con) == [(date(2024, 1, 11), 0, 7200, 7200, 1)]


def test_what_was_confirmed_after_the_build_is_not_in_it(con: duckdb.DuckDBPyConnection) -> None:
    link(con, "12T11:00", None, "up")
    outage(con, "12T11:55", "12T12:10", None)
    assert availability(con) == [(date(2024, 1, 12), 3600, 0, 0, 0)]
