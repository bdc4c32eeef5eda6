"""The figures of the letter of Tháp Mười (10/2022), unit by unit and as a whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from unit.warehouse.builders import T0, Host, House, RegistryDraft, a_host

HERE = Path(__file__).parent


def given(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


UNITS = given("thap_muoi_2022.csv")
(LETTER,) = given("thap_muoi_2022_expected.csv")
DISTRICT = LETTER["unit_code"]
DAY = "2022-10-12"


def machines(unit: dict[str, str]) -> Iterator[Host]:
    """As many as the letter counts: first the correctly named ones, then those with other names."""
    right = int(unit["correctly_named_count"])
    for number in range(int(unit["installed_count"])):
        code = unit["unit_code"]
        name = f"{unit['name_prefix']}-{number:02d}" if number < right else f"MAY PHUONG {number}"
        yield a_host(f"{code}-{number}", display_name=name, group_path=unit["unit_name"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    estate = RegistryDraft().unit("dtp").unit(DISTRICT, "dtp").server(DISTRICT)
    hosts: list[Host] = []
    for unit in UNITS:
        estate.unit(unit["unit_code"], DISTRICT, name_prefix=unit["name_prefix"])
        estate.group(DISTRICT, unit["unit_name"], unit["unit_code"])
        estate.grant(unit["unit_code"], int(unit["allocated_count"]))
        hosts.extend(machines(unit))
    house = House(tmp_path_factory.mktemp("home"), estate.registry())
    house.land(T0, hosts, DISTRICT)
    house.build(T0)
    return house


@pytest.mark.parametrize("unit_code", [DISTRICT, "dtp"])
def test_the_district_and_the_province_above_it_show_the_letters_figures(
    house: House, unit_code: str
) -> None:
    columns = ("allocated", "installed", "correctly_named", "gap", "over", "net_gap")
    wanted = tuple(int(LETTER[f"{column}_count"]) for column in columns)
    assert house.counts(unit_code, DAY, *columns) == wanted


def test_every_unit_shows_its_own(house: House) -> None:
    columns = ("allocated", "installed", "correctly_named")
    found = {unit["unit_code"]: house.counts(unit["unit_code"], DAY, *columns) for unit in UNITS}
    assert found == {
        unit["unit_code"]: tuple(int(unit[f"{column}_count"]) for column in columns)
        for unit in UNITS
    }


def test_the_partition_sums_to_the_seats(house: House) -> None:
    parts = house.gap(DISTRICT, DAY)
    wrong = int(LETTER["installed_count"]) - int(LETTER["correctly_named_count"])
    assert parts == {
        "wrong_name": wrong,
        "ok": int(LETTER["correctly_named_count"]),
        "not_installed": int(LETTER["gap_count"]),
        "over_allocated": -int(LETTER["over_count"]),
    }
    assert sum(parts.values()) == int(LETTER["allocated_count"])


def test_the_table_of_the_letter_rounds_as_the_letter_does(house: House) -> None:
    (row,) = house.ask("from marts.rpt_unit_coverage where unit_code = ?", DISTRICT)
    assert row["Tỷ lệ (%)"] == Decimal(LETTER["installed_shown"])
    assert row["Tỷ lệ đặt đúng tên (%)"] == Decimal(LETTER["correctly_named_shown"])
    assert row["Số bản quyền được phân bổ"] == int(LETTER["allocated_count"])
    assert row["Số máy đã cài đặt"] == int(LETTER["installed_count"])
    assert row["Số máy đặt đúng tên"] == int(LETTER["correctly_named_count"])
