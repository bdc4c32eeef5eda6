"""Loads applied together leave the history that each of them alone would have left."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.warehouse import history
from ksc_ledger.warehouse.builder import cutoffs_by_registry, server_order
from ksc_ledger.warehouse.engine import Connection, connect, tables_in
from ksc_ledger.warehouse.writer import open_warehouse
from unit.warehouse.builders import DAY, T0, House, a_host, a_small_estate
from unit.warehouse.extras import (
    a_device,
    a_key,
    a_program,
    became,
    found,
    land_with,
    uses,
)

SERVERS = ("huyen", "huyen2", "huyen3")
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
IDS = [f"m{number}" for number in range(1, 8)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    draft = a_small_estate()
    for code in SERVERS[1:]:
        draft = draft.unit(code, "tinh").server(code)
    return House(tmp_path, draft.registry())


def applied(house: House, name: str, chunks: list[list[Load]]) -> dict[str, Any]:
    """Every table of the history after chunks of loads, each chunk as one run of the build."""
    con = connect(house.settings)
    open_warehouse(con, house.settings, house.settings.places.home / f"{name}.duckdb")
    try:
        for chunk in chunks:
            apply(house, con, chunk)
        return {
            table: con.execute(f"from hist.{table} order by all").fetchall()
            for table in sorted(tables_in(con, "hist"))
        }
    finally:
        con.close()


def apply(house: House, con: Connection, loads: list[Load]) -> history.Outcome:
    return history.apply_loads(
        con,
        loads,
        places=house.settings.places,
        sql=house.settings.sql,
        cutoffs_of=cutoffs_by_registry(house.registry),
        server_order=server_order(house.registry),
    )


def alone(house: House, chunks: list[list[Load]], patched: pytest.MonkeyPatch) -> dict[str, Any]:
    with patched.context() as small:
        small.setattr(history, "WAVE_ROWS", -1)
        return applied(house, "alone", chunks)


def a_load(chance: random.Random, house: House, server: str, at: datetime) -> Load:
    """Machines that come, go, move between servers, change; hardware, keys, events, programs."""
    hosts = [
        a_host(
            one,
            display_name=chance.choice([f"PNV-{one}", "PNV-M1", "PNV-M1~1"]),
            rtp_state=chance.choice([4, 1]),
            status_mask=chance.choice([0, 4096]),
            mac_address=chance.choice([None, f"00:00:5E:00:53:{chance.randrange(1, 4):02d}"]),
            created_at=T0 - DAY,
            last_connected_at=at - chance.randrange(4) * HOUR,
        )
        for one in chance.sample(IDS, chance.randrange(1, len(IDS)))
    ]
    names = [one.endpoint_id for one in hosts]
    kinds: dict[str, Any] = {}
    if chance.random() < 0.7:
        kinds["hardware"] = [
            a_device(
                number, str(host.display_name), mac_address=f"mac{number}", created_at=T0 - DAY
            )
            for number, host in enumerate(hosts[:2])
        ]
    if chance.random() < 0.7:
        kinds["licences"] = [a_key(used_count=chance.randrange(3))]
        kinds["licence_hosts"] = [uses(one) for one in names[: chance.randrange(4)]]
    if chance.random() < 0.7:
        kinds["products"] = [a_program(one) for one in names[: chance.randrange(3)]]
    if chance.random() < 0.7:
        one = found(chance.randrange(1, 5), names[0], T0 - chance.randrange(1, 3) * HOUR)
        kinds["detections"] = [one, became(chance.randrange(5, 9), one, T0, "cured")]
    faults = {"products": "thử"} if chance.random() < 0.2 else None
    skew = {"clock_skew_seconds": chance.choice([0, 0, 7200])}
    return land_with(house, at, hosts, server=server, faults=faults, facts=skew, **kinds)


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 40))]
)
def test_a_wave_is_its_loads_one_after_the_other(
    seed: int, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)  # noqa: S311 (no secret)
    loads = []
    for hour in range(4):
        for server in chance.sample(SERVERS, chance.randrange(1, 4)):
            at = T0 + hour * HOUR + chance.randrange(3) * MINUTE
            load = a_load(chance, house, server, at)
            if chance.random() < 0.1:
                load = manifest.changed(load, status=LoadStatus.INCOMPLETE)
            loads.append(load)
    late = [load for load in loads if chance.random() < 0.15]
    chunks = [[load for load in loads if load not in late], late]
    together = applied(house, "together", chunks)
    assert together == alone(house, chunks, monkeypatch)
    assert together["cur"]
    assert len(together["load_log"]) == len(loads)


def test_loads_of_an_hour_are_one_transaction(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    waves = []
    taken = history._take_in

    def counted(con: Connection, wave: list[Load], *rest: Any) -> Any:
        waves.append([load.server_code for load in wave])
        return taken(con, wave, *rest)

    monkeypatch.setattr(history, "_take_in", counted)
    loads = [
        house.land(T0 + hour * HOUR + place * MINUTE, [a_host(f"{server}-1")], server)
        for hour in range(2)
        for place, server in enumerate(SERVERS)
    ]
    applied(house, "counted", [loads])
    assert waves == [[*SERVERS], [*SERVERS]]


def test_a_wave_grows_no_larger_than_a_large_server(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "WAVE_ROWS", 3)
    hosts = [a_host("m1"), a_host("m2", display_name="PNV-MAY02")]
    loads = [house.land(T0, hosts, server) for server in SERVERS]
    waves = list(history._waves(loads, set(), house.settings.places))
    assert [len(wave) for wave in waves] == [1, 1, 1]


def test_the_loads_before_a_wrong_one_of_the_same_hour_stay_applied(house: House) -> None:
    good = house.land(T0, [a_host("m1")])
    house.land(T0 + MINUTE, [a_host("m2"), a_host("m2")], "huyen2")
    house.land(T0 + 2 * MINUTE, [a_host("m3")], "huyen3")
    with pytest.raises(LedgerError, match="m2 xuất hiện nhiều lần"):
        house.apply()
    assert house.ask("select load_id from hist.load_log") == [{"load_id": good.load_id}]
    assert house.ask("select endpoint_id from hist.cur") == [{"endpoint_id": "m1"}]


def test_a_machine_seen_by_two_servers_of_one_wave_is_decided_load_by_load(house: House) -> None:
    """First where it is seen first; from the next load on where it connected last."""
    host = a_host("m1", last_connected_at=T0 - HOUR)
    house.land(T0, [host])
    house.land(T0 + MINUTE, [replace(host, last_connected_at=T0)], "huyen2")
    house.land(T0 + 2 * MINUTE, [replace(host, last_connected_at=T0 - DAY)], "huyen3")
    house.apply()
    assert house.ask("select from_at, server_code from hist.home order by from_at") == [
        {"from_at": T0 + MINUTE, "server_code": "huyen2"}
    ]
