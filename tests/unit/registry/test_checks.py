"""What rows must not say against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksc_ledger.registry import Mistake, RegistryError, load
from unit.registry.registry_folder import (
    ALIASES,
    ALLOCATIONS,
    CALENDAR,
    ESTATE,
    GROUPS,
    LETTER,
    RULES,
    SERVERS,
    UNITS,
    write_registry,
)


def mistakes_of(path: Path) -> list[Mistake]:
    try:
        load(path)
    except RegistryError as error:
        return list(error.mistakes)
    return []


def places(found: list[Mistake]) -> list[tuple[str, int | None, str]]:
    return [(one.file.partition("/")[2], one.row, one.field) for one in found]


def unit(code: str, parent: str, first: str, last: str = "", name: str = "Đơn vị") -> str:
    return f"{code},{name},phong,,,{parent},9,{first},{last},{LETTER}\n"


def grant(entry: str, giver: str, taker: str, seats: int, first: str, last: str = "") -> str:
    return f"{entry},grant,{giver},{taker},{seats},{first},{last},{LETTER}\n"


@pytest.mark.parametrize(
    ("name", "content", "expected", "text"),
    [
        pytest.param(
            "units.csv", UNITS + unit("dtp_872_pnv", "dtp_872", "2022-09-01"),
            [("units.csv", 6, "unit_code")], "Trùng với dòng 5", id="a code twice",
        ),
        pytest.param(
            "units.csv", UNITS.replace("2,2022-09-01,,", "2,2022-09-01,2022-12-31,")
            + unit("dtp_872_pnv", "dtp_872", "2022-12-31"),
            [("units.csv", 6, "unit_code")], "31/12/2022", id="one day in two versions of a unit",
        ),
        pytest.param(
            "units.csv", UNITS + unit("dtp_872_x", "dtp_99", "2022-09-01"),
            [("units.csv", 6, "parent_unit_code")], "dtp_99", id="an unknown parent",
        ),
        pytest.param(
            "units.csv", UNITS + unit("dtp_872_x", "dtp_872", "2022-08-31"),
            [("units.csv", 6, "parent_unit_code")], "31/08/2022", id="a unit before its parent",
        ),
        pytest.param(
            "units.csv", UNITS.replace("1,2022-09-01,,", "1,2022-09-01,2025-06-30,"),
            [
                ("servers.csv", 3, "unit_code"),
                ("units.csv", 4, "parent_unit_code"),
                ("units.csv", 5, "parent_unit_code"),
            ],
            "01/07/2025", id="a parent and a server's unit that end",
        ),
        pytest.param(
            "units.csv", UNITS.replace(",VHTT,dtp_872,", ",VHTT,dtp_872_vhtt,"),
            [("units.csv", 4, "parent_unit_code")], "dtp_872_vhtt → dtp_872_vhtt",
            id="a unit above itself",
        ),
        pytest.param(
            "units.csv", UNITS.replace(",872,,dtp,", ",872,,dtp_872_vhtt,"),
            [("units.csv", 4, "parent_unit_code")], "dtp_872 → dtp_872_vhtt → dtp_872",
            id="two units above each other",
        ),
        pytest.param(
            "servers.csv", SERVERS + SERVERS.splitlines()[2],
            [("servers.csv", 4, "server_code")], "Trùng với dòng 3", id="a server twice",
        ),
        pytest.param(
            "servers.csv", SERVERS.replace("district,dtp_872", "district,dtp_827"),
            [("servers.csv", 3, "unit_code")], "dtp_827", id="a server of an unknown unit",
        ),
        pytest.param(
            "servers.csv", SERVERS.replace("district,dtp_872,1,2022-09-01", "district,dtp_872,1,2022-08-31"),
            [("servers.csv", 3, "unit_code")], "31/08/2022", id="a server before its unit",
        ),
        pytest.param(
            "servers.csv", SERVERS.replace("province", "district"),
            [("servers.csv", None, "server_role")], "cấp tỉnh", id="no province",
        ),
        pytest.param(
            "server_groups.csv", GROUPS + GROUPS.splitlines()[1].replace("VHTT,", "vhtt ,"),
            [("server_groups.csv", 3, "group_path")], "Trùng với dòng 2",
            id="a group mapped twice in two spellings",
        ),
        pytest.param(
            "server_groups.csv", GROUPS.replace("dtp_872,01", "dtp_873,01"),
            [("server_groups.csv", 2, "server_code")], "dtp_873", id="a group of no server",
        ),
        pytest.param(
            "server_groups.csv", GROUPS.replace("dtp_872_vhtt", "dtp_872_vhttt"),
            [("server_groups.csv", 2, "unit_code")], "dtp_872_vhttt", id="a group of no unit",
        ),
        pytest.param(
            "unit_aliases.csv", ALIASES + ALIASES.splitlines()[1],
            [("unit_aliases.csv", 3, "alias")], "Trùng với dòng 2", id="an alias twice",
        ),
        pytest.param(
            "unit_aliases.csv",
            ALIASES + ALIASES.splitlines()[1].replace("_vhtt", "_pnv"),
            [("unit_aliases.csv", 3, "alias")], "dtp_872_vhtt", id="an alias of two neighbours",
        ),
        pytest.param(
            "unit_aliases.csv", ALIASES.replace("Phòng VHTT", "phòng  nội vụ"),
            [("unit_aliases.csv", 2, "alias")], "dtp_872_pnv", id="a neighbour's name as an alias",
        ),
        pytest.param(
            "unit_aliases.csv", ALIASES.replace("dtp_872_vhtt", "dtp_872_vh"),
            [("unit_aliases.csv", 2, "unit_code")], "dtp_872_vh", id="an alias of no unit",
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS.replace("2022-pnv", "2022-vhtt"),
            [("allocations.csv", 4, "entry_id")], "dòng 3", id="an entry twice",
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS.replace("dtp_872,dtp_872_pnv", "dtp_872,dtp_872_pnw"),
            [("allocations.csv", 4, "to_unit_code")], "dtp_872_pnw", id="seats for no unit",
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS.replace(",20,", ",19,"),
            [("allocations.csv", 3, "seat_count")], "giao đi 20", id="more given than held",
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS + grant("x", "", "dtp", 1, "2022-08-31"),
            [("allocations.csv", 5, "to_unit_code")], "31/08/2022", id="seats before the unit",
        ),
        pytest.param(
            "naming_rules.csv", RULES + RULES.splitlines()[1].replace("dtp_2022", "dtp_2023"),
            [("naming_rules.csv", 3, "unit_code")], "Trùng với dòng 2", id="two rules of one unit",
        ),
        pytest.param(
            "naming_rules.csv", RULES + RULES.splitlines()[1].replace("2022,dtp,", "2022,dtp_872,"),
            [("naming_rules.csv", 3, "rule_code")], "Trùng với dòng 2", id="one rule twice",
        ),
        pytest.param(
            "naming_rules.csv", RULES.replace("2022,dtp,", "2022,dtq,"),
            [("naming_rules.csv", 2, "unit_code")], "dtq", id="a rule of no unit",
        ),
        pytest.param(
            "calendar.csv", CALENDAR + CALENDAR.splitlines()[1].replace("holiday", "workday"),
            [("calendar.csv", 3, "date")], "dòng 2", id="a day twice",
        ),
    ],
)  # fmt: skip
def test_rows_that_contradict_each_other_are_told(
    tmp_path: Path,
    name: str,
    content: str,
    expected: list[tuple[str, int | None, str]],
    text: str,
) -> None:
    found = mistakes_of(write_registry(tmp_path, {name: content}))
    assert places(found) == expected
    assert all(text in one.text for one in found)
    assert all(one.remedy for one in found)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(
            "units.csv", UNITS.replace("2,2022-09-01,,", "2,2022-09-01,2022-12-31,")
            + unit("dtp_872_pnv", "dtp_872", "2023-01-01"), id="a unit's next version",
        ),
        pytest.param(
            "units.csv", UNITS + unit("dtp_872_x", "dtp_872", "2022-09-01"),
            id="a unit from its parent's first day on",
        ),
        pytest.param(
            "units.csv",
            UNITS
            + unit("dtp_872_x", "dtp_872", "2022-09-01", "2022-12-31")
            + unit("dtp_872_y", "dtp_872_x", "2022-09-01", "2022-12-31")
            + unit("dtp_872_y", "dtp_872", "2023-01-01")
            + unit("dtp_872_x", "dtp_872_y", "2023-01-01"),
            id="two units that change places",
        ),
        pytest.param(
            "unit_aliases.csv", ALIASES.replace("Phòng VHTT", "Phòng Văn hóa và Thông tin"),
            id="an alias that is the unit's own name",
        ),
        pytest.param(
            "unit_aliases.csv", ALIASES.replace("Phòng VHTT", "Tỉnh Đồng Tháp"),
            id="an alias that is the name of a unit elsewhere",
        ),
        pytest.param(
            "unit_aliases.csv",
            ALIASES.replace("01,,", "01,2022-12-31,")
            + ALIASES.splitlines()[1].replace("2022-09-01", "2023-01-01").replace("_vhtt", "_pnv"),
            id="an alias that goes to a neighbour",
        ),
        pytest.param(
            "server_groups.csv",
            GROUPS.replace("01,,", "01,2022-12-31,")
            + GROUPS.splitlines()[1].replace("2022-09-01", "2023-01-01").replace("_vhtt", "_pnv"),
            id="a group that goes to another unit",
        ),
        pytest.param(
            "server_groups.csv", GROUPS.replace("2022-09-01", "2020-01-01"),
            id="a mapping from before the server was asked",
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS.replace(",8,", ",0,"), id="a grant of no seats"
        ),
        pytest.param(
            "allocations.csv",
            ALLOCATIONS + grant("x", "", "dtp_872", 330, "2023-10-13"),
            id="seats that follow upon seats",
        ),
    ],
)  # fmt: skip
def test_rows_that_only_look_contradictory_are_right(
    tmp_path: Path, name: str, content: str
) -> None:
    assert mistakes_of(write_registry(tmp_path, {name: content})) == []


def other_estate(path: Path, **replaced: str) -> Path:
    """A second estate kon_tum beside the first one, with codes of its own unless replaced."""
    units = UNITS.replace("dtp", "ktm")
    servers = SERVERS.replace("dtp", "ktm")
    for old, new in replaced.items():
        units, servers = units.replace(old, new), servers.replace(old, new)
    files: dict[str, str | bytes | None] = {
        "estate.yml": ESTATE.replace("dong_thap", "kon_tum"),
        "units.csv": units,
        "servers.csv": servers,
        "server_groups.csv": None,
        "unit_aliases.csv": None,
        "allocations.csv": ALLOCATIONS.replace("dtp", "ktm").replace("\n2022-", "\nktm-"),
        "naming_rules.csv": None,
        "calendar.csv": None,
    }
    return write_registry(path, files, estate="kon_tum")


def test_two_estates_with_codes_of_their_own_are_right(tmp_path: Path) -> None:
    registry = load(other_estate(write_registry(tmp_path)))
    assert [estate.estate_code for estate in registry.estates] == ["dong_thap", "kon_tum"]


def test_a_code_belongs_to_one_estate(tmp_path: Path) -> None:
    found = mistakes_of(other_estate(write_registry(tmp_path), ktm_872_pnv="dtp_872_pnv"))
    (mistake,) = [one for one in found if "mọi địa bàn" in one.remedy]
    assert (mistake.file, mistake.row, mistake.field) == ("kon_tum/units.csv", 5, "unit_code")


def test_a_server_code_belongs_to_one_estate(tmp_path: Path) -> None:
    path = other_estate(write_registry(tmp_path))
    file = path / "kon_tum" / "servers.csv"
    file.write_text(file.read_text("utf-8").replace("\nktm,", "\ndtp,"), "utf-8")
    (mistake,) = mistakes_of(path)
    assert (mistake.file, mistake.row, mistake.field) == ("kon_tum/servers.csv", 2, "server_code")


def test_a_unit_of_another_estate_is_unknown(tmp_path: Path) -> None:
    path = other_estate(write_registry(tmp_path))
    file = path / "kon_tum" / "servers.csv"
    file.write_text(file.read_text("utf-8").replace("province,ktm,", "province,dtp,"), "utf-8")
    (mistake,) = mistakes_of(path)
    assert (mistake.file, mistake.row, mistake.field) == ("kon_tum/servers.csv", 2, "unit_code")


def test_an_entry_is_unique_over_all_estates(tmp_path: Path) -> None:
    path = other_estate(write_registry(tmp_path))
    file = path / "kon_tum" / "allocations.csv"
    file.write_text(file.read_text("utf-8").replace("ktm-vhtt", "2022-vhtt"), "utf-8")
    (mistake,) = mistakes_of(path)
    assert (mistake.file, mistake.row, mistake.field) == ("kon_tum/allocations.csv", 3, "entry_id")


def test_a_misspelt_code_gets_a_proposal(tmp_path: Path) -> None:
    (mistake,) = mistakes_of(
        write_registry(
            tmp_path, {"servers.csv": SERVERS.replace("district,dtp_872", "district,dtp_827")}
        )
    )
    assert "dtp_872" in mistake.remedy
