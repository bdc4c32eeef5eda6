"""The marts beside the coverage table."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ksc_ledger.warehouse.twins import PUBLISHED, twins
from unit.warehouse.builders import DAY, T0, House, a_host, a_small_estate

PNV = {"group_path": "Phòng Nội vụ"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, a_small_estate().grant("pnv", 190).registry())


def test_states_that_say_the_same_are_one_interval(house: House) -> None:
    machine = a_host("m1", **PNV)
    house.land(T0, [machine])
    # The name changes, but nothing that a state tells.
    house.land(T0 + timedelta(hours=1), [replace(machine, display_name="PNV-MAY02")])
    house.land(T0 + timedelta(hours=2), [replace(machine, rtp_state=1)])
    house.land(T0 + timedelta(hours=3), [])
    house.land(T0 + timedelta(hours=4), [replace(machine, rtp_state=1)])
    house.build(T0 + timedelta(hours=4))
    rows = house.ask(
        "select valid_from_at, valid_to_at, is_protected, rtp_state"
        " from marts.fct_endpoint_state order by valid_from_at"
    )
    hours = [
        tuple((at - T0) // timedelta(hours=1) if at else None for at in found)
        for found in ((row["valid_from_at"], row["valid_to_at"]) for row in rows)
    ]
    assert hours == [(0, 2), (2, 3), (4, None)]
    assert [row["is_protected"] for row in rows] == [True, False, False]


def test_wrong_names_with_all_reasons_and_a_suggestion(house: House) -> None:
    house.land(
        T0,
        [
            a_host("m1", **PNV, display_name="MAY PHƯƠNG"),
            a_host("m2", **PNV, display_name="PNV-LAN"),
            a_host("m3", **PNV, display_name="SRV 1", computer_type_bits=2),
            a_host("m4", **PNV, display_name="SAI", status_bits=0x0F),
            a_host("m5", **PNV, display_name=None),
        ],
    )
    house.build(T0)
    rows = {row["endpoint_id"]: row for row in house.ask("from marts.rpt_wrong_name")}
    assert set(rows) == {"m1", "m5"}
    assert rows["m1"]["reason_code"] == "WHITESPACE"
    assert rows["m1"]["reason_codes"].split(",")[:2] == ["WHITESPACE", "NON_ASCII"]
    assert rows["m1"]["suggested_name"].startswith("PNV-")
    assert rows["m1"]["rule_code"] == "default"
    assert rows["m5"]["reason_code"] == "EMPTY"
    exempt = house.ask("select is_name_exempt from marts.dim_endpoint where endpoint_id = 'm3'")
    assert exempt == [{"is_name_exempt": True}]


def test_suggested_names_are_free_and_different(house: House) -> None:
    house.land(
        T0,
        [
            a_host("m1", **PNV, display_name="MAY LAN"),
            a_host("m2", **PNV, display_name="LAN"),
            a_host("m3", **PNV, display_name="pnv-lan"),
        ],
    )
    house.build(T0)
    rows = house.ask("select suggested_name from marts.rpt_wrong_name order by endpoint_id")
    suggested = [row["suggested_name"] for row in rows]
    assert len(set(suggested)) == 2
    assert "PNV-LAN" not in suggested


def test_names_are_judged_once_and_again_only_when_the_rule_changes(house: House) -> None:
    house.land(T0, [a_host("m1", **PNV)])
    house.build(T0)
    house.land(T0 + DAY, [a_host("m1", **PNV, rtp_state=1)])
    house.build(T0 + DAY)
    assert len(house.ask("from judged.computer_name")) == 1
    house.build(T0 + DAY, a_small_estate().rule("tinh", max_length=5).registry("b" * 64))
    (row,) = house.ask("from judged.computer_name")
    assert row["reason_code"] == "TOO_LONG"


def test_the_letters_column_names_and_half_up_rounding(house: House) -> None:
    house.land(T0, [a_host(str(n), **PNV, display_name=f"PNV-{n}") for n in range(62)])
    house.build(T0)
    (row,) = house.ask("from marts.rpt_unit_coverage where unit_code = 'pnv'")
    assert list(row)[:6] == [
        "STT",
        "Tên đơn vị",
        "Số bản quyền được phân bổ",
        "Số máy đã cài đặt",
        "Tỷ lệ (%)",
        "Số máy đặt đúng tên",
    ]
    assert (row["Số máy đã cài đặt"], row["Tỷ lệ (%)"]) == (62, Decimal("32.6"))
    (empty,) = house.ask("from marts.rpt_unit_coverage where unit_code = 'ptp'")
    assert (empty["Tỷ lệ (%)"], empty["Tỷ lệ đặt đúng tên (%)"]) == (None, None)


def test_a_server_shows_the_row_in_force_and_what_it_said_of_itself(tmp_path: Path) -> None:
    estate = a_small_estate()
    estate.servers[0] = estate.servers[0].model_copy(update={"valid_to_date": date(2022, 10, 12)})
    estate.server("huyen", server_name="Tên mới", valid_from_date=date(2022, 10, 13))
    house = House(tmp_path, estate.registry())
    house.land(T0, [a_host("m1")], product_version="14.0")
    house.land(T0 + timedelta(hours=1), [a_host("m1")], product_version=None)
    house.build(T0 + timedelta(hours=1))
    (row,) = house.ask("from marts.dim_server")
    assert (row["server_name"], row["product_version"]) == ("Máy chủ huyen", "14.0")
    house.build(T0 + DAY)
    (row,) = house.ask("from marts.dim_server")
    assert (row["server_name"], row["is_active"]) == ("Tên mới", True)


def test_the_ledger_of_seats_is_the_registrys(house: House) -> None:
    house.land(T0, [])
    house.build(T0)
    (row,) = house.ask("from marts.fct_allocation_entry")
    assert (row["entry_kind"], row["to_unit_code"], row["seat_count"]) == ("grant", "pnv", 190)


def test_an_empty_server_is_a_zero_and_not_a_null(house: House) -> None:
    house.land(T0, [])
    house.build(T0)
    assert house.counts("pnv", "2022-10-12", "installed", "gap") == (0, 190)


def test_every_table_has_just_the_columns_that_its_twin_describes(house: House) -> None:
    house.land(T0, [a_host("m1")])
    house.build(T0)
    rows = house.ask(
        "select table_name, list(column_name order by column_index) as names"
        " from duckdb_columns() where schema_name = 'marts' group by all"
    )
    built = {row["table_name"]: row["names"] for row in rows}
    described = {
        name: [column.name for column in twin.columns]
        for name, twin in twins(house.settings.sql).items()
        if name != PUBLISHED
    }
    assert built == described
