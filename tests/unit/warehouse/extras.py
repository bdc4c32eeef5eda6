"""What lands beside the devices, for tests of the warehouse: typed rows, every fact defaulted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Extra, ExtraFault, Load
from unit.warehouse.builders import INSTANT, T0, Host, House

SERIAL = "2B1E-221012-000330"
SCHEMAS: Mapping[str, pa.Schema] = {
    "detections": pa.schema(
        {
            "event_id": pa.int64(),
            "event_type": pa.string(),
            "is_detection": pa.bool_(),
            "outcome": pa.string(),
            "endpoint_id": pa.string(),
            "rise_at": INSTANT,
            "registered_at": INSTANT,
            "object_name": pa.string(),
            "threat_name": pa.string(),
            "link_id": pa.string(),
            "threat_kind": pa.string(),
        }
    ),
    "licences": pa.schema(
        {
            "licence_serial": pa.string(),
            "product_name": pa.string(),
            "key_type": pa.int32(),
            "seat_limit_count": pa.int64(),
            "used_count": pa.int64(),
            "created_at": INSTANT,
            "expires_at": INSTANT,
        }
    ),
    "licence_hosts": pa.schema(
        {
            "licence_serial": pa.string(),
            "endpoint_id": pa.string(),
            "is_current": pa.bool_(),
            "installed_at": INSTANT,
        }
    ),
    "hardware": pa.schema(
        {
            "hardware_id": pa.int64(),
            "device_name": pa.string(),
            "cpu_name": pa.string(),
            "memory_mb": pa.int64(),
            "disk_gb": pa.int64(),
            "os_name": pa.string(),
            "manufacturer": pa.string(),
            "serial_number": pa.string(),
            "mac_address": pa.string(),
            "created_at": INSTANT,
            "is_written_off": pa.bool_(),
        }
    ),
    "products": pa.schema(
        {
            "endpoint_id": pa.string(),
            "product_name": pa.string(),
            "product_version": pa.string(),
            "publisher": pa.string(),
            "listed_name": pa.string(),
            "installed_date": pa.date32(),
        }
    ),
}
Rows = list[dict[str, Any]]


def found(event_id: int, endpoint_id: str | None, at: datetime, **facts: Any) -> dict[str, Any]:
    """An object found on a machine."""
    return {
        "event_id": event_id,
        "event_type": "GNRL_EV_VIRUS_FOUND",
        "is_detection": True,
        "endpoint_id": endpoint_id,
        "rise_at": at - timedelta(minutes=5),
        "registered_at": at,
        "object_name": r"C:\Users\van-thu\setup.exe",
        "threat_name": "Trojan.Win32.Thu",
        "link_id": f"l{event_id}",
        **facts,
    }


def became(event_id: int, of: dict[str, Any], at: datetime, outcome: str) -> dict[str, Any]:
    """What became of an object that was found."""
    return of | {
        "event_id": event_id,
        "event_type": f"GNRL_EV_OBJECT_{outcome.upper()}",
        "is_detection": False,
        "outcome": outcome,
        "registered_at": at,
    }


def a_key(**facts: Any) -> dict[str, Any]:
    return {
        "licence_serial": SERIAL,
        "product_name": "KES Select",
        "key_type": 1,
        "seat_limit_count": 330,
        "used_count": 2,
        "expires_at": T0 + timedelta(days=30),
        **facts,
    }


def uses(endpoint_id: str, serial: str = SERIAL, *, is_current: bool = True) -> dict[str, Any]:
    return {"licence_serial": serial, "endpoint_id": endpoint_id, "is_current": is_current}


def a_device(hardware_id: int, name: str, **facts: Any) -> dict[str, Any]:
    return {
        "hardware_id": hardware_id,
        "device_name": name,
        "memory_mb": 8192,
        "disk_gb": 500,
        "is_written_off": False,
        **facts,
    }


def a_program(endpoint_id: str, name: str = "Bkav Pro", **facts: Any) -> dict[str, Any]:
    return {"endpoint_id": endpoint_id, "product_name": name, "listed_name": name, **facts}


def land_with(
    house: House,
    observed_at: datetime,
    hosts: Iterable[Host],
    *,
    server: str = "huyen",
    faults: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
    **kinds: Rows,
) -> Load:
    """Land a load with typed kinds beside its devices, as collection, typing and gate would."""
    places = house.settings.places
    load = house.land(observed_at, hosts, server, **(facts or {}))
    extras = {}
    for kind, rows in kinds.items():
        path = load.extra_parquet(places, kind)
        pq.write_table(pa.Table.from_pylist(rows, SCHEMAS[kind]), path)
        extras[kind] = Extra(
            path="raw", count=len(rows), snapshot_path=str(path.relative_to(places.home))
        )
    told = {kind: ExtraFault(code=code, text="Lỗi.") for kind, code in (faults or {}).items()}
    load = manifest.changed(load, extras=extras, extra_faults=told)
    manifest.write(load, places)
    return load
