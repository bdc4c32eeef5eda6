"""From the wire's own types to typed rows of what landed beside the devices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Extra, Load
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse import extra_arrow, type_loads
from ksc_ledger.warehouse.extra_snapshots import type_extras
from unit.warehouse.builders import T0, land, settings_for
from unit.warehouse.extras import SCHEMAS
from unit.warehouse.test_snapshots import a_wire_host, wire
from unit.warehouse.test_snapshots import landed as landed_hosts

ENDPOINT = "8910f900-3807-4b97-8a97-d49e73ec5ab1"
AT = wire("datetime", "2022-10-11T08:00:00Z")
INSTANT = datetime(2022, 10, 11, 8, tzinfo=UTC)
ROWS: dict[str, dict[str, Any]] = {
    "detections": {
        "event_db_id": wire("long", 918273),
        "event_type": "GNRL_EV_VIRUS_FOUND_BY_KSN",
        "hostname": ENDPOINT,
        "group_id": 23,
        "rise_time": AT,
        "registration_time": AT,
        "GNRL_EA_PARAM_2": "E:\\công văn.exe",
        "GNRL_EA_PARAM_5": "Worm.Win32.Thu",
        "GNRL_EA_PARAM_6": "b1f0c6",
    },
    "licences": {
        "KLLIC_SERIAL": "2B1E",
        "KLLIC_PROD_NAME": "KES Select",
        "KLLIC_KEY_TYPE": 1,
        "KLLIC_LIC_COUNT": "330",
        "KLLIC_NHOSTS_ASCURRENT": 255,
        "KLLIC_LIMIT_DATE": AT,
        "KLLICSRV_KEY_INSTALLED": True,
    },
    "licence_hosts": {"licence_serial": "2B1E", "KLLICSRV_HOSTNAME": ENDPOINT},
    "hardware": {
        "Id": 311,
        "Name": "PNV-MAY01",
        "MemorySize": 1024,
        "DiskSize": wire("long", 80),
        "SerialNumber": " dt01 ",
        "StrMac": "00-1a-92-05-3b-6a",
        "Created": AT,
        "IsWrittenOff": False,
    },
    "products": {
        "endpoint_id": ENDPOINT,
        "DisplayName": "BkavPro Internet Security",
        "DisplayVersion": "2022",
        "InstallDate": "20220817",
        "CleanerProductName": "Bkav",
    },
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path)


def landed(
    settings: Settings, kind: str, rows: Sequence[object], *, count: int | None = None
) -> Load:
    """A complete load with one kind beside its devices, as collection leaves it."""
    path = settings.places.raw / f"{kind}.ndjson.zst"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(
        (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n"
        for row in rows
    )
    path.write_bytes(zstandard.compress(text.encode()))
    extra = Extra(
        path=str(path.relative_to(settings.home)), count=len(rows) if count is None else count
    )
    load = land(settings, "huyen", T0)
    return manifest.changed(load, extras={kind: extra})


def typed(settings: Settings, kind: str, **changed: object) -> dict[str, Any]:
    """The one row that a row of the wire becomes; a member given as None is left out."""
    row = {name: value for name, value in (ROWS[kind] | changed).items() if value is not None}
    load = type_extras(landed(settings, kind, [row]), settings)
    assert load.extra_faults == {}
    (found,) = extra_arrow(settings.home / str(load.extras[kind].snapshot_path)).to_pylist()
    return dict(found)


@pytest.mark.parametrize("kind", ROWS)
def test_the_columns_are_those_the_tests_of_the_marts_land(settings: Settings, kind: str) -> None:
    load = type_extras(landed(settings, kind, [ROWS[kind]]), settings)
    path = load.extra_parquet(settings.places, kind)
    assert str(path.relative_to(settings.home)) == load.extras[kind].snapshot_path
    # DuckDB 2 also says which columns hold no NULL; that is no part of what is promised.
    found = extra_arrow(path).schema
    assert [(one.name, one.type) for one in found] == [
        (one.name, one.type) for one in SCHEMAS[kind]
    ]
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_detection(settings: Settings) -> None:
    assert typed(settings, "detections") == {
        "event_id": 918273,
        "event_type": "GNRL_EV_VIRUS_FOUND_BY_KSN",
        "is_detection": True,
        "outcome": None,
        "endpoint_id": ENDPOINT,
        "rise_at": INSTANT,
        "registered_at": INSTANT,
        "object_name": "E:\\công văn.exe",
        "threat_name": "Worm.Win32.Thu",
        "link_id": "b1f0c6",
        "threat_kind": None,
    }


@pytest.mark.parametrize(
    ("event_type", "is_detection", "outcome"),
    [
        ("GNRL_EV_VIRUS_FOUND", True, None),
        ("GNRL_EV_SUSPICIOUS_OBJECT_FOUND", True, None),
        ("GNRL_EV_OBJECT_NOTCURED", False, "notcured"),
        ("GNRL_EV_OBJECT_DELETED", False, "deleted"),
    ],
)
def test_an_event_is_a_finding_or_an_outcome(
    settings: Settings, event_type: str, *, is_detection: bool, outcome: str | None
) -> None:
    row = typed(settings, "detections", event_type=event_type, rise_time=None, hostname=None)
    assert (row["is_detection"], row["outcome"]) == (is_detection, outcome)
    assert (row["rise_at"], row["endpoint_id"]) == (None, None)


def test_a_key_a_user_and_a_program(settings: Settings) -> None:
    key = typed(settings, "licences", KLLIC_NHOSTS_ASCURRENT=None)
    assert (key["seat_limit_count"], key["used_count"], key["expires_at"]) == (330, None, INSTANT)
    user = typed(settings, "licence_hosts")
    assert (user["is_current"], user["endpoint_id"]) == (True, ENDPOINT)


def test_a_program_is_called_as_the_machine_calls_it(settings: Settings) -> None:
    row = typed(settings, "products")
    assert (row["product_name"], row["listed_name"]) == ("BkavPro Internet Security", "Bkav")
    assert row["installed_date"] == date(2022, 8, 17)


def test_a_program_without_a_name_has_the_lists_and_a_senseless_day_is_none(
    settings: Settings,
) -> None:
    row = typed(settings, "products", DisplayName=" ", InstallDate="17/8/2022")
    assert (row["product_name"], row["installed_date"]) == ("Bkav", None)


def test_hardware(settings: Settings) -> None:
    row = typed(settings, "hardware")
    assert (row["memory_mb"], row["disk_gb"]) == (1024, 80)
    assert (row["mac_address"], row["serial_number"]) == ("00:1A:92:05:3B:6A", "DT01")


@pytest.mark.parametrize(
    ("kind", "changed", "field"),
    [
        ("detections", {"event_db_id": "x"}, "event_db_id"),
        ("detections", {"event_type": None}, "event_type"),
        ("detections", {"registration_time": None}, "registration_time"),
        ("detections", {"rise_time": "hôm qua"}, "rise_time"),
        ("licences", {"KLLIC_SERIAL": None}, "KLLIC_SERIAL"),
        ("licences", {"KLLIC_LIC_COUNT": "nhiều"}, "KLLIC_LIC_COUNT"),
        ("licences", {"KLLIC_NHOSTS_ASCURRENT": "x"}, "KLLIC_NHOSTS_ASCURRENT"),
        ("licences", {"KLLIC_LIMIT_DATE": "13/10/2024"}, "KLLIC_LIMIT_DATE"),
        ("licence_hosts", {"KLLICSRV_HOSTNAME": None}, "KLLICSRV_HOSTNAME"),
        ("licence_hosts", {"KLLICSRV_HOST_CURRENT": "có"}, "KLLICSRV_HOST_CURRENT"),
        ("hardware", {"Id": None}, "Id"),
        ("hardware", {"MemorySize": "2 GB"}, "MemorySize"),
        ("hardware", {"IsWrittenOff": "có"}, "IsWrittenOff"),
        ("products", {"endpoint_id": None}, "endpoint_id"),
        ("products", {"CleanerProductName": None}, "CleanerProductName"),
    ],
)
def test_a_row_of_another_shape_refuses_its_kind_and_names_the_attribute(
    settings: Settings, kind: str, changed: dict[str, object], field: str
) -> None:
    row = {name: value for name, value in (ROWS[kind] | changed).items() if value is not None}
    load = type_extras(landed(settings, kind, [ROWS[kind], row]), settings)
    assert load.extras == {}
    assert load.extra_faults[kind].code == "protocol"
    assert f"dòng 2 thiếu hoặc sai kiểu thuộc tính {field}" in load.extra_faults[kind].text
    assert not load.extra_parquet(settings.places, kind).exists()


def test_a_file_that_is_damaged_or_too_short_refuses_its_kind(settings: Settings) -> None:
    broken = landed(settings, "licences", ['{"KLLIC_SERIAL": '])
    assert type_extras(broken, settings).extra_faults["licences"].code == "protocol"
    short = landed(settings, "licences", [ROWS["licences"]], count=2)
    fault = type_extras(short, settings).extra_faults["licences"]
    assert fault.code == "internal"
    assert "có 1 dòng, lúc thu thập đọc được 2 dòng" in fault.text
    gone = landed(settings, "licences", [ROWS["licences"]])
    (settings.home / gone.extras["licences"].path).unlink()
    assert type_extras(gone, settings).extra_faults["licences"].code == "internal"


def test_a_broken_kind_leaves_the_devices_and_the_other_kinds_alone(settings: Settings) -> None:
    load = landed_hosts(settings, [a_wire_host()])
    good = landed(settings, "products", [ROWS["products"]]).extras
    bad = landed(settings, "hardware", [{}]).extras
    (changed,) = type_loads([manifest.changed(load, extras={**good, **bad})], settings)
    assert changed.parquet(settings.places).is_file()
    assert (set(changed.extras), set(changed.extra_faults)) == ({"products"}, {"hardware"})
    assert manifest.read(changed.path(settings.places)) == changed


def test_no_row_is_a_file_without_rows_and_a_typed_kind_is_left_as_it_is(
    settings: Settings,
) -> None:
    load = type_extras(landed(settings, "detections", []), settings)
    path = load.extra_parquet(settings.places, "detections")
    assert extra_arrow(path).num_rows == 0
    written = path.stat().st_mtime_ns
    assert type_extras(load, settings) is load
    again = landed(settings, "detections", [])
    again = type_extras(manifest.changed(load, extras=again.extras), settings)
    assert again == load
    assert path.stat().st_mtime_ns == written


def test_a_kind_that_this_program_does_not_know_is_left_alone(settings: Settings) -> None:
    extra = Extra(path="raw/x", count=1)
    load = manifest.changed(land(settings, "huyen", T0), extras={"vulnerabilities": extra})
    assert type_extras(load, settings) == load
