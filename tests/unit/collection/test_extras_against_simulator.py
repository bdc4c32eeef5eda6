"""Beside the devices, and over the hierarchy, over TLS against the simulated estate."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from estates import AT, host, host_id_of, server, write_estate
from ksc_ledger.clock import FixedClock
from ksc_ledger.collection import collect_server
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.settings import Places
from ksc_ledger.simulator import Simulator
from ksc_ledger.sources.client import ChildServer, KscClient
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.sources.faults import CallFault

NOW = datetime.fromisoformat(AT)
SERIAL = "2B1E-231013-000000-1-1"
BUDGET = Budget(
    connect_seconds=2, read_seconds=2, call_seconds=3, server_seconds=20, max_body_bytes=4 << 20
)
USERS = 210  # one more than fits into a page of an iterator


def detection(name: str, registered_at: str, outcome: str) -> dict[str, Any]:
    return {
        "server_code": "dtp",
        "host_id": host_id_of(name),
        "rise_at": "2023-09-01T07:00:00+07:00",
        "registered_at": registered_at,
        "threat_name": "Worm.Win32.Thu.a",
        "object_name": "E:\\công văn.exe",
        "outcome": outcome,
        "user_name": "TM\\van-thu",
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    machines = [
        host(
            f"TM-VP-{number:03d}",
            licence_serial=SERIAL,
            memory_mb=1024,
            mac_address=f"00:1A:92:05:3B:{number:02X}",
        )
        for number in range(USERS)
    ]
    machines[3]["foreign_antivirus"] = "Bkav Pro"
    machines += [
        host("TM-HUYEN-01", server_code="dtp_872"),
        host("TM-VP-000", server_code="dtp_872"),  # moved, and still in both databases
    ]
    estate = write_estate(
        tmp_path_factory.mktemp("scenarios") / "thap_muoi",
        hosts=machines,
        servers=[server("dtp"), server("dtp_872", "dtp"), server("dtp_875", "dtp", is_passive=1)],
        keys=[
            {
                "server_code": "dtp",
                "serial": SERIAL,
                "product_name": "Kaspersky Endpoint Security for Business - Select",
                "key_type": 1,
                "limit_count": 330,
                "created_at": "2023-10-13T00:00:00+07:00",
                "expires_at": "2024-10-13T00:00:00+07:00",
            }
        ],
        detections=[
            detection("TM-VP-001", "2023-09-19T08:00:00+07:00", "cured"),  # too long ago
            detection("TM-VP-001", "2023-10-18T09:00:00+07:00", "notcured"),
            detection("TM-VP-002", "2023-10-19T09:00:00+07:00", "deleted"),
            detection("TM-VP-002", "2023-10-20T08:30:00+07:00", "blocked"),  # not yet
        ],
    )
    with Simulator([estate], tmp_path_factory.mktemp("run"), port=0, at=NOW) as one:
        yield one


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()
    running.set_clock(NOW)


def endpoint_of(simulator: Simulator, code: str = "dtp") -> Endpoint:
    facts = simulator.ports["servers"][code]
    return Endpoint(
        server_code=code,
        host=facts["host"],
        port=facts["port"],
        login=facts["login"],
        password=simulator.password(code),
        certificate_sha256=(facts["sha256"],),
    )


def collect(simulator: Simulator, home: Path, now: datetime = NOW) -> Load:
    return collect_server(
        endpoint_of(simulator),
        estate_code="dong_thap",
        places=Places(home),
        budget=BUDGET,
        chunk_size=100,
        as_of_at=now,
        clock=FixedClock(now),
        sleep=lambda _: None,
    )


def rows(home: Path, load: Load, kind: str) -> list[dict[str, Any]]:
    with zstandard.open(home / load.extras[kind].path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Sink:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def begin(self, expected: int) -> None:
        self.rows = []

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        self.rows += [json.loads(bytes(row)) for row in rows]


def test_everything_a_server_offers_lands_beside_its_devices(
    simulator: Simulator, tmp_path: Path
) -> None:
    load = collect(simulator, tmp_path)
    assert (load.status, load.extra_faults) == (LoadStatus.COMPLETE, {})
    assert {kind: extra.count for kind, extra in load.extras.items()} == {
        "licences": 1,
        "licence_hosts": USERS,
        "detections": 4,
        "hardware": USERS,
        "products": 1,
    }
    (key,) = rows(tmp_path, load, "licences")
    assert (key["KLLIC_SERIAL"], key["KLLIC_LIC_COUNT"]) == (SERIAL, 330)
    assert key["KLLIC_NHOSTS_ASCURRENT"] == USERS
    users = rows(tmp_path, load, "licence_hosts")
    assert {row["licence_serial"] for row in users} == {SERIAL}
    assert len({row["KLLICSRV_HOSTNAME"] for row in users}) == USERS
    (product,) = rows(tmp_path, load, "products")
    assert product["endpoint_id"] == host_id_of("TM-VP-003")
    assert product["CleanerProductName"] == "Bkav Pro"
    assert {row["MemorySize"] for row in rows(tmp_path, load, "hardware")} == {1024}


def test_a_detection_and_its_outcome_share_the_link_the_warehouse_joins_by(
    simulator: Simulator, tmp_path: Path
) -> None:
    events = rows(tmp_path, collect(simulator, tmp_path), "detections")
    links: dict[str, list[str]] = {}
    for one in events:
        links.setdefault(one["GNRL_EA_PARAM_6"], []).append(one["event_type"])
    assert list(links.values()) == [
        ["GNRL_EV_VIRUS_FOUND", "GNRL_EV_OBJECT_NOTCURED"],
        ["GNRL_EV_VIRUS_FOUND", "GNRL_EV_OBJECT_DELETED"],
    ]
    assert events[0]["hostname"] == host_id_of("TM-VP-001")
    assert not any("GNRL_EA_PARAM_7" in one for one in events)


def test_the_next_hour_reads_what_was_registered_since_and_a_day_of_overlap(
    simulator: Simulator, tmp_path: Path
) -> None:
    load = collect(simulator, tmp_path)
    assert load.extras["detections"].newest_at == datetime(2023, 10, 19, 2, 0, tzinfo=UTC)
    later = NOW + timedelta(hours=1)
    simulator.set_clock(later)
    again = collect(simulator, tmp_path, later)
    known = {one["event_db_id"]["value"] for one in rows(tmp_path, load, "detections")}
    found = {one["event_db_id"]["value"] for one in rows(tmp_path, again, "detections")}
    assert (len(found & known), len(found - known)) == (2, 2)
    assert again.extras["detections"].newest_at == datetime(2023, 10, 20, 1, 30, tzinfo=UTC)
    assert set(again.extras) == {"licences", "licence_hosts", "detections"}


@pytest.mark.parametrize(
    ("kind", "method", "found"),
    [
        ("html", "GroupSyncIterator.GetNextItems", {"licences", "licence_hosts"}),
        ("truncated_body", "LicenseKeys.AcquireKeyHosts", {"licence_hosts"}),
        ("server_error", "EventProcessing.GetRecordRange", {"detections"}),
        ("json_duplicate_keys", "EventProcessing.GetRecordCount", {"detections"}),
        ("html", "SrvView.GetRecordRange", {"hardware"}),
        ("deep_json", "InventoryApi.GetHostInvProducts", {"products"}),
        ("redirect", "SrvView.ResetIterator", {"hardware"}),
    ],
)
def test_a_fault_befalls_its_own_kind_only(
    simulator: Simulator, tmp_path: Path, kind: str, method: str, found: set[str]
) -> None:
    simulator.fault("dtp", kind, method=method)
    load = collect(simulator, tmp_path)
    assert (load.status, load.rows_read_count) == (LoadStatus.COMPLETE, USERS)
    assert set(load.extra_faults) == found
    assert not found & load.extras.keys()


@pytest.mark.parametrize("method", ["GroupSyncIterator.GetNextItems", "SrvView.GetRecordRange"])
def test_a_connection_dropped_once_costs_nothing_but_time(
    simulator: Simulator, tmp_path: Path, method: str
) -> None:
    simulator.fault("dtp", "dropped_connection", method=method, count=1)
    load = collect(simulator, tmp_path)
    assert load.extra_faults == {}
    assert load.extras["licence_hosts"].count == load.extras["hardware"].count == USERS


def test_ranges_that_come_by_halves_are_put_together_and_nothing_is_missing(
    simulator: Simulator, tmp_path: Path
) -> None:
    simulator.fault("dtp", "truncated_json", method="SrvView.GetRecordRange", count=2)
    load = collect(simulator, tmp_path)
    assert load.extra_faults == {}
    assert len({row["Id"] for row in rows(tmp_path, load, "hardware")}) == USERS


def test_the_limits_by_which_the_server_judges_are_read(simulator: Simulator) -> None:
    with KscClient(endpoint_of(simulator), BUDGET) as client:
        found = client.thresholds()
    assert found.critical.bases_days is not None
    assert found.warning.bases_days is not None
    assert found.critical.bases_days > found.warning.bases_days > 0


def test_a_sweep_reaches_the_districts_and_names_the_one_that_is_cut_off(
    simulator: Simulator,
) -> None:
    simulator.fault("dtp_875", "link_cut")
    sink = Sink()
    with KscClient(endpoint_of(simulator), BUDGET) as client:
        found = client.sweep(sink)
    assert found.read == len(sink.rows) == USERS + 2
    assert [one.display_name for one in found.silent] == ["KSC-DTP-875"]
    moved = [row for row in sink.rows if row["KLHST_WKS_HOSTNAME"] == host_id_of("TM-VP-000")]
    assert {row.get("KLSRVH_SRV_DN") for row in moved} == {None, "KSC-DTP-872"}


def children_of(client: KscClient) -> dict[str | None, ChildServer]:
    return {one.display_name: one for one in client.servers()}


@pytest.mark.parametrize("code", ["dtp_872", "dtp_875"])
def test_a_district_is_read_through_the_province(simulator: Simulator, code: str) -> None:
    """The same rows as at its own door, which nobody knocks at; passive or not."""
    direct, through = Sink(), Sink()
    with KscClient(endpoint_of(simulator, code), BUDGET) as client:
        client.hosts(direct)
        own_id = client.server_info().host_id
    before = len(simulator.log()[code])
    with KscClient(endpoint_of(simulator), BUDGET) as client:
        child = children_of(client)[f"KSC-{code.upper().replace('_', '-')}"]
        with client.through_gateway(child) as behind:
            behind.hosts(through)
            assert behind.server_info().host_id == own_id
        assert client.server_info().host_id != own_id
    assert through.rows == direct.rows
    assert len(simulator.log()[code]) == before


def test_a_district_that_is_cut_off_cannot_be_reached_through_the_province(
    simulator: Simulator,
) -> None:
    simulator.fault("dtp_872", "link_cut")
    with KscClient(endpoint_of(simulator), BUDGET) as client:
        child = children_of(client)["KSC-DTP-872"]
        with pytest.raises(CallFault, match="KSC-DTP-872"):
            client.through_gateway(child).__enter__()
        assert client.server_info().product_version  # the province's own session goes on


@pytest.mark.parametrize("version", ["13.2.0.1511", "14.2.0.26967", "15.1.0.20748", "16.0.0.1"])
def test_the_gateway_opens_in_every_version_from_13_to_16(tmp_path: Path, version: str) -> None:
    estate = write_estate(
        tmp_path / "mot_tinh",
        hosts=[host("TM-HUYEN-01", server_code="dtp_872")],
        servers=[server("dtp", version=version), server("dtp_872", "dtp", version=version)],
    )
    with Simulator([estate], tmp_path / "run", port=0, at=NOW) as simulator:
        sink = Sink()
        with (
            KscClient(endpoint_of(simulator), BUDGET) as client,
            client.through_gateway(client.servers()[0]) as behind,
        ):
            behind.hosts(sink)
        asked = {one["method"] for one in simulator.log()["dtp"]}
    assert [row["KLHST_WKS_DN"] for row in sink.rows] == ["TM-HUYEN-01"]
    is_long = "GatewayConnection.PrepareGatewayConnection" in asked
    assert is_long is (int(version.split(".")[0]) < 15)
