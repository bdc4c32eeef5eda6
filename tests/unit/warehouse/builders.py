"""Loads and registries for the tests of the warehouse: every fact defaulted."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ksc_ledger import settings as settings_module
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus, load_id_of
from ksc_ledger.registry.model import (
    AllocationEntry,
    EntryKind,
    Estate,
    NamingRule,
    Registry,
    Server,
    ServerGroup,
    ServerRole,
    Unit,
)
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse import BuildReport, build
from ksc_ledger.warehouse.builder import cutoffs_by_registry, new_loads, server_order
from ksc_ledger.warehouse.history import Outcome, apply_loads
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.writer import writer

VN = timedelta(hours=7)
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    """An instant given in Vietnamese local time: 2022-10-12T08:00."""
    return datetime.fromisoformat(f"{text}+07:00").astimezone(UTC)


T0 = at("2022-10-12T08:00")


def settings_for(home: Path) -> Settings:
    return settings_module.load({"KSC_LEDGER_HOME": str(home)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One row of a typed snapshot: an installed, protected, well connected machine."""

    endpoint_id: str
    display_name: str | None = "PNV-MAY01"
    netbios_name: str | None = None
    dns_name: str | None = None
    fqdn: str | None = None
    group_id: int | None = 1
    group_path: str | None = ""
    is_unassigned: bool = False
    status_bits: int = 0x1F
    status_id: int | None = 0
    status_mask: int | None = 0
    rtp_state: int | None = 4
    antivirus_version: str | None = "12.3.0.493"
    agent_version: str | None = "14.0.0.10902"
    bases_at: datetime | None = T0 - timedelta(hours=3)
    last_visible_at: datetime | None = T0 - timedelta(minutes=10)
    last_connected_at: datetime | None = T0 - timedelta(minutes=20)
    last_full_scan_at: datetime | None = None
    created_at: datetime | None = datetime(2022, 1, 1, tzinfo=UTC)
    os_name: str | None = "Microsoft Windows 10"
    computer_type_bits: int | None = 1
    ip_number: int | None = None
    virus_count: int | None = 0
    uncured_count: int | None = 0
    mac_address: str | None = None
    serial_number: str | None = None


def a_host(endpoint_id: str, **facts: Any) -> Host:
    return Host(endpoint_id=endpoint_id, **facts)


def fresh(hosts: Iterable[Host], instant: datetime) -> list[Host]:
    """The same hosts, seen and updated just before an instant."""
    return [
        replace(
            host,
            bases_at=instant - timedelta(hours=3),
            last_visible_at=instant - timedelta(minutes=10),
            last_connected_at=instant - timedelta(minutes=20),
        )
        for host in hosts
    ]


INSTANT = pa.timestamp("us", "UTC")
SNAPSHOT = pa.schema(
    [
        ("endpoint_id", pa.string()),
        ("display_name", pa.string()),
        ("netbios_name", pa.string()),
        ("dns_name", pa.string()),
        ("fqdn", pa.string()),
        ("group_id", pa.int32()),
        ("group_path", pa.string()),
        ("is_unassigned", pa.bool_()),
        ("status_bits", pa.int32()),
        ("status_id", pa.int32()),
        ("status_mask", pa.int32()),
        ("rtp_state", pa.int32()),
        ("antivirus_version", pa.string()),
        ("agent_version", pa.string()),
        ("bases_at", INSTANT),
        ("last_visible_at", INSTANT),
        ("last_connected_at", INSTANT),
        ("last_full_scan_at", INSTANT),
        ("created_at", INSTANT),
        ("os_name", pa.string()),
        ("computer_type_bits", pa.int32()),
        ("ip_number", pa.int64()),
        ("virus_count", pa.int64()),
        ("uncured_count", pa.int64()),
        ("mac_address", pa.string()),
        ("serial_number", pa.string()),
    ]
)

_serial = itertools.count(1)


def land(
    settings: Settings,
    server_code: str,
    observed_at: datetime,
    hosts: Iterable[Host] = (),
    *,
    estate_code: str = "tinh",
    status: LoadStatus = LoadStatus.COMPLETE,
    **facts: Any,
) -> Load:
    """Land one load as collection and gate would: the manifest and, when complete, its Parquet."""
    rows = [asdict(host) for host in hosts]
    number = next(_serial)
    given: dict[str, Any] = {
        "as_of_at": observed_at,
        "collected_at": observed_at + timedelta(seconds=number),
        "gated_at": observed_at + timedelta(minutes=1) if status is LoadStatus.COMPLETE else None,
        "rows_expected_count": len(rows),
        "rows_read_count": len(rows),
        "product_version": "14.2.0.26967",
    }
    load = Load(
        load_id=load_id_of(server_code, observed_at, f"{status} {number}"),
        estate_code=estate_code,
        server_code=server_code,
        observed_at=observed_at,
        status=status,
        **(given | facts),
    )
    manifest.write(load, settings.places)
    if status is LoadStatus.COMPLETE:
        pq.write_table(pa.Table.from_pylist(rows, SNAPSHOT), load.parquet(settings.places))
    return load


FIRST_DAY = date(2022, 9, 1)
PAPER = "công văn thử"


@dataclass(slots=True)
class RegistryDraft:
    """A small estate: province, one district with a server, two offices with groups and seats."""

    estate_code: str = "tinh"
    units: list[Unit] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    groups: list[ServerGroup] = field(default_factory=list)
    allocations: list[AllocationEntry] = field(default_factory=list)
    rules: list[NamingRule] = field(default_factory=list)

    def unit(self, unit_code: str, parent: str | None = None, **facts: Any) -> RegistryDraft:
        given: dict[str, Any] = {
            "unit_name": f"Đơn vị {unit_code}",
            "unit_kind": "phong",
            "list_order": len(self.units),
            "valid_from_date": FIRST_DAY,
            "source_document": PAPER,
        }
        self.units.append(
            Unit(
                estate_code=self.estate_code,
                unit_code=unit_code,
                parent_unit_code=parent,
                **(given | facts),
            )
        )
        return self

    def server(self, server_code: str, unit_code: str | None = None, **facts: Any) -> RegistryDraft:
        given: dict[str, Any] = {
            "server_name": f"Máy chủ {server_code}",
            "server_role": ServerRole.DISTRICT,
            "list_order": len(self.servers),
            "valid_from_date": FIRST_DAY,
            "source_document": PAPER,
        }
        self.servers.append(
            Server(
                estate_code=self.estate_code,
                server_code=server_code,
                unit_code=unit_code or server_code,
                **(given | facts),
            )
        )
        return self

    def group(
        self, server_code: str, group_path: str, unit_code: str, **facts: Any
    ) -> RegistryDraft:
        given: dict[str, Any] = {"valid_from_date": FIRST_DAY, "source_document": PAPER}
        self.groups.append(
            ServerGroup(
                estate_code=self.estate_code,
                server_code=server_code,
                group_path=group_path,
                unit_code=unit_code,
                **(given | facts),
            )
        )
        return self

    def grant(self, to: str, seats: int, **facts: Any) -> RegistryDraft:
        given: dict[str, Any] = {
            "entry_id": f"e{len(self.allocations) + 1}",
            "entry_kind": EntryKind.GRANT,
            "valid_from_date": FIRST_DAY,
            "source_document": PAPER,
        }
        self.allocations.append(
            AllocationEntry(
                estate_code=self.estate_code,
                to_unit_code=to,
                seat_count=seats,
                **(given | facts),
            )
        )
        return self

    def rule(self, unit_code: str, **facts: Any) -> RegistryDraft:
        given: dict[str, Any] = {
            "rule_code": f"r{len(self.rules) + 1}",
            "separator": "-",
            "max_length": 15,
            "allowed_part": "[A-Z0-9]+",
            "min_parts": 1,
            "max_parts": 2,
            "valid_from_date": FIRST_DAY,
            "source_document": PAPER,
        }
        self.rules.append(
            NamingRule(estate_code=self.estate_code, unit_code=unit_code, **(given | facts))
        )
        return self

    def registry(self, sha256: str = "a" * 64) -> Registry:
        return Registry(
            sha256=sha256,
            estates=(Estate(estate_code=self.estate_code, estate_name="Tỉnh thử"),),
            units=tuple(self.units),
            servers=tuple(self.servers),
            server_groups=tuple(self.groups),
            allocations=tuple(self.allocations),
            naming_rules=tuple(self.rules),
        )


def a_small_estate() -> RegistryDraft:
    """Province ``tinh``, district ``huyen`` with a server, offices ``pnv`` and ``ptp``."""
    return (
        RegistryDraft()
        .unit("tinh")
        .unit("huyen", "tinh")
        .unit("pnv", "huyen", name_prefix="PNV")
        .unit("ptp", "huyen", name_prefix="PTP")
        .server("huyen")
        .group("huyen", "Phòng Nội vụ", "pnv")
        .group("huyen", "Phòng Tư pháp", "ptp")
    )


class House:
    """A home with a registry and a clockless warehouse: land, build, ask."""

    def __init__(self, home: Path, registry: Registry | None = None) -> None:
        self.settings = settings_for(home)
        self.registry = registry or a_small_estate().registry()

    def land(
        self, observed_at: datetime, hosts: Iterable[Host] = (), server: str = "huyen", **facts: Any
    ) -> Load:
        return land(self.settings, server, observed_at, hosts, **facts)

    def apply(self) -> Outcome:
        """Bring the history up to date, without marts: enough for what the history holds."""
        with writer(self.settings) as con:
            return apply_loads(
                con,
                list(new_loads(con, self.settings.places)),
                places=self.settings.places,
                sql=self.settings.sql,
                cutoffs_of=cutoffs_by_registry(self.registry),
                server_order=server_order(self.registry),
            )

    def build(self, as_of_at: datetime, registry: Registry | None = None) -> BuildReport:
        return build(
            self.settings, registry or self.registry, as_of_at=as_of_at, code_version="1.2.3"
        )

    def ask(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """Rows from the warehouse itself."""
        return query(self.settings.places.warehouse_file, sql, parameters)

    def figure(self, unit_code: str, day: str) -> dict[str, Any]:
        (row,) = self.ask(
            "from marts.fct_unit_coverage_daily where unit_code = ? and snapshot_date = ?::date",
            unit_code,
            day,
        )
        return row

    def counts(self, unit_code: str, day: str, *columns: str) -> tuple[Any, ...]:
        figure = self.figure(unit_code, day)
        return tuple(figure[f"{column}_count"] for column in columns)

    def gap(self, unit_code: str, day: str) -> dict[str, int]:
        rows = self.ask(
            "select reason_code, machine_count from marts.rpt_coverage_gap"
            " where unit_code = ? and snapshot_date = ?::date",
            unit_code,
            day,
        )
        return {row["reason_code"]: row["machine_count"] for row in rows}

    def intervals(self, endpoint_id: str, *columns: str, server: str = "huyen") -> list[Any]:
        """(from, to, columns…) of an endpoint in the history, in time; Vietnamese local time."""
        rows = self.ask(
            "from hist.intervals where endpoint_id = ? and server_code = ? order by valid_from_at",
            endpoint_id,
            server,
        )
        return [
            (
                local(row["valid_from_at"]),
                row["valid_to_at"] and local(row["valid_to_at"]),
                *(row[column] for column in columns),
            )
            for row in rows
        ]


def local(instant: datetime) -> str:
    return (instant.astimezone(UTC) + VN).strftime("%Y-%m-%dT%H:%M")
