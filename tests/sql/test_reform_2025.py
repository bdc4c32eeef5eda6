"""1 July 2025 in the two scenarios: before and after, on either map, with totals that agree."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.registry import load as load_registry
from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse import publish
from ksc_ledger.warehouse.asof import Map, coverage_as_of
from ksc_ledger.warehouse.rebuild import rebuild
from unit.warehouse.builders import Host, House, a_host, at, fresh, land

LAST, FIRST = date(2025, 6, 30), date(2025, 7, 2)
BEFORE, AFTER = at("2025-06-30T17:00"), at("2025-07-02T08:00")
TOTALS = ("allocated_count", "installed_count", "correctly_named_count", "protected_count")


@dataclass(frozen=True)
class Reformed:
    """A scenario landed on both days, built and published as of the second."""

    house: House
    scenario: Path
    root_before: str
    root_after: str

    def figures(self, day: date, on_map: Map) -> dict[str, dict[str, Any]]:
        rows = coverage_as_of(self.house.settings, day, on_map=on_map)
        return {row["unit_code"]: row for row in rows}


def hosts_at(file: Path, instant: datetime) -> Iterator[Host]:
    """What the scenario's server would show at an instant; names are judged, ages are not."""
    with file.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            begins = row["from_at"] and datetime.fromisoformat(row["from_at"]) > instant
            ended = row["to_at"] and datetime.fromisoformat(row["to_at"]) <= instant
            if not begins and not ended:
                yield a_host(
                    row["host_id"], display_name=row["display_name"], group_path=row["group_path"]
                )


def reformed(home: Path, name: str, roots: tuple[str, str]) -> Reformed:
    scenario = REPOSITORY / "scenarios" / name
    registry = load_registry(scenario / "registry")
    house = House(home, registry)
    for instant in (BEFORE, AFTER):
        for file in sorted((scenario / "estate" / "hosts").glob("*.csv")):
            land(
                house.settings,
                file.stem,
                instant,
                fresh(hosts_at(file, instant), instant),
                estate_code=registry.estates[0].estate_code,
            )
    house.build(AFTER)
    publish(house.settings, now=AFTER)
    return Reformed(house, scenario, *roots)


@pytest.fixture(scope="module")
def dong_thap(tmp_path_factory: pytest.TempPathFactory) -> Reformed:
    return reformed(tmp_path_factory.mktemp("dtp"), "reform_dong_thap", ("dtp", "dtp"))


@pytest.fixture(scope="module")
def kon_tum(tmp_path_factory: pytest.TempPathFactory) -> Reformed:
    return reformed(tmp_path_factory.mktemp("ktm"), "reform_kon_tum", ("ktm", "qni"))


@pytest.fixture(params=["dong_thap", "kon_tum"])
def either(request: pytest.FixtureRequest) -> Reformed:
    found: Reformed = request.getfixturevalue(request.param)
    return found


def test_totals_agree_on_either_map_before_and_after(either: Reformed) -> None:
    own = either.figures(LAST, Map.OWN)[either.root_before]
    today = either.figures(LAST, Map.TODAY)[either.root_after]
    for column in (*TOTALS, "net_gap_count"):
        assert own[column] == today[column], column
    after = either.figures(FIRST, Map.OWN)[either.root_after]
    for column in ("allocated_count", "installed_count"):
        assert own[column] == after[column], column


def test_on_todays_map_a_day_before_the_reform_has_the_units_of_today(either: Reformed) -> None:
    own, today = either.figures(LAST, Map.OWN), either.figures(LAST, Map.TODAY)
    now = either.figures(FIRST, Map.OWN)
    assert set(today) == set(now)
    assert not {code for code in today if code in own} - {either.root_before}
    # Nobody moved, was installed or renamed with the reform: today's map gives the same machines
    # and the same seats for the day before as the units themselves have after it.
    for code, row in today.items():
        for column in ("allocated_count", "installed_count"):
            assert row[column] == now[code][column], (code, column)


def test_phuong_thinh_is_made_of_a_commune_of_each_district_and_fed_by_two_servers(
    dong_thap: Reformed,
) -> None:
    own = dong_thap.figures(LAST, Map.OWN)
    today = dong_thap.figures(LAST, Map.TODAY)["dtp_30043"]
    assert today["unit_name"] == "Xã Phương Thịnh"
    assert (own["dtp_872_30043"]["installed_count"], own["dtp_873_30082"]["installed_count"]) == (
        9,
        3,
    )
    assert (today["installed_count"], today["correctly_named_count"]) == (12, 12)
    assert [source["server_code"] for source in today["sources"]] == ["dtp_872", "dtp_873"]
    after = dong_thap.figures(FIRST, Map.OWN)["dtp_30043"]
    assert (after["installed_count"], after["servers_expected_count"]) == (12, 2)


def test_the_office_that_was_split_follows_its_machines_and_its_document(
    dong_thap: Reformed,
) -> None:
    """Five of its twelve machines went to Trường Xuân; of its fourteen seats the document gave six."""
    today = dong_thap.figures(LAST, Map.TODAY)["dtp_30046"]
    own = dong_thap.figures(LAST, Map.OWN)
    wards = [own["dtp_872_30040"], own["dtp_872_30046"]]
    assert today["installed_count"] == sum(row["installed_count"] for row in wards) + 5
    assert today["allocated_count"] == sum(row["allocated_count"] for row in wards) + 6


def test_the_documents_of_the_split_say_that_they_are_made_up(either: Reformed) -> None:
    for row in either.house.registry.successions:
        if row.seat_count is not None:
            assert "số liệu dựng" in row.source_document


def test_a_district_server_outlives_its_district(dong_thap: Reformed) -> None:
    rows = dong_thap.house.ask("from marts.dim_server where server_role = 'district' order by 1")
    assert [(row["server_code"], row["unit_code"], row["is_active"]) for row in rows] == [
        ("dtp_872", "dtp_30037", True),
        ("dtp_873", "dtp_30076", True),
    ]


@pytest.mark.long
def test_both_maps_are_the_same_after_a_rebuild(kon_tum: Reformed) -> None:
    before = {day: kon_tum.figures(day, one) for day in (LAST, FIRST) for one in Map}
    rebuild(kon_tum.house.settings, kon_tum.house.registry, code_version="1.2.3")
    publish(kon_tum.house.settings, now=AFTER)
    assert {day: kon_tum.figures(day, one) for day in (LAST, FIRST) for one in Map} == before
