"""What docs/bi.md promises of SQLAlchemy: the URL, reflection with comments, and nothing beyond the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, Table, create_engine, func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse import publish
from ksc_ledger.warehouse.twins import twins
from unit.warehouse.builders import T0, House, a_host, a_small_estate

CONNECT = {
    "read_only": True,
    "config": {
        "threads": 2,
        "memory_limit": "512MB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "enable_external_access": False,
        "lock_configuration": True,
    },
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House(tmp_path_factory.mktemp("bi"), a_small_estate().grant("pnv", 3).registry())
    house.land(T0, [a_host("m1", group_path="Phòng Nội vụ")])
    house.build(T0)
    publish(house.settings, now=T0)
    return house


@pytest.fixture
def engine(house: House) -> Iterator[Engine]:
    url = f"duckdb:///{house.settings.places.marts_file}"
    made = create_engine(url, poolclass=NullPool, connect_args=CONNECT)
    yield made
    made.dispose()


def test_every_table_and_column_is_reflected_with_its_vietnamese_comment(
    house: House, engine: Engine
) -> None:
    described = twins(house.settings.sql)
    inspector = inspect(engine)
    assert set(inspector.get_table_names(schema="marts")) == set(described)
    for name, twin in described.items():
        assert inspector.get_table_comment(name, schema="marts") == {"text": twin.vi}
        columns = inspector.get_columns(name, schema="marts")
        assert {column["name"]: column["comment"] for column in columns} == {
            column.name: column.vi for column in twin.columns
        }


def test_a_reflected_table_can_be_asked(engine: Engine) -> None:
    table = Table("rpt_unit_coverage", MetaData(), schema="marts", autoload_with=engine)
    assert "Số máy đã cài đặt" in table.columns
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 4
        rows = connection.execute(text("from marts.coverage_as_of(date '2022-10-12')")).all()
    assert len(rows) == 4


def test_with_the_options_of_the_page_a_user_reads_nothing_but_the_file(engine: Engine) -> None:
    for attempt in (
        "select * from read_text('/etc/hostname')",
        "copy (select 1) to '/tmp/x.csv'",
        "delete from marts.dim_unit",
        "set threads = 8",
    ):
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text(attempt))


def test_a_new_version_is_seen_by_the_next_connection(house: House, engine: Engine) -> None:
    question = text("select version_id from marts._published")
    with engine.connect() as held:
        first = held.execute(question).scalar_one()
        newer = publish(house.settings, now=T0)
        with engine.connect() as connection:
            assert connection.execute(question).scalar_one() == newer
        assert held.execute(question).scalar_one() == first


def test_the_page_names_the_options_that_are_tested_here() -> None:
    page = Path(REPOSITORY / "docs" / "bi.md").read_text("utf-8")
    for option in (*CONNECT["config"], "read_only"):  # type: ignore[misc]
        assert option in page, option
    assert re.search(r"duckdb:////\S+/marts/ksc_ledger\.duckdb", page)
