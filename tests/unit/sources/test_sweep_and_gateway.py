"""Over the hierarchy: one search that descends, and one session that goes through."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.landing.archive import Archive
from ksc_ledger.settings import Places
from ksc_ledger.sources.client import ChildServer, KscClient, SilentServer
from ksc_ledger.sources.faults import CallFault, NotOffered
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
    hang_up,
    host,
    in_turn,
    ok,
    reply,
    wrapped,
)

LOGIN = "Session.StartSession"
FIND = "HostGroup.FindHostsAsync"
CHECK = "AsyncActionStateChecker.CheckActionState"
GET_ACCESSOR = "HostGroup.FindHostsAsyncGetAccessor"
CANCEL = "HostGroup.FindHostsAsyncCancel"
SHORT_WAY = "GatewayConnection.PrepareGatewayConnectionToSecondaryServer"
LOCATION = "CgwHelper.GetSlaveServerLocation"
LONG_WAY = "GatewayConnection.PrepareGatewayConnection"
REQUEST_ID = "c1e2a7f4-57d0-4f0e-8c6e-4b3a55d0a9e1"
LAP_VO = {"KLSRVH_SRV_ID": 7, "KLSRVH_SRV_DN": "KSC-LAPVO"}
CHILD = ChildServer(server_id=6, instance_id="VSRV-6d0c1f5e", display_name="KSC-THAPMUOI")
PLACE = {"GwLocHostId": "3f6f3c0e", "GwLocLocation": "10.84.6.10:13000", "GwLocIndirect": False}


class Sink:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def begin(self, expected: int) -> None:
        self.rows = []

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        self.rows += [json.loads(bytes(row)) for row in rows]


def state(*, is_over: bool = False, is_well: bool = True, delay: Any = 1000, **data: Any) -> Any:
    return ok(
        {
            "bFinalized": is_over,
            "bSuccededFinalized": is_over and is_well,
            "lStateCode": int(is_over and is_well),
            "pStateData": data,
            "lNextCheckDelay": delay,
        }
    )


OVER = state(is_over=True, delay=0)


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(identity, hosts=[host(number) for number in range(1, 31)]) as scripted:

        def accessor(request: Request) -> Scripted:
            return ok(
                {
                    "PxgRetVal": len(scripted.hosts),
                    "strAccessor": scripted.keep(scripted.hosts),
                    "pFailedSlavesInfo": {"KLGRP_FAILED_SLAVES_PARAMS": wrapped([LAP_VO])},
                }
            )

        scripted.on[FIND] = lambda _: ok({"strRequestId": REQUEST_ID})
        scripted.on[CHECK] = in_turn(state(delay=1500), OVER)
        scripted.on[GET_ACCESSOR] = accessor
        yield scripted


def client_of(server: ScriptedKsc, waits: list[float] | None = None, **more: Any) -> KscClient:
    return KscClient(
        server.endpoint(),
        QUICK,
        now=lambda: SERVER_DATE,
        chunk_size=25,
        sleep=(lambda _: None) if waits is None else waits.append,
        **more,
    )


def fault_of_sweep(server: ScriptedKsc, **more: Any) -> SourceFault:
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.sweep(Sink(), **more)
    return caught.value


# --- the sweep ---


def test_a_sweep_waits_as_long_as_it_is_told_and_names_who_did_not_answer(
    server: ScriptedKsc,
) -> None:
    waits: list[float] = []
    sink = Sink()
    with client_of(server, waits) as client:
        found = client.sweep(sink)
    assert (found.read, sink.rows, waits) == (30, server.hosts, [1.5])
    assert found.silent == (SilentServer(server_id=7, display_name="KSC-LAPVO"),)
    question = server.requests[1].arguments
    assert question["pParams"] == {
        "KLSRVH_SLAVE_REC_DEPTH": 1,
        "KLGRP_FIND_FROM_CUR_VS_ONLY": False,
    }
    assert {"KLSRVH_SRV_ID", "KLSRVH_SRV_DN"} <= {*question["vecFieldsToReturn"]}
    assert server.requests[2].arguments == {"wstrActionGuid": REQUEST_ID}


def test_a_device_on_two_servers_is_two_rows(server: ScriptedKsc) -> None:
    server.hosts = [host(1), {**host(1), **LAP_VO}, host(2)]
    sink = Sink()
    with client_of(server) as client:
        assert client.sweep(sink).read == 3
    assert sink.rows == server.hosts


@pytest.mark.parametrize("answer", [{}, {"KLGRP_FAILED_SLAVES_PARAMS": []}, None], ids=str)
def test_when_everybody_answered_nobody_is_silent(server: ScriptedKsc, answer: Any) -> None:
    accessor = server.keep(server.hosts)
    server.on[GET_ACCESSOR] = lambda _: ok({"strAccessor": accessor, "pFailedSlavesInfo": answer})
    with client_of(server) as client:
        assert client.sweep(Sink()).silent == ()


def test_a_delay_of_nothing_is_still_a_pause(server: ScriptedKsc) -> None:
    waits: list[float] = []
    server.on[CHECK] = in_turn(state(delay=0), state(delay=0), OVER)
    with client_of(server, waits) as client:
        client.sweep(Sink())
    assert waits == [0.1, 0.1]


def test_a_search_that_takes_too_long_is_cancelled(server: ScriptedKsc) -> None:
    server.on[CHECK] = lambda _: state(delay=1000)
    fault = fault_of_sweep(server, patience_seconds=3)
    assert fault.fault_code is FaultCode.UNREACHABLE
    assert "sau 3 giây" in fault.text
    assert (server.asked(CHECK), server.asked(CANCEL)) == (4, 1)
    assert server.asked(GET_ACCESSOR) == 0


def test_a_search_the_server_gives_up_is_a_fault_with_its_reason(server: ScriptedKsc) -> None:
    server.on[CHECK] = lambda _: state(
        is_over=True, is_well=False, GNRL_EA_DESCRIPTION=f"no\nroute {PASSWORD}"
    )
    fault = fault_of_sweep(server)
    assert fault.fault_code is FaultCode.SERVER_ERROR
    assert "no route •••" in fault.text
    assert server.asked(FIND) == 1


def test_a_search_whose_end_is_lost_on_the_way_is_begun_anew(server: ScriptedKsc) -> None:
    """Once it was told to be over its id is gone, so the lost answer cannot be asked for again."""
    server.on[CHECK] = in_turn(hang_up, ok(PXG_NOT_FOUND), OVER)
    with client_of(server) as client:
        assert client.sweep(Sink()).read == 30
    assert (server.asked(FIND), server.asked(CHECK)) == (2, 3)


def test_a_session_lost_while_waiting_costs_one_login_and_a_new_search(
    server: ScriptedKsc,
) -> None:
    server.on[CHECK] = in_turn(reply(403), OVER)
    with client_of(server) as client:
        assert client.sweep(Sink()).read == 30
    assert (server.asked(LOGIN), server.asked(FIND)) == (2, 2)


@pytest.mark.parametrize("delay", [None, "1000", -1, 1.5, True])
def test_a_delay_that_is_no_number_is_not_the_protocol(server: ScriptedKsc, delay: Any) -> None:
    server.on[CHECK] = lambda _: state(delay=delay)
    assert fault_of_sweep(server).fault_code is FaultCode.PROTOCOL


@pytest.mark.parametrize(
    "info", [5, {"KLGRP_FAILED_SLAVES_PARAMS": {}}, {"KLGRP_FAILED_SLAVES_PARAMS": [5]}], ids=str
)
def test_failed_secondaries_of_a_wrong_shape_are_not_the_protocol(
    server: ScriptedKsc, info: Any
) -> None:
    accessor = server.keep(server.hosts)
    server.on[GET_ACCESSOR] = lambda _: ok({"strAccessor": accessor, "pFailedSlavesInfo": info})
    assert fault_of_sweep(server).fault_code is FaultCode.PROTOCOL


# --- the gateway ---


@pytest.fixture
def province(server: ScriptedKsc) -> ScriptedKsc:
    """Gives each asker another key and opens a session of its own for each key."""
    keys: list[str] = []

    def key(request: Request) -> Scripted:
        keys.append(f"key{len(keys)}")
        return ok({"wstrAuthKey": keys[-1]})

    def log_in(request: Request) -> Scripted:
        scheme, _, rest = request.headers["Authorization"].partition(" ")
        if scheme == "KSCBasic":
            return ok({"PxgRetVal": SESSION})
        return ok({"PxgRetVal": f"behind-{rest}"}) if rest in keys else reply(401)

    server.on[SHORT_WAY] = key
    server.on[LONG_WAY] = key
    server.on[LOCATION] = lambda _: ok({"PxgRetVal": PLACE})
    server.on[LOGIN] = log_in
    return server


def fault_at_the_gateway(province: ScriptedKsc) -> CallFault:
    with (
        client_of(province) as client,
        pytest.raises(CallFault) as caught,
        client.through_gateway(CHILD),
    ):
        pytest.fail("nobody may get in")
    return caught.value


def test_from_version_15_on_one_question_opens_the_gateway(province: ScriptedKsc) -> None:
    with client_of(province) as client, client.through_gateway(CHILD) as behind:
        assert behind.hosts(Sink()).read == 30
    assert province.methods()[:4] == [LOGIN, SHORT_WAY, LOGIN, "HostGroup.FindHosts"]
    assert province.requests[1].arguments == {"srvInstanceId": "VSRV-6d0c1f5e"}
    assert province.requests[2].headers["Authorization"] == "KSCGW key0"
    assert province.requests[3].headers["X-KSC-Session"] == "behind-key0"
    assert province.asked("Session.EndSession") == 2
    assert province.connections == 2


def test_before_version_15_the_location_is_handed_on_as_it_came(province: ScriptedKsc) -> None:
    province.on[SHORT_WAY] = lambda _: reply(404)
    with client_of(province) as client:
        for _ in range(2):
            with client.through_gateway(CHILD) as behind:
                behind.server_info()
    assert province.asked(SHORT_WAY) == 1
    asked = [one.arguments for one in province.requests if one.method == LONG_WAY]
    assert asked == [{"pLocations": [{"type": "params", "value": PLACE}]}] * 2


def test_a_secondary_without_an_instance_id_has_the_long_way_only(province: ScriptedKsc) -> None:
    child = ChildServer(server_id=6)
    with client_of(province) as client, client.through_gateway(child) as behind:
        behind.server_info()
    assert (province.asked(SHORT_WAY), province.asked(LOCATION)) == (0, 1)


@pytest.mark.parametrize("short", [404, 200])
@pytest.mark.parametrize("long", [404, 200])
def test_a_secondary_that_is_off_is_told_by_name(
    province: ScriptedKsc, short: int, long: int
) -> None:
    no = {404: reply(404), 200: ok(PXG_NOT_FOUND)}
    province.on[SHORT_WAY] = lambda _: no[short]
    province.on[LONG_WAY] = lambda _: no[long]
    fault = fault_at_the_gateway(province)
    if short == long == 404:
        assert isinstance(fault, NotOffered)
        return
    assert fault.fault_code is FaultCode.UNREACHABLE
    assert "KSC-THAPMUOI" in fault.text
    assert "KLSTD 9001 Object not found" in fault.text
    assert province.asked(LOGIN) == 1


def test_a_refused_key_is_no_refused_password(province: ScriptedKsc) -> None:
    """CREDENTIALS would hold the account back, which had no part in it."""
    province.on[SHORT_WAY] = lambda _: ok({"wstrAuthKey": "stale"})
    fault = fault_at_the_gateway(province)
    assert fault.fault_code is FaultCode.SERVER_ERROR
    assert "KSC-THAPMUOI (qua dtp_872 (127.0.0.1:" in fault.text
    assert province.asked(LOGIN) == 2


def test_a_session_lost_behind_the_gateway_costs_a_new_key(province: ScriptedKsc) -> None:
    province.on["HostGroup.GetStaticInfo"] = in_turn(reply(403), province.behave)
    with client_of(province) as client, client.through_gateway(CHILD) as behind:
        assert behind.server_info().product_version == "14.2.0.26967"
    keys = [one.headers.get("Authorization") for one in province.requests if one.method == LOGIN]
    assert keys[1:] == ["KSCGW key0", "KSCGW key1"]


def test_a_fault_behind_the_gateway_names_the_secondary(province: ScriptedKsc) -> None:
    province.on["HostGroup.GetStaticInfo"] = lambda _: ok(b"<html>")
    with (
        client_of(province) as client,
        client.through_gateway(CHILD) as behind,
        pytest.raises(SourceFault) as caught,
    ):
        behind.server_info()
    assert "KSC-THAPMUOI (qua dtp_872" in caught.value.text


def test_behind_the_gateway_the_time_of_the_whole_server_runs_on(province: ScriptedKsc) -> None:
    with client_of(province) as client, client.through_gateway(CHILD) as behind:
        assert behind._transport.end_at == client._transport.end_at


def test_there_is_no_gateway_behind_a_gateway(province: ScriptedKsc) -> None:
    with (
        client_of(province) as client,
        client.through_gateway(CHILD) as behind,
        pytest.raises(ValueError, match="one gateway"),
    ):
        behind.through_gateway(CHILD)


@pytest.mark.parametrize("answer", [{}, {"wstrAuthKey": 5}, {"wstrAuthKey": ""}], ids=str)
def test_a_key_that_is_none_is_not_the_protocol(province: ScriptedKsc, answer: Any) -> None:
    province.on[SHORT_WAY] = lambda _: ok(answer)
    fault = fault_at_the_gateway(province)
    assert fault.fault_code is FaultCode.PROTOCOL


@pytest.mark.parametrize("value", [None, [], {}, "10.84.6.10"], ids=str)
def test_a_location_that_is_none_is_not_the_protocol(province: ScriptedKsc, value: Any) -> None:
    province.on[SHORT_WAY] = lambda _: reply(404)
    province.on[LOCATION] = lambda _: ok({"PxgRetVal": value})
    fault = fault_at_the_gateway(province)
    assert fault.fault_code is FaultCode.PROTOCOL


def test_no_archive_and_no_log_holds_a_key_or_a_session(
    province: ScriptedKsc, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    import zstandard

    caplog.set_level(logging.DEBUG)
    places = Places(tmp_path / "home")
    archive = Archive(places, "dtp", SERVER_DATE)
    with archive, client_of(province, archive=archive) as client:
        with client.through_gateway(CHILD, archive) as behind:
            behind.server_info()
        province.on[LOGIN] = lambda request: reply(401, request.headers["Authorization"].encode())
        with pytest.raises(SourceFault), client.through_gateway(CHILD, archive):
            pytest.fail("nobody may get in")
    assert archive.raw_path is not None
    with zstandard.open(places.home / archive.raw_path, "rb") as file:
        kept = file.read()
    assert b"14.2.0.26967" in kept
    for secret in ("key0", "key1", "behind-key0", SESSION):
        assert secret.encode() not in kept
        assert secret not in caplog.text
