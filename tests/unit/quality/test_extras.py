"""The gate of what landed beside the devices: a broken kind goes, the devices stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ksc_ledger import settings as settings_module
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Extra, Load, LoadStatus
from ksc_ledger.quality.gate import gate_loads
from ksc_ledger.quality.suites import EXTRAS
from ksc_ledger.settings import Settings
from unit.quality.landed import AT, ROOT, a_host, a_load, a_table, endpoint_id, extra_table

NOW = AT + timedelta(minutes=10)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.load(
        {"KSC_LEDGER_HOME": str(tmp_path / "home"), "KSC_LEDGER_EXPECTATIONS": str(ROOT)}
    )


def gated(
    settings: Settings, tables: Mapping[str, pa.Table], *loads: Load, **counts: int
) -> list[Load]:
    """Judge loads of one healthy device, each with the same kinds beside it."""
    extras = {
        kind: Extra(path="raw", count=counts.get(kind, table.num_rows), snapshot_path=kind)
        for kind, table in tables.items()
    }
    landed = [manifest.changed(load, extras=extras) for load in loads or (a_load(),)]
    for load in landed:
        manifest.write(load, settings.places)

    def read(load: Load, kind: str) -> pa.Table:
        return tables[kind]

    return gate_loads(
        landed,
        settings.places,
        settings,
        lambda _: a_table([a_host(1)]),
        now=NOW,
        extra_reader=read,
    )


def of_extras(load: Load) -> dict[str, Any]:
    return {
        verdict["expectation"]: verdict for verdict in load.verdicts if verdict["suite"] == EXTRAS
    }


KEY = {"licence_serial": "A", "seat_limit_count": 330, "used_count": 255, "expires_at": AT}


def test_healthy_kinds_pass_with_every_verdict(settings: Settings) -> None:
    tables = {
        "licences": extra_table("licences", [KEY]),
        "detections": extra_table("detections", []),
        "products": extra_table(
            "products", [{"endpoint_id": endpoint_id(1), "product_name": "Bkav"}]
        ),
    }
    [load] = gated(settings, tables)
    assert (load.status, set(load.extras), load.extra_faults) == (
        LoadStatus.COMPLETE,
        set(tables),
        {},
    )
    assert len(of_extras(load)) == 8
    assert all(one["is_success"] for one in of_extras(load).values())


def test_a_broken_kind_goes_and_takes_neither_devices_nor_other_kinds_with_it(
    settings: Settings,
) -> None:
    tables = {
        "licences": extra_table("licences", [KEY | {"used_count": -1}]),
        "hardware": extra_table("hardware", []),
    }
    [load] = gated(settings, tables)
    assert (load.status, load.gated_at, set(load.extras)) == (
        LoadStatus.COMPLETE,
        NOW,
        {"hardware"},
    )
    fault = load.extra_faults["licences"]
    assert fault.code == "rejected"
    assert "không được âm" in fault.text
    assert "Cách khắc phục: Xem các giá trị âm" in fault.text
    assert of_extras(load)["extras.not_negative"]["unexpected_count"] == 1
    assert manifest.read(load.path(settings.places)) == load


def test_rows_that_got_lost_while_typing_refuse_the_kind(settings: Settings) -> None:
    [load] = gated(settings, {"licences": extra_table("licences", [KEY])}, licences=2)
    assert load.extra_faults["licences"].code == "rejected"


def test_a_warning_is_written_down_and_the_kind_stays(settings: Settings) -> None:
    [load] = gated(settings, {"licences": extra_table("licences", [KEY | {"used_count": 331}])})
    assert set(load.extras) == {"licences"}
    assert not of_extras(load)["licences.within_limit"]["is_success"]


def test_each_server_has_its_own_verdicts(settings: Settings) -> None:
    events = extra_table(
        "detections",
        [{"event_id": 1, "endpoint_id": "x", "registered_at": AT + timedelta(minutes=11)}],
    )
    right = a_load("dtp_872")
    ahead = a_load("dtp_873", clock_skew_seconds=3600)
    loads = gated(settings, {"detections": events}, right, ahead)
    told = [of_extras(load)["detections.not_future"]["is_success"] for load in loads]
    assert told == [False, True]  # the second server's own clock is an hour ahead


def test_a_load_that_is_refused_is_not_judged_further(settings: Settings) -> None:
    [load] = gated(
        settings,
        {"licences": extra_table("licences", [KEY | {"used_count": -1}])},
        a_load(rows_expected_count=7),
    )
    assert load.status is LoadStatus.REJECTED
    assert (of_extras(load), load.extra_faults) == ({}, {})


def test_a_file_that_cannot_be_read_is_a_fault_of_its_kind(settings: Settings) -> None:
    load = manifest.changed(
        a_load(), extras={"licences": Extra(path="raw", count=1, snapshot_path="weg.parquet")}
    )
    manifest.write(load, settings.places)

    def read(_: Load, kind: str) -> pa.Table:
        raise FileNotFoundError(kind)

    [judged] = gate_loads(
        [load],
        settings.places,
        settings,
        lambda _: a_table([a_host(1)]),
        now=NOW,
        extra_reader=read,
    )
    assert judged.status is LoadStatus.COMPLETE
    assert judged.extra_faults["licences"].code == "internal"


def test_a_kind_that_was_never_typed_is_not_judged(settings: Settings) -> None:
    load = manifest.changed(a_load(), extras={"licences": Extra(path="raw", count=1)})
    manifest.write(load, settings.places)
    [judged] = gate_loads(
        [load],
        settings.places,
        settings,
        lambda _: a_table([a_host(1)]),
        now=NOW,
        extra_reader=lambda *_: pytest.fail("not typed"),
    )
    assert of_extras(judged) == {}
