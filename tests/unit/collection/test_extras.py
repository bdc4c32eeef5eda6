"""Beside the devices: what is due, what it is read into, and that no fault of it spoils a load."""

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
from ksc_ledger.collection import collect_server, extras
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Extra, ExtraFault, ExtraKind, Load, LoadStatus
from ksc_ledger.settings import Places
from unit.sources.scripted import (
    PASSWORD,
    PXG_NOT_FOUND,
    QUICK,
    SERVER_DATE,
    SESSION,
    Identity,
    Request,
    Scripted,
    ScriptedKsc,
    at,
    device,
    event,
    hang_up,
    host,
    in_turn,
    key,
    key_host,
    ok,
    program,
    reply,
)

NOW = SERVER_DATE  # 09:00 of 20/10/2023 in Việt Nam
LOGIN = "Session.StartSession"
ENUM_KEYS = "LicenseKeys.EnumKeys"
KEY_HOSTS = "LicenseKeys.AcquireKeyHosts"
CREATE = "EventProcessingFactory.CreateEventProcessing2"
EVENT_RANGE = "EventProcessing.GetRecordRange"
VIEW = "SrvView.ResetIterator"
PRODUCTS = "InventoryApi.GetHostInvProducts"
SUSPECT = host(1, KLHST_WKS_STATUS_MASK=4096)
SUSPECT_ID = SUSPECT["KLHST_WKS_HOSTNAME"]


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(
        identity,
        hosts=[SUSPECT, *(host(number) for number in range(2, 13))],
        keys=[key("A")],
        key_hosts={"A": [key_host(1), key_host(2)]},
        events=[event(1), event(7), event(3)],
        hardware=[device(1), device(2)],
        inventory={SUSPECT_ID: [program("Bkav Pro", cleaner="Bkav"), program("7-Zip")]},
    ) as scripted:
        yield scripted


def collect(server: ScriptedKsc, places: Places, now: datetime = NOW, **changes: Any) -> Load:
    arguments: dict[str, Any] = {
        "estate_code": "dong_thap",
        "places": places,
        "budget": QUICK,
        "chunk_size": 25,
        "as_of_at": now,
        "clock": FixedClock(now),
        "sleep": lambda _: None,
    }
    return collect_server(server.endpoint(), **{**arguments, **changes})


def lines(places: Places, path: str) -> list[Any]:
    with zstandard.open(places.home / path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def since_asked(server: ScriptedKsc) -> list[str]:
    """How old the events were that were asked for, each time."""
    filters = [
        one.arguments["pFilter"]["KLEVP_RFC2254_FILTER"]
        for one in server.requests
        if one.method == CREATE
    ]
    return [text.removeprefix('(registration_time>T"').removesuffix('")') for text in filters]


# --- what lands ---


def test_every_kind_lands_as_rows_beside_the_devices(server: ScriptedKsc, places: Places) -> None:
    load = collect(server, places)
    assert (load.status, load.rows_read_count, load.extra_faults) == (LoadStatus.COMPLETE, 12, {})
    found = {kind: lines(places, extra.path) for kind, extra in load.extras.items()}
    assert found == {
        "licences": [key("A")],
        "licence_hosts": [{"licence_serial": "A", **key_host(n)} for n in (1, 2)],
        "detections": server.events,
        "hardware": server.hardware,
        "products": [
            {
                "endpoint_id": SUSPECT_ID,
                "ProductID": "a3c1",
                "DisplayName": "Bkav Pro",
                "DisplayVersion": "2022",
                "InstallDate": "20220817",
                "CleanerProductName": "Bkav",
            }
        ],
    }
    assert {kind: extra.count for kind, extra in load.extras.items()} == {
        kind: len(rows) for kind, rows in found.items()
    }
    stem = str(load.hosts_path).removesuffix(".hosts.ndjson.zst")
    assert {extra.path for extra in load.extras.values()} == {
        f"{stem}.{kind}.ndjson.zst" for kind in ExtraKind
    }
    assert manifest.read(load.path(places)) == load


def test_no_row_is_an_answer_and_not_a_kind_left_out(identity: Identity, places: Places) -> None:
    with ScriptedKsc(identity, hosts=[host(1)]) as bare:
        load = collect(bare, places)
    assert {kind: extra.count for kind, extra in load.extras.items()} == dict.fromkeys(ExtraKind, 0)
    assert all(lines(places, extra.path) == [] for extra in load.extras.values())
    assert load.extras["detections"].newest_at is None


def test_the_same_devices_are_the_same_load_whatever_stands_beside_them(
    server: ScriptedKsc, places: Places
) -> None:
    first = collect(server, places)
    server.keys.append(key("B"))
    assert collect(server, places).load_id == first.load_id


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        ((), set()),
        ((ExtraKind.HARDWARE,), {"hardware"}),
        ((ExtraKind.LICENCE_HOSTS,), set()),
        ((ExtraKind.LICENCES,), {"licences"}),
        ((ExtraKind.LICENCE_HOSTS, ExtraKind.LICENCES), {"licences", "licence_hosts"}),
    ],
)
def test_only_what_is_wanted_is_asked(
    server: ScriptedKsc, places: Places, kinds: Any, found: set[str]
) -> None:
    load = collect(server, places, kinds=kinds)
    assert (set(load.extras), load.extra_faults) == (found, {})


def test_a_load_that_is_not_whole_has_nothing_beside_it(
    server: ScriptedKsc, places: Places
) -> None:
    server.on["ChunkAccessor.GetItemsChunk"] = in_turn(server.behave, reply(404))
    load = collect(server, places)
    assert (load.status, load.extras, load.extra_faults) == (LoadStatus.FAILED, {}, {})
    assert server.asked(ENUM_KEYS) == 0


# --- what is due ---


def test_the_first_look_at_detections_goes_thirty_days_back(
    server: ScriptedKsc, places: Places
) -> None:
    collect(server, places)
    assert since_asked(server) == ["2023-09-20 02:00:00"]


def test_the_next_look_begins_a_day_before_the_newest_that_was_seen(
    server: ScriptedKsc, places: Places
) -> None:
    load = collect(server, places)
    assert load.extras["detections"].newest_at == datetime(2023, 10, 19, 8, 7, tzinfo=UTC)
    collect(server, places, NOW + timedelta(hours=1))
    assert since_asked(server)[1:] == ["2023-10-18 08:07:00"]


def test_a_look_that_finds_nothing_new_keeps_the_mark(server: ScriptedKsc, places: Places) -> None:
    newest = collect(server, places).extras["detections"].newest_at
    server.events.clear()
    load = collect(server, places, NOW + timedelta(hours=1))
    assert (load.extras["detections"].count, load.extras["detections"].newest_at) == (0, newest)
    server.events.append(event(5))  # older than the mark: the mark never goes back
    load = collect(server, places, NOW + timedelta(hours=2))
    assert (load.extras["detections"].count, load.extras["detections"].newest_at) == (1, newest)


def test_a_server_that_never_had_an_event_is_looked_at_thirty_days_back_again(
    server: ScriptedKsc, places: Places
) -> None:
    server.events.clear()
    collect(server, places)
    collect(server, places, NOW + timedelta(days=1))
    assert since_asked(server)[1:] == ["2023-09-21 02:00:00"]


def test_a_gap_after_a_look_that_found_nothing_is_read_over_as_well(
    server: ScriptedKsc, places: Places
) -> None:
    server.events.clear()
    collect(server, places)
    collect(server, places, NOW + timedelta(days=54))
    assert since_asked(server)[1:] == ["2023-10-19 02:00:00"]


def test_a_mark_from_a_clock_that_ran_ahead_hides_nothing_registered_later(
    server: ScriptedKsc, places: Places
) -> None:
    server.events.append(event(9, registration_time=at("2035-01-01T00:00:00Z")))
    assert collect(server, places).extras["detections"].newest_at == NOW
    collect(server, places, NOW + timedelta(hours=1))
    assert since_asked(server)[1:] == ["2023-10-19 02:00:00"]


def test_a_gap_of_months_is_read_over(server: ScriptedKsc, places: Places) -> None:
    collect(server, places)
    collect(server, places, NOW + timedelta(days=200))
    assert since_asked(server)[1:] == ["2023-10-18 08:07:00"]


def test_a_failed_look_leaves_the_mark_of_the_one_before(
    server: ScriptedKsc, places: Places
) -> None:
    collect(server, places)
    server.on[CREATE] = lambda _: reply(500)
    assert "detections" in collect(server, places, NOW + timedelta(hours=1)).extra_faults
    del server.on[CREATE]
    collect(server, places, NOW + timedelta(hours=2))
    assert since_asked(server)[-1] == "2023-10-18 08:07:00"


def test_a_mark_of_a_load_that_was_rejected_does_not_count(
    server: ScriptedKsc, places: Places
) -> None:
    load = collect(server, places)
    manifest.write(manifest.changed(load, status=LoadStatus.REJECTED), places)
    collect(server, places, NOW + timedelta(hours=1))
    assert since_asked(server)[1:] == ["2023-09-20 03:00:00"]


@pytest.mark.parametrize(
    ("hours", "is_due"),
    [(1, False), (14, False), (14.999, False), (15, True), (24, True)],
)
def test_hardware_and_programs_are_due_once_a_vietnamese_day(
    server: ScriptedKsc, places: Places, hours: float, is_due: bool
) -> None:
    """The day of 09:00 ends 15 hours later, at midnight in Việt Nam."""
    collect(server, places)
    load = collect(server, places, NOW + timedelta(hours=hours))
    assert ({"hardware", "products"} <= load.extras.keys()) is is_due
    assert {"licences", "licence_hosts", "detections"} <= load.extras.keys()
    assert load.extra_faults == {}
    assert (server.asked(VIEW), server.asked(PRODUCTS)) == (1 + is_due, 1 + is_due)


def test_hardware_that_could_not_be_read_is_due_again_within_the_day(
    server: ScriptedKsc, places: Places
) -> None:
    server.on[VIEW] = in_turn(ok(b"<html>"), server.behave)
    assert "hardware" in collect(server, places).extra_faults
    load = collect(server, places, NOW + timedelta(hours=1))
    assert ("hardware" in load.extras, "products" in load.extras) == (True, False)


def test_it_is_enough_that_some_load_of_the_day_has_them(
    server: ScriptedKsc, places: Places
) -> None:
    for hours in range(4):
        collect(server, places, NOW + timedelta(hours=hours))
    assert server.asked(VIEW) == 1


def landed(places: Places, when: datetime, **changes: Any) -> None:
    manifest.write(
        Load(
            load_id=manifest.load_id_of("dtp", when, "x"),
            estate_code="dong_thap",
            server_code="dtp",
            as_of_at=when,
            observed_at=when,
            collected_at=when,
            status=LoadStatus.COMPLETE,
            **changes,
        ),
        places,
    )


def test_a_server_that_never_offers_detections_is_not_looked_up_for_ever(places: Places) -> None:
    mark = {ExtraKind.DETECTIONS: Extra(path="x", count=1, newest_at=NOW - timedelta(days=9))}
    landed(places, NOW - timedelta(hours=102), extras=mark)
    for hours in range(1, 102):
        landed(places, NOW - timedelta(hours=hours))
    assert extras.plan(places, "dtp", NOW, extras.ALL_KINDS).newest_at is None
    nearer = places.snapshot / "dtp" / "2023-10"
    for path in sorted(nearer.glob("*.json"))[-2:]:
        path.unlink()
    assert extras.plan(places, "dtp", NOW, extras.ALL_KINDS).newest_at == NOW - timedelta(days=9)


# --- faults of one kind ---

FIRST_CALLS = {
    "licences": ENUM_KEYS,
    "licence_hosts": KEY_HOSTS,
    "detections": CREATE,
    "hardware": VIEW,
    "products": PRODUCTS,
}


@pytest.mark.parametrize("kind", FIRST_CALLS)
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(404), "absent"),
        (ok(PXG_NOT_FOUND), "absent"),
        (ok(b"<html>"), "protocol"),
        (reply(500), "server_error"),
        (reply(403), "server_error"),
        (hang_up, "unreachable"),
    ],
    ids=["404", "PxgError", "html", "500", "403", "dropped"],
)
def test_a_fault_of_a_kind_is_kept_and_the_load_stays_complete(
    server: ScriptedKsc, places: Places, kind: str, answer: Any, code: str
) -> None:
    server.on[FIRST_CALLS[kind]] = in_turn(answer)
    load = collect(server, places)
    assert (load.status, load.fault_code, load.fault_text) == (LoadStatus.COMPLETE, None, None)
    assert load.extra_faults[kind].code == code
    assert "dtp_872" in load.extra_faults[kind].text
    assert "Cách khắc phục" in load.extra_faults[kind].text
    assert kind not in load.extras
    assert set(load.extras) | set(load.extra_faults) == set(ExtraKind)
    if code != "unreachable":
        others = {"licence_hosts"} if kind == "licences" else set()
        assert set(load.extra_faults) == {kind} | others
    assert manifest.read(load.path(places)) == load


def test_a_server_that_went_away_is_not_asked_for_the_rest(
    server: ScriptedKsc, places: Places
) -> None:
    server.on[CREATE] = hang_up
    load = collect(server, places)
    assert set(load.extras) == {"licences", "licence_hosts"}
    assert {fault.code for fault in load.extra_faults.values()} == {"unreachable"}
    assert set(load.extra_faults) == {"detections", "hardware", "products"}
    assert (server.asked(VIEW), server.asked(PRODUCTS)) == (0, 0)


def test_one_answer_that_is_too_slow_does_not_cost_the_others(
    server: ScriptedKsc, places: Places
) -> None:
    server.on[CREATE] = lambda _: Scripted([b""], pause=5)
    load = collect(server, places, budget=replace(QUICK, read_seconds=0.3))
    assert {kind: fault.code for kind, fault in load.extra_faults.items()} == {
        "detections": "unreachable"
    }
    assert {"hardware", "products"} <= load.extras.keys()


def test_what_was_read_of_a_broken_set_stays_under_its_partial_name(
    server: ScriptedKsc, places: Places
) -> None:
    server.events = [event(number) for number in range(60)]
    server.on[EVENT_RANGE] = in_turn(server.behave, ok(b"<html>"))
    load = collect(server, places)
    assert load.extra_faults["detections"].code == "protocol"
    (partial,) = places.raw.rglob("*.detections.*")
    assert partial.name.endswith(".partial")


def test_a_device_that_was_deleted_meanwhile_is_told_beside_the_rows(
    server: ScriptedKsc, places: Places
) -> None:
    server.hosts[1] = {**server.hosts[1], "KLHST_WKS_STATUS_MASK": 4097}
    server.on[PRODUCTS] = in_turn(server.behave, ok(PXG_NOT_FOUND))
    load = collect(server, places)
    assert load.extras["products"].count == 1
    assert load.extra_faults["products"].code == "incomplete"
    assert "1 trong 2 máy" in load.extra_faults["products"].text


def test_a_mistake_of_ours_in_one_kind_spoils_neither_the_load_nor_the_other_kinds(
    server: ScriptedKsc, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("ksc_ledger.sources.client.KscClient.hardware", broken)
    load = collect(server, places)
    assert (load.status, load.fault_code) == (LoadStatus.COMPLETE, None)
    assert load.extra_faults["hardware"].code == "internal"
    assert "RuntimeError" in load.extra_faults["hardware"].text
    assert "ours" not in load.extra_faults["hardware"].text
    assert "products" in load.extras


def test_a_password_refused_while_asking_for_more_ends_the_asking(
    server: ScriptedKsc, places: Places
) -> None:
    server.on[ENUM_KEYS] = lambda _: reply(403)
    server.on[LOGIN] = in_turn(server.behave, reply(401))
    load = collect(server, places)
    assert load.status is LoadStatus.COMPLETE
    assert {fault.code for fault in load.extra_faults.values()} == {"credentials"}
    assert set(load.extra_faults) == set(ExtraKind)
    assert server.asked(LOGIN) == 2


# --- secrets ---


@pytest.mark.parametrize(
    "on",
    [
        {},
        {ENUM_KEYS: reply(403), LOGIN: reply(401, PASSWORD.encode())},
        {CREATE: ok({"PxgError": {"module": "M", "code": 1, "message": PASSWORD}})},
        {VIEW: ok({"PxgError": {"module": "M", "code": 1, "message": quote(PASSWORD)}})},
    ],
    ids=["all well", "refused", "business error", "quoted"],
)
def test_no_manifest_and_no_rows_hold_the_password_or_the_session(
    server: ScriptedKsc, places: Places, on: dict[str, Scripted], caplog: pytest.LogCaptureFixture
) -> None:
    """The bodies are kept as received: a server that echoes our password writes it there itself."""
    for method, answer in on.items():
        server.on[method] = in_turn(*([server.behave] if method == LOGIN else []), answer)
    collect(server, places)
    files = [one for one in places.home.rglob("*") if one.is_file() and ".tar" not in one.suffixes]
    assert len(files) > 2
    told = [_plain(one) for one in files] + [caplog.text.encode()]
    for secret in (
        PASSWORD,
        base64.b64encode(PASSWORD.encode()).decode(),
        quote(PASSWORD, safe=""),
        json.dumps(PASSWORD)[1:-1],
        SESSION,
    ):
        assert not any(secret.encode() in one for one in told), secret


def _plain(file: Path) -> bytes:
    if ".zst" not in file.suffixes:
        return file.read_bytes()
    reader = zstandard.ZstdDecompressor().stream_reader(file.read_bytes(), read_across_frames=True)
    return reader.read()


def test_faults_are_read_back_as_faults(server: ScriptedKsc, places: Places) -> None:
    server.on[VIEW] = lambda _: reply(404)
    read = manifest.read(collect(server, places).path(places))
    assert isinstance(read.extra_faults["hardware"], ExtraFault)


def test_the_question_about_devices_stays_the_first(server: ScriptedKsc, places: Places) -> None:
    """Figures rest on the devices: nothing else may use up the server's time before them."""
    collect(server, places)
    asked = [request for request in server.requests if request.method == "HostGroup.FindHosts"]
    assert [request.arguments["wstrFilter"] == "" for request in asked] == [True, False]
    first_extra = server.methods().index(ENUM_KEYS)
    assert server.requests.index(asked[0]) < first_extra < server.requests.index(asked[1])


def request_of(server: ScriptedKsc, method: str) -> Request:
    return next(one for one in server.requests if one.method == method)


def test_only_suspects_are_asked_about(server: ScriptedKsc, places: Places) -> None:
    collect(server, places)
    assert server.asked(PRODUCTS) == 1
    assert request_of(server, PRODUCTS).arguments["szwHostId"] == SUSPECT_ID
