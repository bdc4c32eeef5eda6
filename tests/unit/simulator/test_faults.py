from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from estates import host, server
from ksc_ledger.errors import LedgerError
from ksc_ledger.simulator import FaultKind, Simulator
from ksc_ledger.simulator.faults import KINDS
from unit.simulator.conftest import NOW
from unit.simulator.raw_client import RawClient, Reply, elements

Start = Callable[..., Simulator]
ClientOf = Callable[..., RawClient]

HOSTS = [host(f"PC-{number:02}") for number in range(6)]
DOCUMENT = Path(__file__).parents[3] / "docs" / "simulator.md"


@pytest.fixture
def sim(start: Start) -> Simulator:
    return start(*HOSTS)


@pytest.fixture
def client(sim: Simulator, client_of: ClientOf) -> RawClient:
    return client_of(sim)


def accessor_of(client: RawClient, *fields: str) -> str:
    found = client.find_hosts("", *fields, order=("KLHST_WKS_DN", True))
    return str(found.json["strAccessor"])


def names(reply: Reply) -> list[str]:
    return [row["KLHST_WKS_DN"] for row in elements(reply)]


def test_every_kind_is_in_the_table_of_the_documentation() -> None:
    lines = DOCUMENT.read_text("utf-8").splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
    documented = {name.strip(" `") for cell in cells for name in cell.split(",")}
    assert set(FaultKind) <= documented
    assert set(KINDS) == set(FaultKind)


# -- the server as a whole ---------------------------------------------------------------------


def shown_certificate(sim: Simulator) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    address = ("127.0.0.1", sim.ports["servers"]["dtp"]["port"])
    with socket.create_connection(address) as raw, context.wrap_socket(raw) as tls:
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return der


def test_the_exported_certificate_is_the_one_that_is_shown(sim: Simulator) -> None:
    address = sim.ports["servers"]["dtp"]
    der = shown_certificate(sim)
    assert hashlib.sha256(der).hexdigest() == address["sha256"]
    assert der == ssl.PEM_cert_to_DER_cert(Path(address["certificate"]).read_text("ascii"))


def test_a_changed_certificate_is_another_and_trust_in_the_old_one_fails(
    sim: Simulator, client: RawClient
) -> None:
    before = shown_certificate(sim)
    sim.fault("dtp", "certificate_changed")
    assert shown_certificate(sim) != before
    shown = sim.state()["servers"]["dtp"]["certificate_sha256"]
    assert shown == hashlib.sha256(shown_certificate(sim)).hexdigest()
    seen = len(sim.log()["dtp"])
    with RawClient(sim) as other, pytest.raises(ssl.SSLCertVerificationError):
        other.log_in()
    assert len(sim.log()["dtp"]) == seen  # nothing was sent to the stranger
    sim.clear_faults()
    assert shown_certificate(sim) == before


def test_an_expired_certificate_has_the_same_key_and_is_expired(sim: Simulator) -> None:
    from cryptography import x509

    before = x509.load_der_x509_certificate(shown_certificate(sim))
    sim.fault("dtp", "certificate_expired")
    after = x509.load_der_x509_certificate(shown_certificate(sim))
    assert before.public_key() == after.public_key()
    assert after.not_valid_after_utc < before.not_valid_before_utc
    file = sim.state()["servers"]["dtp"]["certificate"]
    with (
        RawClient(sim, ca_file=file) as other,
        pytest.raises(ssl.SSLCertVerificationError, match="expired"),
    ):
        other.log_in()


def test_a_restart_with_another_certificate_ends_sessions_and_connections(
    sim: Simulator, client: RawClient
) -> None:
    sim.fault("dtp", "certificate_changed")
    sim.clear_faults()
    with pytest.raises((ConnectionError, ssl.SSLError)):
        client.call("Session.Ping")
    client.connection.close()
    assert client.call("Session.Ping").status == 403


def test_plain_http_on_the_port(sim: Simulator) -> None:
    sim.fault("dtp", "plain_http")
    address = sim.ports["servers"]["dtp"]
    with RawClient(sim) as other, pytest.raises(ssl.SSLError):
        other.log_in()
    connection = http.client.HTTPConnection("127.0.0.1", address["port"], timeout=10)
    connection.request("POST", "/api/v1.0/Session.Ping", b"{}")
    assert connection.getresponse().status == 401
    connection.close()


def test_a_silent_handshake_accepts_and_says_nothing(sim: Simulator) -> None:
    sim.fault("dtp", "silent_handshake")
    port = sim.ports["servers"]["dtp"]["port"]
    with socket.create_connection(("127.0.0.1", port), timeout=0.3) as raw:
        raw.sendall(b"hello")
        with pytest.raises(TimeoutError):
            raw.recv(1)


def test_a_blackhole_neither_answers_nor_refuses(sim: Simulator, client: RawClient) -> None:
    address = ("127.0.0.1", sim.ports["servers"]["dtp"]["port"])
    socket.create_connection(address, timeout=0.5).close()
    sim.fault("dtp", "syn_blackhole")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.2)
    assert client.call("Session.Ping").status == 200  # what is open stays open
    state = sim.state()["servers"]["dtp"]
    assert (state["is_listening"], state["is_link_up"]) == (True, True)
    sim.clear_faults("dtp")
    socket.create_connection(address, timeout=5).close()
    assert client.call("Session.Ping").status == 200


def test_a_server_that_is_down_is_no_blackhole(sim: Simulator) -> None:
    address = ("127.0.0.1", sim.ports["servers"]["dtp"]["port"])
    sim.fault("dtp", "syn_blackhole")
    sim.fault("dtp", "server_down")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
    sim.clear_faults("dtp")
    socket.create_connection(address, timeout=5).close()


def test_a_blackhole_of_a_scenario_begins_and_ends_with_the_clock(start: Start) -> None:
    begins, ends = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    row = {"server_code": "dtp", "kind": "syn_blackhole"}
    sim = start(events=[row | {"from_at": begins.isoformat(), "to_at": ends.isoformat()}])
    address = ("127.0.0.1", sim.ports["servers"]["dtp"]["port"])
    sim.set_clock(begins)
    with pytest.raises(TimeoutError):
        socket.create_connection(address, timeout=0.2)
    for at in (begins - timedelta(seconds=1), ends):
        sim.set_clock(at)
        socket.create_connection(address, timeout=5).close()


def test_a_simulator_stops_although_one_of_its_ports_is_a_blackhole(sim: Simulator) -> None:
    sim.fault("dtp", "syn_blackhole")
    sim.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sim.ports["servers"]["dtp"]["port"]), timeout=5)


def test_a_server_can_be_taken_down_and_up_at_run_time(sim: Simulator) -> None:
    port = sim.ports["servers"]["dtp"]["port"]
    sim.fault("dtp", "server_down")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    sim.clear_faults("dtp")
    socket.create_connection(("127.0.0.1", port)).close()


# -- a request is answered by something else ---------------------------------------------------


def test_a_right_password_is_refused_while_the_fault_is_on(
    sim: Simulator, client: RawClient
) -> None:
    sim.fault("dtp", "unauthorized", count=1)
    assert client.call("Session.StartSession", Authorization=client.basic()).status == 401
    assert client.call("Session.StartSession", Authorization=client.basic()).status == 200


def test_a_second_factor_is_demanded(sim: Simulator, client: RawClient) -> None:
    sim.fault("dtp", "second_factor", value="276069")
    asked = client.call("Session.StartSession", Authorization=client.basic(), X_KSC_Session="")
    assert asked.status == 401
    assert asked.headers["WWW-Authenticate"] == 'KSCMFA type="totp", lengthHint="6"'
    assert asked.body == b"Authentication not finished"
    half = asked.headers["X-KSC-Session"]
    assert client.call("Session.Ping", X_KSC_Session=half).status == 403

    def finish(code: str) -> Reply:
        return client.call(
            "Session.StartSession", Authorization=f'KSCMFA totp="{code}"', X_KSC_Session=half
        )

    assert finish("000000").status == 401
    assert finish("276069").result == half
    assert client.call("Session.Ping", X_KSC_Session=half).status == 200


@pytest.mark.parametrize(("kind", "status"), [("too_many_requests", 429), ("busy", 503)])
@pytest.mark.parametrize("value", [2, "99999", "Fri, 20 Oct 2023 02:00:00 GMT", "soon"])
def test_a_busy_server_says_when_to_come_back(
    sim: Simulator, client: RawClient, kind: str, status: int, value: Any
) -> None:
    sim.fault("dtp", kind, value=value, count=2)
    replies = [client.call("Session.Ping") for _ in range(3)]
    assert [reply.status for reply in replies] == [status, status, 200]
    assert replies[0].headers["Retry-After"] == str(value)


def test_a_server_error_is_500_without_json(sim: Simulator, client: RawClient) -> None:
    sim.fault("dtp", "server_error", count=1)
    reply = client.call("Session.Ping")
    assert reply.status == 500
    assert not reply.headers["Content-Type"].startswith("application/json")
    assert client.call("Session.Ping").status == 200


def test_a_fault_can_be_moved_to_one_method(sim: Simulator, client: RawClient) -> None:
    sim.fault("dtp", "server_error", method="HostGroup.FindGroups")
    assert client.call("Session.Ping").status == 200
    assert client.call("HostGroup.FindGroups").status == 500
    sim.fault("dtp", "html", method="Session.Ping")
    assert b"<html>" in client.call("Session.Ping").body


def test_a_redirect_leads_elsewhere(sim: Simulator, client: RawClient) -> None:
    sim.fault("dtp", "redirect", value="https://evil.example/")
    reply = client.call("Session.Ping")
    assert (reply.status, reply.headers["Location"]) == (307, "https://evil.example/")


def test_a_slow_answer_comes_late(sim: Simulator, client: RawClient) -> None:
    sim.fault("dtp", "slow", value=0.3, count=1)
    begun = time.monotonic()
    assert client.call("Session.Ping").status == 200
    assert time.monotonic() - begun >= 0.3


def test_a_dropped_connection_gives_no_answer(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "dropped_connection", count=1)
    with pytest.raises(ConnectionError):
        client.chunk(accessor)
    client.connection.close()
    assert client.chunk(accessor).result == 6


def test_html_instead_of_json(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "html", count=1)
    page = client.chunk(accessor)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    sim.fault("dtp", "html_502", count=1)
    assert client.chunk(accessor).status == 502
    assert client.chunk(accessor).result == 6


# -- a set is lost while it is read --------------------------------------------------------------


def test_a_session_is_lost_after_the_second_chunk(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "session_lost", value=2, count=1)
    assert [client.chunk(accessor, start, 2).status for start in (0, 2, 4)] == [200, 200, 403]
    assert client.call("Session.Ping").status == 403
    client.log_in()
    again = accessor_of(client)
    assert [client.chunk(again, start, 2).status for start in (0, 2, 4)] == [200, 200, 200]


def test_an_accessor_expires_after_the_second_chunk(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "accessor_expired", value=2)
    assert [client.chunk(accessor, start, 2).result for start in (0, 2)] == [2, 2]
    assert "STDE_NOTFOUND" in client.chunk(accessor, 4, 2).error
    assert "STDE_NOTFOUND" in client.chunk(accessor, 0, 2).error
    assert client.call("Session.Ping").status == 200


def test_the_second_chunk_is_a_business_error(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "pxg_error", value=2)
    assert client.chunk(accessor, 0, 2).result == 2
    assert "STDE_UNAVAIL" in client.chunk(accessor, 2, 2).error
    assert client.chunk(accessor, 4, 2).result == 2


# -- a set changes while it is read --------------------------------------------------------------


def count_of(client: RawClient, accessor: str) -> int:
    ask = {"strAccessor": accessor}
    return int(client.call("ChunkAccessor.GetItemsCount", ask).result)


def test_a_device_comes_in_front_of_those_that_were_read(sim: Simulator, client: RawClient) -> None:
    sim.fault("dtp", "host_added", value=2, count=1)
    found = client.find_hosts("", order=("KLHST_WKS_DN", True))
    assert found.result == 5
    accessor = found.json["strAccessor"]
    read = [names(client.chunk(accessor, 0, 2)), names(client.chunk(accessor, 2, 2))]
    before = [name for part in read for name in part]
    assert count_of(client, accessor) == 6
    after = names(client.chunk(accessor, 4, 2))
    assert after[0] == before[-1]  # every place moved by one
    [newcomer] = names(client.chunk(accessor, 0, 1))
    assert newcomer not in {*before, *after}
    assert {*before, *after, newcomer} == {one["display_name"] for one in HOSTS}
    assert client.find_hosts().result == 6  # found anew, the set is whole


def test_a_device_goes_from_in_front_of_those_that_were_read(
    sim: Simulator, client: RawClient
) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "host_removed", value=2, count=1)
    read = [names(client.chunk(accessor, 0, 2)), names(client.chunk(accessor, 2, 2))]
    assert count_of(client, accessor) == 5
    read.append(names(client.chunk(accessor, 4, 2)))
    assert read == [["PC-00", "PC-01"], ["PC-02", "PC-03"], ["PC-05"]]
    assert client.find_hosts().result == 6


@pytest.mark.parametrize(("kind", "counts"), [("host_added", (5, 6)), ("host_removed", (6, 5))])
def test_a_set_that_is_read_at_once_has_changed_afterwards(
    sim: Simulator, client: RawClient, kind: str, counts: tuple[int, int]
) -> None:
    sim.fault("dtp", kind)
    accessor = accessor_of(client)
    assert client.chunk(accessor, 0, 100).result == counts[0]
    assert count_of(client, accessor) == counts[1]


def test_an_empty_set_stays_empty(sim: Simulator, client: RawClient) -> None:
    for kind in ("host_added", "host_removed"):
        sim.fault("dtp", kind)
    found = client.find_hosts('(KLHST_WKS_DN="nobody")')
    assert found.result == 0
    assert client.chunk(found.json["strAccessor"], 0, 5).result == 0
    assert count_of(client, found.json["strAccessor"]) == 0


# -- the bytes -------------------------------------------------------------------------------------


def test_a_body_is_cut_although_its_length_was_told(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "truncated_body", count=1)
    with pytest.raises(http.client.IncompleteRead):
        client.chunk(accessor)
    client.connection.close()
    assert client.chunk(accessor).result == 6


def test_a_body_is_cut_where_it_is_still_json(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "truncated_json", count=1)
    reply = client.chunk(accessor)
    assert "Content-Length" not in reply.headers
    assert (reply.result, len(elements(reply))) == (6, 3)


def test_a_body_comes_byte_by_byte(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "slow_loris", value=0.005, count=1)
    client.connection.timeout = 0.5
    begun = time.monotonic()
    reply = client.chunk(accessor, 0, 1)
    assert reply.result == 1
    assert time.monotonic() - begun >= 0.005 * len(reply.body)


def test_a_server_stops_while_a_body_still_trickles(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "slow_loris", value=30)
    body = json.dumps({"strAccessor": accessor, "nStart": 0, "nCount": 1})
    headers = {"X-KSC-Session": client.session}
    path = "/api/v1.0/ChunkAccessor.GetItemsChunk"
    client.connection.request("POST", path, body, headers)
    assert client.connection.getresponse().status == 200
    begun = time.monotonic()
    sim.stop()
    assert time.monotonic() - begun < 5


def test_a_small_body_unpacks_to_a_huge_one(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "gzip_bomb", value=32)
    reply = client.chunk(accessor)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.body) < 100_000
    unpacker = zlib.decompressobj(31)
    total = len(unpacker.decompress(reply.body, 16 * 1024 * 1024))
    while unpacker.unconsumed_tail:
        total += len(unpacker.decompress(unpacker.unconsumed_tail, 16 * 1024 * 1024))
    assert total >= 32 * 1024 * 1024


def test_a_huge_body_is_as_long_as_it_says_and_is_json(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "huge_body", value=3)
    reply = client.chunk(accessor)
    assert len(reply.body) == int(reply.headers["Content-Length"]) == 3 * 1024 * 1024
    assert reply.json["PxgRetVal"] == 0


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("json_nan", b":NaN"),
        ("json_overflow", b":1e999"),
        ("json_long_integer", b":12345678901234567890123"),
        ("deep_json", b"[" * 100_000),
        ("json_duplicate_keys", b'{"PxgRetVal":0,"PxgRetVal":6,'),
    ],
)
def test_json_that_a_strict_reader_refuses(
    sim: Simulator, client: RawClient, kind: str, sign: bytes
) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", kind, count=1)
    reply = client.chunk(accessor)
    assert (reply.status, sign in reply.body) == (200, True)
    assert client.chunk(accessor).result == 6


# -- the content -----------------------------------------------------------------------------------


def test_the_count_says_one_more_than_ever_comes(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "count_mismatch")
    assert client.call("ChunkAccessor.GetItemsCount", {"strAccessor": accessor}).result == 6
    read = [name for start in (0, 2, 4) for name in names(client.chunk(accessor, start, 2))]
    assert read == ["PC-00", "PC-01", "PC-02", "PC-03", "PC-04"]


def test_a_device_stands_on_both_sides_of_a_chunks_end(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "duplicate_host")
    read = [names(client.chunk(accessor, start, 3)) for start in (0, 3)]
    assert read == [["PC-00", "PC-01", "PC-02"], ["PC-02", "PC-04", "PC-05"]]


def test_a_chunk_is_larger_than_was_asked_for(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "oversized_chunk")
    assert [client.chunk(accessor, start, 3).result for start in (0, 3)] == [4, 4]


def test_chunks_are_empty_for_ever(sim: Simulator, client: RawClient) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", "empty_chunks")
    assert [client.chunk(accessor, 0, 3).result for _ in range(5)] == [0] * 5


def test_a_server_finds_nothing_or_much_less(sim: Simulator, client: RawClient) -> None:
    sim.fault("dtp", "zero_hosts", count=1)
    assert client.find_hosts().result == 0
    assert client.find_hosts().result == 6
    sim.fault("dtp", "host_drop", value=50)
    first, second = client.names(""), client.names("")
    assert len(first) == 3
    assert first == second


def test_a_field_is_missing_new_or_of_another_type(sim: Simulator, client: RawClient) -> None:
    fields = ("KLHST_WKS_DN", "KLHST_WKS_STATUS")
    accessor = accessor_of(client, *fields)
    sim.fault("dtp", "field_missing", count=1)
    assert all(set(row) == {"KLHST_WKS_DN"} for row in elements(client.chunk(accessor)))
    sim.fault("dtp", "field_new", value="KLHST_WKS_COLOUR", count=1)
    assert all(row["KLHST_WKS_COLOUR"] == "new" for row in elements(client.chunk(accessor)))
    sim.fault("dtp", "field_retyped", count=1)
    assert all(type(row["KLHST_WKS_STATUS"]) is str for row in elements(client.chunk(accessor)))
    sim.fault("dtp", "field_retyped", value="KLHST_WKS_DN", count=1)
    assert all(type(row["KLHST_WKS_DN"]) is int for row in elements(client.chunk(accessor)))
    assert elements(client.chunk(accessor))[0] == {"KLHST_WKS_DN": "PC-00", "KLHST_WKS_STATUS": 31}


@pytest.mark.parametrize(
    ("kind", "escape"), [("lone_surrogate", b"\\ud83d"), ("nul_in_name", b"\\u0000")]
)
def test_a_name_holds_what_no_text_may_hold(
    sim: Simulator, client: RawClient, kind: str, escape: bytes
) -> None:
    accessor = accessor_of(client)
    sim.fault("dtp", kind)
    reply = client.chunk(accessor)
    assert reply.body.count(escape) == 1
    assert names(reply)[1:] == ["PC-01", "PC-02", "PC-03", "PC-04", "PC-05"]


# -- when a fault is on ----------------------------------------------------------------------------


def test_an_event_of_a_scenario_is_on_in_its_period_only(start: Start, client_of: ClientOf) -> None:
    begins, ends = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    row = {"server_code": "dtp", "kind": "server_error"}
    sim = start(events=[row | {"from_at": begins.isoformat(), "to_at": ends.isoformat()}])
    client = client_of(sim)

    def status(at: Any) -> int:
        sim.set_clock(at)
        return client.call("Session.Ping").status

    second = timedelta(seconds=1)
    assert [status(at) for at in (begins - second, begins, ends - second, ends)] == [
        200, 500, 500, 200,
    ]  # fmt: skip
    sim.set_clock(begins)
    sim.clear_faults()
    assert client.call("Session.Ping").status == 500


def test_a_fault_of_one_server_leaves_the_others_alone(start: Start, client_of: ClientOf) -> None:
    sim = start(servers=[server("dtp"), server("dtp_872", "dtp")])
    first, second = client_of(sim), client_of(sim, "dtp_872")
    sim.fault("dtp", "server_error")
    sim.fault("dtp_872", "busy")
    assert (first.call("Session.Ping").status, second.call("Session.Ping").status) == (500, 503)
    sim.clear_faults("dtp")
    assert (first.call("Session.Ping").status, second.call("Session.Ping").status) == (200, 503)


@pytest.mark.parametrize(
    "arguments",
    [
        {"server_code": "nowhere", "kind": "html"},
        {"server_code": "dtp", "kind": "earthquake"},
        {"server_code": "dtp", "kind": "html", "value": "1"},
        {"server_code": "dtp", "kind": "slow", "value": "long"},
        {"server_code": "dtp", "kind": "slow", "value": -1},
        {"server_code": "dtp", "kind": "html", "count": 0},
        {"server_code": "dtp", "kind": "html", "method": "HostGroup.AddHost"},
    ],
)
def test_a_fault_that_nobody_knows_is_refused(sim: Simulator, arguments: dict[str, Any]) -> None:
    with pytest.raises(LedgerError) as raised:
        sim.fault(**arguments)
    assert raised.value.remedy
