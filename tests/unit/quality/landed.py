"""Typed rows and loads for the tests of the gate: everything healthy, a test states what matters."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from ksc_ledger.landing.manifest import Load, LoadStatus, load_id_of

ROOT = Path(__file__).resolve().parents[3] / "expectations"
AT = datetime(2023, 10, 20, 1, 0, tzinfo=UTC)

_INSTANT = pa.timestamp("us", "UTC")
HOSTS_SCHEMA = pa.schema(
    {
        "endpoint_id": pa.string(),
        "display_name": pa.string(),
        "netbios_name": pa.string(),
        "dns_name": pa.string(),
        "fqdn": pa.string(),
        "group_id": pa.int32(),
        "group_path": pa.string(),
        "is_unassigned": pa.bool_(),
        "status_bits": pa.int32(),
        "status_id": pa.int32(),
        "status_mask": pa.int32(),
        "rtp_state": pa.int32(),
        "antivirus_version": pa.string(),
        "agent_version": pa.string(),
        "bases_at": _INSTANT,
        "last_visible_at": _INSTANT,
        "last_connected_at": _INSTANT,
        "last_full_scan_at": _INSTANT,
        "created_at": _INSTANT,
        "os_name": pa.string(),
        "computer_type_bits": pa.int32(),
        "ip_number": pa.int64(),
        "virus_count": pa.int64(),
        "uncured_count": pa.int64(),
        "mac_address": pa.string(),
        "serial_number": pa.string(),
    }
)


def endpoint_id(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"device {number}"))


def a_host(number: int = 1, **facts: Any) -> dict[str, Any]:
    """A device that is installed, protected, connected and named."""
    return {
        "endpoint_id": endpoint_id(number),
        "display_name": f"TM-VHTT-PC{number:02d}",
        "netbios_name": f"TM-VHTT-PC{number:02d}",
        "dns_name": f"tm-vhtt-pc{number:02d}",
        "fqdn": f"tm-vhtt-pc{number:02d}.thapmuoi.example",
        "group_id": 23,
        "group_path": "01. Phòng ban/Phòng Văn hóa và Thông tin",
        "is_unassigned": False,
        "status_bits": 31,
        "status_id": 0,
        "status_mask": 0,
        "rtp_state": 7,
        "antivirus_version": "12.2.0.462",
        "agent_version": "14.2.0.26967",
        "bases_at": AT - timedelta(hours=3),
        "last_visible_at": AT - timedelta(minutes=5),
        "last_connected_at": AT - timedelta(minutes=5),
        "last_full_scan_at": AT - timedelta(days=3),
        "created_at": AT - timedelta(days=300),
        "os_name": "Microsoft Windows 10",
        "computer_type_bits": 1,
        "ip_number": 173278741,
        "virus_count": 0,
        "uncured_count": 0,
        "mac_address": None,
        "serial_number": None,
        **facts,
    }


def a_table(hosts: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(hosts, schema=HOSTS_SCHEMA)


def healthy(count: int) -> pa.Table:
    return a_table([a_host(number) for number in range(count)])


def a_load(server_code: str = "dtp_872", *, rows: int = 1, **facts: Any) -> Load:
    observed_at = facts.pop("observed_at", AT)
    content = hashlib.sha256(f"{server_code} {observed_at} {rows}".encode()).hexdigest()
    known = {
        "estate_code": "dong_thap",
        "as_of_at": observed_at,
        "collected_at": observed_at,
        "status": LoadStatus.COMPLETE,
        "rows_expected_count": rows,
        "rows_read_count": rows,
        "content_sha256": content,
        "clock_skew_seconds": 0,
    }
    return Load(
        load_id=load_id_of(server_code, observed_at, content),
        server_code=server_code,
        observed_at=observed_at,
        **{**known, **facts},
    )


EXTRA_SCHEMAS = {
    "licences": pa.schema(
        {
            "licence_serial": pa.string(),
            "seat_limit_count": pa.int64(),
            "used_count": pa.int64(),
            "expires_at": _INSTANT,
        }
    ),
    "licence_hosts": pa.schema({"licence_serial": pa.string(), "endpoint_id": pa.string()}),
    "detections": pa.schema(
        {"event_id": pa.int64(), "endpoint_id": pa.string(), "registered_at": _INSTANT}
    ),
    "hardware": pa.schema(
        {
            "hardware_id": pa.int64(),
            "device_name": pa.string(),
            "memory_mb": pa.int64(),
            "disk_gb": pa.int64(),
        }
    ),
    "products": pa.schema({"endpoint_id": pa.string(), "product_name": pa.string()}),
}


def extra_table(kind: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Typed rows of a kind beside the devices: the columns that its rules look at."""
    return pa.Table.from_pylist(rows, schema=EXTRA_SCHEMAS[kind])
