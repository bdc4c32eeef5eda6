"""A machine may be called anything: it stays one machine with that name, from load to mart."""

from __future__ import annotations

from pathlib import Path

from ksc_ledger.warehouse import publish
from ksc_ledger.warehouse.reader import query
from unit.warehouse.builders import T0, House, a_host, a_small_estate

NAMES = {
    "m1": "'; drop schema marts cascade; --",
    "m2": "\"; attach '/etc/passwd' as x; --",
    "m3": "$1 {x} %s ?",
    "m4": "a\\'b''c",
    "m5": "=cmd|'/C calc'!A0",
    "m6": "<script>alert(1)</script>",
    "m7": "x" * 5000,
}


def test_no_name_is_taken_for_an_order(tmp_path: Path) -> None:
    house = House(tmp_path, a_small_estate().registry())
    house.land(T0, [a_host(key, display_name=name) for key, name in NAMES.items()])
    house.build(T0)
    publish(house.settings, now=T0)
    found = query(
        house.settings.places.named_marts_file,
        "select endpoint_id, display_name from marts.dim_endpoint",
    )
    assert {row["endpoint_id"]: row["display_name"] for row in found} == NAMES
