"""From a server to a load: complete, or a fault that is recorded and harms nobody else."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import zstandard

from ksc_ledger.clock import FixedClock
from ksc_ledger.collection import PreviousLoad, collect_server, last_complete
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.settings import Places
from unit.sources.scripted import (
    PASSWORD,
    QUICK,
    SERVER_DATE,
    SESSION,
    Identity,
    Request,
    Scripted,
    ScriptedKsc,
    host,
    in_turn,
    ok,
    reply,
)

NOW = SERVER_DATE + timedelta(seconds=90)
AS_OF = datetime(2023, 10, 20, 2, 5, tzinfo=UTC)
CHUNK = "ChunkAccessor.GetItemsChunk"
LOGIN = "Session.StartSession"


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(identity, hosts=[host(n) for n in range(1, 61)]) as scripted:
        yield scripted


def collect(server: ScriptedKsc, places: Places, **changes: Any) -> Load:
    arguments: dict[str, Any] = {
        "estate_code": "dong_thap",
        "places": places,
        "budget": QUICK,
        "chunk_size": 25,
        "as_of_at": AS_OF,
        "clock": FixedClock(NOW),
        "sleep": lambda _: None,
    }
    return collect_server(server.endpoint(), **{**arguments, **changes})


def lines(places: Places, path: str | None) -> list[Any]:
    assert path is not None
    with zstandard.open(places.home / path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_a_server_read_whole_is_a_complete_load(server: ScriptedKsc, places: Places) -> None:
    before = datetime.now(UTC)
    load = collect(server, places, fence=7)
    assert (load.status, load.fault_code, load.fault_text) == (LoadStatus.COMPLETE, None, None)
    assert (load.server_code, load.estate_code) == ("dtp_872", "dong_thap")
    assert (load.rows_expected_count, load.rows_read_count) == (60, 60)
    assert (load.observed_at, load.as_of_at, load.fence) == (NOW, AS_OF, 7)
    assert before <= load.collected_at <= datetime.now(UTC)
    assert (load.product_version, load.clock_skew_seconds) == ("14.2.0.26967", -90)
    assert load.gated_at is None
    assert load.content_sha256 is not None
    assert load.load_id == manifest.load_id_of("dtp_872", NOW, load.content_sha256)


def test_the_manifest_on_disk_is_the_load(server: ScriptedKsc, places: Places) -> None:
    load = collect(server, places)
    assert manifest.read(load.path(places)) == load
    assert [one.load_id for one in manifest.read_all(places)] == [load.load_id]


def test_rows_land_as_the_server_typed_them(server: ScriptedKsc, places: Places) -> None:
    load = collect(server, places)
    assert lines(places, load.hosts_path) == server.hosts
    assert lines(places, load.groups_path) == [
        {"id": 0, "parentId": None, "name": "Managed devices", "grp_full_name": "Managed devices"},
        server.groups[1],
    ]
    assert load.raw_path is not None
    assert (places.home / load.raw_path).exists()


def test_the_same_content_at_the_same_instant_is_the_same_load(
    server: ScriptedKsc, places: Places
) -> None:
    first, second = collect(server, places), collect(server, places)
    assert first.load_id == second.load_id
    assert len(list(manifest.read_all(places))) == 1
    server.hosts[0] = {**server.hosts[0], "KLHST_WKS_STATUS": 0}
    assert collect(server, places).load_id != first.load_id


def test_a_server_that_is_down_is_a_failed_load_and_no_exception(
    identity: Identity, places: Places
) -> None:
    with ScriptedKsc(identity) as gone:
        pass
    load = collect(gone, places)
    assert (load.status, load.fault_code) == (LoadStatus.FAILED, "unreachable")
    assert (load.raw_path, load.hosts_path, load.content_sha256) == (None, None, None)
    assert (load.rows_expected_count, load.rows_read_count) == (None, 0)
    assert "dtp_872" in (load.fault_text or "")
    assert manifest.read(load.path(places)) == load


@pytest.mark.parametrize(
    ("method", "answer", "status", "code", "expected", "read"),
    [
        (LOGIN, reply(401), LoadStatus.FAILED, "credentials", None, 0),
        (LOGIN, ok(b"<html>"), LoadStatus.FAILED, "protocol", None, 0),
        ("HostGroup.GetStaticInfo", reply(500), LoadStatus.FAILED, "server_error", None, 0),
        ("HostGroup.FindGroups", ok(b"{}"), LoadStatus.FAILED, "protocol", None, 0),
        ("HostGroup.FindHosts", reply(404), LoadStatus.FAILED, "protocol", None, 0),
        (
            CHUNK,
            Scripted([b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{"], is_last=True),
            LoadStatus.INCOMPLETE,
            "incomplete",
            60,
            25,
        ),
        (CHUNK, ok(b"<html>"), LoadStatus.INCOMPLETE, "protocol", 60, 25),
    ],
    ids=str,
)
def test_each_fault_becomes_a_load_of_its_kind(
    server: ScriptedKsc,
    places: Places,
    method: str,
    answer: Scripted,
    status: LoadStatus,
    code: str,
    expected: int | None,
    read: int,
) -> None:
    """Rows read before the fault are counted and kept raw, and never offered as rows."""

    def from_the_second_chunk(request: Request) -> Scripted:
        is_first_chunk = request.method == CHUNK and request.arguments["nStart"] == 0
        return server.behave(request) if is_first_chunk else answer

    server.on[method] = from_the_second_chunk
    load = collect(server, places)
    assert (load.status, load.fault_code) == (status, code)
    assert (load.rows_expected_count, load.rows_read_count) == (expected, read)
    assert (load.hosts_path, load.content_sha256) == (None, None)
    assert load.raw_path is not None
    assert "Cách khắc phục" in (load.fault_text or "")


def test_a_set_that_does_not_add_up_is_incomplete_even_without_a_row(
    server: ScriptedKsc, places: Places
) -> None:
    server.on[CHUNK] = in_turn(server.behave, ok({"PxgRetVal": 25, "pChunk": {}}))
    load = collect(server, places)
    assert (load.status, load.fault_code) == (LoadStatus.INCOMPLETE, "incomplete")
    assert (load.rows_expected_count, load.rows_read_count) == (60, 0)


def test_a_body_is_archived_before_anybody_parses_it(server: ScriptedKsc, places: Places) -> None:
    server.on["HostGroup.GetStaticInfo"] = lambda _: ok(b"<html>not what you asked for</html>")
    load = collect(server, places)
    assert load.raw_path is not None
    with zstandard.open(places.home / load.raw_path, "rb") as file:
        assert b"<html>not what you asked for</html>" in file.read()


# --- no devices where there were some ---


@pytest.mark.parametrize(
    ("before", "status", "code", "asked"),
    [
        (None, LoadStatus.COMPLETE, None, 1),
        (9, LoadStatus.COMPLETE, None, 1),
        (10, LoadStatus.INCOMPLETE, "suspicious", 2),
        (255, LoadStatus.INCOMPLETE, "suspicious", 2),
    ],
)
def test_a_server_that_had_ten_devices_is_not_believed_to_have_none(
    server: ScriptedKsc,
    places: Places,
    before: int | None,
    status: LoadStatus,
    code: str | None,
    asked: int,
) -> None:
    server.hosts.clear()
    previous = None if before is None else PreviousLoad(before, NOW - timedelta(hours=1))
    load = collect(server, places, previous=previous, kinds=())
    assert (load.status, load.fault_code) == (status, code)
    assert server.asked("HostGroup.FindHosts") == asked
    assert (load.rows_expected_count, load.rows_read_count) == (0, 0)


def test_a_zero_that_is_gone_at_the_second_look_is_no_fault(
    server: ScriptedKsc, places: Places
) -> None:
    hosts, server.hosts = server.hosts, []

    def filled(request: Request) -> Scripted:
        server.hosts = hosts
        return server.behave(request)

    server.on["HostGroup.FindHosts"] = in_turn(server.behave, filled)
    load = collect(server, places, previous=PreviousLoad(60, NOW - timedelta(hours=1)))
    assert (load.status, load.rows_read_count) == (LoadStatus.COMPLETE, 60)
    assert len(lines(places, load.hosts_path)) == 60


# --- the last complete load ---


def landed(places: Places, at: datetime, rows: int, status: LoadStatus) -> None:
    manifest.write(
        Load(
            load_id=manifest.load_id_of("dtp_872", at, str(rows)),
            estate_code="dong_thap",
            server_code="dtp_872",
            as_of_at=at,
            observed_at=at,
            collected_at=at,
            status=status,
            rows_read_count=rows,
        ),
        places,
    )


def test_the_last_complete_load_is_found_over_months_and_bad_loads(places: Places) -> None:
    assert last_complete(places, "dtp_872", NOW) is None
    landed(places, NOW - timedelta(days=80), 200, LoadStatus.COMPLETE)
    landed(places, NOW - timedelta(days=40), 255, LoadStatus.COMPLETE)
    landed(places, NOW - timedelta(hours=2), 3, LoadStatus.INCOMPLETE)
    landed(places, NOW - timedelta(hours=1), 0, LoadStatus.REJECTED)
    landed(places, NOW + timedelta(hours=1), 400, LoadStatus.COMPLETE)
    found = last_complete(places, "dtp_872", NOW)
    assert found == PreviousLoad(255, NOW - timedelta(days=40))
    assert last_complete(places, "dtp_873", NOW) is None


def test_a_load_of_the_same_instant_is_not_its_own_forerunner(places: Places) -> None:
    landed(places, NOW, 255, LoadStatus.COMPLETE)
    assert last_complete(places, "dtp_872", NOW) is None
    assert last_complete(places, "dtp_872", NOW + timedelta(seconds=1)) is not None


# --- our own mistakes ---


def test_a_mistake_of_ours_is_recorded_and_raised(server: ScriptedKsc, places: Places) -> None:
    def broken(request: Request) -> Scripted:
        places.raw.rename(places.raw.with_name("moved"))
        return server.behave(request)

    server.on["Session.EndSession"] = broken
    with pytest.raises(OSError, match="No such file"):
        collect(server, places)
    (load,) = manifest.read_all(places)
    assert (load.status, load.fault_code) == (LoadStatus.FAILED, "internal")
    assert "FileNotFoundError" in (load.fault_text or "")


def test_a_load_that_may_not_land_leaves_no_manifest(server: ScriptedKsc, places: Places) -> None:
    def refuse(load: Load, places: Places) -> None:
        raise RuntimeError("fenced out")

    with pytest.raises(RuntimeError):
        collect(server, places, land=refuse)
    assert list(manifest.read_all(places)) == []


# --- secrets ---


@pytest.mark.parametrize(
    "on",
    [
        {},
        {LOGIN: reply(401, PASSWORD.encode())},
        {LOGIN: ok(f"<html>{PASSWORD} {quote(PASSWORD)}</html>".encode())},
        {LOGIN: reply(500, base64.b64encode(PASSWORD.encode()))},
        {LOGIN: ok({"PxgError": {"module": "M", "code": 1, "message": PASSWORD}})},
        {CHUNK: reply(403)},
    ],
    ids=["all well", "refused", "html", "broken", "business error", "session lost"],
)
def test_no_file_holds_the_password_or_the_session(
    server: ScriptedKsc, places: Places, on: dict[str, Scripted]
) -> None:
    for method, answer in on.items():
        server.on[method] = in_turn(answer)
    collect(server, places)
    contents = [_plain(one) for one in places.home.rglob("*") if one.is_file()]
    assert contents
    secrets = (
        PASSWORD,
        base64.b64encode(PASSWORD.encode()).decode(),
        quote(PASSWORD, safe=""),
        json.dumps(PASSWORD)[1:-1],
        SESSION,
    )
    for secret in secrets:
        assert not any(secret.encode() in content for content in contents), secret


def _plain(file: Path) -> bytes:
    if ".zst" not in file.suffixes:
        return file.read_bytes()
    reader = zstandard.ZstdDecompressor().stream_reader(file.read_bytes(), read_across_frames=True)
    return reader.read()


def test_the_whole_budget_of_a_server_is_kept(server: ScriptedKsc, places: Places) -> None:
    waits: list[float] = []
    server.on["HostGroup.FindHosts"] = lambda _: reply(503, Retry_After="3600")
    load = collect(server, places, budget=replace(QUICK, server_seconds=5), sleep=waits.append)
    assert (load.fault_code, waits) == ("server_error", [])
