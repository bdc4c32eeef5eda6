from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from defusedxml import ElementTree

from estates import UNASSIGNED, host, host_id_of, server
from ksc_ledger.simulator import Simulator
from ksc_ledger.simulator.methods import METHODS
from unit.simulator.conftest import NOW, ManualSeconds
from unit.simulator.raw_client import RawClient, Reply, elements

Start = Callable[..., Simulator]
ClientOf = Callable[..., RawClient]

SERVERS = [server("dtp"), server("dtp_872", "dtp"), server("dtp_875", "dtp")]
SERIAL = "2B1E-231013-000000-1-1"
KEY = {
    "server_code": "dtp",
    "serial": SERIAL,
    "product_name": "Kaspersky Endpoint Security for Business - Select",
    "limit_count": 2,
    "created_at": "2023-10-13T00:00:00Z",
    "expires_at": "2024-10-13T00:00:00Z",
}


def detection(name: str, outcome: str = "deleted", **facts: Any) -> dict[str, Any]:
    return {
        "server_code": "dtp",
        "host_id": host_id_of(name),
        "rise_at": (NOW - timedelta(hours=2)).isoformat(),
        "registered_at": (NOW - timedelta(hours=1)).isoformat(),
        "threat_name": "Trojan.Win32.Agent.gen",
        "object_name": "E:\\congvan.exe",
        "outcome": outcome,
        "user_name": "TM\\van-thu",
        **facts,
    }


def array(reply: Reply, *path: str) -> list[dict[str, Any]]:
    """The containers of an array somewhere in an answer, unwrapped."""
    found = reply.json
    for name in path:
        found = found[name]
    return [item["value"] for item in found]


def test_the_checklists_methods_all_exist() -> None:
    expected = [
        "Session.Ping",
        "Session.EndSession",
        "Session.CreateToken",
        "HostGroup.FindHosts",
        "HostGroup.FindHostsAsync",
        "HostGroup.FindHostsAsyncGetAccessor",
        "HostGroup.FindHostsAsyncCancel",
        "HostGroup.FindGroups",
        "HostGroup.FindIncidents",
        "HostGroup.GetHostInfo",
        "HostGroup.GetHostProducts",
        "HostGroup.GetGroupInfoEx",
        "HostGroup.GetGroupInfo",
        "HostGroup.GetSubgroups",
        "HostGroup.GetGroupId",
        "HostGroup.GroupIdGroups",
        "HostGroup.GroupIdSuper",
        "HostGroup.GroupIdUnassigned",
        "HostGroup.GetStaticInfo",
        "HostGroup.GetRunTimeInfo",
        "HostGroup.GetInstanceStatistics",
        "HostGroup.GetDomains",
        "ChunkAccessor.GetItemsCount",
        "ChunkAccessor.GetItemsChunk",
        "ChunkAccessor.Release",
        "AsyncActionStateChecker.CheckActionState",
        "ServerHierarchy.GetChildServers",
        "ServerHierarchy.GetServerInfo",
        "ServerHierarchy.FindSlaveServers",
        "CgwHelper.GetSlaveServerLocation",
        "GatewayConnection.PrepareGatewayConnection",
        "GatewayConnection.PrepareGatewayConnectionToSecondaryServer",
        "VServers.GetVServers",
        "LicenseKeys.EnumKeys",
        "LicenseKeys.AcquireKeyHosts",
        "LicenseKeys.GetKeyData",
        "GroupSyncIterator.GetNextItems",
        "GroupSyncIterator.ReleaseIterator",
        "LicenseInfoSync.AcquireKeysForProductOnHost",
        "EventProcessingFactory.CreateEventProcessing",
        "EventProcessingFactory.CreateEventProcessing2",
        "EventProcessing.GetRecordCount",
        "EventProcessing.GetRecordRange",
        "EventProcessing.ReleaseIterator",
        "SrvView.ResetIterator",
        "SrvView.GetRecordCount",
        "SrvView.GetRecordRange",
        "SrvView.ReleaseIterator",
        "InventoryApi.GetHostInvProducts",
        "InventoryApi.GetInvProductsList",
        "InventoryApi.GetSrvCompetitorIniFileInfoList",
        "ReportManager.EnumReportTypes",
        "ReportManager.EnumReports",
        "ReportManager.GetReportInfo",
        "ReportManager.ExecuteReportAsync",
    ]
    assert set(expected) <= set(METHODS)


# -- the search over servers -----------------------------------------------------------------------


def sweep(client: RawClient, depth: int = 1, text: str = "", **options: Any) -> str:
    reply = client.call(
        "HostGroup.FindHostsAsync",
        {
            "wstrFilter": text,
            "vecFieldsToReturn": ["KLHST_WKS_DN", "KLSRVH_SRV_ID", "KLSRVH_SRV_DN"],
            "vecFieldsToOrder": [
                {"type": "params", "value": {"Name": "KLHST_WKS_DN", "Asc": True}}
            ],
            "pParams": {"KLSRVH_SLAVE_REC_DEPTH": depth, **options},
            "lMaxLifeTime": 600,
        },
    )
    assert "PxgRetVal" not in reply.json
    return str(reply.json["strRequestId"])


def poll(client: RawClient, request_id: str) -> Reply:
    return client.call("AsyncActionStateChecker.CheckActionState", {"wstrActionGuid": request_id})


def finish(client: RawClient, request_id: str, seconds: ManualSeconds) -> Reply:
    first = poll(client, request_id).json
    assert first["bFinalized"] is False
    seconds.pass_by(first["lNextCheckDelay"] / 1000)
    return poll(client, request_id)


def accessor(client: RawClient, request_id: str) -> Reply:
    return client.call("HostGroup.FindHostsAsyncGetAccessor", {"strRequestId": request_id})


@pytest.fixture
def swept(start: Start) -> Simulator:
    return start(
        host("P"),
        host("D", server_code="dtp_872"),
        host("E", server_code="dtp_875"),
        servers=SERVERS,
    )


def test_a_sweep_finds_devices_of_secondary_servers_and_names_their_server(
    swept: Simulator, client_of: ClientOf, seconds: ManualSeconds
) -> None:
    client = client_of(swept)
    request_id = sweep(client)
    last = finish(client, request_id, seconds).json
    assert (last["bFinalized"], last["bSuccededFinalized"], last["lStateCode"]) == (True, True, 1)
    found = accessor(client, request_id)
    assert found.result == 3
    assert found.json["pFailedSlavesInfo"] == {"KLGRP_FAILED_SLAVES_PARAMS": []}
    assert elements(client.chunk(found.json["strAccessor"])) == [
        {"KLHST_WKS_DN": "D", "KLSRVH_SRV_ID": 6, "KLSRVH_SRV_DN": "KSC-DTP-872"},
        {"KLHST_WKS_DN": "E", "KLSRVH_SRV_ID": 7, "KLSRVH_SRV_DN": "KSC-DTP-875"},
        {"KLHST_WKS_DN": "P"},
    ]


def test_a_lost_server_is_named_among_the_failed_and_its_devices_are_missing(
    swept: Simulator, client_of: ClientOf, seconds: ManualSeconds
) -> None:
    swept.fault("dtp_872", "link_cut")
    client = client_of(swept)
    request_id = sweep(client)
    finish(client, request_id, seconds)
    found = accessor(client, request_id)
    assert found.result == 2
    assert array(found, "pFailedSlavesInfo", "KLGRP_FAILED_SLAVES_PARAMS") == [
        {"KLSRVH_SRV_ID": 6, "KLSRVH_SRV_DN": "KSC-DTP-872"}
    ]


@pytest.mark.parametrize(
    ("depth", "options", "count"),
    [(0, {}, 1), (1, {}, 3), (5, {}, 3), (1, {"KLGRP_FIND_FROM_CUR_VS_ONLY": True}, 1)],
)
def test_depth_and_scope_are_obeyed(
    swept: Simulator,
    client_of: ClientOf,
    seconds: ManualSeconds,
    depth: int,
    options: dict[str, Any],
    count: int,
) -> None:
    client = client_of(swept)
    request_id = sweep(client, depth, **options)
    finish(client, request_id, seconds)
    assert accessor(client, request_id).result == count


def test_an_action_is_polled_in_time_by_its_own_session_and_once(
    swept: Simulator, client_of: ClientOf, seconds: ManualSeconds
) -> None:
    client, other = client_of(swept), client_of(swept)
    request_id = sweep(client)
    assert poll(client, request_id).json["lNextCheckDelay"] == 500
    assert "STDE_UNAVAIL" in poll(client, request_id).error
    assert "STDE_NOACCESS" in poll(other, request_id).error
    assert "STDE_UNAVAIL" in accessor(client, request_id).error
    seconds.pass_by(0.5)
    assert poll(client, request_id).json["bFinalized"] is True
    assert "STDE_NOTFOUND" in poll(client, request_id).error
    assert accessor(client, request_id).result == 3
    assert "STDE_NOTFOUND" in accessor(client, request_id).error


def test_a_search_can_be_cancelled(swept: Simulator, client_of: ClientOf) -> None:
    client = client_of(swept)
    request_id = sweep(client)
    cancel = {"strRequestId": request_id}
    assert client.call("HostGroup.FindHostsAsyncCancel", cancel).json == {}
    assert "STDE_NOTFOUND" in poll(client, request_id).error


# -- the gateway -----------------------------------------------------------------------------------


def location(client: RawClient, server_id: int) -> dict[str, Any]:
    ask = {"nSlaveServerId": server_id}
    found: dict[str, Any] = client.call("CgwHelper.GetSlaveServerLocation", ask).result
    return {"type": "params", "value": found}


def prepare(client: RawClient, *locations: dict[str, Any]) -> Reply:
    return client.call(
        "GatewayConnection.PrepareGatewayConnection", {"pLocations": list(locations)}
    )


def through(client_of: ClientOf, sim: Simulator, key: str) -> RawClient:
    gateway = client_of(sim, is_logged_in=False)
    gateway.session = gateway.call("Session.StartSession", Authorization=f"KSCGW {key}").result
    return gateway


def test_behind_the_gateway_the_secondary_server_answers(
    swept: Simulator, client_of: ClientOf
) -> None:
    client = client_of(swept)
    prepared = prepare(client, location(client, 6))
    assert "PxgRetVal" not in prepared.json
    gateway = through(client_of, swept, prepared.json["wstrAuthKey"])
    assert gateway.names("") == ["D"]
    assert client.names("") == ["P"]


def test_a_whole_connection_can_go_through_the_gateway(
    swept: Simulator, client_of: ClientOf
) -> None:
    client = client_of(swept)
    key = prepare(client, location(client, 7)).json["wstrAuthKey"]
    gateway = client_of(swept, is_logged_in=False)
    assert gateway.call("login", Authorization=f"KSCGW {key}").json == {}
    assert gateway.names("") == ["E"]


def test_a_deeper_server_is_reached_by_a_chain_of_locations(
    start: Start, client_of: ClientOf
) -> None:
    servers = [server("dtp"), server("dtp_872", "dtp"), server("dtp_872_vpub", "dtp_872")]
    sim = start(host("deep", server_code="dtp_872_vpub"), servers=servers)
    client = client_of(sim)
    first = location(client, 6)
    between = through(client_of, sim, prepare(client, first).json["wstrAuthKey"])
    second = location(between, 6)
    deep = through(client_of, sim, prepare(client, first, second).json["wstrAuthKey"])
    assert deep.names("") == ["deep"]
    assert "STDE_NOTFOUND" in prepare(client, second).error


@pytest.mark.parametrize(("waited", "status"), [(60.0, 200), (60.1, 401)])
def test_a_gateway_key_lives_a_minute_and_works_once(
    swept: Simulator, client_of: ClientOf, seconds: ManualSeconds, waited: float, status: int
) -> None:
    client = client_of(swept)
    key = prepare(client, location(client, 6)).json["wstrAuthKey"]
    seconds.pass_by(waited)
    gateway = client_of(swept, is_logged_in=False)
    header = f"KSCGW {key}"
    assert gateway.call("Session.StartSession", Authorization=header).status == status
    assert gateway.call("Session.StartSession", Authorization=header).status == 401


def test_no_gateway_leads_to_a_lost_server(swept: Simulator, client_of: ClientOf) -> None:
    client = client_of(swept)
    there = location(client, 6)
    gateway = through(client_of, swept, prepare(client, there).json["wstrAuthKey"])
    swept.fault("dtp_872", "link_cut")
    assert "STDE_UNAVAIL" in prepare(client, there).error
    assert "STDE_UNAVAIL" in gateway.call("HostGroup.GroupIdGroups").error


@pytest.mark.parametrize("version", ["14.2.0.26967", "15.1.0.20748"])
def test_the_short_way_exists_from_version_15_on(
    start: Start, client_of: ClientOf, version: str
) -> None:
    sim = start(
        host("D", server_code="dtp_872"),
        servers=[server("dtp", version=version), server("dtp_872", "dtp")],
    )
    client = client_of(sim)
    child = client.call("ServerHierarchy.GetChildServers", {"nGroupId": -1}).result[0]["value"]
    name = "GatewayConnection.PrepareGatewayConnectionToSecondaryServer"
    reply = client.call(name, {"srvInstanceId": child["KLSRVH_SRV_INST_ID"]})
    if version.startswith("14"):
        assert reply.status == 404
    else:
        assert through(client_of, sim, reply.json["wstrAuthKey"]).names("") == ["D"]


def test_there_are_no_virtual_servers(start: Start, client_of: ClientOf) -> None:
    assert client_of(start()).call("VServers.GetVServers", {"lParentGroup": 0}).result == []


# -- licences --------------------------------------------------------------------------------------


def test_a_key_shows_its_limit_and_its_use(start: Start, client_of: ClientOf) -> None:
    used = {"licence_serial": SERIAL}
    sim = start(host("A", **used), host("B", **used), host("C", **used), host("D"), keys=[KEY])
    client = client_of(sim)
    fields = ["KLLIC_SERIAL", "KLLIC_LIC_COUNT", "KLLIC_NHOSTS_ASCURRENT", "KLLIC_LIMIT_DATE"]
    opened = client.call("LicenseKeys.EnumKeys", {"pFields": fields, "lTimeoutSec": 0}).json
    assert opened["lKeyCount"] == 1
    read = {"szwIterator": opened["wstrIterator"], "nCount": 50}
    [key] = array(
        client.call("GroupSyncIterator.GetNextItems", read), "pData", "KLCSP_ITERATOR_ARRAY"
    )
    assert key == {
        "KLLIC_SERIAL": SERIAL,
        "KLLIC_LIC_COUNT": 2,
        "KLLIC_NHOSTS_ASCURRENT": 3,
        "KLLIC_LIMIT_DATE": {"type": "datetime", "value": "2024-10-13T00:00:00Z"},
    }
    data = client.call("LicenseKeys.GetKeyData", {"pKeyInfo": {"KLLIC_SERIAL": SERIAL}}).result
    assert data["KLLIC_LICENSE_PERIOD"] == 366
    unknown = {"pKeyInfo": {"KLLIC_SERIAL": "none"}}
    assert "STDE_NOTFOUND" in client.call("LicenseKeys.GetKeyData", unknown).error


def test_an_iterator_goes_forward_and_its_end_flag_comes_after_the_last_element(
    start: Start, client_of: ClientOf
) -> None:
    sim = start(*(host(f"PC-{n}", licence_serial=SERIAL) for n in range(5)), keys=[KEY])
    client = client_of(sim)
    opened = client.call(
        "LicenseKeys.AcquireKeyHosts",
        {
            "pInData": {"KLLIC_SERIAL": SERIAL},
            "pFields": ["KLLICSRV_HOSTDN", "KLLICSRV_HOST_GRPID"],
            "pFieldsToOrder": [
                {"type": "params", "value": {"Name": "KLLICSRV_HOSTDN", "Asc": True}}
            ],
            "pOptions": {},
            "lTimeoutSec": 300,
        },
    ).json
    read = {"szwIterator": opened["wstrIterator"], "nCount": 2}
    replies = [client.call("GroupSyncIterator.GetNextItems", read) for _ in range(4)]
    assert [(reply.result, reply.json["bEOF"]) for reply in replies] == [
        (2, False), (2, False), (1, False), (0, True),
    ]  # fmt: skip
    names = [
        r["KLLICSRV_HOSTDN"] for x in replies for r in array(x, "pData", "KLCSP_ITERATOR_ARRAY")
    ]
    assert names == [f"PC-{n}" for n in range(5)]
    release = {"szwIterator": opened["wstrIterator"]}
    assert client.call("GroupSyncIterator.ReleaseIterator", release).json == {}
    assert "STDE_NOTFOUND" in client.call("GroupSyncIterator.GetNextItems", read).error


def test_one_devices_key_is_told(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A", licence_serial=SERIAL), keys=[KEY]))
    ask = {"szwHostName": host_id_of("A"), "szwProduct": "KES", "szwVersion": "21.0.0.0"}
    reply = client.call("LicenseInfoSync.AcquireKeysForProductOnHost", ask).json
    assert reply == {"wstrActiveKey": SERIAL, "wstrReservedKey": ""}


# -- events ----------------------------------------------------------------------------------------


def stored(client: RawClient, wanted: dict[str, Any] | None) -> list[dict[str, Any]]:
    """All events that a filter lets pass; None asks without one."""
    fields = ["event_db_id", "event_type", "GNRL_EA_SEVERITY", "hostname", "hostdn", "group_id",
              "rise_time", "registration_time", "GNRL_EA_PARAM_2", "GNRL_EA_PARAM_5",
              "GNRL_EA_PARAM_6", "GNRL_EA_PARAM_7"]  # fmt: skip
    order = [{"type": "params", "value": {"Name": "event_db_id", "Asc": True}}]
    arguments = {"vecFieldsToReturn": fields, "vecFieldsToOrder": order, "lifetimeSec": 600}
    name = "EventProcessingFactory.CreateEventProcessing"
    if wanted is not None:
        name, arguments = f"{name}2", {"pFilter": wanted, **arguments}
    iterator = client.call(name, arguments).json["strIteratorId"]
    count = client.call("EventProcessing.GetRecordCount", {"strIteratorId": iterator}).result
    ask = {"strIteratorId": iterator, "nStart": 0, "nEnd": count}
    found = array(
        client.call("EventProcessing.GetRecordRange", ask),
        "pParamsEvents",
        "KLEVP_EVENT_RANGE_ARRAY",
    )
    assert len(found) == count
    released = client.call("EventProcessing.ReleaseIterator", {"strIteratorId": iterator})
    assert released.json == {}
    return found


def test_a_detection_is_two_events_with_one_link(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A"), detections=[detection("A")]))
    found = stored(client, {"EVP_INCL_GNRL_EVENTS": True})
    assert [event["event_type"] for event in found] == [
        "GNRL_EV_VIRUS_FOUND",
        "GNRL_EV_OBJECT_DELETED",
    ]
    first, outcome = found
    assert first["hostdn"] == "A"
    assert first["hostname"] == host_id_of("A")
    assert first["GNRL_EA_PARAM_2"] == "E:\\congvan.exe"
    assert first["GNRL_EA_PARAM_5"] == "Trojan.Win32.Agent.gen"
    assert first["GNRL_EA_PARAM_7"] == "TM\\van-thu"
    assert first["GNRL_EA_PARAM_6"] == outcome["GNRL_EA_PARAM_6"]
    assert first["event_db_id"]["type"] == "long"
    assert first["rise_time"]["value"] == "2023-10-19T23:00:00Z"
    assert first["registration_time"]["value"] == "2023-10-20T00:00:00Z"


def test_general_events_are_left_out_unless_they_are_wanted(
    start: Start, client_of: ClientOf
) -> None:
    client = client_of(start(host("A"), detections=[detection("A")]))
    assert stored(client, {}) == []
    assert len(stored(client, None)) == 2


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"KLEVP_EVENT_GNRL_TYPE": "GNRL_EV_VIRUS_FOUND"}, 2),
        ({"KLEVP_EVENT_GNRL_TYPES_ARRAY": ["GNRL_EV_VIRUS_FOUND", "GNRL_EV_OBJECT_DELETED"]}, 3),
        ({"GNRL_EA_SEVERITY": 4}, 3),
        ({"KLEVP_EVENT_HOST": "{B}"}, 2),
        ({"KLEVP_EVENT_HOST_DISPNAME": "A"}, 2),
        ({"KLEVP_RFC2254_FILTER": '(GNRL_EA_PARAM_5="Worm*")'}, 2),
        ({"KLEVP_EVENT_RISE_TIME_LAST_DAYS": 1}, 2),
        ({"KLEVP_EVENT_RISE_TIME_LAST_DAYS": 30}, 4),
    ],
)
def test_events_are_filtered(
    start: Start, client_of: ClientOf, wanted: dict[str, Any], count: int
) -> None:
    old = (NOW - timedelta(days=3)).isoformat()
    later = detection("B", "notcured", threat_name="Worm.Win32.X", rise_at=old)
    client = client_of(start(host("A"), host("B"), detections=[detection("A"), later]))
    wanted = {k: host_id_of("B") if v == "{B}" else v for k, v in wanted.items()}
    assert len(stored(client, {"EVP_INCL_GNRL_EVENTS": True, **wanted})) == count


def test_an_event_keeps_its_id_and_comes_when_it_is_registered(
    start: Start, client_of: ClientOf
) -> None:
    later = detection("A", registered_at=(NOW + timedelta(hours=1)).isoformat())
    sim = start(host("A"), detections=[later, detection("A")])
    client = client_of(sim)
    before = [event["event_db_id"] for event in stored(client, None)]
    sim.set_clock(NOW + timedelta(hours=1))
    after = [event["event_db_id"] for event in stored(client, None)]
    assert len(before) == 2
    assert after[:2] == before
    assert len(after) == 4


def test_a_lost_link_is_an_event_on_both_sides(start: Start, client_of: ClientOf) -> None:
    begins, ends = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    cut = {"server_code": "dtp_872", "from_at": begins.isoformat(), "to_at": ends.isoformat(),
           "kind": "link_cut"}  # fmt: skip
    sim = start(servers=SERVERS, events=[cut])
    assert [e["event_type"] for e in stored(client_of(sim, "dtp_872"), {})] == [
        "KLSRV_EV_MASTER_SRV_DISCONNECTED",
        "KLSRV_EV_MASTER_SRV_CONNECTED",
    ]
    assert [e["event_type"] for e in stored(client_of(sim), {})] == [
        "KLSRV_EV_SLAVE_SRV_DISCONNECTED",
        "KLSRV_EV_SLAVE_SRV_CONNECTED",
    ]
    assert stored(client_of(sim, "dtp_875"), {}) == []


# -- views and inventory ---------------------------------------------------------------------------


def view(client: RawClient, name: str, *fields: str, text: str = "", **params: Any) -> list[Any]:
    opened = client.call(
        "SrvView.ResetIterator",
        {
            "wstrViewName": name,
            "wstrFilter": text,
            "vecFieldsToReturn": list(fields),
            "vecFieldsToOrder": [],
            "pParams": params,
            "lifetimeSec": 600,
        },
    )
    iterator = {"wstrIteratorId": opened.json["wstrIteratorId"]}
    count = client.call("SrvView.GetRecordCount", iterator).result
    ask = {**iterator, "nStart": 0, "nEnd": count}
    found = array(client.call("SrvView.GetRecordRange", ask), "pRecords", "KLCSP_ITERATOR_ARRAY")
    assert client.call("SrvView.ReleaseIterator", iterator).json == {}
    return found


def test_hardware_is_a_view_without_host_ids(start: Start, client_of: ClientOf) -> None:
    facts = {"memory_mb": 1024, "disk_gb": 80, "mac_address": "00:1A:92:05:3B:6A", "cpu": "E2180"}
    sim = start(host("A", **facts), host("B", **facts, agent_version=""), host("C"))
    fields = ("Name", "MemorySize", "DiskSize", "StrMac", "CPU", "SerialNumber", "LastVisible")
    name = "HWInvStorageSrvViewName"
    client = client_of(sim)
    assert view(client, name, *fields, text="(Type=0)", TOP_N=5000) == [
        {
            "Name": "A",
            "MemorySize": 1024,
            "DiskSize": 80,
            "StrMac": "00:1A:92:05:3B:6A",
            "CPU": "E2180",
            "LastVisible": {"type": "datetime", "value": "2023-10-20T00:55:00Z"},
        }
    ]
    assert view(client, name, "Name", TOP_N=0) == []


def test_threats_need_their_localisation_and_show_the_outcome(
    start: Start, client_of: ClientOf
) -> None:
    rows = [detection("A"), detection("A", "notcured", threat_name="Worm")]
    client = client_of(start(host("A"), detections=rows))
    names = ("EDetectionTypeLoc", "EDetectionEngineLoc", "EDetectionMethodLoc", "EViractResultLoc")
    params = {name: {"type": "params", "value": {}} for name in names}
    found = view(client, "RptViractSrvViewName", "sVirusName", "nEventResult", **params)
    assert [(row["sVirusName"], row["nEventResult"]["value"] == 0) for row in found] == [
        ("Trojan.Win32.Agent.gen", False),
        ("Worm", True),
    ]
    ask = {"wstrViewName": "RptViractSrvViewName", "vecFieldsToReturn": [], "lifetimeSec": 60}
    assert "EDetectionTypeLoc" in client.call("SrvView.ResetIterator", ask).error


def test_a_foreign_antivirus_is_in_the_inventory(start: Start, client_of: ClientOf) -> None:
    foreign = "BkavPro Internet Security"
    sim = start(host("A", foreign_antivirus=foreign), host("B"))
    client = client_of(sim)
    ask = {"szwHostId": host_id_of("A"), "pParams": {}}
    programs = array(
        client.call("InventoryApi.GetHostInvProducts", ask), "PxgRetVal", "GNRL_EA_PARAM_1"
    )
    cleaned = [program["DisplayName"] for program in programs if program["CleanerProductName"]]
    assert cleaned == [foreign]
    listed = array(
        client.call("InventoryApi.GetInvProductsList", {"pParams": {}}),
        "PxgRetVal",
        "GNRL_EA_PARAM_1",
    )
    assert len(listed) == 2
    counts = view(client, "InvSrvViewName", "wstrDisplayName", "nHostCount")
    assert {row["wstrDisplayName"]: row["nHostCount"] for row in counts} == {
        foreign: 1,
        "7-Zip 22.01": 2,
    }
    ask = {"wstrType": "", "pParams": {}}
    known = client.call("InventoryApi.GetSrvCompetitorIniFileInfoList", ask)
    [definition] = array(known, "PxgRetVal")
    assert definition["INIFILE_PRODUCT_NAME"] == foreign


def test_products_of_a_device_are_kasperskys_only(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A", foreign_antivirus="Bkav"), host("B", agent_version="",
                             antivirus_version="", rtp_state="")))  # fmt: skip

    def products(name: str) -> dict[str, Any]:
        ask = {"strHostName": host_id_of(name)}
        found: dict[str, Any] = client.call("HostGroup.GetHostProducts", ask).result
        return found

    found = products("A")
    assert set(found) == {"1103", "KES"}
    version = found["KES"]["value"]["21.0.0.0"]["value"]
    assert version["BaseDate"] == {"type": "datetime", "value": "2023-10-19T15:00:00Z"}
    assert products("B") == {}


def test_an_object_that_was_not_disinfected_is_an_incident(
    start: Start, client_of: ClientOf
) -> None:
    rows = [detection("A"), detection("A", "notcured")]
    client = client_of(start(host("A"), detections=rows))
    arguments = {
        "strFilter": "(KLINCDT_SEVERITY=4)",
        "pFieldsToReturn": ["KLINCDT_ID", "KLHST_WKS_HOSTNAME"],
        "pFieldsToOrder": [],
        "lMaxLifeTime": 60,
    }
    found = client.call("HostGroup.FindIncidents", arguments)
    assert found.result == 1
    [incident] = elements(client.chunk(found.json["strAccessor"]))
    assert incident["KLHST_WKS_HOSTNAME"] == host_id_of("A")
    by_body = [{"type": "params", "value": {"Name": "KLINCDT_BODY", "Asc": True}}]
    refused = client.call("HostGroup.FindIncidents", arguments | {"pFieldsToOrder": by_body})
    assert "STDE_BADPARAM" in refused.error


# -- reports ---------------------------------------------------------------------------------------


def report(
    client: RawClient, number: int, seconds: ManualSeconds, target: int, **options: Any
) -> str:
    """Execute a report and return the path of its file."""
    output = {"type": "params", "value": {"KLRPT_TARGET_TYPE": target}}
    arguments = {
        "lReportId": number,
        "pOptions": {"KLRPT_OUTPUT_FORMAT": output, **options},
    }
    request_id = client.call("ReportManager.ExecuteReportAsync", arguments).json["strRequestId"]
    last = finish(client, request_id, seconds)
    return str(last.json["pStateData"]["KLRPT_OUTPUT_FILE"])


def fetch(client: RawClient, path: str, **headers: str) -> Reply:
    return client.send("GET", path, None, {"X-KSC-Session": client.session, **headers})


def test_reports_are_listed_under_their_localised_names(start: Start, client_of: ClientOf) -> None:
    client = client_of(start())
    types = client.call("ReportManager.EnumReportTypes").result
    assert {"RPT_TYPE": 3, "RPT_DN": "Báo cáo sử dụng khóa bản quyền"} in [
        t["value"] for t in types
    ]
    first = client.call("ReportManager.EnumReports").result[0]["value"]
    ask = {"lReportId": first["RPT_ID"]}
    assert client.call("ReportManager.GetReportInfo", ask).result == first
    for spelling in ("lReportTypeId", "lReportType"):
        asked = client.call("ReportManager.GetReportTypeDetailedInfo", {spelling: 0}).result
        assert asked["RPT_FIELDS"]


def test_a_report_is_fetched_whole_or_in_parts_by_its_session_only(
    start: Start, client_of: ClientOf, seconds: ManualSeconds
) -> None:
    sim = start(host("A"), host("B", group_path=UNASSIGNED))
    client, other = client_of(sim), client_of(sim)
    path = report(client, 11, seconds, 2, KLRPT_USE_UTC=True)
    whole = fetch(client, path)
    assert whole.status == 200
    records = json.loads(whole.body)["data"]["records"]
    assert (records["reccount"], records["totreccount"]) == (2, 2)
    cells = [field["value"] for field in records["record"][0]["field"]]
    assert cells[0] == "A"
    assert cells[-1] == "2023-10-20T00:55:00"
    size = len(whole.body)
    part = fetch(client, path, Range="bytes=10-")
    assert (part.status, part.body) == (206, whole.body[10:])
    assert part.headers["Content-Range"] == f"bytes 10-{size - 1}/{size}"
    assert fetch(client, path, Range=f"bytes={size}-").status == 416
    assert fetch(other, path).status == 404
    assert fetch(client, "/ksc_reports/none/report.json").status == 404


def test_a_report_comes_as_xml_or_csv_with_local_time(
    start: Start, client_of: ClientOf, seconds: ManualSeconds
) -> None:
    client = client_of(start(host("A & <B>", licence_serial=SERIAL), keys=[KEY]))
    tree = ElementTree.fromstring(fetch(client, report(client, 11, seconds, 0)).body)
    values = [value.text for value in tree.iterfind("records/record/field/value")]
    assert values[0] == "A & <B>"
    assert values[-1] == "20/10/2023 07:55:00"
    text = fetch(client, report(client, 12, seconds, 1)).body.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1] == [SERIAL, KEY["product_name"], "2", "1", "13/10/2024 07:00:00"]


def test_a_report_needs_options(start: Start, client_of: ClientOf) -> None:
    client = client_of(start())
    for options in (
        {},
        {"KLRPT_OUTPUT_FORMAT": {"type": "params", "value": {"KLRPT_TARGET_TYPE": 9}}},
    ):
        ask = {"lReportId": 11, "pOptions": options}
        assert "STDE_BADPARAM" in client.call("ReportManager.ExecuteReportAsync", ask).error
