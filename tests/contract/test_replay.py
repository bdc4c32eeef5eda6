"""A day of thirteen servers, hour by hour, against a count that shares no code with the product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from contract.a_day import HOURS, RESUMED_AT, TROUBLES, Day, hour, write_a_day
from contract.rounds import PATIENT
from integration.the_road import Road, road
from ksc_ledger.clock import end_of_day, vietnamese_date
from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.registry import in_force
from ksc_ledger.state import accounts, open_state
from ksc_ledger.warehouse.rebuild import rebuild
from recount.recount import recount

SAMPLE = (15, 17)  # before and after midnight, with outages and four kinds of fault
COUNTS = (
    "allocated",
    "installed",
    "correctly_named",
    "agent_only",
    "duplicate",
    "gap",
    "over",
    "net_gap",
)
Figures = dict[str, dict[str, int | None]]


def counted(day: Day, instant: datetime) -> Figures:
    """The second count, from the files."""
    return recount(day.counted, instant)


def built(way: Road, instant: datetime) -> Figures:
    """The product's figures of the day of an instant."""
    columns = ", ".join(f"{name}_count as {name}" for name in COUNTS)
    rows = way.built(
        f"select unit_code, {columns} from marts.fct_unit_coverage_daily where snapshot_date = ?",
        [vietnamese_date(instant)],
    )
    return {str(row.pop("unit_code")): row for row in rows}


def differences(found: Figures, expected: Figures) -> list[str]:
    return [
        f"{unit}.{name}: {found.get(unit, {}).get(name)} instead of {counts[name]}"
        for unit, counts in expected.items()
        for name in COUNTS
        if found.get(unit, {}).get(name) != counts[name]
    ]


def expected_faults(number: int) -> dict[str, str]:
    """Which servers cannot be read at an hour, and what their loads must be called."""
    return {one.code: one.fault_code for one in TROUBLES if one.begins <= number < one.is_read_from}


def live_through(way: Road, day: Day, hours: Iterable[int]) -> None:
    """Collect, build and compare, hour by hour."""
    last = -1
    for number in hours:
        instant = hour(number)
        for code in (RESUMED_AT[one] for one in range(last + 1, number + 1) if one in RESUMED_AT):
            engine = open_state(way.settings.state_url)
            accounts.resume(engine, code)
            engine.dispose()
        last = number
        way.simulator.set_clock(instant)
        asked = [
            way.collect_one(instant, code, sleep=lambda _: None) for code in way.servers(instant)
        ]
        loads = {load.server_code: load for load in asked} | way.gate(asked, instant)
        way.build(instant)
        faults = {
            code: load.fault_code
            for code, load in loads.items()
            if load.status is not LoadStatus.COMPLETE
        }
        assert faults == expected_faults(number), f"hour {number}"
        expected = counted(day, instant)
        assert differences(built(way, instant), expected) == [], f"hour {number}"


@contextmanager
def lived_through(folder: Path, hours: Sequence[int]) -> Iterator[tuple[Road, Day]]:
    """The servers and the home at the end of the last of some hours, each of which was compared."""
    day = write_a_day(folder, hours)
    with road([day.served], folder / "home") as way:
        way.budget = PATIENT
        way.kinds = ()  # what is asked beside the devices is in no figure compared here
        way.chunk_size = 25  # the smallest: a district is more than one chunk
        live_through(way, day, hours)
        first = hour(hours[0])
        yesterday = end_of_day(vietnamese_date(first))
        assert differences(built(way, first), counted(day, yesterday)) == []
        yield way, day


def test_the_story_has_everything_in_it(tmp_path: Path) -> None:
    """Each kind of change is told more than once, and the figures move with it."""
    day = write_a_day(tmp_path)
    assert len(day.told) == 11
    assert min(day.told.values()) > 5
    morning, evening = counted(day, hour(0)), counted(day, hour(23))
    for name in COUNTS[1:]:
        assert morning["mau"][name] != evening["mau"][name], name
    assert {one.fault_code for one in TROUBLES} >= {
        "unreachable", "certificate", "credentials", "protocol", "server_error", "incomplete",
        "suspicious",
    }  # fmt: skip


def test_two_hours_of_the_day_equal_the_recount(tmp_path: Path) -> None:
    """Every unit's figures, before and after midnight, and at the end of the day between."""
    with lived_through(tmp_path, SAMPLE):
        pass


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_all_hours_of_the_day_equal_the_recount(tmp_path: Path) -> None:
    """Every unit's figures, at each of 24 hours and at the end of the first day; and the same figures
    follow from what was landed alone.
    """
    with lived_through(tmp_path, HOURS) as (way, day):
        last = hour(HOURS[-1])
        registry = in_force(way.settings).registry
        rebuild(way.settings, registry, code_version="test", as_of_at=last)
        for instant in (end_of_day(vietnamese_date(hour(0))), last):
            assert differences(built(way, instant), counted(day, instant)) == []
        way.publish(last)
        (published,) = way.query("select as_of_at from marts._published")
        assert published["as_of_at"] == last
