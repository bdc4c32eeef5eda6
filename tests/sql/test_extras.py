"""The marts of what lands beside the devices: detections, conflicts, licences, weak hardware."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.registry.model import AntivirusException, HardwareLimit, HardwareReturn
from ksc_ledger.warehouse.asof import coverage_as_of, replay
from ksc_ledger.warehouse.publisher import publish
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.rebuild import rebuild
from ksc_ledger.warehouse.twins import PUBLISHED, twins
from unit.warehouse.builders import DAY, FIRST_DAY, PAPER, T0, House, a_host, a_small_estate
from unit.warehouse.extras import (
    SERIAL,
    a_device,
    a_key,
    a_program,
    became,
    found,
    land_with,
    uses,
)

PNV = {"group_path": "Phòng Nội vụ"}
PTP = {"group_path": "Phòng Tư pháp"}
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DATED: dict[str, Any] = {
    "estate_code": "tinh",
    "valid_from_date": FIRST_DAY,
    "source_document": PAPER,
}
LIMIT = HardwareLimit(memory_mb=2048, disk_gb=100, **DATED)
CONFLICT = {"status_mask": 4096}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def with_rows(house: House, **rows: Any) -> House:
    house.registry = house.registry.model_copy(update=rows)
    return house


def two_machines() -> list[Any]:
    return [
        a_host("m1", **PNV, display_name="PNV-MAY01"),
        a_host("m2", **PTP, display_name="PTP-MAY02"),
    ]


def column(house: House, table: str, *names: str, where: str = "true") -> list[tuple[Any, ...]]:
    rows = house.ask(f"select {', '.join(names)} from marts.{table} where {where} order by all")
    return [tuple(row.values()) for row in rows]


class TestDetections:
    def daily(self, house: House, unit_code: str, day: str) -> tuple[Any, ...]:
        (row,) = house.ask(
            "select detection_count, uncured_count, infected_endpoint_count"
            " from marts.fct_detection_daily where unit_code = ? and snapshot_date = ?::date",
            unit_code,
            day,
        )
        return tuple(row.values())

    def test_a_finding_and_its_outcome_are_one_row_in_the_machines_unit(self, house: House) -> None:
        one = found(1, "m1", T0 - HOUR)
        events = [one, became(2, one, T0 - HOUR, "deleted")]
        land_with(house, T0, two_machines(), detections=events)
        house.build(T0)
        (row,) = house.ask("from marts.fct_detection")
        assert list(row) == [
            "detection_id",
            "server_code",
            "endpoint_id",
            "unit_code",
            "threat_name",
            "object_name",
            "detected_at",
            "registered_at",
            "outcome",
        ]
        assert (row["detection_id"], row["unit_code"], row["outcome"]) == (
            "huyen-20221012T000000Z-1",
            "pnv",
            "deleted",
        )
        assert row["registered_at"] - row["detected_at"] == timedelta(minutes=5)
        assert self.daily(house, "pnv", "2022-10-12") == (1, 0, 1)
        assert self.daily(house, "tinh", "2022-10-12") == (1, 0, 1)
        assert self.daily(house, "ptp", "2022-10-12") == (0, 0, 0)

    def test_the_overlap_is_read_again_and_counted_once_and_a_late_outcome_is_joined(
        self, house: House
    ) -> None:
        one = found(1, "m1", T0 - HOUR)
        open_still = became(2, one, T0 - HOUR, "notcured")
        land_with(house, T0, two_machines(), detections=[one, open_still])
        house.build(T0)
        assert self.daily(house, "pnv", "2022-10-12") == (1, 1, 1)
        cured = became(7, one, T0 + HOUR, "cured")
        again = [one, open_still, cured]
        land_with(house, T0 + 2 * HOUR, two_machines(), detections=again)
        house.build(T0 + 2 * HOUR)
        assert column(house, "fct_detection", "detection_id", "outcome") == [
            ("huyen-20221012T000000Z-1", "cured")
        ]
        assert self.daily(house, "pnv", "2022-10-12") == (1, 0, 1)
        assert len(house.ask("from hist.detection_event")) == 3

    @pytest.mark.long
    def test_a_database_made_anew_counts_its_events_from_one_and_none_is_lost(
        self, house: House
    ) -> None:
        land_with(house, T0, two_machines(), detections=[found(1, "m1", T0 - HOUR)])
        land_with(
            house, T0 + DAY, two_machines(), detections=[found(1, "m1", T0 + HOUR, link_id="neu")]
        )
        house.build(T0 + DAY)
        assert len(column(house, "fct_detection", "detection_id")) == 2

    def test_one_link_is_one_finding_though_two_engines_told_of_it(self, house: House) -> None:
        both = [
            found(1, "m1", T0 - HOUR),
            found(2, "m1", T0 - HOUR, link_id="l1", event_type="GNRL_EV_VIRUS_FOUND_BY_KSN"),
            found(3, "m1", T0 - HOUR, link_id=None),
            found(4, "m1", T0 - HOUR, link_id=None),
        ]
        land_with(house, T0, two_machines(), detections=both)
        house.build(T0)
        assert [row[0][-2:] for row in column(house, "fct_detection", "detection_id")] == [
            "-1",
            "-3",
            "-4",
        ]

    def test_a_finding_stays_in_the_unit_in_which_the_machine_was(self, house: House) -> None:
        machine = a_host("m1", **PNV)
        land_with(house, T0, [machine], detections=[found(1, "m1", T0 - MINUTE)])
        moved = replace(machine, group_path="Phòng Tư pháp")
        later = [found(1, "m1", T0 - MINUTE), found(2, "m1", T0 + DAY + HOUR)]
        land_with(house, T0 + DAY, [moved])
        land_with(house, T0 + DAY + 2 * HOUR, [moved], detections=later)
        house.build(T0 + DAY + 2 * HOUR)
        assert column(house, "fct_detection", "registered_at", "unit_code") == [
            (T0 - MINUTE, "pnv"),
            (T0 + DAY + HOUR, "ptp"),
        ]
        (row,) = house.ask("from marts.rpt_infected_endpoint")
        assert (row["unit_code"], row["repeat_count"]) == ("ptp", 1)

    @pytest.mark.long
    def test_a_machine_that_nobody_knows_counts_for_the_server(self, house: House) -> None:
        land_with(
            house,
            T0,
            two_machines(),
            detections=[found(1, "weg", T0 - HOUR), found(2, None, T0 - HOUR)],
        )
        house.build(T0)
        assert column(house, "fct_detection", "unit_code") == [("huyen",), ("huyen",)]
        assert self.daily(house, "huyen", "2022-10-12") == (2, 0, 1)
        assert column(house, "rpt_infected_endpoint", "endpoint_id") == [("weg",)]

    @pytest.mark.long
    def test_infected_machines_with_their_open_objects_first(self, house: House) -> None:
        one, two = found(1, "m1", T0 - 2 * HOUR), found(3, "m1", T0 - HOUR)
        three = found(5, "m2", T0 - HOUR)
        events = [
            one,
            became(2, one, T0 - HOUR, "notcured"),
            two,
            became(4, two, T0 - HOUR, "deleted"),
            three,
        ]
        land_with(house, T0, two_machines(), detections=events)
        house.build(T0)
        rows = house.ask("from marts.rpt_infected_endpoint")
        assert [tuple(row.values()) for row in rows] == [
            ("m1", "pnv", 1, T0 - 125 * MINUTE, T0 - 65 * MINUTE, 0),
            ("m2", "ptp", 0, T0 - 65 * MINUTE, T0 - 65 * MINUTE, 0),
        ]

    def test_a_log_that_was_never_read_is_null_and_an_empty_one_is_zero(
        self, tmp_path: Path
    ) -> None:
        estate = a_small_estate().unit("huyen2", "tinh").server("huyen2")
        house = House(tmp_path, estate.registry())
        land_with(house, T0, two_machines(), faults={"detections": "absent"})
        land_with(house, T0 + DAY, two_machines(), server="huyen2", detections=[])
        house.build(T0 + DAY)
        assert self.daily(house, "huyen", "2022-10-13") == (None, None, None)
        assert self.daily(house, "huyen2", "2022-10-12") == (None, None, None)
        assert self.daily(house, "huyen2", "2022-10-13") == (0, 0, 0)
        assert self.daily(house, "tinh", "2022-10-13") == (0, 0, 0)
        assert column(house, "fct_source_extra", "kind", "is_applied", "fault_code") == [
            ("detections", False, "absent"),
            ("detections", True, None),
        ]

    def test_the_day_turns_at_midnight_in_vietnam(self, house: House) -> None:
        midnight = T0.replace(hour=17, minute=0)  # of the 12th to the 13th
        events = [found(1, "m1", midnight - timedelta(seconds=2)), found(2, "m1", midnight)]
        land_with(house, T0, two_machines(), detections=[])
        land_with(house, T0 + DAY, two_machines(), detections=events)
        house.build(T0 + DAY)
        assert self.daily(house, "pnv", "2022-10-12") == (1, 0, 1)
        assert self.daily(house, "pnv", "2022-10-13") == (1, 0, 1)

    @pytest.mark.long
    def test_a_wrong_clock_of_the_server_is_put_right(self, house: House) -> None:
        ahead = {"clock_skew_seconds": 7 * 3600}
        events = [found(1, "m1", T0 + 6 * HOUR)]
        land_with(house, T0, two_machines(), facts=ahead, detections=events)
        house.build(T0)
        assert column(house, "fct_detection", "registered_at") == [(T0 - HOUR,)]

    @pytest.mark.long
    def test_a_build_of_an_earlier_instant_does_not_know_what_came_later(
        self, house: House
    ) -> None:
        land_with(house, T0, two_machines(), detections=[])
        land_with(house, T0 + DAY, two_machines(), detections=[found(1, "m1", T0 + HOUR)])
        house.build(T0 + DAY)
        house.build(T0)
        assert column(house, "fct_detection", "detection_id") == []
        assert self.daily(house, "pnv", "2022-10-12") == (0, 0, 0)


class TestConflicts:
    def rows(self, house: House) -> list[tuple[Any, ...]]:
        return column(house, "rpt_antivirus_conflict", "endpoint_id", "product_name", "age_days")

    def test_each_listed_program_is_a_row_with_its_age(self, house: House) -> None:
        machine = a_host("m1", **PNV, **CONFLICT)
        first, second = a_program("m1"), a_program("m1", "Avast", product_version="1")
        land_with(house, T0, [machine], products=[first])
        land_with(house, T0 + DAY, [machine], products=[first, second])
        newer = second | {"product_version": "2"}
        land_with(house, T0 + 3 * DAY, [machine], products=[first, newer])
        house.build(T0 + 4 * DAY)
        assert self.rows(house) == [("m1", "Avast", 3), ("m1", "Bkav Pro", 4)]
        (row, _) = house.ask("from marts.rpt_antivirus_conflict order by product_name desc")
        assert (row["evidence"], row["since_at"], row["unit_code"]) == ("program_list", T0, "pnv")
        assert house.counts("pnv", "2022-10-16", "antivirus_conflict") == (1,)

    @pytest.mark.long
    def test_without_a_list_the_servers_word_stands(self, house: House) -> None:
        quiet = a_host("m1", **PNV)
        land_with(house, T0, [quiet])
        land_with(house, T0 + DAY, [replace(quiet, **CONFLICT)])
        house.build(T0 + 2 * DAY)
        assert column(house, "rpt_antivirus_conflict", "product_name", "evidence", "since_at") == [
            ("Chưa rõ sản phẩm", "status_bit", T0 + DAY)
        ]

    def test_a_program_of_our_own_vendor_is_no_conflict_while_the_registry_says_so(
        self, house: House
    ) -> None:
        own = AntivirusException(
            product_text="KASPERSKY", **(DATED | {"valid_from_date": date(2022, 10, 13)})
        )
        with_rows(house, antivirus_exceptions=(own,))
        machines = [
            a_host("m1", **PNV, **CONFLICT, display_name="PNV-1"),
            a_host("m2", **PNV, **CONFLICT, display_name="PNV-2"),
        ]
        products = [
            a_program("m1", "Anti-Virus 6.0", publisher="Kaspersky Lab"),
            a_program("m2", "Kaspersky Free"),
            a_program("m2", "Bkav Pro"),
        ]
        land_with(house, T0, machines, products=products)
        house.build(T0)
        assert house.counts("pnv", "2022-10-12", "antivirus_conflict") == (2,)
        assert len(self.rows(house)) == 3
        house.build(T0 + DAY)
        assert house.counts("pnv", "2022-10-13", "antivirus_conflict") == (1,)
        assert self.rows(house) == [("m2", "Bkav Pro", 1)]
        assert column(house, "dim_endpoint", "endpoint_id", "has_antivirus_conflict") == [
            ("m1", False),
            ("m2", True),
        ]
        assert column(
            house, "fct_endpoint_state", "has_antivirus_conflict", where="endpoint_id = 'm1'"
        ) == [(False,), (True,)]

    @pytest.mark.long
    def test_a_program_that_is_gone_ends_and_begins_anew(self, house: House) -> None:
        machine = a_host("m1", **PNV, **CONFLICT)
        land_with(house, T0, [machine], products=[a_program("m1")])
        land_with(house, T0 + DAY, [replace(machine, status_mask=0)], products=[])
        house.build(T0 + DAY)
        assert self.rows(house) == []
        land_with(house, T0 + 2 * DAY, [machine], products=[a_program("m1")])
        house.build(T0 + 2 * DAY)
        assert self.rows(house) == [("m1", "Bkav Pro", 0)]

    def test_what_the_server_would_not_tell_of_a_machine_stays(self, house: House) -> None:
        machines = [
            a_host(name, **PNV, **CONFLICT, display_name=f"PNV-{name.upper()}")
            for name in ("m1", "m2")
        ]
        both = [a_program("m1"), a_program("m2")]
        land_with(house, T0, machines, products=both)
        land_with(house, T0 + DAY, machines, products=both[:1], faults={"products": "incomplete"})
        house.build(T0 + DAY)
        assert self.rows(house) == [("m1", "Bkav Pro", 1), ("m2", "Bkav Pro", 1)]

    @pytest.mark.long
    def test_a_kind_that_was_not_due_stays_as_it_was(self, house: House) -> None:
        machine = a_host("m1", **PNV, **CONFLICT)
        land_with(house, T0, [machine], products=[a_program("m1")])
        land_with(house, T0 + HOUR, [machine])
        house.build(T0 + HOUR)
        assert self.rows(house) == [("m1", "Bkav Pro", 0)]


class TestLicences:
    def used(self, house: House, unit_code: str, day: str) -> tuple[Any, ...]:
        (row,) = house.ask(
            "select installed_count, licences_used_count, difference_count"
            " from marts.rpt_licence_reconciliation"
            " where unit_code = ? and snapshot_date = ?::date",
            unit_code,
            day,
        )
        return tuple(row.values())

    def test_a_key_on_every_day_with_the_days_it_has_left(self, house: House) -> None:
        land_with(house, T0, [], licences=[a_key()])
        land_with(house, T0 + 2 * DAY, [], licences=[a_key(used_count=3)])
        house.build(T0 + 31 * DAY)
        rows = column(house, "fct_licence_daily", "snapshot_date", "used_count", "days_left")
        assert rows[:3] == [
            (date(2022, 10, 12), 2, 30),
            (date(2022, 10, 13), 2, 29),
            (date(2022, 10, 14), 3, 28),
        ]
        assert rows[-1] == (date(2022, 11, 12), 3, -1)
        assert column(house, "fct_licence_daily", "licence_serial", "seat_limit_count")[0] == (
            SERIAL,
            330,
        )

    @pytest.mark.long
    def test_a_key_that_is_gone_has_no_row_from_that_day_on(self, house: House) -> None:
        land_with(house, T0, [], licences=[a_key()])
        land_with(house, T0 + DAY, [], licences=[a_key(licence_serial="moi")])
        house.build(T0 + DAY)
        assert column(house, "fct_licence_daily", "snapshot_date", "licence_serial") == [
            (date(2022, 10, 12), SERIAL),
            (date(2022, 10, 13), "moi"),
        ]

    def test_seats_machines_and_licences_side_by_side(self, tmp_path: Path) -> None:
        house = House(tmp_path, a_small_estate().grant("pnv", 5).registry())
        old = a_host(
            "alt", **PNV, display_name="PNV-MAY01~~1", last_connected_at=T0 - timedelta(days=60)
        )
        machines = [*two_machines(), old, a_host("m3", **PNV, display_name="PNV-MAY03")]
        land_with(house, T0, machines, licence_hosts=[uses("m1"), uses("alt"), uses("m2")])
        house.build(T0)
        assert self.used(house, "pnv", "2022-10-12") == (2, 2, 0)  # an old record eats a seat
        assert self.used(house, "ptp", "2022-10-12") == (1, 1, 0)
        assert self.used(house, "tinh", "2022-10-12") == (3, 3, 0)
        (row,) = house.ask("from marts.rpt_licence_reconciliation where unit_code = 'pnv'")
        assert list(row) == [
            "unit_code",
            "snapshot_date",
            "allocated_count",
            "installed_count",
            "licences_used_count",
            "difference_count",
        ]
        assert row["allocated_count"] == 5

    @pytest.mark.long
    def test_two_keys_are_one_machine_and_a_spare_key_none(self, house: House) -> None:
        land_with(
            house,
            T0,
            two_machines(),
            licence_hosts=[uses("m1"), uses("m1", "zwei"), uses("m2", is_current=False)],
        )
        land_with(house, T0 + DAY, two_machines(), licence_hosts=[uses("m1", "zwei")])
        house.build(T0 + DAY)
        assert self.used(house, "huyen", "2022-10-12")[1] == 1
        assert self.used(house, "huyen", "2022-10-13")[1] == 1

    def test_licences_move_with_the_machine_and_leave_with_it(self, house: House) -> None:
        machine = a_host("m1", **PNV)
        land_with(house, T0, [machine], licence_hosts=[uses("m1")])
        moved = replace(machine, group_path="Phòng Tư pháp")
        land_with(house, T0 + DAY, [moved], faults={"licence_hosts": "protocol"})
        land_with(house, T0 + 2 * DAY, [], licence_hosts=[])
        house.build(T0 + 2 * DAY)
        days = ("2022-10-12", "2022-10-13", "2022-10-14")
        assert [self.used(house, "pnv", day)[1] for day in days] == [1, 0, 0]
        assert [self.used(house, "ptp", day)[1] for day in days] == [0, 1, 0]

    @pytest.mark.long
    def test_a_user_that_is_none_of_the_devices_waits_for_the_next_reading(
        self, house: House
    ) -> None:
        land_with(house, T0, two_machines()[:1], licence_hosts=[uses("m1"), uses("m2")])
        house.build(T0)
        assert self.used(house, "tinh", "2022-10-12")[1] == 1

    def test_users_that_nobody_told_are_null(self, house: House) -> None:
        land_with(house, T0, two_machines(), licences=[a_key()])
        house.build(T0)
        assert self.used(house, "tinh", "2022-10-12") == (2, None, None)


class TestHardware:
    def weak(self, house: House) -> list[tuple[Any, ...]]:
        return column(
            house, "rpt_weak_hardware", "endpoint_id", "memory_mb", "disk_gb", "reason", "is_exempt"
        )

    def test_less_than_the_registry_asks_for_is_weak(self, house: House) -> None:
        with_rows(house, hardware_limits=(LIMIT,))
        names = ("m1", "m2", "m3", "m4", "m5")
        machines = [a_host(name, **PNV, display_name=f"PNV-{name.upper()}") for name in names]
        land_with(
            house,
            T0,
            machines,
            hardware=[
                a_device(1, "PNV-M1", memory_mb=2048, disk_gb=100),
                a_device(2, "pnv-m2", memory_mb=2047),
                a_device(3, "PNV-M3", disk_gb=99),
                a_device(4, "PNV-M4", memory_mb=1024, disk_gb=80),
                a_device(5, "PNV-M5", memory_mb=None, disk_gb=None),
            ],
        )
        house.build(T0)
        assert self.weak(house) == [
            ("m2", 2047, 500, "memory", False),
            ("m3", 8192, 99, "disk", False),
            ("m4", 1024, 80, "memory_and_disk", False),
        ]
        assert column(house, "rpt_weak_hardware", "unit_code", "source_document")[0] == (
            "pnv",
            PAPER,
        )

    @pytest.mark.long
    def test_without_a_limit_no_machine_is_judged(self, house: House) -> None:
        device = a_device(1, "PNV-MAY01", memory_mb=1)
        land_with(house, T0, two_machines(), hardware=[device])
        house.build(T0)
        assert self.weak(house) == []

    def test_a_document_exempts_the_machine_it_names_while_it_is_in_force(
        self, tmp_path: Path
    ) -> None:
        paper = HardwareReturn(
            return_id="r1",
            unit_code="pnv",
            machine_count=1,
            endpoint_id="m1",
            **(DATED | {"source_document": "Phản hồi", "valid_from_date": date(2022, 10, 13)}),
        )
        house = House(tmp_path, a_small_estate().grant("pnv", 5).registry())
        with_rows(house, hardware_limits=(LIMIT,), hardware_returns=(paper,))
        machines = [
            a_host("m1", **PNV, display_name="PNV-M1", status_bits=0x0D),
            a_host("m2", **PNV, display_name="PNV-M2"),
        ]
        land_with(
            house, T0, machines, hardware=[a_device(n, f"PNV-M{n}", memory_mb=1024) for n in (1, 2)]
        )
        house.build(T0)
        assert [row[-1] for row in self.weak(house)] == [False, False]
        assert house.counts("pnv", "2022-10-12", "exempt") == (0,)
        house.build(T0 + DAY)
        assert column(
            house, "rpt_weak_hardware", "endpoint_id", "is_exempt", "source_document"
        ) == [
            ("m1", True, "Phản hồi"),
            ("m2", False, PAPER),
        ]
        assert column(house, "dim_endpoint", "endpoint_id", "is_exempt") == [
            ("m1", True),
            ("m2", False),
        ]
        assert house.counts("pnv", "2022-10-13", "exempt", "agent_only") == (1, 1)
        assert house.counts("tinh", "2022-10-13", "exempt") == (1,)
        # It stands among the machines with an agent already, and a seat is explained once.
        assert house.gap("pnv", "2022-10-13") == {"ok": 1, "agent_only": 1, "not_installed": 3}

    def test_machines_of_a_document_that_no_server_knows_explain_a_part_of_the_gap(
        self, tmp_path: Path
    ) -> None:
        returned = HardwareReturn(return_id="r1", unit_code="pnv", machine_count=3, **DATED)
        house = House(tmp_path, a_small_estate().grant("pnv", 4).grant("ptp", 2).registry())
        with_rows(house, hardware_returns=(returned,))
        land_with(house, T0, two_machines())
        house.build(T0)
        assert house.gap("pnv", "2022-10-12") == {"ok": 1, "exempt_hardware": 3}
        assert house.gap("tinh", "2022-10-12") == {
            "ok": 2,
            "exempt_hardware": 3,
            "not_installed": 1,
        }
        more = [a_host(f"n{n}", **PNV, display_name=f"PNV-N{n}") for n in range(2)]
        land_with(house, T0 + DAY, [*two_machines(), *more])
        house.build(T0 + DAY)
        assert house.gap("pnv", "2022-10-13") == {"ok": 3, "exempt_hardware": 1}  # capped

    @pytest.mark.long
    def test_hardware_makes_a_reimaged_machine_known(self, house: House) -> None:
        card = {"mac_address": "02:87:00:00:00:01"}
        land_with(
            house,
            T0,
            [a_host("alt", **PNV, display_name="PNV-M1")],
            hardware=[a_device(1, "PNV-M1", **card)],
        )
        land_with(
            house,
            T0 + DAY,
            [a_host("neu", **PNV, display_name="PNV-M9")],
            hardware=[a_device(2, "PNV-M9", **card)],
        )
        house.build(T0 + DAY)
        assert column(house, "dim_endpoint", "endpoint_id", "replaces_endpoint_id") == [
            ("neu", "alt")
        ]

    def test_hardware_makes_two_records_of_one_machine_known(self, house: House) -> None:
        created = [T0 - timedelta(days=days) for days in (90, 2)]
        machines = [
            a_host("alt", **PNV, created_at=created[0], last_connected_at=T0 - 9 * DAY),
            a_host("neu", **PNV, created_at=created[1]),
        ]
        same = [
            a_device(n, "PNV-MAY01", serial_number="S-1", created_at=created[n]) for n in (0, 1)
        ]
        land_with(house, T0, machines, hardware=same)
        # The next reading has no hardware with it; what was told last still holds.
        land_with(house, T0 + HOUR, machines)
        house.build(T0 + HOUR)
        assert house.counts("pnv", "2022-10-12", "installed", "duplicate") == (1, 1)

    def test_what_fits_two_machines_or_none_is_left_out(self, house: House) -> None:
        with_rows(house, hardware_limits=(LIMIT,))
        twins = [a_host(name, **PNV, created_at=T0 - DAY) for name in ("m1", "m2")]
        devices = [a_device(n, "PNV-MAY01", memory_mb=1) for n in (1, 2)]
        nobody = a_device(3, "PNV-KHAC", memory_mb=1)
        scrapped = a_device(4, "PTP-M3", memory_mb=1, is_written_off=True)
        third = a_host("m3", **PTP, display_name="PTP-M3")
        land_with(house, T0, [*twins, third], hardware=[*devices, nobody, scrapped])
        house.build(T0)
        assert self.weak(house) == []
        assert house.ask("from hist.hardware") == []

    @pytest.mark.parametrize(("count", "is_known"), [(2, True), (3, False)])
    def test_a_number_that_three_machines_bear_tells_nothing(
        self, house: House, count: int, *, is_known: bool
    ) -> None:
        machines = [a_host(f"m{n}", **PNV, display_name=f"PNV-M{n}") for n in range(count)]
        devices = [a_device(n, f"PNV-M{n}", serial_number="O.E.M.") for n in range(count)]
        land_with(house, T0, machines, hardware=devices)
        house.apply()
        told = house.ask("select distinct serial_number from hist.cur")
        assert told == [{"serial_number": "O.E.M." if is_known else None}]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Everything at once, read on three days, built and published on the last."""
    own = AntivirusException(
        product_text="Kaspersky", **(DATED | {"valid_from_date": date(2022, 10, 13)})
    )
    named = HardwareReturn(
        return_id="r1",
        unit_code="ptp",
        machine_count=1,
        endpoint_id="m2",
        **(DATED | {"valid_from_date": date(2022, 10, 14)}),
    )
    estate = a_small_estate().grant("pnv", 3).grant("ptp", 3)
    house = House(tmp_path_factory.mktemp("full"), estate.registry())
    with_rows(
        house, antivirus_exceptions=(own,), hardware_limits=(LIMIT,), hardware_returns=(named,)
    )
    machines = [
        a_host("m1", **PNV, **CONFLICT, display_name="PNV-M1"),
        a_host("m2", **PTP, display_name="PTP-M2", status_bits=0x0D),
    ]
    for days, program in enumerate(("Kaspersky Free", "Bkav Pro", "Kaspersky Free")):
        land_with(
            house,
            T0 + days * DAY,
            machines,
            detections=[found(n, "m1", T0 + n * DAY - HOUR) for n in range(days + 1)],
            licences=[a_key(used_count=days)],
            licence_hosts=[uses("m1")],
            products=[a_program("m1", program)],
            hardware=[a_device(1, "PNV-M1"), a_device(2, "PTP-M2", memory_mb=512 + days)],
        )
        house.apply()
    house.build(T0 + 2 * DAY)
    publish(house.settings, now=T0 + 2 * DAY)
    return house


def test_objects_are_masked_for_all_and_kept_for_the_few(full: House) -> None:
    places = full.settings.places
    ask = "select distinct object_name from marts.fct_detection"
    (named,) = query(places.named_marts_file, ask)
    (masked,) = query(places.marts_file, ask)
    assert "van-thu" in named["object_name"]
    assert masked["object_name"].startswith("MÁY-")


def test_a_printed_figure_is_repeated_with_what_the_registry_excused_that_day(
    full: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ksc_ledger.warehouse.asof.version", lambda *_: full.registry)
    versions = full.settings.places.registry_versions
    (versions / full.registry.sha256).mkdir(parents=True)
    conflicts, exempt = [], []
    for day in (12, 13, 14):
        rows = {row["unit_code"]: row for row in coverage_as_of(full.settings, date(2022, 10, day))}
        for unit_code in ("ptp", "tinh"):
            again = replay(full.settings, rows[unit_code]["snapshot_id"])
            assert json.dumps(again) == json.dumps(rows[unit_code])
        conflicts.append(rows["tinh"]["antivirus_conflict_count"])
        exempt.append(rows["tinh"]["exempt_count"])
    assert (conflicts, exempt) == ([1, 1, 0], [0, 0, 1])


def test_a_rebuild_from_landing_gives_the_same_history_and_marts(full: House) -> None:
    tables = [f"marts.{name}" for name in twins(full.settings.sql) if name != PUBLISHED]
    kept = ("detection_event", "licence", "licence_host", "hardware", "product", "extra_log")
    tables += [f"hist.{name}" for name in kept]
    before = {name: full.ask(f"from {name} order by all") for name in tables}
    assert all(before[f"hist.{name}"] for name in kept)
    rebuild(full.settings, full.registry, code_version="1.2.3")
    assert {name: full.ask(f"from {name} order by all") for name in tables} == before


def test_a_missing_file_of_a_kind_costs_that_kind_only(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    load = land_with(house, T0, two_machines(), licences=[a_key()], detections=[])
    load.extra_parquet(house.settings.places, "licences").unlink()
    house.build(T0)
    assert house.counts("tinh", "2022-10-12", "installed") == (2,)
    assert column(house, "fct_licence_daily", "licence_serial") == []
    assert column(house, "fct_source_extra", "kind", "is_applied") == [
        ("detections", True),
        ("licences", False),
    ]
    assert "licences.parquet" in caplog.text


def test_a_load_that_comes_too_late_brings_nothing_with_it(house: House) -> None:
    land_with(house, T0, two_machines(), hardware=[a_device(1, "PNV-MAY01")])
    house.apply()
    late = T0 - HOUR
    land_with(
        house,
        late,
        two_machines(),
        detections=[found(1, "m1", late)],
        hardware=[a_device(1, "PNV-MAY01", memory_mb=1)],
    )
    outcome = house.apply()
    assert len(outcome.refused) == 1
    assert house.ask("from hist.detection_event") == []
    assert [row["memory_mb"] for row in house.ask("from hist.hardware")] == [8192]
