"""The whole way over TLS against the simulated estate, well and ill.

The simulator was written from the protocol's description alone, so what both agree on was not
merely copied from one to the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from estates import AT, host, server, write_estate
from ksc_ledger.clock import FixedClock
from ksc_ledger.collection import PreviousLoad, collect_server, knock
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.settings import Places
from ksc_ledger.simulator import Simulator
from ksc_ledger.sources.client import KscClient
from ksc_ledger.sources.endpoint import Budget, Endpoint

NOW = datetime.fromisoformat(AT)
HOSTS = 60
CHUNK = 25
BUDGET = Budget(
    connect_seconds=2, read_seconds=2, call_seconds=3, server_seconds=20, max_body_bytes=4 << 20
)


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"TM-VP-{n:02d}" for n in range(HOSTS)]
    return write_estate(
        tmp_path_factory.mktemp("scenarios") / "thap_muoi",
        hosts=[host(name, group_path="01. Phòng ban/Phòng Nội vụ") for name in names],
        servers=[server("dtp"), server("dtp_872", "dtp")],
    )


@pytest.fixture(scope="module")
def running(estate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator([estate], tmp_path_factory.mktemp("run"), port=0, at=NOW) as one:
        yield one


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()


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


def collect(simulator: Simulator, home: Path, **changes: Any) -> Load:
    arguments: dict[str, Any] = {
        "estate_code": "dong_thap",
        "places": Places(home),
        "budget": BUDGET,
        "chunk_size": CHUNK,
        "as_of_at": NOW,
        "clock": FixedClock(NOW),
        "sleep": lambda _: None,
    }
    return collect_server(endpoint_of(simulator), **{**arguments, **changes})


def rows(home: Path, path: str | None) -> list[dict[str, Any]]:
    assert path is not None
    with zstandard.open(home / path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_a_healthy_server_lands_whole(simulator: Simulator, tmp_path: Path) -> None:
    load = collect(simulator, tmp_path)
    assert (load.status, load.fault_text) == (LoadStatus.COMPLETE, None)
    assert (load.rows_expected_count, load.rows_read_count) == (HOSTS, HOSTS)
    assert (load.product_version, load.clock_skew_seconds) == ("14.2.0.26967", 0)
    landed = rows(tmp_path, load.hosts_path)
    assert len({row["KLHST_WKS_HOSTNAME"] for row in landed}) == HOSTS
    assert landed[0]["KLHST_WKS_LAST_VISIBLE"]["type"] == "datetime"
    groups = {row["id"]: row for row in rows(tmp_path, load.groups_path)}
    group = groups[landed[0]["KLHST_WKS_GROUPID"]]
    assert group["grp_full_name"] == landed[0]["grp_full_name"]
    assert groups[group["parentId"]]["name"] == "01. Phòng ban"


def test_the_authority_file_is_as_good_as_the_pin(simulator: Simulator, tmp_path: Path) -> None:
    file = Path(simulator.ports["servers"]["dtp"]["certificate"])
    endpoint = replace(endpoint_of(simulator), certificate_sha256=(), ca_file=file)
    with KscClient(endpoint, BUDGET) as client:
        assert client.server_info().product_version


def test_the_district_is_seen_from_the_province(simulator: Simulator) -> None:
    with KscClient(endpoint_of(simulator), BUDGET) as client:
        (district,) = client.servers()
    assert (district.display_name, district.status) == ("KSC-DTP-872", 1)
    assert district.last_connected_at is not None


COMPLETE, INCOMPLETE, FAILED = LoadStatus.COMPLETE, LoadStatus.INCOMPLETE, LoadStatus.FAILED


@pytest.mark.parametrize(
    ("kind", "value", "count", "status", "code", "read"),
    [
        ("certificate_changed", None, None, FAILED, "certificate", 0),
        ("plain_http", None, None, FAILED, "protocol", 0),
        ("silent_handshake", None, None, FAILED, "unreachable", 0),
        ("server_down", None, None, FAILED, "unreachable", 0),
        ("unauthorized", None, None, FAILED, "credentials", 0),
        ("second_factor", None, None, FAILED, "second_factor", 0),
        ("too_many_requests", "2", 1, COMPLETE, None, HOSTS),
        ("busy", "99999", 1, FAILED, "server_error", 0),
        ("server_error", None, 2, COMPLETE, None, HOSTS),
        ("server_error", None, None, FAILED, "server_error", 0),
        ("redirect", None, None, FAILED, "protocol", 0),
        ("dropped_connection", None, 1, COMPLETE, None, HOSTS),
        ("dropped_connection", None, None, FAILED, "unreachable", 0),
        ("html", None, None, FAILED, "protocol", 0),
        ("html_502", None, None, FAILED, "server_error", 0),
        ("session_lost", 2, 1, COMPLETE, None, HOSTS),
        ("session_lost", 1, None, INCOMPLETE, "incomplete", CHUNK),
        ("accessor_expired", 1, 1, COMPLETE, None, HOSTS),
        ("accessor_expired", 1, None, INCOMPLETE, "server_error", CHUNK),
        ("pxg_error", 2, 1, COMPLETE, None, HOSTS),
        ("pxg_error", 2, None, INCOMPLETE, "server_error", CHUNK),
        ("truncated_body", None, 1, COMPLETE, None, HOSTS),
        ("truncated_body", None, None, INCOMPLETE, "incomplete", 0),
        ("truncated_json", None, None, INCOMPLETE, "incomplete", 0),
        ("gzip_bomb", 64, None, FAILED, "protocol", 0),
        ("huge_body", 64, None, FAILED, "protocol", 0),
        ("deep_json", None, None, FAILED, "protocol", 0),
        ("json_nan", None, None, FAILED, "protocol", 0),
        ("json_overflow", None, None, FAILED, "protocol", 0),
        ("json_long_integer", None, None, COMPLETE, None, HOSTS),
        ("json_duplicate_keys", None, None, FAILED, "protocol", 0),
        ("count_mismatch", None, None, INCOMPLETE, "incomplete", HOSTS - 1),
        ("duplicate_host", None, None, INCOMPLETE, "incomplete", CHUNK),
        ("oversized_chunk", None, None, FAILED, "protocol", 0),
        ("empty_chunks", None, None, FAILED, "protocol", 0),
        ("zero_hosts", None, None, INCOMPLETE, "suspicious", 0),
        ("zero_hosts", None, 1, COMPLETE, None, HOSTS),
        ("host_drop", 40, None, COMPLETE, None, HOSTS * 6 // 10),
        ("field_missing", None, None, COMPLETE, None, HOSTS),
        ("field_new", None, None, COMPLETE, None, HOSTS),
        ("field_retyped", None, None, COMPLETE, None, HOSTS),
        ("lone_surrogate", None, None, COMPLETE, None, HOSTS),
        ("nul_in_name", None, None, COMPLETE, None, HOSTS),
    ],
)
def test_each_fault_ends_as_its_own_kind_of_load(
    simulator: Simulator,
    tmp_path: Path,
    kind: str,
    value: Any,
    count: int | None,
    status: LoadStatus,
    code: str | None,
    read: int,
) -> None:
    """A fault of chunks meets the groups first, which are few; hence FAILED with 0 rows read."""
    before = len(simulator.log().get("dtp", []))
    simulator.fault("dtp", kind, value=value, count=count)
    load = collect(
        simulator,
        tmp_path,
        budget=replace(BUDGET, connect_seconds=0.3) if kind == "silent_handshake" else BUDGET,
        previous=PreviousLoad(HOSTS, NOW - timedelta(hours=1)),
    )
    assert (load.status, load.fault_code, load.rows_read_count) == (status, code, read)
    assert (load.hosts_path is None) is (code not in (None, "suspicious"))
    seen = simulator.log()["dtp"][before:]
    logins = sum(request["had_authorization"] for request in seen)
    if kind in ("certificate_changed", "plain_http", "silent_handshake", "server_down"):
        assert logins == 0
    if kind in ("unauthorized", "second_factor"):
        assert logins == 1


def test_the_next_attempt_is_well_again(simulator: Simulator, tmp_path: Path) -> None:
    """No fault of one attempt leaves something behind that disturbs the next."""
    simulator.fault("dtp", "session_lost", value=1, count=None)
    collect(simulator, tmp_path)
    simulator.clear_faults()
    assert collect(simulator, tmp_path).status is COMPLETE


def test_a_slow_loris_costs_one_call_and_no_more_than_the_budget(
    simulator: Simulator, tmp_path: Path
) -> None:
    simulator.fault("dtp", "slow_loris", value=0.05)
    budget = replace(BUDGET, call_seconds=0.4, server_seconds=2)
    load = collect(simulator, tmp_path, budget=budget)
    assert (load.status, load.fault_code) == (FAILED, "unreachable")


def test_a_wrong_clock_is_measured(simulator: Simulator, tmp_path: Path) -> None:
    simulator.fault("dtp", "clock_skew", value=-10_800)
    load = collect(simulator, tmp_path)
    assert (load.status, load.clock_skew_seconds) == (COMPLETE, -10_800)


def test_a_mended_name_keeps_the_rest_of_the_load(simulator: Simulator, tmp_path: Path) -> None:
    simulator.fault("dtp", "lone_surrogate")
    load = collect(simulator, tmp_path)
    names = [row["KLHST_WKS_DN"] for row in rows(tmp_path, load.hosts_path)]
    assert sum("\ufffd" in name for name in names) == 3
    assert len(names) == HOSTS


def test_a_knock_logs_nobody_in(simulator: Simulator) -> None:
    before = len(simulator.log().get("dtp", []))
    assert knock(endpoint_of(simulator), BUDGET).outcome == "ok"
    assert len(simulator.log()["dtp"]) == before


def test_no_session_is_left_open(simulator: Simulator, tmp_path: Path) -> None:
    collect(simulator, tmp_path)
    simulator.fault("dtp", "html")
    collect(simulator, tmp_path)
    methods = [request["method"] for request in simulator.log()["dtp"]]
    assert methods[-1] == "Session.EndSession"
