"""fct_unit_coverage_daily: given loads and a registry, the figures of each day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.registry.model import EntryKind, ServerRole
from unit.warehouse.builders import DAY, T0, House, RegistryDraft, a_host, a_small_estate, at, fresh

PNV = {"group_path": "Phòng Nội vụ"}
PTP = {"group_path": "Phòng Tư pháp"}


def offices(count: int = 2, **facts: Any) -> list[Any]:
    """``count`` machines of office pnv and one of ptp."""
    machines = [
        a_host(f"n{number}", display_name=f"PNV-MAY{number:02d}", **(PNV | facts))
        for number in range(count)
    ]
    return [*machines, a_host("t1", display_name="PTP-MAY01", **PTP)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, a_small_estate().grant("pnv", 3).grant("ptp", 1).registry())


class TestDays:
    def test_machine_counts_are_own_and_children(self, house: House) -> None:
        house.land(T0, [*offices(), a_host("d1", display_name="KHAC")])
        house.build(T0)
        day = "2022-10-12"
        assert house.counts("pnv", day, "installed", "correctly_named") == (2, 2)
        assert house.counts("ptp", day, "installed", "correctly_named") == (1, 1)
        assert house.counts("huyen", day, "installed", "correctly_named") == (4, 3)
        assert house.counts("tinh", day, "installed", "correctly_named") == (4, 3)

    def test_an_unmapped_group_counts_in_the_unit_of_its_server(self, house: House) -> None:
        house.land(
            T0,
            [
                a_host("a", group_path="Nhóm lạ"),
                a_host("b", group_path=None, is_unassigned=True),
                a_host("c", group_path="phòng  nội vụ/Máy mới"),
            ],
        )
        house.build(T0)
        rows = house.ask("select endpoint_id, unit_code, is_mapped from marts.dim_endpoint")
        found = {row["endpoint_id"]: (row["unit_code"], row["is_mapped"]) for row in rows}
        assert found == {"a": ("huyen", False), "b": ("huyen", False), "c": ("pnv", True)}

    def test_a_day_without_a_load_keeps_the_last_figures_with_their_age(self, house: House) -> None:
        house.land(T0, offices())
        house.land(T0 + 3 * DAY, offices(1))
        house.build(T0 + 3 * DAY)
        figures = [house.figure("huyen", f"2022-10-{day}") for day in (12, 13, 14, 15)]
        assert [figure["installed_count"] for figure in figures] == [3, 3, 3, 2]
        assert [figure["is_complete"] for figure in figures] == [True, False, False, True]
        assert [figure["servers_observed_count"] for figure in figures] == [1, 0, 0, 1]
        assert [figure["oldest_observed_at"] for figure in figures] == [T0] * 3 + [T0 + 3 * DAY]
        assert [figure["is_provisional"] for figure in figures] == [False, False, False, True]

    @pytest.mark.parametrize(
        ("second", "found"),
        [
            pytest.param(at("2022-10-12T23:59:59"), 1, id="the last second still counts"),
            pytest.param(
                at("2022-10-12T23:59:59") + timedelta(milliseconds=1), 3, id="after it no more"
            ),
            pytest.param(at("2022-10-13T00:00"), 3, id="midnight is the next day"),
        ],
    )
    def test_a_day_ends_at_its_last_second_in_vietnam(
        self, house: House, second: Any, found: int
    ) -> None:
        house.land(T0, offices())
        house.land(second, [offices()[0]])
        house.build(T0 + 2 * DAY)
        assert house.counts("huyen", "2022-10-12", "installed") == (found,)
        assert house.counts("huyen", "2022-10-13", "installed") == (1,)

    def test_a_change_and_back_within_a_day_is_not_seen(self, house: House) -> None:
        house.land(T0, offices())
        house.land(T0 + timedelta(hours=1), [])
        house.land(T0 + timedelta(hours=2), offices())
        house.build(T0 + DAY)
        assert house.counts("huyen", "2022-10-12", "installed") == (3,)

    def test_the_open_day_is_final_at_its_last_second(self, house: House) -> None:
        house.land(T0, offices())
        house.build(at("2022-10-12T23:59:58"))
        assert house.figure("huyen", "2022-10-12")["is_provisional"]
        house.build(at("2022-10-12T23:59:59"))
        assert not house.figure("huyen", "2022-10-12")["is_provisional"]

    def test_a_build_as_of_an_earlier_day_does_not_look_ahead(self, house: House) -> None:
        house.land(T0, offices())
        house.land(T0 + DAY, [])
        house.build(T0 + DAY)
        house.build(T0 + timedelta(hours=3))
        assert house.ask("select max(snapshot_date) as day from marts.fct_unit_coverage_daily") == [
            {"day": date(2022, 10, 12)}
        ]
        assert house.counts("huyen", "2022-10-12", "installed") == (3,)
        rows = house.ask("select endpoint_id, last_connected_at from marts.dim_endpoint")
        assert len(rows) == 3

    def test_what_a_chain_read_after_its_instant_belongs_to_it(self, house: House) -> None:
        house.land(T0 + timedelta(seconds=40), offices(), as_of_at=T0)
        house.build(T0)
        assert house.counts("huyen", "2022-10-12", "installed") == (3,)

    def test_but_never_beyond_the_end_of_its_day(self, house: House) -> None:
        instant = at("2022-10-13T23:59:50")
        house.land(T0, offices())
        house.land(at("2022-10-14T00:00:10"), [], as_of_at=instant)
        house.build(instant)
        assert house.counts("huyen", "2022-10-13", "installed") == (3,)

    def test_days_begin_with_the_first_complete_load_of_the_estate(self, house: House) -> None:
        house.land(T0 - DAY, status=LoadStatus.FAILED, fault_code="unreachable", fault_text="x")
        house.land(T0, offices())
        house.build(T0)
        (row,) = house.ask("select min(snapshot_date) as day from marts.fct_unit_coverage_daily")
        assert row["day"] == date(2022, 10, 12)


# One machine in a unit of its own each: what is changed, the count it is asked for, the answer.
FLAGS: list[tuple[dict[str, Any], str, int]] = [
    ({"status_bits": 0x1F}, "installed", 1),
    ({"status_bits": 0x0F}, "installed", 0),
    ({"status_bits": 0x1B}, "installed", 0),
    ({"status_bits": 0x0F}, "agent_only", 1),
    ({"status_bits": 0x1F}, "agent_only", 0),
    ({"rtp_state": 4}, "protected", 1),
    ({"rtp_state": 3}, "protected", 0),
    ({"rtp_state": 4, "status_bits": 0x0F}, "protected", 0),
    ({"bases_at": T0 - 16 * DAY}, "old_bases", 1),
    ({"last_connected_at": T0 - 30 * DAY}, "stale", 1),
    ({"status_mask": 1 << 12}, "antivirus_conflict", 1),
    ({"status_mask": 1 << 11}, "antivirus_conflict", 0),
    ({"display_name": "MAY PHUONG"}, "correctly_named", 0),
    ({"display_name": "PTP-MAY01"}, "correctly_named", 0),
    ({"display_name": "pnv-may99"}, "correctly_named", 1),
    ({"display_name": "SRV", "computer_type_bits": 2}, "correctly_named", 1),
]


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> House:
    estate = RegistryDraft().unit("huyen").server("huyen")
    machines = []
    for number, (facts, _, _) in enumerate(FLAGS):
        estate.unit(f"u{number}", "huyen", name_prefix="PNV")
        estate.group("huyen", f"Nhóm {number}", f"u{number}")
        given = {"display_name": f"PNV-MAY{number}", "group_path": f"Nhóm {number}"}
        machines.append(a_host(f"m{number}", **(given | facts)))
    house = House(tmp_path_factory.mktemp("home"), estate.registry())
    house.land(T0, machines)
    house.build(T0)
    return house


class TestFlags:
    @pytest.mark.parametrize("number", range(len(FLAGS)), ids=lambda number: str(FLAGS[number][:2]))
    def test_each_count(self, flagged: House, number: int) -> None:
        _, column, counted = FLAGS[number]
        assert flagged.counts(f"u{number}", "2022-10-12", column) == (counted,)

    def test_a_duplicate_counts_as_a_duplicate_and_nothing_else(self, house: House) -> None:
        copy = a_host(
            "n2",
            **PNV,
            display_name="PNV-MAY01~~1",
            last_connected_at=T0 - 60 * DAY,
            bases_at=None,
            status_mask=4096,
        )
        house.land(T0, [a_host("n1", **PNV), copy])
        house.build(T0)
        columns = ("installed", "duplicate", "stale", "old_bases", "antivirus_conflict", "endpoint")
        assert house.counts("pnv", "2022-10-12", *columns) == (1, 1, 0, 0, 0, 1)


class TestSources:
    def _two(self, tmp_path: Path) -> House:
        estate = (
            a_small_estate()
            .unit("huyen2", "tinh")
            .unit("huyen3", "tinh")
            .unit("xa", "huyen")
            .server("huyen2")
            .server("huyen3", valid_from_date=date(2022, 10, 20))
            .grant("huyen", 5)
            .grant("huyen2", 4)
        )
        return House(tmp_path, estate.registry())

    def test_never_landed_is_null_and_not_zero(self, tmp_path: Path) -> None:
        house = self._two(tmp_path)
        house.land(T0, offices())
        house.build(T0)
        figure = house.figure("huyen2", "2022-10-12")
        counts = {name: value for name, value in figure.items() if name.endswith("_count")}
        # What the registry says is known without any server: seats, and documented exemptions.
        known = {
            "allocated_count": 4,
            "exempt_count": 0,
            "servers_expected_count": 1,
            "servers_observed_count": 0,
        }
        assert counts == dict.fromkeys(counts, None) | known
        assert (figure["installed_ratio"], figure["is_complete"]) == (None, False)
        assert house.gap("huyen2", "2022-10-12") == {"not_observed": 4}

    def test_the_province_counts_what_it_has_and_says_that_it_is_not_all(
        self, tmp_path: Path
    ) -> None:
        house = self._two(tmp_path)
        house.land(T0, offices())
        house.build(T0)
        columns = ("allocated", "installed", "gap", "over", "net_gap")
        assert house.counts("tinh", "2022-10-12", *columns) == (9, 3, 6, 0, 6)
        figure = house.figure("tinh", "2022-10-12")
        assert (figure["servers_expected_count"], figure["servers_observed_count"]) == (2, 1)
        assert not figure["is_complete"]

    def test_a_server_is_expected_from_its_first_day(self, tmp_path: Path) -> None:
        house = self._two(tmp_path)
        house.land(T0, offices())
        house.build(at("2022-10-21T08:00"))
        assert house.figure("tinh", "2022-10-19")["servers_expected_count"] == 2
        assert house.figure("tinh", "2022-10-20")["servers_expected_count"] == 3
        assert house.figure("huyen3", "2022-10-19")["servers_expected_count"] == 0
        assert house.counts("huyen3", "2022-10-19", "installed") == (None,)

    def test_a_unit_without_a_group_is_seen_through_the_server_above(self, tmp_path: Path) -> None:
        house = self._two(tmp_path)
        house.land(T0, offices())
        house.build(T0)
        assert house.counts("xa", "2022-10-12", "installed") == (0,)
        assert house.figure("xa", "2022-10-12")["servers_expected_count"] == 1

    def test_machines_of_a_server_out_of_force_count_no_more(self, tmp_path: Path) -> None:
        estate = RegistryDraft().unit("tinh").unit("huyen", "tinh")
        estate.server("tinh", server_role=ServerRole.PROVINCE)
        estate.server("huyen", valid_to_date=date(2022, 10, 12))
        house = House(tmp_path, estate.registry())
        house.land(T0, [a_host("m1")], "huyen")
        house.land(T0, [a_host("m2")], "tinh")
        house.build(T0 + DAY)
        assert house.counts("tinh", "2022-10-12", "installed") == (2,)
        assert house.counts("tinh", "2022-10-13", "installed") == (1,)

    def test_a_failed_gate_warning_shows(self, tmp_path: Path) -> None:
        house = self._two(tmp_path)
        verdict = {
            "suite": "landing.ksc_hosts",
            "expectation": "future_bases",
            "severity": "warn",
            "is_success": False,
            "unexpected_count": 2,
            "description": "Ngày ở tương lai",
        }
        house.land(T0, offices(), verdicts=(verdict,))
        house.land(T0, [], "huyen2", verdicts=({**verdict, "is_success": True},))
        house.build(T0)
        assert house.figure("huyen", "2022-10-12")["has_passed_gate"] is False
        assert house.figure("huyen2", "2022-10-12")["has_passed_gate"] is True
        assert house.figure("tinh", "2022-10-12")["has_passed_gate"] is False
        rows = house.ask("from marts.fct_data_quality order by is_success")
        assert [(row["severity"], row["unexpected_count"]) for row in rows] == [
            ("warn", 2),
            ("warn", 2),
        ]

    def test_the_age_of_each_source(self, tmp_path: Path) -> None:
        house = self._two(tmp_path)
        house.land(T0, offices())
        house.land(
            T0 + timedelta(hours=5),
            status=LoadStatus.FAILED,
            fault_code="unreachable",
            fault_text="Không kết nối được.",
        )
        house.build(T0 + timedelta(hours=6))
        rows = {row["server_code"]: row for row in house.ask("from marts.rpt_source_age")}
        assert set(rows) == {"huyen", "huyen2"}
        assert (rows["huyen"]["age_hours"], rows["huyen"]["is_failing"]) == (6.0, True)
        assert rows["huyen"]["last_fault_text"] == "Không kết nối được."
        assert (rows["huyen2"]["newest_load_id"], rows["huyen2"]["is_failing"]) == (None, False)


class TestRegistryInTime:
    def test_a_registry_edit_changes_past_days_without_touching_the_history(
        self, tmp_path: Path
    ) -> None:
        house = House(tmp_path)
        house.land(T0, offices())
        house.build(T0 + DAY)
        before = house.ask("from hist.intervals order by all")
        edited = a_small_estate().grant("pnv", 9)
        edited.units[2] = edited.units[2].model_copy(update={"name_prefix": "NV"})
        house.build(T0 + DAY, edited.registry("b" * 64))
        assert house.ask("from hist.intervals order by all") == before
        assert house.counts("pnv", "2022-10-12", "allocated", "correctly_named") == (9, 0)

    def test_the_naming_rule_of_the_day_judges_the_day(self, tmp_path: Path) -> None:
        estate = a_small_estate()
        estate.rule("tinh", max_length=15, valid_to_date=date(2022, 10, 12))
        estate.rule("tinh", max_length=8, valid_from_date=date(2022, 10, 13))
        house = House(tmp_path, estate.registry())
        house.land(T0, offices())
        house.build(T0 + DAY)
        assert house.counts("pnv", "2022-10-12", "correctly_named") == (2,)
        assert house.counts("pnv", "2022-10-13", "correctly_named") == (0,)
        rows = house.ask("select distinct rule_code, reason_code from marts.rpt_wrong_name")
        assert rows == [{"rule_code": "r2", "reason_code": "TOO_LONG"}]

    def test_a_group_that_is_given_to_another_unit_moves_its_machines_that_day(
        self, tmp_path: Path
    ) -> None:
        estate = a_small_estate()
        estate.groups[0] = estate.groups[0].model_copy(update={"valid_to_date": date(2022, 10, 13)})
        estate.group("huyen", "Phòng Nội vụ", "ptp", valid_from_date=date(2022, 10, 14))
        house = House(tmp_path, estate.registry())
        house.land(T0, offices())
        house.build(T0 + 2 * DAY)
        assert house.counts("pnv", "2022-10-13", "installed") == (2,)
        assert house.counts("pnv", "2022-10-14", "installed") == (0,)
        assert house.counts("ptp", "2022-10-14", "installed") == (3,)
        states = house.ask(
            "select unit_code, valid_from_at from marts.fct_endpoint_state"
            " where endpoint_id = 'n0' order by valid_from_at"
        )
        assert [(row["unit_code"], row["valid_from_at"]) for row in states] == [
            ("pnv", T0),
            ("ptp", at("2022-10-14T00:00")),
        ]

    def test_a_unit_is_listed_while_it_is_in_force_and_its_children_follow_it(
        self, tmp_path: Path
    ) -> None:
        estate = a_small_estate()
        estate.units[3] = estate.units[3].model_copy(update={"valid_to_date": date(2022, 10, 12)})
        estate.groups[1] = estate.groups[1].model_copy(update={"valid_to_date": date(2022, 10, 12)})
        estate.unit("ptp", "tinh", name_prefix="PTP", valid_from_date=date(2022, 10, 13))
        estate.group("huyen", "Phòng Tư pháp", "ptp", valid_from_date=date(2022, 10, 13))
        house = House(tmp_path, estate.registry())
        house.land(T0, offices())
        house.build(T0 + DAY)
        assert house.counts("huyen", "2022-10-12", "installed") == (3,)
        assert house.counts("huyen", "2022-10-13", "installed") == (2,)
        assert house.counts("tinh", "2022-10-13", "installed") == (3,)

    def test_a_server_whose_unit_is_no_more_keeps_its_machines(self, tmp_path: Path) -> None:
        estate = (
            RegistryDraft().unit("tinh").unit("huyen", "tinh", valid_to_date=date(2022, 10, 12))
        )
        house = House(tmp_path, estate.server("huyen").registry())
        house.land(T0, [a_host("m1")])
        house.build(T0 + DAY)
        assert house.counts("tinh", "2022-10-13", "installed") == (1,)
        assert (
            house.ask(
                "from marts.fct_unit_coverage_daily where unit_code = 'huyen'"
                " and snapshot_date = '2022-10-13'"
            )
            == []
        )


class TestSeats:
    def test_allocated_is_what_is_held_and_not_handed_down(self, tmp_path: Path) -> None:
        estate = (
            a_small_estate()
            .grant("huyen", 10)
            .grant("pnv", 4, from_unit_code="huyen")
            .grant("ptp", 2, from_unit_code="pnv", entry_kind=EntryKind.TRANSFER)
        )
        house = House(tmp_path, estate.registry())
        house.land(T0, offices())
        house.build(T0)
        found = {
            unit: house.counts(unit, "2022-10-12", "allocated")[0]
            for unit in ("tinh", "huyen", "pnv", "ptp")
        }
        assert found == {"tinh": 10, "huyen": 10, "pnv": 2, "ptp": 2}

    @pytest.mark.parametrize(
        ("day", "seats"),
        [("2022-10-12", 0), ("2022-10-13", 5), ("2022-10-14", 5), ("2022-10-15", 0)],
    )
    def test_an_entry_holds_from_its_first_to_its_last_day(
        self, tmp_path: Path, day: str, seats: int
    ) -> None:
        estate = a_small_estate().grant(
            "pnv", 5, valid_from_date=date(2022, 10, 13), valid_to_date=date(2022, 10, 14)
        )
        house = House(tmp_path, estate.registry())
        house.land(T0, offices())
        house.build(T0 + 3 * DAY)
        assert house.counts("pnv", day, "allocated") == (seats,)

    def test_a_holder_covers_the_units_below_it_that_hold_none(self, tmp_path: Path) -> None:
        estate = a_small_estate().grant("huyen", 5).grant("ptp", 2)
        house = House(tmp_path, estate.registry())
        house.land(T0, [*offices(7), a_host("d1", display_name="KHAC")])
        house.build(T0)
        columns = ("allocated", "installed", "gap", "over", "net_gap")
        # huyen stands for itself and pnv: 5 seats, 8 machines. ptp: 2 seats, 1 machine.
        assert house.counts("huyen", "2022-10-12", *columns) == (7, 9, 1, 3, -2)
        assert house.counts("pnv", "2022-10-12", *columns) == (0, 7, 0, 0, -7)
        assert house.counts("ptp", "2022-10-12", *columns) == (2, 1, 1, 0, 1)
        assert house.gap("pnv", "2022-10-12") == {}
        assert house.gap("huyen", "2022-10-12") == {
            "wrong_name": 1,
            "ok": 8,
            "not_installed": 1,
            "over_allocated": -3,
        }

    def test_machines_where_nobody_holds_seats_are_over(self, tmp_path: Path) -> None:
        estate = a_small_estate().grant("ptp", 2)
        house = House(tmp_path, estate.registry())
        house.land(T0, offices())
        house.build(T0)
        columns = ("allocated", "installed", "gap", "over", "net_gap")
        assert house.counts("pnv", "2022-10-12", *columns) == (0, 2, 0, 2, -2)
        assert house.counts("tinh", "2022-10-12", *columns) == (2, 3, 1, 2, -1)

    def test_the_gap_is_parted_by_the_first_reason_that_applies(self, tmp_path: Path) -> None:
        house = House(tmp_path, a_small_estate().grant("pnv", 9).registry())
        old = T0 - 60 * DAY
        machines = [
            # a wrong name comes first, whatever else is wrong
            a_host("1", **PNV, display_name="SAI", rtp_state=1, last_connected_at=old),
            a_host("2", **PNV, display_name="PNV-A", rtp_state=1, last_connected_at=old),
            a_host("3", **PNV, display_name="PNV-B", last_connected_at=old),
            a_host("4", **PNV, display_name="PNV-C"),
            a_host("5", **PNV, display_name="PNV-D"),
            a_host("6", **PNV, display_name="PNV-E", status_bits=0x0F),
        ]
        house.land(T0, machines)
        house.build(T0)
        assert house.gap("pnv", "2022-10-12") == {
            "wrong_name": 1,
            "not_protected": 1,
            "stale": 1,
            "ok": 2,
            "agent_only": 1,
            "not_installed": 3,
        }

    def test_agent_only_fills_no_more_than_the_gap(self, tmp_path: Path) -> None:
        house = House(tmp_path, a_small_estate().grant("pnv", 3).registry())
        bare = [
            replace(
                machine, endpoint_id=f"b{number}", display_name=f"PNV-B{number}", status_bits=15
            )
            for number, machine in enumerate(offices(4)[:4])
        ]
        house.land(T0, [*offices(2), *bare])
        house.build(T0)
        assert house.gap("pnv", "2022-10-12") == {"ok": 2, "agent_only": 1}
        assert house.counts("pnv", "2022-10-12", "agent_only", "gap") == (4, 1)


class TestSnapshotId:
    def test_the_same_loads_and_registry_give_the_same_id(self, house: House) -> None:
        house.land(T0, offices())
        house.build(T0)
        first = house.figure("pnv", "2022-10-12")["snapshot_id"]
        house.build(T0)
        assert house.figure("pnv", "2022-10-12")["snapshot_id"] == first
        assert first.startswith("20221012T010000Z-pnv-aaaaaaaa-20221012p-")

    def test_another_load_registry_day_or_state_of_the_day_gives_another_id(
        self, house: House
    ) -> None:
        def snapshot_id(day: str = "2022-10-12") -> str:
            return str(house.figure("pnv", day)["snapshot_id"])

        edited = a_small_estate().registry("b" * 64)
        later = T0 + timedelta(hours=1)
        found = []
        house.land(T0, offices())
        house.build(T0)
        found.append(snapshot_id())
        house.land(later, fresh(offices(), later))
        house.build(later)
        found.append(snapshot_id())
        house.build(later, edited)
        found.append(snapshot_id())
        house.build(T0 + DAY, edited)
        found += [snapshot_id(), snapshot_id("2022-10-13")]
        assert len(set(found)) == 5

    def test_a_unit_never_seen_has_an_id_without_an_instant(self, tmp_path: Path) -> None:
        estate = a_small_estate().unit("huyen2", "tinh").server("huyen2")
        house = House(tmp_path, estate.registry())
        house.land(T0, offices())
        house.build(T0)
        assert house.figure("huyen2", "2022-10-12")["snapshot_id"].startswith("none-huyen2-")
