"""The few questions a registry answers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import Registry, load
from ksc_ledger.rules.computer_names import DEFAULT_RULE
from unit.registry.registry_folder import GROUPS, LETTER, RULES, SERVERS, UNITS, write_registry

DAY = date(2022, 10, 12)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    ended = UNITS.replace("2,2022-09-01,,", "2,2022-09-01,2022-10-12,")
    return load(
        write_registry(
            tmp_path,
            {
                "units.csv": ended,
                "allocations.csv": None,
                "servers.csv": SERVERS.replace("dtp,0,", "dtp,5,"),
                "server_groups.csv": GROUPS.replace("VHTT,", "VHTT ,"),
                "naming_rules.csv": RULES
                + f"tm,dtp_872,_,20,[A-Z]+,1,1,2022-10-12,2022-10-31,{LETTER}\n",
            },
        )
    )


@pytest.mark.parametrize(
    ("day", "is_there"),
    [
        pytest.param(date(2022, 8, 31), False, id="before its first day"),
        pytest.param(date(2022, 9, 1), True, id="its first day"),
        pytest.param(date(2022, 10, 12), True, id="its last day"),
        pytest.param(date(2022, 10, 13), False, id="after its last day"),
    ],
)
def test_a_unit_is_in_force_from_its_first_to_its_last_day(
    registry: Registry, day: date, is_there: bool
) -> None:
    assert ("dtp_872_pnv" in {unit.unit_code for unit in registry.units_on(day)}) is is_there


def test_children_come_in_the_order_of_the_list(registry: Registry) -> None:
    assert [unit.unit_code for unit in registry.children_on("dtp_872", DAY)] == [
        "dtp_872_pnv",
        "dtp_872_vhtt",
    ]
    assert registry.children_on("dtp_872_vhtt", DAY) == ()


def test_servers_come_in_the_order_of_the_list(registry: Registry) -> None:
    assert [server.server_code for server in registry.servers_on(DAY)] == ["dtp_872", "dtp"]
    assert registry.servers_on(date(2022, 8, 31)) == ()


def test_the_estate_of_a_code_is_known(registry: Registry) -> None:
    assert registry.estate_of("dtp_872_vhtt") == "dong_thap"
    assert registry.estate_of("ktm") is None
    assert registry.estate("dong_thap").estate_name == "Tỉnh Đồng Tháp"
    with pytest.raises(LedgerError, match="kon_tum"):
        registry.estate("kon_tum")


def test_groups_are_keyed_whatever_their_spelling(registry: Registry) -> None:
    assert registry.groups_on("dtp_872", DAY) == {"01. phong̀ ban/phong̀ vhtt": "dtp_872_vhtt"}
    assert registry.groups_on("dtp_872", date(2022, 8, 31)) == {}
    assert registry.groups_on("dtp", DAY) == {}


def test_prefixes_say_whose_they_are(registry: Registry) -> None:
    assert registry.prefixes_on("dong_thap", DAY) == {
        "VHTT": frozenset({"dtp_872_vhtt"}),
        "PNV": frozenset({"dtp_872_pnv"}),
    }
    assert set(registry.prefixes_on("dong_thap", date(2022, 10, 13))) == {"VHTT"}
    assert registry.prefixes_on("kon_tum", DAY) == {}


@pytest.mark.parametrize(
    ("day", "rule_code"),
    [
        pytest.param(date(2022, 10, 11), "dtp_2022", id="the day before the district's own rule"),
        pytest.param(date(2022, 10, 12), "tm", id="its first day"),
        pytest.param(date(2022, 10, 31), "tm", id="its last day"),
        pytest.param(date(2022, 11, 1), "dtp_2022", id="the day after"),
    ],
)
def test_the_nearest_rule_of_the_day_counts(registry: Registry, day: date, rule_code: str) -> None:
    rules = registry.naming_rules_on(day)
    assert rules["dtp_872_vhtt"].rule_code == rule_code
    assert rules["dtp"].rule_code == "dtp_2022"


def test_without_any_rule_the_default_one_counts(tmp_path: Path) -> None:
    registry = load(write_registry(tmp_path, {"naming_rules.csv": None}))
    assert set(registry.naming_rules_on(DAY).values()) == {DEFAULT_RULE}
