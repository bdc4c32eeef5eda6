"""A past day's figures on its own map and on today's: every machine and every seat, once."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.registry.model import Registry, Succession, SuccessionKind
from ksc_ledger.warehouse import publish
from ksc_ledger.warehouse.asof import Map, as_text, coverage_as_of
from unit.warehouse.builders import DAY, PAPER, House, RegistryDraft, a_host, at, fresh

OLD_DAY = date(2025, 6, 30)
REFORM = date(2025, 7, 1)
BEFORE, AFTER = at("2025-06-30T08:00"), at("2025-07-02T08:00")
ENDS: dict[str, Any] = {"valid_to_date": OLD_DAY}
BEGINS: dict[str, Any] = {"valid_from_date": REFORM}


def succession(
    kind: SuccessionKind, before: str, after: str, seats: int | None = None
) -> Succession:
    return Succession(
        estate_code="tinh",
        succession_kind=kind,
        from_unit_code=before,
        to_unit_code=after,
        effective_date=REFORM,
        seat_count=seats,
        source_document=PAPER,
    )


def reform() -> Registry:
    """Two districts dissolve. ``phuong_thinh`` is made of a commune of each; an office is split."""
    draft = (
        RegistryDraft()
        .unit("tinh")
        .unit("h1", "tinh", **ENDS)
        .unit("h2", "tinh", **ENDS)
        .unit("xa_a", "h1", name_prefix="XAA", **ENDS)
        .unit("xa_b", "h2", name_prefix="XAB", **ENDS)
        .unit("phong", "h1", name_prefix="PNV", **ENDS)
        .unit("khong_ai", "h2", name_prefix="KA", **ENDS)
        .unit("phuong_thinh", "tinh", name_prefix="PT", **BEGINS)
        .unit("thap_muoi", "tinh", name_prefix="TM", **BEGINS)
        # Both district servers outlive their districts.
        .server("s1", "h1", **ENDS)
        .server("s2", "h2", **ENDS)
        .server("s1", "thap_muoi", **BEGINS)
        .server("s2", "phuong_thinh", **BEGINS)
        .group("s1", "Xã A", "xa_a", **ENDS)
        .group("s2", "Xã B", "xa_b", **ENDS)
        .group("s1", "Phòng", "phong", **ENDS)
        .group("s2", "Không ai", "khong_ai", **ENDS)
        .group("s1", "Xã A", "phuong_thinh", **BEGINS)
        .group("s2", "Xã B", "phuong_thinh", **BEGINS)
        .group("s1", "Phòng", "thap_muoi", **BEGINS)
        .grant("h1", 10, **ENDS)
        .grant("xa_b", 3, **ENDS)
        .grant("phong", 7, **ENDS)
        .grant("khong_ai", 2, **ENDS)
        .grant("phuong_thinh", 9, **BEGINS)
        .grant("thap_muoi", 11, **BEGINS)
        .grant("tinh", 2, **BEGINS)
    )
    merge, split = SuccessionKind.MERGE, SuccessionKind.SPLIT
    return draft.registry().model_copy(
        update={
            "successions": (
                succession(merge, "xa_a", "phuong_thinh"),
                succession(merge, "xa_b", "phuong_thinh"),
                succession(split, "h1", "thap_muoi", 2),  # of ten seats: 3.33 and 6.67
                succession(split, "h1", "phuong_thinh", 4),
                succession(merge, "h2", "phuong_thinh"),
                succession(split, "phong", "thap_muoi", 5),
                succession(split, "phong", "phuong_thinh", 2),
                # nobody is said to have taken over from khong_ai
            )
        }
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One machine of the split office is with the other part after the reform, one is gone."""
    house = House(tmp_path_factory.mktemp("reform"), reform())
    first = [
        a_host("a1", display_name="XAA-1", group_path="Xã A"),
        a_host("p1", display_name="PNV-1", group_path="Phòng"),
        a_host("p2", display_name="PNV-2", group_path="Phòng"),
        a_host("p3", display_name="SAI", group_path="Phòng"),
        a_host("d1", display_name="SAI2"),
    ]
    second = [
        a_host("b1", display_name="XAB-1", group_path="Xã B"),
        a_host("b2", display_name="XAB-2", group_path="Xã B"),
        a_host("k1", display_name="KA-1", group_path="Không ai"),
    ]
    house.land(BEFORE, fresh(first, BEFORE), "s1")
    house.land(BEFORE, fresh(second, BEFORE), "s2")
    moved = [
        a_host("a1", display_name="PT-1", group_path="Xã A"),
        a_host("p1", display_name="TM-1", group_path="Phòng"),
        a_host("p2", display_name="PT-2", group_path="Xã A"),
        a_host("d1", display_name="TM-D1"),
    ]
    house.land(AFTER, fresh(moved, AFTER), "s1")
    house.land(AFTER, fresh(second, AFTER), "s2")
    house.build(AFTER)
    publish(house.settings, now=AFTER)
    return house


def figures(house: House, day: date, on_map: Map) -> dict[str, dict[str, Any]]:
    rows = coverage_as_of(house.settings, day, on_map=on_map)
    return {row["unit_code"]: row for row in rows}


def test_each_machine_counts_where_it_belongs_today(house: House) -> None:
    today = figures(house, OLD_DAY, Map.TODAY)
    assert set(today) == {"tinh", "phuong_thinh", "thap_muoi"}
    counts = {code: row["installed_count"] for code, row in today.items()}
    # phuong_thinh: a1, b1, b2 by merger, p2 because it is there now, and k1, whose office nobody
    # took over, with the district above it; thap_muoi: p1 and d1, which are there now, and p3,
    # which is nowhere any more and goes with the main part of its office.
    assert counts == {"tinh": 8, "phuong_thinh": 5, "thap_muoi": 3}


def test_names_stay_judged_by_the_rule_of_their_own_day(house: House) -> None:
    today = figures(house, OLD_DAY, Map.TODAY)
    assert today["tinh"]["correctly_named_count"] == 6
    assert today["phuong_thinh"]["correctly_named_count"] == 5


def test_seats_follow_the_document_to_the_last_one(house: House) -> None:
    today = figures(house, OLD_DAY, Map.TODAY)
    seats = {code: row["allocated_count"] for code, row in today.items()}
    # 10 of h1 as 2:4 are 3 and 7; 7 of phong as 5:2; 3 of xa_b; 2 of khong_ai.
    assert seats == {"thap_muoi": 3 + 5, "phuong_thinh": 7 + 2 + 3 + 2, "tinh": 22}


def test_both_maps_agree_in_every_total(house: House) -> None:
    own, today = figures(house, OLD_DAY, Map.OWN), figures(house, OLD_DAY, Map.TODAY)
    for column in (
        "allocated_count",
        "installed_count",
        "correctly_named_count",
        "protected_count",
        "agent_only_count",
        "stale_count",
        "old_bases_count",
        "antivirus_conflict_count",
        "net_gap_count",
    ):
        assert own["tinh"][column] == today["tinh"][column], column


def test_after_the_reform_both_maps_are_one(house: House) -> None:
    day = date(2025, 7, 2)
    own, today = figures(house, day, Map.OWN), figures(house, day, Map.TODAY)
    assert set(today) == set(own)
    for code, row in today.items():
        for column, value in row.items():
            if column.endswith(("_count", "_ratio")):
                assert own[code][column] == value, (code, column)


def test_before_the_reform_the_own_map_is_that_of_the_day(house: House) -> None:
    own = figures(house, OLD_DAY, Map.OWN)
    assert {"h1", "h2", "xa_a", "xa_b", "phong"} <= set(own)
    assert "phuong_thinh" not in own
    assert own["h1"]["installed_count"] == 5


def test_sources_and_the_figures_it_is_made_of_are_told(house: House) -> None:
    today = figures(house, OLD_DAY, Map.TODAY)["phuong_thinh"]
    assert [source["server_code"] for source in today["sources"]] == ["s1", "s2"]
    assert all(source["is_of_that_day"] for source in today["sources"])
    own = figures(house, OLD_DAY, Map.OWN)
    assert own["xa_a"]["snapshot_id"] in today["snapshot_ids"]
    text = "\n".join(as_text([today]))
    assert "ghép từ: " in text
    assert "s2 lúc 08:00 30/06/2025" in text


def test_one_commune_is_fed_by_two_servers_that_outlived_their_districts(house: House) -> None:
    now = figures(house, date(2025, 7, 2), Map.OWN)
    assert now["phuong_thinh"]["servers_expected_count"] == 2
    assert now["phuong_thinh"]["installed_count"] == 5
    rows = house.ask("from marts.dim_server order by server_code")
    assert [(row["server_code"], row["unit_code"], row["is_active"]) for row in rows] == [
        ("s1", "thap_muoi", True),
        ("s2", "phuong_thinh", True),
    ]


def test_heirs_of_heirs_and_a_unit_that_goes_on(tmp_path: Path) -> None:
    """aa went into bb, bb into cc; dd lost a part to cc and goes on with its seats."""
    first, second = date(2024, 1, 1), date(2025, 1, 1)
    draft = (
        RegistryDraft()
        .unit("tinh")
        .unit("aa", "tinh", valid_to_date=first - timedelta(days=1))
        .unit("bb", "tinh", valid_to_date=second - timedelta(days=1))
        .unit("cc", "tinh")
        .unit("dd", "tinh")
        .server("tinh")
        .grant("aa", 4)
        .grant("dd", 5)
    )

    def row(before: str, after: str, day: date, kind: SuccessionKind) -> Succession:
        return Succession(
            estate_code="tinh",
            succession_kind=kind,
            from_unit_code=before,
            to_unit_code=after,
            effective_date=day,
            source_document=PAPER,
        )

    registry = draft.registry().model_copy(
        update={
            "successions": (
                row("aa", "bb", first, SuccessionKind.MERGE),
                row("bb", "cc", second, SuccessionKind.MERGE),
                row("dd", "cc", second, SuccessionKind.SPLIT),
                row("cc", "dd", second, SuccessionKind.REUSE),
            )
        }
    )
    house = House(tmp_path, registry)
    house.land(AFTER, [a_host("m1")], "tinh")
    house.build(AFTER + DAY)
    heirs = house.ask("from marts.dim_unit_heir order by all")
    assert [tuple(row.values()) for row in heirs] == [
        ("aa", "cc", 1.0, True),
        ("bb", "cc", 1.0, True),
        ("cc", "cc", 1.0, True),
        ("dd", "cc", 0.0, False),
        ("dd", "dd", 1.0, True),
        ("tinh", "tinh", 1.0, True),
    ]
