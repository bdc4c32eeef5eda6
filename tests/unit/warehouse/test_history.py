"""What a load does to the history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.manifest import LoadStatus
from unit.warehouse.builders import DAY, T0, House, a_host, a_small_estate, at, fresh

T1 = T0 + timedelta(hours=1)
T2 = T0 + timedelta(hours=2)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_an_unchanged_machine_stays_one_open_interval(house: House) -> None:
    house.land(T0, [a_host("m1")])
    house.land(T1, fresh([a_host("m1")], T1))
    house.apply()
    assert house.intervals("m1") == [("2022-10-12T08:00", None)]


@pytest.mark.parametrize(
    ("column", "changed", "value"),
    [
        ("display_name", {"display_name": "PNV-MAY02"}, "PNV-MAY02"),
        ("netbios_name", {"netbios_name": "PNV-MAY02"}, "PNV-MAY02"),
        ("dns_name", {"dns_name": "pnv-may02"}, "pnv-may02"),
        ("group_path", {"group_path": "Phòng Nội vụ"}, "Phòng Nội vụ"),
        ("is_unassigned", {"is_unassigned": True}, True),
        ("is_installed", {"status_bits": 0x0B}, False),
        ("is_agent_only", {"status_bits": 0x0F}, True),
        ("is_protected", {"rtp_state": 1}, False),
        ("has_old_bases", {"bases_at": T0 - 40 * DAY}, True),
        ("is_stale", {"last_connected_at": T0 - 40 * DAY}, True),
        ("has_antivirus_conflict", {"status_mask": 4096}, True),
        ("status_id", {"status_id": 1}, 1),
        ("rtp_state", {"rtp_state": 5}, 5),
        ("antivirus_version", {"antivirus_version": "12.4"}, "12.4"),
        ("is_server_os", {"computer_type_bits": 2}, True),
    ],
)
def test_a_change_closes_the_interval(
    house: House, column: str, changed: dict[str, Any], value: object
) -> None:
    house.land(T0, [a_host("m1")])
    house.land(T1, [replace(a_host("m1"), **changed)])
    house.apply()
    before, after = house.intervals("m1", column)
    assert before[:2] == ("2022-10-12T08:00", "2022-10-12T09:00")
    assert after == ("2022-10-12T09:00", None, value)
    assert before[2] != value


@pytest.mark.parametrize(
    "changed",
    [
        {"last_connected_at": T1},
        {"last_visible_at": T1},
        {"bases_at": T1},
        {"mac_address": "00:00:5E:00:53:01"},
        {"agent_version": "15.0"},
        {"virus_count": 3},
    ],
)
def test_what_is_volatile_closes_nothing(house: House, changed: dict[str, Any]) -> None:
    house.land(T0, [a_host("m1")])
    house.land(T1, [replace(a_host("m1"), **changed)])
    house.apply()
    assert len(house.intervals("m1")) == 1


def test_the_volatile_facts_are_those_of_the_newest_load(house: House) -> None:
    house.land(T0, [a_host("m1")])
    house.land(T1, fresh([a_host("m1")], T1))
    house.apply()
    (row,) = house.ask("select last_connected_at, observed_at, first_seen_at from hist.cur")
    assert row["last_connected_at"] == T1 - timedelta(minutes=20)
    assert (row["observed_at"], row["first_seen_at"]) == (T1, T0)


def test_the_same_instant_read_again_leaves_no_interval_behind(house: House) -> None:
    house.land(T0, [a_host("m1"), a_host("m2", display_name="PNV-MAY02")])
    house.apply()
    house.land(T0, [a_host("m1", rtp_state=1)])
    house.apply()
    assert house.intervals("m1", "is_protected") == [("2022-10-12T08:00", None, False)]
    assert house.intervals("m2") == []


def test_building_twice_changes_nothing(house: House) -> None:
    house.land(T0, [a_host("m1")])
    first = house.build(T0)
    figure = house.figure("huyen", "2022-10-12")
    again = house.build(T0)
    assert (len(first.applied), again.applied) == (1, ())
    assert house.figure("huyen", "2022-10-12") == figure


def test_a_machine_that_vanishes_is_closed_and_may_return(house: House) -> None:
    other = a_host("m2", display_name="PNV-MAY02")
    house.land(T0, [a_host("m1"), other])
    house.land(T1, [other])
    house.land(T2, [a_host("m1"), other])
    house.apply()
    assert house.intervals("m1") == [
        ("2022-10-12T08:00", "2022-10-12T09:00"),
        ("2022-10-12T10:00", None),
    ]
    assert house.ask("select first_seen_at from hist.cur where endpoint_id = 'm1'") == [
        {"first_seen_at": T0}
    ]
    assert house.ask("from hist.gone") == []


@pytest.mark.parametrize("status", [LoadStatus.INCOMPLETE, LoadStatus.FAILED, LoadStatus.REJECTED])
def test_a_load_that_is_not_whole_closes_nothing(house: House, status: LoadStatus) -> None:
    house.land(T0, [a_host("m1"), a_host("m2", display_name="PNV-MAY02")])
    house.land(T1, [a_host("m1")], status=status, fault_code="unreachable", fault_text="mất mạng")
    report = house.build(T1)
    assert len(report.recorded) == 1
    assert house.intervals("m2") == [("2022-10-12T08:00", None)]
    assert house.counts("huyen", "2022-10-12", "installed") == (2,)
    (row,) = house.ask("from marts.fct_source_load where not is_applied")
    assert (row["status"], row["fault_text"]) == (status.value, "mất mạng")


def test_only_machines_of_the_server_that_answered_may_close(tmp_path: Path) -> None:
    estate = a_small_estate().unit("huyen2", "tinh").server("huyen2")
    house = House(tmp_path, estate.registry())
    house.land(T0, [a_host("m1")], "huyen")
    house.land(T0, [a_host("m2")], "huyen2")
    house.land(T1, [], "huyen2")
    house.apply()
    assert house.intervals("m1") == [("2022-10-12T08:00", None)]
    assert house.intervals("m2", server="huyen2") == [("2022-10-12T08:00", "2022-10-12T09:00")]


def test_an_older_load_is_recorded_and_refused(house: House) -> None:
    house.land(T1, [a_host("m1")])
    house.build(T1)
    late = house.land(T0, [a_host("m2")])
    report = house.build(T1)
    assert report.refused == (late.load_id,)
    assert house.intervals("m2") == []
    (row,) = house.ask("from marts.fct_source_load where load_id = ?", late.load_id)
    assert (row["status"], row["is_applied"], row["refusal_code"]) == (
        "complete",
        False,
        "out_of_order",
    )
    assert house.build(T1).refused == ()


def test_loads_waiting_together_are_applied_in_the_order_they_were_read(house: House) -> None:
    house.land(T1, [a_host("m1", rtp_state=1)])
    house.land(T0, [a_host("m1")])
    report = house.build(T1)
    assert report.refused == ()
    assert house.intervals("m1", "is_protected") == [
        ("2022-10-12T08:00", "2022-10-12T09:00", True),
        ("2022-10-12T09:00", None, False),
    ]


def test_a_load_waits_for_its_gate(house: House) -> None:
    house.land(T0, [a_host("m1")])
    house.apply()
    waiting = house.land(T1, [], gated_at=None)
    assert house.apply().applied == []
    assert house.ask("from hist.load_log where load_id = ?", waiting.load_id) == []
    assert len(house.intervals("m1")) == 1


def test_a_snapshot_with_one_machine_twice_is_an_error_and_changes_nothing(house: House) -> None:
    house.land(T0, [a_host("m1")])
    house.apply()
    house.land(T1, [a_host("m1", rtp_state=1), a_host("m1", rtp_state=2)])
    with pytest.raises(LedgerError, match="m1 xuất hiện nhiều lần") as raised:
        house.apply()
    assert raised.value.code == "duplicate_endpoint"
    assert house.intervals("m1", "rtp_state") == [("2022-10-12T08:00", None, 4)]
    assert len(house.ask("from hist.load_log")) == 1


def test_a_missing_snapshot_is_an_error_that_names_the_file(house: House) -> None:
    load = house.land(T0, [a_host("m1")])
    load.parquet(house.settings.places).unlink()
    with pytest.raises(LedgerError, match=load.load_id):
        house.apply()


class TestBoundaries:
    """Ages are judged at the instant the server was read."""

    @pytest.mark.parametrize(
        ("bases_at", "is_old"),
        [
            pytest.param(T0 - 15 * DAY, False, id="just 15 days"),
            pytest.param(T0 - 15 * DAY - timedelta(seconds=1), True, id="a second more"),
            pytest.param(None, True, id="never had any"),
        ],
    )
    def test_old_bases(self, house: House, bases_at: Any, is_old: bool) -> None:
        house.land(T0, [a_host("m1", bases_at=bases_at)])
        house.apply()
        assert house.intervals("m1", "has_old_bases")[0][2] is is_old

    @pytest.mark.parametrize(
        ("last_connected_at", "is_stale"),
        [
            # Wednesday 12/10/2022 08:00; the seventh working day before it is Monday 3/10.
            pytest.param(at("2022-10-03T08:00"), False, id="just seven working days"),
            pytest.param(at("2022-10-03T07:59"), True, id="a minute more"),
            pytest.param(None, True, id="never"),
        ],
    )
    def test_stale(self, house: House, last_connected_at: Any, is_stale: bool) -> None:
        house.land(T0, [a_host("m1", last_connected_at=last_connected_at)])
        house.apply()
        assert house.intervals("m1", "is_stale")[0][2] is is_stale

    def test_a_machine_without_agent_or_protection_is_neither_stale_nor_old(
        self, house: House
    ) -> None:
        house.land(T0, [a_host("m1", status_bits=1, bases_at=None, last_connected_at=None)])
        house.apply()
        assert house.intervals("m1", "is_stale", "has_old_bases")[0][2:] == (False, False)

    @pytest.mark.parametrize(
        ("rtp_state", "is_protected"), [(3, False), (4, True), (8, True), (9, False), (None, False)]
    )
    def test_protected_is_state_4_to_8(
        self, house: House, rtp_state: int | None, is_protected: bool
    ) -> None:
        house.land(T0, [a_host("m1", rtp_state=rtp_state)])
        house.apply()
        assert house.intervals("m1", "is_protected")[0][2] is is_protected


class TestDuplicatesOnOneServer:
    def _flags(self, house: House, hosts: list[Any]) -> dict[str, tuple[bool, bool]]:
        house.land(T0, hosts)
        house.apply()
        rows = house.ask("select endpoint_id, is_duplicate, has_name_twin from hist.cur")
        return {row["endpoint_id"]: (row["is_duplicate"], row["has_name_twin"]) for row in rows}

    def test_the_record_that_connected_last_counts(self, house: House) -> None:
        flags = self._flags(
            house,
            [
                a_host("m1", last_connected_at=T0 - DAY),
                a_host("m2", display_name="pnv-may01~~10281", last_connected_at=T0),
            ],
        )
        assert flags == {"m1": (True, False), "m2": (False, False)}

    def test_then_the_one_seen_last_then_the_smaller_id(self, house: House) -> None:
        flags = self._flags(
            house,
            [
                a_host("m1", last_visible_at=T0 - DAY),
                a_host("m2", display_name="PNV-MAY01~1"),
                a_host("m3", display_name="PNV-MAY03"),
                a_host("m4", display_name="PNV-MAY03~~7"),
            ],
        )
        assert {name: flag[0] for name, flag in flags.items()} == {
            "m1": True,
            "m2": False,
            "m3": False,
            "m4": True,
        }

    def test_never_connected_comes_last(self, house: House) -> None:
        flags = self._flags(
            house,
            [
                a_host("m1", last_connected_at=None),
                a_host("m2", display_name="PNV-MAY01~~2", last_connected_at=T0 - 90 * DAY),
            ],
        )
        assert flags["m1"][0]
        assert not flags["m2"][0]

    def test_a_suffix_without_a_namesake_is_no_duplicate(self, house: House) -> None:
        assert self._flags(house, [a_host("m1", display_name="PNV-MAY01~~10281")]) == {
            "m1": (False, False)
        }

    def test_two_live_machines_of_one_name_are_twins_and_the_later_one_is_told(
        self, house: House
    ) -> None:
        flags = self._flags(
            house,
            [
                a_host("m1", created_at=T0 - DAY),
                a_host("m2", display_name="Pnv-May01", created_at=T0 - 2 * DAY),
                a_host("m3", display_name="PNV-MAY01", created_at=None),
            ],
        )
        assert flags == {"m1": (False, True), "m2": (False, False), "m3": (False, True)}

    def test_a_namesake_without_protection_is_no_twin(self, house: House) -> None:
        flags = self._flags(
            house, [a_host("m1", status_bits=5, created_at=T0 - DAY), a_host("m2", created_at=T0)]
        )
        assert flags == {"m1": (False, False), "m2": (False, False)}

    @pytest.mark.parametrize("column", ["mac_address", "serial_number"])
    def test_equal_hardware_makes_namesakes_duplicates(self, house: House, column: str) -> None:
        flags = self._flags(
            house,
            [
                a_host("m1", **{column: "A1"}),
                a_host("m2", **{column: "A1"}, last_connected_at=T0 - DAY),
                a_host("m3", **{column: "B2"}, last_connected_at=T0 - 2 * DAY, created_at=T0),
            ],
        )
        assert flags == {"m1": (False, False), "m2": (True, False), "m3": (False, True)}

    def test_machines_without_a_name_are_not_namesakes(self, house: House) -> None:
        flags = self._flags(
            house,
            [
                a_host("m1", display_name=None),
                a_host("m2", display_name=None),
                a_host("m3", display_name=""),
                a_host("m4", display_name=""),
            ],
        )
        assert set(flags.values()) == {(False, False)}


class TestSharedBetweenServers:
    @pytest.fixture
    def two(self, tmp_path: Path) -> House:
        estate = a_small_estate().unit("huyen2", "tinh").server("huyen2")
        return House(tmp_path, estate.registry())

    def _counted(self, house: House, day: str = "2022-10-12") -> tuple[int, int, int]:
        return (
            house.counts("huyen", day, "installed")[0],
            house.counts("huyen2", day, "installed")[0],
            house.counts("tinh", day, "duplicate")[0],
        )

    def test_the_sighting_that_connected_last_counts_and_both_stay(self, two: House) -> None:
        two.land(T0, [a_host("m1", last_connected_at=T0 - DAY)], "huyen")
        two.land(T0, [a_host("m1", last_connected_at=T0)], "huyen2")
        two.build(T0)
        assert self._counted(two) == (0, 1, 1)
        assert len(two.ask("from hist.cur where endpoint_id = 'm1'")) == 2
        sightings = two.ask("from marts.fct_endpoint_sighting order by server_code")
        assert [(row["server_code"], row["is_counted"]) for row in sightings] == [
            ("huyen", False),
            ("huyen2", True),
        ]
        (endpoint,) = two.ask("from marts.dim_endpoint")
        assert (endpoint["server_code"], endpoint["is_duplicate"]) == ("huyen2", False)

    def test_a_tie_goes_by_the_order_of_the_registry(self, two: House) -> None:
        two.land(T0, [a_host("m1")], "huyen2")
        two.land(T0, [a_host("m1")], "huyen")
        two.build(T0)
        assert self._counted(two) == (1, 0, 1)

    def test_it_counts_elsewhere_from_the_load_that_shows_it(self, two: House) -> None:
        next_day = T0 + DAY
        two.land(T0, [a_host("m1")], "huyen")
        two.land(next_day, [a_host("m1", last_connected_at=next_day)], "huyen2")
        two.build(next_day)
        assert self._counted(two, "2022-10-13") == (0, 1, 1)
        assert two.counts("huyen", "2022-10-12", "installed", "duplicate") == (1, 0)
        states = two.ask(
            "select server_code, valid_from_at, valid_to_at, is_duplicate"
            " from marts.fct_endpoint_state order by valid_from_at"
        )
        assert [(row["server_code"], row["valid_to_at"]) for row in states] == [
            ("huyen", next_day),
            ("huyen2", None),
        ]

    def test_it_counts_again_where_it_was_left_behind(self, two: House) -> None:
        later = T0 + DAY
        two.land(T0, [a_host("m1", last_connected_at=T0 - DAY)], "huyen")
        two.land(T0, [a_host("m1", last_connected_at=T0)], "huyen2")
        two.land(later, [], "huyen2")
        two.build(later)
        assert self._counted(two, "2022-10-13") == (1, 0, 0)

    def test_a_machine_that_moved_for_good_counts_once_where_it_is(self, two: House) -> None:
        later = T0 + DAY
        two.land(T0, [a_host("m1", last_connected_at=T0)], "huyen")
        two.land(T0, [a_host("m1", last_connected_at=T0 - DAY)], "huyen2")
        two.land(later, [], "huyen")
        two.land(later + DAY, [], "huyen2")
        two.land(later + 2 * DAY, fresh([a_host("m1")], later), "huyen2")
        two.build(later + 2 * DAY)
        assert self._counted(two, "2022-10-13") == (0, 1, 0)
        assert self._counted(two, "2022-10-14") == (0, 0, 0)
        assert self._counted(two, "2022-10-15") == (0, 1, 0)

    def test_the_outcome_does_not_depend_on_which_of_two_equal_instants_came_first(
        self, tmp_path: Path
    ) -> None:
        outcomes = []
        for order in (("huyen", "huyen2"), ("huyen2", "huyen")):
            estate = a_small_estate().unit("huyen2", "tinh").server("huyen2")
            house = House(tmp_path / order[0], estate.registry())
            for server in order:
                connected = T0 if server == "huyen2" else T0 - DAY
                house.land(T0, [a_host("m1", last_connected_at=connected)], server)
                house.build(T0)
            outcomes.append(self._counted(house))
        assert outcomes == [(0, 1, 1), (0, 1, 1)]

    def test_a_load_that_comes_late_for_a_shared_machine_needs_a_rebuild(self, two: House) -> None:
        two.land(T1, [a_host("m1")], "huyen2")
        two.apply()
        late = two.land(T0, [a_host("m1")], "huyen")
        assert two.apply().refused == [late.load_id]

    def test_a_load_that_comes_late_but_shares_nothing_is_applied(self, two: House) -> None:
        two.land(T1, [a_host("m1")], "huyen2")
        two.apply()
        late = two.land(T0, [a_host("m2")], "huyen")
        assert two.apply().applied == [late.load_id]


class TestReplacedMachines:
    def test_a_new_id_with_the_hardware_of_a_vanished_one_replaces_it(self, house: House) -> None:
        house.land(T0, [a_host("m1", mac_address="A1")])
        house.land(T1, [a_host("m2", mac_address="A1")])
        house.land(T2, [a_host("m2", mac_address="A1")])
        house.build(T2)
        (row,) = house.ask("select endpoint_id, replaces_endpoint_id from marts.dim_endpoint")
        assert row == {"endpoint_id": "m2", "replaces_endpoint_id": "m1"}

    def test_a_machine_that_is_still_there_is_not_replaced(self, house: House) -> None:
        house.land(T0, [a_host("m1", serial_number="S1")])
        house.land(T1, [a_host("m1", serial_number="S1"), a_host("m2", serial_number="S1")])
        house.apply()
        rows = house.ask("select replaces_endpoint_id from hist.cur")
        assert [row["replaces_endpoint_id"] for row in rows] == [None, None]

    def test_unknown_hardware_replaces_nothing(self, house: House) -> None:
        house.land(T0, [a_host("m1")])
        house.land(T1, [a_host("m2", mac_address="A1")])
        house.apply()
        assert house.ask("select replaces_endpoint_id from hist.cur") == [
            {"replaces_endpoint_id": None}
        ]
