"""What lies beside the devices, counted without the product, and what the product makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integration.the_road import Road, road
from recount.recount import (
    COUNTS,
    VIETNAM,
    Beside,
    collection_instants,
    end_of,
    first_answers,
    recount,
    recount_beside,
)

REPOSITORY = Path(__file__).resolve().parents[2]
SCENARIOS = REPOSITORY / "scenarios"
DONG_THAP, KON_TUM = SCENARIOS / "dong_thap", SCENARIOS / "kon_tum"
TOWN = REPOSITORY / "tests" / "road" / "scenario"


def test_the_demo_has_something_of_everything() -> None:
    end = end_of(date(2024, 1, 16))
    both = [recount_beside(scenario, end) for scenario in (DONG_THAP, KON_TUM)]
    sizes = [[len(getattr(one, part.name)) for part in fields(Beside)] for one in both]
    assert sizes == [[1189, 555, 99, 14, 62, 390], [3, 3, 0, 1, 23, 9]]
    assert sum(uncured for uncured, _ in both[0].infected.values()) > 0
    named = {host for host, (*_, is_named) in both[1].weak.items() if is_named}
    assert len(named) == 2
    assert recount(KON_TUM, end)["ktm_613"]["exempt"] == 2


def test_nothing_is_told_before_the_first_collection() -> None:
    before = collection_instants(KON_TUM)[0] - timedelta(seconds=1)
    told = recount_beside(KON_TUM, before)
    assert (told.detections, told.conflicts, told.licences, told.weak) == ({}, set(), {}, {})


def built(road: Road, at: datetime) -> Beside:
    """The same from the marts of the last build."""
    day = at.astimezone(VIETNAM).date()

    def rows(sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in road.built(sql, parameters)]

    return Beside(
        detections={
            (server, host, registered.astimezone(UTC)): outcome
            for server, host, registered, outcome in rows(
                "select server_code, endpoint_id, registered_at, outcome from marts.fct_detection"
            )
        },
        infected={
            host: (uncured, repeats)
            for host, uncured, repeats in rows(
                "select endpoint_id, uncured_count, repeat_count from marts.rpt_infected_endpoint"
            )
        },
        conflicts={
            (host, product)
            for host, product in rows(
                "select endpoint_id, product_name from marts.rpt_antivirus_conflict"
            )
        },
        licences={
            (serial, server): used
            for serial, server, used in rows(
                "select licence_serial, server_code, used_count from marts.fct_licence_daily"
                " where snapshot_date = ?",
                day,
            )
        },
        users={
            str(unit): used
            for unit, used in rows(
                "select unit_code, licences_used_count from marts.rpt_licence_reconciliation"
                " where snapshot_date = ?",
                day,
            )
        },
        weak={
            host: (str(memory or ""), str(disk or ""), is_exempt)
            for host, memory, disk, is_exempt in rows(
                "select endpoint_id, memory_mb, disk_gb, is_exempt from marts.rpt_weak_hardware"
            )
        },
    )


def figures(road: Road, day: date) -> dict[str, dict[str, int | None]]:
    columns = ", ".join(f"{name}_count as {name}" for name in COUNTS)
    rows = road.built(
        f"select unit_code, {columns} from marts.fct_unit_coverage_daily where snapshot_date = ?",
        [day],
    )
    return {row.pop("unit_code"): row for row in rows}


def replayed(scenario: Path, home: Path) -> Iterator[tuple[Road, datetime]]:
    """Collect and build at each instant of a scenario's timeline."""
    with road([scenario], home) as one:
        for at in collection_instants(scenario):
            one.collect(at)
            one.build(at)
            yield one, at


def test_the_marts_of_a_district_equal_the_recount(tmp_path: Path) -> None:
    for one, at in replayed(KON_TUM, tmp_path):
        assert built(one, at) == recount_beside(KON_TUM, at)
        assert figures(one, at.astimezone(VIETNAM).date()) == recount(KON_TUM, at)


@pytest.mark.long
def test_the_marts_of_a_town_equal_the_recount(tmp_path: Path) -> None:
    """Second antiviruses and duplicates; and an hour in which the server is down."""
    seen = 0
    for one, at in replayed(TOWN, tmp_path):
        assert built(one, at) == recount_beside(TOWN, at)
        seen = len(recount_beside(TOWN, at).conflicts)
    assert seen == 8


@pytest.mark.long
def test_the_marts_of_a_province_equal_the_recount(tmp_path: Path) -> None:
    for one, at in replayed(DONG_THAP, tmp_path):
        assert built(one, at) == recount_beside(DONG_THAP, at)
        assert figures(one, at.astimezone(VIETNAM).date()) == recount(DONG_THAP, at)
    (daily,) = one.built(
        "select sum(detection_count)::bigint as found, sum(uncured_count)::bigint as uncured"
        " from marts.fct_detection_daily where unit_code = 'dtp'"
    )
    # A server's log counts from the day on which it was first read.
    first = {code: asked.astimezone(VIETNAM).date() for code, asked in first_answers(DONG_THAP, at)}
    counted = [
        outcome
        for (server, _, registered), outcome in recount_beside(DONG_THAP, at).detections.items()
        if registered.astimezone(VIETNAM).date() >= first[server]
    ]
    assert daily == {"found": len(counted), "uncured": counted.count("notcured")}
    assert len(counted) > 1000
