"""The questions, and sets that are whole or not at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.sources.client import ALLOWED, HOST_ATTRIBUTES, KscClient, SetRead
from ksc_ledger.sources.endpoint import Budget
from ksc_ledger.sources.faults import CallFault, ServerSaidNo
from unit.sources.scripted import (
    LOGIN,
    PXG_NOT_FOUND,
    QUICK,
    SERVER_DATE,
    SESSION,
    Answering,
    Identity,
    Request,
    Scripted,
    ScriptedKsc,
    chunk,
    host,
    in_turn,
    make_identity,
    ok,
    reply,
)

FIND = "HostGroup.FindHosts"
COUNT = "ChunkAccessor.GetItemsCount"
CHUNK = "ChunkAccessor.GetItemsChunk"
LOGIN_METHOD = "Session.StartSession"
NOW = SERVER_DATE - timedelta(seconds=42)


class Sink:
    def __init__(self) -> None:
        self.sets: list[list[dict[str, Any]]] = []
        self.expected: list[int] = []

    def begin(self, expected: int) -> None:
        self.expected.append(expected)
        self.sets.append([])

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        self.sets[-1].extend(json.loads(bytes(row)) for row in rows)

    @property
    def ids(self) -> list[str]:
        """Of the last set."""
        return [row["KLHST_WKS_HOSTNAME"] for row in self.sets[-1]]


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(identity, hosts=[host(n) for n in range(1, 61)]) as scripted:
        yield scripted


def client_of(server: ScriptedKsc, budget: Budget = QUICK, chunk_size: int = 25) -> KscClient:
    return KscClient(
        server.endpoint(),
        budget,
        None,
        lambda: NOW,
        chunk_size=chunk_size,
        sleep=lambda _: None,
    )


def read_hosts(server: ScriptedKsc, **more: Any) -> tuple[SetRead, Sink]:
    sink = Sink()
    with client_of(server, **more) as client:
        return client.hosts(sink), sink


def fault_of_hosts(server: ScriptedKsc, **more: Any) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        read_hosts(server, **more)
    return caught.value


def test_a_set_is_read_whole_in_chunks(server: ScriptedKsc) -> None:
    read, sink = read_hosts(server)
    assert (read.expected, read.read, sink.expected) == (60, 60, [60])
    assert sink.sets == [server.hosts]
    assert server.methods() == [
        LOGIN_METHOD,
        FIND,
        COUNT,
        CHUNK,
        CHUNK,
        CHUNK,
        COUNT,
        "ChunkAccessor.Release",
        "Session.EndSession",
    ]


def test_the_question_is_for_this_servers_own_devices_ordered_by_id(server: ScriptedKsc) -> None:
    read_hosts(server)
    question = next(one for one in server.requests if one.method == FIND).arguments
    assert question["vecFieldsToReturn"] == list(HOST_ATTRIBUTES)
    assert question["pParams"] == {"KLGRP_FIND_FROM_CUR_VS_ONLY": True}
    assert question["vecFieldsToOrder"] == [
        {"type": "params", "value": {"Name": "KLHST_WKS_HOSTNAME", "Asc": True}}
    ]
    assert 0 < question["lMaxLifeTime"] <= 7200


def test_only_the_login_carries_credentials_and_the_rest_the_session(server: ScriptedKsc) -> None:
    read_hosts(server)
    login, *rest = server.requests
    assert "Authorization" in login.headers
    assert "X-KSC-Session" not in login.headers
    assert not any("Authorization" in request.headers for request in rest)
    assert {request.headers["X-KSC-Session"] for request in rest} == {SESSION}


def test_no_allowed_method_changes_anything() -> None:
    """A new name here needs a second look: is it a question?

    Beside questions and goodbyes: what makes the server find a set that another method reads, the
    state of a search, and a key to go through to a secondary server.
    """
    verbs = ("Get", "Find", "Enum", "Start", "End", "Release", "GroupId", "Acquire")
    others = {
        "EventProcessingFactory.CreateEventProcessing2",
        "SrvView.ResetIterator",
        "AsyncActionStateChecker.CheckActionState",
        "GatewayConnection.PrepareGatewayConnection",
        "GatewayConnection.PrepareGatewayConnectionToSecondaryServer",
    }
    assert others <= ALLOWED
    assert all(method.split(".")[1].startswith(verbs) for method in ALLOWED - others)


def test_an_empty_server_is_an_answer(server: ScriptedKsc) -> None:
    server.hosts.clear()
    read, sink = read_hosts(server)
    assert (read.expected, read.read, sink.sets) == (0, 0, [[]])
    assert server.asked(CHUNK) == 0


def test_the_content_hash_is_of_the_rows_and_not_of_their_order(server: ScriptedKsc) -> None:
    first = read_hosts(server)[0].content_sha256
    server.hosts.reverse()
    assert read_hosts(server, chunk_size=30)[0].content_sha256 == first
    server.hosts[3] = {**server.hosts[3], "KLHST_WKS_STATUS": 29}
    assert read_hosts(server)[0].content_sha256 != first


@pytest.mark.parametrize(("size", "chunks"), [(59, 2), (60, 1), (61, 1), (10_000, 1)])
def test_the_last_chunk_may_be_full_or_short(server: ScriptedKsc, size: int, chunks: int) -> None:
    assert read_hosts(server, chunk_size=size)[0].read == 60
    assert server.asked(CHUNK) == chunks


def test_a_server_may_give_fewer_rows_than_asked(server: ScriptedKsc) -> None:
    def at_most_seven(request: Request) -> Scripted:
        start = request.arguments["nStart"]
        return ok(chunk(server.hosts[start : start + 7]))

    server.on[CHUNK] = at_most_seven
    assert read_hosts(server)[0].read == 60
    assert server.asked(CHUNK) == 9


def test_a_server_that_writes_json_its_own_way_gives_the_same_rows(server: ScriptedKsc) -> None:
    usual = read_hosts(server)[1].sets

    def printed(request: Request) -> Scripted:
        start = request.arguments["nStart"]
        text = json.dumps(chunk(server.hosts[start : start + 25]), indent=2)
        return ok(text.replace("/", "\\/").encode())

    server.on[CHUNK] = printed
    assert read_hosts(server)[1].sets == usual


# --- sets that do not add up ---


def one_short(server: ScriptedKsc) -> Answering:
    def answering(request: Request) -> Scripted:
        start = request.arguments["nStart"]
        return ok(chunk(server.hosts[:-1][start : start + 25]))

    return answering


def test_a_set_with_a_row_missing_is_read_three_times_and_then_incomplete(
    server: ScriptedKsc,
) -> None:
    server.on[CHUNK] = one_short(server)
    fault = fault_of_hosts(server)
    assert fault.fault_code is FaultCode.INCOMPLETE
    assert "báo có 60 bản ghi nhưng chỉ trả về 59" in fault.text
    assert (server.asked(FIND), server.asked(LOGIN_METHOD)) == (3, 1)
    assert server.asked("Session.EndSession") == 1


def test_more_rows_than_counted_are_noticed(server: ScriptedKsc) -> None:
    server.on[COUNT] = lambda _: ok({"PxgRetVal": 59})
    assert "báo có 59 bản ghi nhưng trả về 60" in fault_of_hosts(server, chunk_size=40).text


def test_a_count_that_changes_while_reading_means_reading_anew(server: ScriptedKsc) -> None:
    server.on[COUNT] = in_turn(server.behave, ok({"PxgRetVal": 61}), server.behave)
    read, sink = read_hosts(server)
    assert read.read == 60
    assert [len(one) for one in sink.sets] == [60, 60]


def test_a_device_on_both_sides_of_a_chunk_boundary_is_noticed(server: ScriptedKsc) -> None:
    server.hosts[25] = server.hosts[24]
    fault = fault_of_hosts(server)
    assert (fault.fault_code, server.asked(FIND)) == (FaultCode.INCOMPLETE, 3)
    assert "hai lần" in fault.text


def test_a_device_twice_in_one_chunk_is_noticed(server: ScriptedKsc) -> None:
    server.hosts[24] = server.hosts[23]
    assert fault_of_hosts(server).fault_code is FaultCode.INCOMPLETE


def test_more_rows_than_asked_for_is_not_the_protocol(server: ScriptedKsc) -> None:
    server.on[CHUNK] = lambda request: ok(chunk(server.hosts[:26]))
    fault = fault_of_hosts(server)
    assert (fault.fault_code, server.asked(CHUNK)) == (FaultCode.PROTOCOL, 1)


def test_empty_chunks_for_ever_end_at_once(server: ScriptedKsc) -> None:
    server.on[CHUNK] = lambda _: ok(chunk([]))
    fault = fault_of_hosts(server)
    assert (fault.fault_code, server.asked(CHUNK)) == (FaultCode.PROTOCOL, 1)


def test_a_chunk_that_miscounts_itself_is_not_believed(server: ScriptedKsc) -> None:
    server.on[CHUNK] = lambda _: ok({**chunk(server.hosts[:25]), "PxgRetVal": 24})
    assert fault_of_hosts(server).fault_code is FaultCode.INCOMPLETE


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_an_accessor_that_is_gone_means_a_new_set_never_a_spliced_one(
    server: ScriptedKsc, broken: int
) -> None:
    """The new set has other devices: none of the old one's may be left."""
    before = [server.behave] * broken

    def gone(request: Request) -> Scripted:
        server.hosts[:] = [host(n) for n in range(101, 161)]
        return ok(PXG_NOT_FOUND)

    server.on[CHUNK] = in_turn(*before, gone, server.behave)
    read, sink = read_hosts(server)
    assert read.read == 60
    assert sink.sets[-1] == server.hosts
    assert (server.asked(FIND), server.asked(LOGIN_METHOD)) == (2, 1)


def test_a_business_error_that_stays_is_told_with_module_and_number(server: ScriptedKsc) -> None:
    server.on[CHUNK] = lambda _: ok(PXG_NOT_FOUND)
    fault = fault_of_hosts(server)
    assert isinstance(fault, ServerSaidNo)
    assert (fault.module, fault.number, fault.message) == ("KLSTD", 9001, "Object not found")
    assert fault.fault_code is FaultCode.SERVER_ERROR
    assert "KLSTD 9001" in fault.text
    assert server.asked(FIND) == 3


def test_a_business_error_of_the_question_itself_is_not_asked_again(server: ScriptedKsc) -> None:
    server.on[FIND] = lambda _: ok(PXG_NOT_FOUND)
    assert fault_of_hosts(server).fault_code is FaultCode.SERVER_ERROR
    assert server.asked(FIND) == 1


@pytest.mark.parametrize("error", [None, 5, [], {}, {"code": "x", "module": 3, "message": None}])
def test_a_malformed_business_error_is_still_one(server: ScriptedKsc, error: Any) -> None:
    server.on[FIND] = lambda _: ok({"PxgError": error})
    assert fault_of_hosts(server).fault_code is FaultCode.SERVER_ERROR


# --- sessions ---


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_session_lost_while_reading_costs_one_login_and_a_new_set(
    server: ScriptedKsc, status: int, broken: int
) -> None:
    server.on[CHUNK] = in_turn(*[server.behave] * broken, reply(status), server.behave)
    read, sink = read_hosts(server)
    assert (read.read, sink.sets[-1]) == (60, server.hosts)
    assert (server.asked(LOGIN_METHOD), server.asked(FIND)) == (2, 2)


def test_a_session_lost_twice_is_a_fault(server: ScriptedKsc) -> None:
    server.on[CHUNK] = in_turn(server.behave, reply(403))
    fault = fault_of_hosts(server)
    assert fault.fault_code is FaultCode.INCOMPLETE
    assert server.asked(LOGIN_METHOD) == 2


def test_a_password_changed_while_reading_is_tried_once_and_reported(server: ScriptedKsc) -> None:
    server.on[CHUNK] = lambda _: reply(401)
    server.on[LOGIN_METHOD] = in_turn(server.behave, reply(401))
    assert fault_of_hosts(server).fault_code is FaultCode.CREDENTIALS
    assert server.asked(LOGIN_METHOD) == 2


def test_a_missing_right_is_no_wrong_password(server: ScriptedKsc) -> None:
    """CREDENTIALS holds an account back; a right can be given while it is in use."""
    server.on[FIND] = lambda _: reply(403)
    fault = fault_of_hosts(server)
    assert fault.fault_code is FaultCode.SERVER_ERROR
    assert server.asked(LOGIN_METHOD) == 2


def test_a_lone_question_survives_one_lost_session(server: ScriptedKsc) -> None:
    server.on["HostGroup.GetStaticInfo"] = in_turn(reply(403), server.behave)
    with client_of(server) as client:
        assert client.server_info().product_version == "14.2.0.26967"
    assert server.asked(LOGIN_METHOD) == 2


def test_a_wrong_password_is_tried_exactly_once(server: ScriptedKsc) -> None:
    server.on[LOGIN_METHOD] = lambda _: reply(401)
    assert fault_of_hosts(server).fault_code is FaultCode.CREDENTIALS
    assert server.methods() == [LOGIN_METHOD]


def test_a_wanted_second_factor_is_said_and_its_half_open_session_ended(
    server: ScriptedKsc,
) -> None:
    server.on[LOGIN_METHOD] = lambda _: reply(
        401, WWW_Authenticate='KSCMFA type="totp"', X_KSC_Session="half-open"
    )
    assert fault_of_hosts(server).fault_code is FaultCode.SECOND_FACTOR
    assert server.methods() == [LOGIN_METHOD, "Session.EndSession"]
    assert server.requests[1].headers["X-KSC-Session"] == "half-open"


def test_the_session_ends_whatever_happened(server: ScriptedKsc) -> None:
    with pytest.raises(RuntimeError), client_of(server):
        raise RuntimeError("ours")
    assert server.asked("Session.EndSession") == 1


def test_a_goodbye_that_fails_harms_nothing(server: ScriptedKsc) -> None:
    server.on["Session.EndSession"] = lambda _: reply(500)
    server.on["ChunkAccessor.Release"] = lambda _: reply(403)
    assert read_hosts(server)[0].read == 60
    assert server.asked("Session.EndSession") == 1


@pytest.mark.parametrize(
    "answer",
    [{}, {"PxgRetVal": None}, {"PxgRetVal": ""}, {"PxgRetVal": "a\r\nX: y"}, {"PxgRetVal": 5}],
    ids=str,
)
def test_a_login_without_a_usable_session_is_not_the_protocol(
    server: ScriptedKsc, answer: Any
) -> None:
    server.on[LOGIN_METHOD] = lambda _: ok(answer)
    assert fault_of_hosts(server).fault_code is FaultCode.PROTOCOL


def test_a_changed_certificate_sees_no_credentials(
    server: ScriptedKsc, other_identity: Identity
) -> None:
    endpoint = server.endpoint(certificate_sha256=(other_identity.sha256,))
    with pytest.raises(CallFault) as caught, KscClient(endpoint, QUICK):
        pytest.fail("nobody may get in")
    assert caught.value.fault_code is FaultCode.CERTIFICATE
    assert server.requests == []


# --- bad answers ---


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"<html>login</html>", FaultCode.PROTOCOL, "HTML"),
        (b"", FaultCode.PROTOCOL, "trống"),
        (b'{"PxgRetVal":1,"PxgRetVal":2}', FaultCode.PROTOCOL, "trùng tên"),
        (b'{"PxgRetVal":NaN}', FaultCode.PROTOCOL, "JSON"),
        (b"[" * 100_000, FaultCode.PROTOCOL, "quá sâu"),
        (b"{}", FaultCode.PROTOCOL, "strAccessor"),
        (b'{"strAccessor":5}', FaultCode.PROTOCOL, "strAccessor"),
    ],
)
def test_a_bad_body_is_a_fault_that_says_what_is_wrong(
    server: ScriptedKsc, body: bytes, code: FaultCode, words: str
) -> None:
    server.on[FIND] = lambda _: ok(body)
    fault = fault_of_hosts(server)
    assert (fault.fault_code, words in fault.text) == (code, True)
    assert server.asked(FIND) == 1


def test_a_body_cut_where_only_the_connection_ends_it_is_incomplete(server: ScriptedKsc) -> None:
    cut = b'HTTP/1.1 200 X\r\n\r\n{"PxgRetVal":2,"pChunk":{"KLCSP'
    server.on[CHUNK] = lambda _: Scripted([cut], is_last=True)
    assert fault_of_hosts(server).fault_code is FaultCode.INCOMPLETE


def test_a_body_cut_at_a_point_where_it_is_still_json_is_caught_by_the_count(
    server: ScriptedKsc,
) -> None:
    body = json.dumps({**chunk(server.hosts[:24]), "PxgRetVal": 25}).encode()
    server.on[CHUNK] = lambda _: Scripted([b"HTTP/1.1 200 X\r\n\r\n" + body], is_last=True)
    assert fault_of_hosts(server).fault_code is FaultCode.INCOMPLETE


@pytest.mark.parametrize("count", [None, -1, "60", 60.0, True])
def test_a_count_that_is_no_number_is_not_the_protocol(server: ScriptedKsc, count: Any) -> None:
    server.on[COUNT] = lambda _: ok({"PxgRetVal": count})
    assert fault_of_hosts(server).fault_code is FaultCode.PROTOCOL


# --- slow servers ---


def test_a_slow_chunk_is_asked_for_again_in_halves_within_the_same_set(
    server: ScriptedKsc,
) -> None:
    asked: list[tuple[int, int]] = []

    def slow_when_large(request: Request) -> Scripted:
        start, count = request.arguments["nStart"], request.arguments["nCount"]
        asked.append((start, count))
        if count > 25:
            return Scripted([b""], pause=5)
        return server.behave(request)

    server.on[CHUNK] = slow_when_large
    read, _ = read_hosts(server, chunk_size=100, budget=replace(QUICK, read_seconds=0.4))
    assert read.read == 60
    assert asked == [(0, 100), (0, 50), (0, 25), (25, 25), (50, 25)]
    assert server.asked(FIND) == 1


def test_a_server_too_slow_even_for_the_smallest_chunk_is_unreachable(
    server: ScriptedKsc,
) -> None:
    server.on[CHUNK] = lambda _: Scripted([b""], pause=5)
    fault = fault_of_hosts(server, chunk_size=30, budget=replace(QUICK, read_seconds=0.4))
    assert fault.fault_code is FaultCode.UNREACHABLE
    assert [one.arguments["nCount"] for one in server.requests if one.method == CHUNK] == [30, 25]


def test_a_chunk_size_below_the_floor_is_raised_to_it(server: ScriptedKsc) -> None:
    read_hosts(server, chunk_size=1)
    assert server.asked(CHUNK) == 3


# --- the other questions ---


def test_the_server_tells_version_identity_and_clock(server: ScriptedKsc) -> None:
    server.on["HostGroup.GetStaticInfo"] = lambda _: ok(
        {
            "PxgRetVal": {
                "KLADMSRV_PRODUCT_FULL_VERSION": "14.2.0.26967",
                "KLADMSRV_SERVER_HOSTNAME": "3f6f3c0e-6a58-4f0b-9d9f-0a1b2c3d4e5f",
                "KLADMSRV_EV_EV_SIZE": {"type": "double", "value": 2.1},
            }
        }
    )
    with client_of(server) as client:
        info = client.server_info()
    assert info.product_version == "14.2.0.26967"
    assert info.host_id == "3f6f3c0e-6a58-4f0b-9d9f-0a1b2c3d4e5f"
    assert (info.server_time, info.clock_skew_seconds) == (SERVER_DATE, 42)


@pytest.mark.parametrize("date", ["Date: yesterday\r\n", ""])
def test_a_server_without_a_clock_has_no_skew(server: ScriptedKsc, date: str) -> None:
    bare = f'HTTP/1.1 200 X\r\n{date}Content-Length: 16\r\n\r\n{{"PxgRetVal":{{}}}}'
    server.on["HostGroup.GetStaticInfo"] = lambda _: Scripted([bare.encode()])
    with client_of(server) as client:
        info = client.server_info()
    assert (info.product_version, info.clock_skew_seconds) == (None, None)


def test_groups_come_with_parent_and_full_name(server: ScriptedKsc) -> None:
    with client_of(server) as client:
        groups = client.groups()
    assert [(one.id, one.parent_id, one.name) for one in groups] == [
        (0, None, "Managed devices"),
        (23, 0, "Phòng Nội vụ"),
    ]
    assert json.loads(msgspec.json.encode(groups[1])) == server.groups[1]


@pytest.mark.parametrize(
    "group",
    [
        {"id": 24},
        {"id": "24", "name": "x"},
        {"id": 24, "name": "x", "parentId": {"type": "long", "value": 1.5}},
    ],
    ids=["no name", "an id that is text", "a wrongly typed parent"],
)
def test_a_group_of_a_wrong_shape_is_not_the_protocol(
    server: ScriptedKsc, group: dict[str, Any]
) -> None:
    server.groups.append(group)
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.groups()
    assert caught.value.fault_code is FaultCode.PROTOCOL


def test_secondary_servers_come_with_every_documented_attribute(server: ScriptedKsc) -> None:
    lost = {
        "KLSRVH_SRV_ID": 7,
        "KLSRVH_SRV_INST_ID": "VSRV-0b7e2a91",
        "KLSRVH_SRV_DN": "KSC-LAPVO",
        "KLSRVH_SRV_ADDR": "10.84.7.10:13000",
        "KLSRVH_SRV_GROUPID": 17,
        "KLSRVH_SRV_STATUS": 0,
        "KLSRVH_SRV_VERSION": "13.2.0.1511",
        "KLSRVH_SRV_PASSIVE": False,
        "KLSRVH_SRV_LAST_CONNECTED": {"type": "datetime", "value": "2023-10-18T09:04:40Z"},
        "KLSRVH_SRV_MASTER_ADDR": "ksc.dongthap.example",
        "KLSRVH_SRV_CERTIFICATE": {"type": "binary", "value": "c29tZXRleHQ="},
    }
    bare = {"KLSRVH_SRV_ID": 8, "KLSRVH_SRV_LAST_CONNECTED": {"type": "datetime", "value": ""}}
    items = [{"type": "params", "value": one} for one in (lost, bare)]
    server.on["ServerHierarchy.GetChildServers"] = lambda _: ok({"PxgRetVal": items})
    with client_of(server) as client:
        first, second = client.servers()
    assert (first.server_id, first.status, first.is_passive) == (7, 0, False)
    assert first.last_connected_at == datetime(2023, 10, 18, 9, 4, 40, tzinfo=UTC)
    assert (first.display_name, first.version) == ("KSC-LAPVO", "13.2.0.1511")
    assert (first.certificate, first.master_address) == (b"sometext", "ksc.dongthap.example")
    assert (second.server_id, second.status, second.last_connected_at) == (8, None, None)
    assert server.requests[1].arguments == {"nGroupId": -1}


@pytest.mark.parametrize(
    "value",
    [
        {},
        [{"type": "params", "value": {"KLSRVH_SRV_DN": "no id"}}],
        [{"type": "params", "value": {"KLSRVH_SRV_ID": 1, "KLSRVH_SRV_STATUS": "up"}}],
        [
            {
                "type": "params",
                "value": {
                    "KLSRVH_SRV_ID": 1,
                    "KLSRVH_SRV_LAST_CONNECTED": {"type": "datetime", "value": "now"},
                },
            }
        ],
    ],
    ids=str,
)
def test_secondary_servers_of_a_wrong_shape_are_not_the_protocol(
    server: ScriptedKsc, value: Any
) -> None:
    server.on["ServerHierarchy.GetChildServers"] = lambda _: ok({"PxgRetVal": value})
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.servers()
    assert caught.value.fault_code is FaultCode.PROTOCOL


# --- secrets ---


def test_no_fault_and_no_log_line_holds_the_password_or_the_session(
    identities: Any, caplog: pytest.LogCaptureFixture
) -> None:
    import base64
    from urllib.parse import quote

    from unit.sources.scripted import PASSWORD

    caplog.set_level(logging.DEBUG)
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    told: list[str] = []
    with ScriptedKsc(make_identity(identities, "telltale"), hosts=[host(1)]) as server:
        for answer in (
            reply(401, PASSWORD.encode()),
            reply(500, encoded.encode()),
            ok(
                {"PxgError": {"module": "KLSTD", "code": 1, "message": f"bad {PASSWORD} {encoded}"}}
            ),
            ok(f"<html>{quote(PASSWORD)}</html>".encode()),
        ):
            server.on[LOGIN_METHOD] = in_turn(answer)
            fault = fault_of_hosts(server)
            told += [str(fault), repr(fault), repr(fault.__cause__)]
        del server.on[LOGIN_METHOD]
        server.on[CHUNK] = lambda _: reply(403)
        told.append(str(fault_of_hosts(server)))
    told.append(caplog.text)
    for secret in (PASSWORD, encoded, quote(PASSWORD, safe=""), SESSION):
        assert not any(secret in text for text in told)
    assert LOGIN not in caplog.text
