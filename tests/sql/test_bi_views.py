"""Schema bi of a published file: local time, Vietnamese words, and rows that may be added up."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ksc_ledger.ops_room import words
from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse import publish
from ksc_ledger.warehouse.bi_views import make_views
from ksc_ledger.warehouse.publisher import editions
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.twins import twins, view_twins
from unit.warehouse.builders import DAY, T0, VN, House, RegistryDraft, a_host

SQL = REPOSITORY / "sql"
COUNTS = ("allocated", "installed", "correctly_named", "gap", "over")


def province() -> RegistryDraft:
    """A province with a heading over two districts, an office below one, and seats not handed on."""
    return (
        RegistryDraft()
        .unit("tinh", unit_name="Tỉnh Thử")
        .unit("khoi", "tinh", unit_kind="nhom", unit_name="Các huyện")
        .unit("huyen", "khoi", unit_name="Huyện Một")
        .unit("hai", "khoi", unit_name="Huyện Hai")
        .unit("pnv", "huyen", name_prefix="PNV", unit_name="Phòng Nội vụ")
        .server("huyen", server_name="Máy chủ KSC huyện Một")
        .server("tinh", server_name="Máy chủ KSC tỉnh Thử")
        .group("huyen", "Phòng Nội vụ", "pnv")
        .grant("pnv", 3)
        .grant("hai", 2)
        .grant("tinh", 4)
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House(tmp_path_factory.mktemp("bi_views"), province().registry())
    house.land(T0, [a_host("m1", group_path="Phòng Nội vụ"), a_host("m2", display_name="KHAC")])
    house.land(T0, [a_host("p1", display_name="TINH")], server="tinh")
    house.build(T0 + DAY)
    publish(house.settings, now=T0 + DAY)
    return house


def ask(house: House, sql: str) -> list[dict[str, Any]]:
    return query(house.settings.places.marts_file, sql)


@pytest.fixture
def given(house: House) -> Callable[..., list[dict[str, Any]]]:
    """The published tables with rows more, and the views over them."""

    def look(view: str, table: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        con = duckdb.connect()
        try:
            con.execute("set TimeZone = 'UTC'")
            con.execute(f"attach '{house.settings.places.marts_file.resolve()}' as src (read_only)")
            con.execute("create schema marts")
            for name in twins(SQL):
                con.execute(f'create table marts."{name}" as from src.marts."{name}"')
            for row in rows:
                listed = ", ".join(row)
                values = ", ".join(f"${name}" for name in row)
                con.execute(f"insert into marts.{table} ({listed}) values ({values})", row)
            make_views(con, SQL)
            cursor = con.execute(f"from bi.{view}")
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            con.close()

    return look


def test_every_view_and_column_carries_its_vietnamese_words_in_both_files(house: House) -> None:
    described = {
        (name, column.name): column.vi
        for name, twin in view_twins(SQL).items()
        for column in twin.columns
    }
    for edition in editions(house.settings.places):
        rows = query(
            edition.link,
            "select table_name, column_name, comment from duckdb_columns()"
            " where schema_name = 'bi' order by table_name, column_index",
        )
        assert {(row["table_name"], row["column_name"]): row["comment"] for row in rows} == (
            described
        )
        views = query(edition.link, "select view_name, comment from duckdb_views()"
                                    " where schema_name = 'bi'")  # fmt: skip
        assert {row["view_name"]: row["comment"] for row in views} == {
            name: twin.vi for name, twin in view_twins(SQL).items()
        }


def test_every_view_has_a_file_and_its_grain_is_unique(house: House) -> None:
    files = {path.stem for path in (SQL / "published" / "bi").glob("*.sql")}
    assert files == set(view_twins(SQL))
    for name, twin in view_twins(SQL).items():
        grain = ", ".join(twin.grain)
        assert ask(house, f"select 1 from bi.{name} group by {grain} having count(*) > 1") == []


def test_labels_are_short_enough_for_a_column_of_a_table() -> None:
    for twin in view_twins(SQL).values():
        for column in twin.columns:
            assert len(column.vi) <= 30, column
            assert unicodedata.is_normalized("NFC", column.vi)


def test_the_parts_of_a_province_add_up_to_it(house: House) -> None:
    parts = ask(house, "from bi.coverage order by list_place")
    assert [row["main_unit_name"] for row in parts] == [
        "Tỉnh Thử (chưa giao đơn vị)",
        "Huyện Một",
        "Huyện Hai",
    ]
    (whole,) = ask(
        house,
        "from marts.fct_unit_coverage_daily where unit_code = 'tinh'"
        " qualify snapshot_date = max(snapshot_date) over ()",
    )
    for name in COUNTS:
        column = f"{name}_count"
        assert sum(row[column] or 0 for row in parts) == whole[column], column
    assert [row["allocated_count"] for row in parts] == [4, 3, 2]
    assert {row["block_name"] for row in parts if row["part_code"] != "tinh"} == {"Các huyện"}
    days = ask(
        house,
        "select snapshot_date, sum(allocated_count)::int as n from bi.coverage_daily group by all",
    )
    assert [row["n"] for row in days] == [9, 9]


def test_the_reasons_of_a_province_add_up_to_its_seats(house: House) -> None:
    (row,) = ask(house, "select sum(machine_count)::int as n from bi.coverage_gap")
    assert row["n"] == 9
    found = ask(house, "select distinct reason_name from bi.coverage_gap")
    assert {row["reason_name"] for row in found} <= set(words.PARTS.values()) | {
        "Chưa đọc được máy chủ"
    }


def test_a_unit_knows_its_level_and_what_it_is_part_of(house: House) -> None:
    rows = {row["unit_code"]: row for row in ask(house, "from bi.unit")}
    assert {code: (row["level_name"], row["main_unit_name"]) for code, row in rows.items()} == {
        "tinh": ("Toàn tỉnh", "Tỉnh Thử"),
        "khoi": ("Khối", "Các huyện"),
        "huyen": ("Đơn vị trực thuộc tỉnh", "Huyện Một"),
        "hai": ("Đơn vị trực thuộc tỉnh", "Huyện Hai"),
        "pnv": ("Đơn vị cấp dưới", "Huyện Một"),
    }
    assert {row["estate_name"] for row in rows.values()} == {"Tỉnh Thử"}


def test_the_words_are_those_of_the_page(house: House) -> None:
    rows = ask(house, "from bi.word")
    shown: dict[str, dict[str, str]] = {}
    for row in rows:
        shown.setdefault(row["kind"], {})[row["code"]] = row["word"]
    pages = {
        "link_state": {code: word for code, word in words.STATES.items() if code != "unwatched"},
        "cause": words.CAUSES,
        "obligation_status": words.STATUSES,
        "obligation_kind": words.KINDS,
        "outcome": words.OUTCOMES,
        "gap_reason": words.PARTS,
    }
    for kind, page in pages.items():
        for code, word in page.items():
            assert shown[kind][code] == word[0].upper() + word[1:], (kind, code)


def test_an_open_link_ends_with_the_file_and_shows_local_time(given: Any) -> None:
    lost = T0 + timedelta(hours=20)
    rows = given(
        "server_link",
        "fct_server_link",
        {
            "server_code": "huyen",
            "started_at": T0,
            "state": "up",
            "ended_at": lost,
            "is_maintenance": False,
        },
        {
            "server_code": "huyen",
            "started_at": lost,
            "state": "down",
            "cause": "link",
            "is_maintenance": False,
        },
    )
    shown = {row["state_name"]: row for row in rows}
    assert set(shown) == {"Đang kết nối", "Mất kết nối"}
    down = shown["Mất kết nối"]
    assert down["started_local"] == naive(lost)
    assert down["ended_local"] == naive(T0 + DAY)
    assert (down["cause_name"], down["is_current"]) == ("Đứt kết nối về tỉnh", True)
    assert down["server_label"] == "huyện Một"
    assert (down["main_unit_name"], down["estate_name"]) == ("Huyện Một", "Tỉnh Thử")


@pytest.mark.parametrize(
    ("days", "is_recent"), [pytest.param(30, True, id="30"), pytest.param(31, False, id="31")]
)
def test_what_ended_more_than_thirty_days_ago_is_not_recent(
    given: Any, days: int, is_recent: bool
) -> None:
    ended = T0 + DAY - days * DAY
    (row,) = given(
        "server_link",
        "fct_server_link",
        {
            "server_code": "huyen",
            "started_at": ended - DAY,
            "state": "up",
            "ended_at": ended,
            "is_maintenance": False,
        },
    )
    assert row["is_recent"] is is_recent


def test_an_unknown_code_is_shown_as_it_is(given: Any) -> None:
    (row,) = given(
        "obligation",
        "fct_obligation_status",
        {
            "obligation_code": "x",
            "unit_code": "pnv",
            "obligation_kind": "thing",
            "status": "odd",
            "due_at": T0,
        },
    )
    assert (row["status_name"], row["kind_name"]) == ("odd", "thing")
    assert (row["due_local"], row["main_unit_name"]) == (naive(T0), "Huyện Một")


def test_a_key_on_two_servers_is_one_row_with_one_limit(given: Any) -> None:
    key = {
        "licence_serial": "K1",
        "snapshot_date": T0.date(),
        "product_name": "Gói",
        "seat_limit_count": 10,
        "expires_at": T0 + DAY,
        "days_left": 1,
    }
    (row,) = given(
        "licence",
        "fct_licence_daily",
        key | {"server_code": "huyen", "used_count": 3},
        key | {"server_code": "tinh", "used_count": 4},
    )
    assert (row["seat_limit_count"], row["used_count"], row["server_count"]) == (10, 7, 2)
    assert (row["estate_name"], row["state_name"]) == ("Tỉnh Thử", "Còn hạn")


@pytest.mark.parametrize(
    ("outcome", "name", "is_open"),
    [("cured", "Đã khử", 0), ("notcured", "Chưa khử được", 1), (None, "Chưa biết", 1)],
)
def test_what_was_not_dealt_with_is_open(
    given: Any, outcome: str | None, name: str, is_open: int
) -> None:
    evening = datetime.fromisoformat("2022-10-12T17:00:00+00:00")  # the next day in Việt Nam
    (row,) = given(
        "detection",
        "fct_detection",
        {
            "detection_id": "d1",
            "unit_code": "pnv",
            "registered_at": evening,
            "detected_at": evening,
            "outcome": outcome,
        },
    )
    assert (row["outcome_name"], row["open_count"]) == (name, is_open)
    assert row["registered_date"].isoformat() == "2022-10-13"


def test_a_view_that_cannot_be_read_is_never_published(house: House, tmp_path: Path) -> None:
    sql = tmp_path / "sql"
    shutil.copytree(SQL, sql)
    broken = sql / "published" / "bi" / "version.sql"
    text = broken.read_text("utf-8")
    broken.write_text(text.replace("v.code_version", "v.no_such_column as code_version"))
    before = house.settings.places.marts_file.resolve()
    with pytest.raises(duckdb.BinderException, match="no_such_column"):
        publish(replace(house.settings, sql=sql), now=T0 + DAY)
    assert house.settings.places.marts_file.resolve() == before


def naive(instant: datetime) -> datetime:
    """The instant as a Vietnamese clock shows it."""
    return (instant + VN).replace(tzinfo=None)
