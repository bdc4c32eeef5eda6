"""What goes over the line, and above all what does not."""

from __future__ import annotations

import gzip
import json
import re
import socket
import ssl
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.errors import FaultCode
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.sources.faults import CallFault, Trouble
from ksc_ledger.sources.transport import Answer, MethodNotAllowed, Transport
from unit.sources.scripted import (
    QUICK,
    SERVER_DATE,
    SESSION,
    Identity,
    Scripted,
    ScriptedKsc,
    hang_up,
    in_turn,
    make_identity,
    reply,
)

METHOD = "HostGroup.GetStaticInfo"
LOGIN_METHOD = "Session.StartSession"


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(identity) as scripted:
        yield scripted


class Line:
    """A transport whose waits are written down instead of waited."""

    def __init__(self, endpoint: Endpoint, budget: Budget = QUICK, chance: float = 1.0) -> None:
        self.waits: list[float] = []
        self.kept: list[tuple[str, int, bytes, bool]] = []
        self.transport = Transport(
            endpoint,
            budget,
            lambda *one: self.kept.append(one),
            sleep=self.waits.append,
            chance=lambda: chance,
        )

    def post(self, method: str = METHOD, **more: Any) -> Answer:
        return self.transport.post(method, {}, **more)

    def fault(self, method: str = METHOD, **more: Any) -> CallFault:
        with pytest.raises(CallFault) as caught:
            self.post(method, **more)
        return caught.value


@pytest.fixture
def line(server: ScriptedKsc) -> Iterator[Line]:
    one = Line(server.endpoint())
    with one.transport:
        yield one


def log_in(endpoint: Endpoint, budget: Budget = QUICK) -> CallFault:
    """Try to log in and return what went wrong."""
    one = Line(endpoint, budget)
    with one.transport:
        return one.fault(LOGIN_METHOD, authorization=endpoint.authorization())


# --- the server we know, and nobody else ---


def test_a_pinned_certificate_is_accepted(server: ScriptedKsc, line: Line) -> None:
    assert json.loads(line.post().body)["PxgRetVal"]
    assert line.transport.connect() == server.identity.sha256


def test_the_second_of_two_pins_is_accepted_too(
    server: ScriptedKsc, other_identity: Identity
) -> None:
    pins = (other_identity.sha256, server.identity.sha256)
    with Line(server.endpoint(certificate_sha256=pins)).transport as transport:
        assert transport.connect() == server.identity.sha256


def test_a_changed_certificate_gets_no_byte_of_a_request(
    server: ScriptedKsc, other_identity: Identity
) -> None:
    fault = log_in(server.endpoint(certificate_sha256=(other_identity.sha256,)))
    assert fault.fault_code is FaultCode.CERTIFICATE
    assert server.connections == 1
    assert server.requests == []
    assert server.identity.sha256 in fault.text


def test_the_servers_own_file_is_a_trust_anchor(server: ScriptedKsc) -> None:
    endpoint = server.endpoint(certificate_sha256=(), ca_file=server.identity.certificate)
    with Line(endpoint).transport as transport:
        transport.post(METHOD, {})


def test_a_certificate_of_another_authority_gets_no_byte_of_a_request(
    server: ScriptedKsc, other_identity: Identity
) -> None:
    fault = log_in(server.endpoint(certificate_sha256=(), ca_file=other_identity.certificate))
    assert fault.fault_code is FaultCode.CERTIFICATE
    assert server.requests == []


def test_with_a_file_and_a_pin_both_must_hold(
    server: ScriptedKsc, other_identity: Identity
) -> None:
    right, wrong = server.identity, other_identity
    for ca, pin in ((right, wrong), (wrong, right)):
        fault = log_in(server.endpoint(ca_file=ca.certificate, certificate_sha256=(pin.sha256,)))
        assert fault.fault_code is FaultCode.CERTIFICATE
    assert server.requests == []
    with Line(
        server.endpoint(ca_file=right.certificate, certificate_sha256=(right.sha256,))
    ).transport as transport:
        transport.post(METHOD, {})


def test_a_certificate_on_another_name_is_refused_unless_that_name_is_given(
    identities: Path,
) -> None:
    named = make_identity(identities, "named", common_name="ksc-thapmuoi.example")
    with ScriptedKsc(named) as server:
        endpoint = server.endpoint(certificate_sha256=(), ca_file=named.certificate)
        fault = log_in(endpoint)
        assert fault.fault_code is FaultCode.CERTIFICATE
        assert "ghi" in fault.text
        assert server.requests == []
        with Line(replace(endpoint, server_hostname="ksc-thapmuoi.example")).transport as transport:
            transport.post(METHOD, {})


def test_an_expired_certificate_is_refused_by_file_and_accepted_by_pin(identities: Path) -> None:
    expired = make_identity(identities, "expired", days=(-3, -1))
    with ScriptedKsc(expired) as server:
        fault = log_in(server.endpoint(certificate_sha256=(), ca_file=expired.certificate))
        assert fault.fault_code is FaultCode.CERTIFICATE
        assert "hết hạn" in fault.text
        assert server.requests == []
        with Line(server.endpoint()).transport as transport:
            transport.post(METHOD, {})


def test_an_unreadable_authority_file_is_said_so(server: ScriptedKsc, tmp_path: Path) -> None:
    empty = tmp_path / "klserver.cer"
    empty.write_text("")
    for file in (empty, tmp_path / "missing.cer"):
        fault = log_in(server.endpoint(certificate_sha256=(), ca_file=file))
        assert (fault.fault_code, str(file) in fault.text) == (FaultCode.CERTIFICATE, True)
    assert server.connections == 0


def test_plain_http_on_the_port_gets_no_secret(identity: Identity) -> None:
    with ScriptedKsc(identity, plain=True) as server:
        fault = log_in(server.endpoint())
    assert fault.trouble in (Trouble.PROTOCOL, Trouble.DROPPED)
    assert not fault.was_sent
    assert b"POST" not in server.bytes_in_clear


@pytest.mark.parametrize(("version", "is_spoken"), [("TLSv1_1", False), ("TLSv1_2", True)])
def test_tls_older_than_1_2_is_not_spoken(
    server: ScriptedKsc, version: str, is_spoken: bool
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the old version's name
        server.speak_at_most(ssl.TLSVersion[version])
    with Line(server.endpoint()).transport as transport:
        if is_spoken:
            transport.post(METHOD, {})
            return
        with pytest.raises(CallFault) as caught:
            transport.post(METHOD, {})
    assert caught.value.fault_code is FaultCode.PROTOCOL
    assert server.requests == []


def test_the_environment_changes_nothing(
    server: ScriptedKsc,
    other_identity: Identity,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(other_identity.certificate))
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    right = server.endpoint(certificate_sha256=(), ca_file=server.identity.certificate)
    with Line(right).transport as transport:
        transport.post(METHOD, {})
    monkeypatch.setenv("SSL_CERT_FILE", str(server.identity.certificate))
    wrong = server.endpoint(certificate_sha256=(), ca_file=other_identity.certificate)
    assert log_in(wrong).fault_code is FaultCode.CERTIFICATE
    assert not (tmp_path / "keys").exists()


# --- what may be said at all ---


@pytest.mark.parametrize(
    "method", ["HostGroup.AddHost", "hostgroup.FindHosts", "HostGroup.FindHosts ", "login", ""]
)
def test_a_method_that_is_not_allowed_never_reaches_the_line(
    server: ScriptedKsc, method: str
) -> None:
    with Transport(server.endpoint(), QUICK) as transport, pytest.raises(MethodNotAllowed):
        transport.post(method, {})
    assert server.connections == 0


def test_a_redirect_is_not_followed(server: ScriptedKsc, line: Line, identity: Identity) -> None:
    with ScriptedKsc(identity) as elsewhere:
        where = f"https://127.0.0.1:{elsewhere.port}/api/v1.0/{METHOD}"
        server.on[METHOD] = lambda _: reply(307, Location=where)
        fault = line.fault(session=SESSION)
        assert elsewhere.connections == 0
    assert (fault.fault_code, fault.http_status) == (FaultCode.PROTOCOL, 307)
    assert line.waits == []


def test_calls_share_one_connection(server: ScriptedKsc, line: Line) -> None:
    for _ in range(5):
        line.post()
    assert (server.connections, len(server.requests)) == (1, 5)
    traces = [request.headers["X-KSC-RequestId"] for request in server.requests]
    assert len(set(traces)) == 5
    assert all(re.fullmatch(r"[0-9a-f]{16}_[0-9a-f]{16}", trace) for trace in traces)


def test_a_connection_closed_while_idle_is_replaced_without_a_retry(
    server: ScriptedKsc, line: Line
) -> None:
    server.on[METHOD] = lambda request: replace(server.behave(request), is_last=True)
    line.post()
    assert _until(lambda: not line.transport._connection.is_connected)  # type: ignore[union-attr]
    line.post()
    assert (server.connections, line.waits) == (2, [])


def test_an_error_status_read_to_its_end_keeps_the_connection(
    server: ScriptedKsc, line: Line
) -> None:
    server.on[METHOD] = in_turn(reply(500, b"error"), server.behave)
    line.post()
    assert (server.connections, len(server.requests)) == (1, 2)


def test_the_servers_date_comes_with_the_answer(line: Line) -> None:
    assert line.post().date == SERVER_DATE


# --- bodies ---


def test_gzip_is_asked_for_and_unpacked(server: ScriptedKsc, line: Line) -> None:
    body = json.dumps({"PxgRetVal": "Phòng Nội vụ" * 500}).encode()
    server.on[METHOD] = lambda _: reply(200, gzip.compress(body), Content_Encoding="gzip")
    assert line.post().body == body
    assert server.requests[0].headers["Accept-Encoding"] == "gzip"
    assert line.kept == [(METHOD, 200, body, True)]


def test_a_body_shorter_than_announced_is_cut_and_kept(server: ScriptedKsc, line: Line) -> None:
    half = b'HTTP/1.1 200 X\r\nContent-Length: 20\r\n\r\n{"PxgRetVal":'
    server.on[METHOD] = lambda _: Scripted([half], is_last=True)
    fault = line.fault()
    assert (fault.fault_code, fault.trouble) == (FaultCode.INCOMPLETE, Trouble.CUT)
    assert line.kept == [(METHOD, 200, b'{"PxgRetVal":', False)] * 3
    assert len(line.waits) == 2


def test_a_chunked_body_that_breaks_off_is_cut(server: ScriptedKsc, line: Line) -> None:
    half = b'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n'
    server.on[METHOD] = lambda _: Scripted([half], is_last=True)
    assert line.fault().trouble is Trouble.CUT
    assert line.kept[0] == (METHOD, 200, b'{"a":', False)


def test_a_whole_chunked_body_is_read(server: ScriptedKsc, line: Line) -> None:
    whole = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    server.on[METHOD] = lambda _: Scripted([whole])
    assert line.post() == Answer(b"{}", None, is_framed=True)


def test_a_body_that_only_ends_with_the_connection_is_marked(
    server: ScriptedKsc, line: Line
) -> None:
    server.on[METHOD] = lambda _: Scripted([b"HTTP/1.1 200 X\r\n\r\n{}"], is_last=True)
    assert not line.post().is_framed


def test_a_gzip_stream_that_breaks_off_is_cut_even_with_the_right_length(
    server: ScriptedKsc, line: Line
) -> None:
    packed = gzip.compress(b'{"PxgRetVal":' + b"1" * 1000 + b"}")[:-9]
    server.on[METHOD] = lambda _: reply(200, packed, Content_Encoding="gzip")
    assert line.fault().trouble is Trouble.CUT


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"{}", "gzip"), (gzip.compress(b"{}") + b"x", "gzip"), (b"{}", "br")],
    ids=["not gzip at all", "something after the stream", "a kind not asked for"],
)
def test_a_body_not_packed_as_its_header_says_is_refused(
    server: ScriptedKsc, line: Line, body: bytes, encoding: str
) -> None:
    server.on[METHOD] = lambda _: reply(200, body, Content_Encoding=encoding)
    assert line.fault().fault_code is FaultCode.PROTOCOL
    assert line.waits == []


@pytest.mark.parametrize("packed", [False, True], ids=["as sent", "unpacked"])
def test_a_body_may_be_as_large_as_the_cap_and_no_byte_larger(
    server: ScriptedKsc, packed: bool
) -> None:
    cap = 4096
    one = Line(server.endpoint(), replace(QUICK, max_body_bytes=cap))
    one_chunk = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"

    def of_size(size: int) -> Scripted:
        body = b"[" + b" " * (size - 2) + b"]"
        if packed:
            return reply(200, gzip.compress(body), Content_Encoding="gzip")
        return Scripted([one_chunk % (len(body), body)])

    server.on[METHOD] = in_turn(of_size(cap), of_size(cap + 1))
    with one.transport:
        assert len(one.post().body) == cap
        fault = one.fault()
    assert (fault.trouble, fault.fault_code) == (Trouble.TOO_LARGE, FaultCode.PROTOCOL)
    assert one.waits == []


def test_a_body_announced_as_too_large_is_not_even_read(server: ScriptedKsc, line: Line) -> None:
    head = b"HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n"
    server.on[METHOD] = lambda _: Scripted([head], pause=5)
    began = time.monotonic()
    assert line.fault().trouble is Trouble.TOO_LARGE
    assert time.monotonic() - began < 4


def test_a_gzip_bomb_costs_no_more_memory_than_the_cap(server: ScriptedKsc, line: Line) -> None:
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 1)
    assert len(bomb) < QUICK.max_body_bytes
    server.on[METHOD] = lambda _: reply(200, bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        assert line.fault().trouble is Trouble.TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 8 * QUICK.max_body_bytes
    finally:
        tracemalloc.stop()


# --- time ---


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 X\r\nContent-Length: 200\r\n\r\n", *[b" "] * 200],
        [b"HTTP/1.1 200 X\r\n", *[b"X", b":", b" "] * 60],
        [b"HTTP/1.1 401 X\r\n", *[b"X", b":", b" "] * 60],
    ],
    ids=["in the body", "in the headers", "in the headers of an error"],
)
def test_a_slow_loris_is_left_when_the_call_is_over(
    server: ScriptedKsc, pieces: list[bytes]
) -> None:
    one = Line(server.endpoint(), replace(QUICK, call_seconds=0.6))
    server.on[METHOD] = lambda _: Scripted(pieces, pause=0.05)
    began = time.monotonic()
    with one.transport:
        fault = one.fault()
    assert 0.5 < time.monotonic() - began < 4
    assert (fault.trouble, fault.fault_code) == (Trouble.TIMEOUT, FaultCode.UNREACHABLE)
    assert one.waits == []


def test_silence_ends_after_the_time_for_one_read(server: ScriptedKsc) -> None:
    one = Line(server.endpoint(), replace(QUICK, read_seconds=0.2))
    server.on[METHOD] = lambda _: Scripted([b""], pause=5)
    began = time.monotonic()
    with one.transport:
        assert one.fault().trouble is Trouble.TIMEOUT
    assert time.monotonic() - began < 2


def test_a_server_that_never_finishes_the_handshake_costs_the_time_to_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint(
            server_code="dtp_872",
            host="127.0.0.1",
            port=silent.getsockname()[1],
            login="a",
            password="b",
            certificate_sha256=("0" * 64,),
        )
        began = time.monotonic()
        fault = log_in(endpoint, replace(QUICK, connect_seconds=0.2))
    assert (fault.trouble, fault.was_sent) == (Trouble.TIMEOUT, False)
    assert time.monotonic() - began < 2


def test_a_closed_port_is_refused_at_once(identity: Identity) -> None:
    with ScriptedKsc(identity) as gone:
        endpoint = gone.endpoint()
    fault = log_in(endpoint)
    assert (fault.trouble, fault.fault_code) == (Trouble.REFUSED, FaultCode.UNREACHABLE)


def test_an_unknown_name_is_told_from_a_closed_port(
    server: ScriptedKsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_name(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    fault = log_in(server.endpoint(host="ksc-thapmuoi.example"))
    assert (fault.trouble, fault.fault_code) == (Trouble.DNS, FaultCode.UNREACHABLE)


def test_the_servers_whole_budget_ends_the_retries(server: ScriptedKsc) -> None:
    one = Line(server.endpoint(), replace(QUICK, server_seconds=1))
    server.on[METHOD] = lambda _: reply(503, Retry_After="30")
    with one.transport:
        assert one.fault().http_status == 503
    assert (one.waits, server.asked(METHOD)) == ([], 1)


def test_nothing_is_asked_after_the_budget_but_goodbyes(server: ScriptedKsc) -> None:
    one = Line(server.endpoint(), replace(QUICK, server_seconds=0))
    with one.transport:
        assert one.fault().trouble is Trouble.TIMEOUT
        assert server.connections == 0
        one.post("Session.EndSession", is_patient=False)
    assert server.asked("Session.EndSession") == 1


# --- what is tried again ---


def test_two_server_errors_then_an_answer_is_an_answer(server: ScriptedKsc, line: Line) -> None:
    server.on[METHOD] = in_turn(reply(500), reply(502), server.behave)
    line.post()
    assert line.waits == [1.0, 2.0]


def test_server_errors_for_ever_end_after_three_tries(server: ScriptedKsc, line: Line) -> None:
    server.on[METHOD] = lambda _: reply(500, b"oops")
    assert line.fault().fault_code is FaultCode.SERVER_ERROR
    assert server.asked(METHOD) == 3
    assert line.kept == [(METHOD, 500, b"oops", True)] * 3


def test_waits_are_spread_by_chance(server: ScriptedKsc) -> None:
    server.on[METHOD] = lambda _: reply(500)
    one = Line(server.endpoint(), chance=0.25)
    with one.transport:
        one.fault()
    assert one.waits == [0.25, 0.5]


def test_a_dropped_connection_is_tried_three_times(server: ScriptedKsc, line: Line) -> None:
    server.on[METHOD] = hang_up
    assert line.fault().trouble is Trouble.DROPPED
    assert server.asked(METHOD) == 3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("2", 2 + 1.2),
        ("0", 1.0),
        ("99999", 300 + 10),
        ("Fri, 20 Oct 2023 02:00:30 GMT", 30 + 4.0),
        ("Fri, 20 Oct 2023 01:00:00 GMT", 1.0),
        ("soon", 4.0),
        ("-5", 4.0),
        ("", 4.0),
    ],
)
def test_retry_after_is_honoured_within_reason(
    server: ScriptedKsc, status: int, asked: str, waited: float
) -> None:
    one = Line(server.endpoint(), replace(QUICK, server_seconds=600))
    server.on[METHOD] = in_turn(reply(status, Retry_After=asked), server.behave)
    with one.transport:
        one.post()
    assert one.waits == [pytest.approx(waited)]


def test_a_busy_server_is_asked_five_times(server: ScriptedKsc) -> None:
    one = Line(server.endpoint(), replace(QUICK, server_seconds=600))
    server.on[METHOD] = lambda _: reply(503)
    with one.transport:
        one.fault()
    assert (server.asked(METHOD), len(one.waits)) == (5, 4)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 307])
def test_other_statuses_are_never_tried_again(server: ScriptedKsc, line: Line, status: int) -> None:
    server.on[METHOD] = lambda _: reply(status)
    assert line.fault().http_status == status
    assert server.asked(METHOD) == 1


def test_a_wrong_password_is_sent_exactly_once(server: ScriptedKsc) -> None:
    server.on[LOGIN_METHOD] = lambda _: reply(401)
    assert log_in(server.endpoint()).fault_code is FaultCode.CREDENTIALS
    assert server.asked(LOGIN_METHOD) == 1


def test_a_refusal_with_a_broken_body_is_still_a_refusal(server: ScriptedKsc) -> None:
    half = b"HTTP/1.1 401 X\r\nContent-Length: 20\r\n\r\nno"
    server.on[LOGIN_METHOD] = lambda _: Scripted([half], is_last=True)
    assert log_in(server.endpoint()).fault_code is FaultCode.CREDENTIALS
    assert server.asked(LOGIN_METHOD) == 1


def test_a_login_without_an_answer_is_not_sent_twice(server: ScriptedKsc) -> None:
    """The server may have counted it as a wrong password."""
    server.on[LOGIN_METHOD] = hang_up
    assert log_in(server.endpoint()).trouble is Trouble.DROPPED
    assert server.asked(LOGIN_METHOD) == 1


def test_a_login_at_a_busy_server_is_tried_again(server: ScriptedKsc, line: Line) -> None:
    server.on[LOGIN_METHOD] = in_turn(reply(500), reply(503), server.behave)
    line.post(LOGIN_METHOD)
    assert server.asked(LOGIN_METHOD) == 3


def test_a_second_factor_is_told_from_a_wrong_password(server: ScriptedKsc) -> None:
    server.on[LOGIN_METHOD] = lambda _: reply(
        401, WWW_Authenticate='KSCMFA type="totp", lengthHint="6"', X_KSC_Session="half-open"
    )
    fault = log_in(server.endpoint())
    assert fault.fault_code is FaultCode.SECOND_FACTOR
    assert fault.pending_session == "half-open"
    assert "half-open" not in str(fault)


# --- garbage ---


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"HTTP/1.1 zwei OK\r\n\r\n",
        b"HTTP/1.1 200 X\r\n" + b"A: b\r\n" * 200,
    ],
    ids=["bytes", "status", "too many headers"],
)
def test_an_answer_that_is_not_http_is_a_protocol_fault(
    server: ScriptedKsc, line: Line, garbage: bytes
) -> None:
    server.on[METHOD] = lambda _: Scripted([garbage + b"\r\n"], is_last=True)
    fault = line.fault()
    assert fault.fault_code is FaultCode.PROTOCOL
    assert line.waits == []


def test_faults_name_the_server_and_what_to_do(server: ScriptedKsc, line: Line) -> None:
    server.on[METHOD] = lambda _: reply(404)
    fault = line.fault()
    assert f"dtp_872 (127.0.0.1:{server.port})" in fault.text
    assert fault.remedy
    assert str(fault) == f"{fault.text} Cách khắc phục: {fault.remedy}"


def _until(is_so: Callable[[], bool]) -> bool:
    """Whether something becomes so within two seconds."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.01)
    return False
