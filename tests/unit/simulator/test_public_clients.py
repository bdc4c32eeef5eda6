"""What known public clients send, and what they need to be answered (docs/public-clients.md).

No code of any of them is here: each test holds one form in which a request was seen.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest

from estates import host, host_id_of, server
from ksc_ledger.simulator import Simulator
from unit.simulator.conftest import NOW, ManualSeconds
from unit.simulator.raw_client import RawClient, Reply, elements

Start = Callable[..., Simulator]
ClientOf = Callable[..., RawClient]

SERIAL = "2B1E-231013-000000-1-1"
KEY = {
    "server_code": "dtp",
    "serial": SERIAL,
    "product_name": "Kaspersky Endpoint Security for Business - Select",
    "limit_count": 2,
    "created_at": "2023-10-13T00:00:00Z",
    "expires_at": "2024-10-13T00:00:00Z",
}


def detection(name: str, rise_at: Any = NOW - timedelta(hours=2)) -> dict[str, Any]:
    return {
        "server_code": "dtp",
        "host_id": host_id_of(name),
        "rise_at": rise_at.isoformat(),
        "registered_at": rise_at.isoformat(),
        "threat_name": "Trojan.Win32.Agent.gen",
        "outcome": "deleted",
    }


def events(client: RawClient, method: str, **arguments: Any) -> list[dict[str, Any]]:
    """The events of a new iterator; the first is not named, as when it is 0."""
    asked = {"vecFieldsToReturn": ["event_db_id", "hostdn"], "lifetimeSec": 120, **arguments}
    opened = client.call(f"EventProcessingFactory.{method}", asked)
    assert "strIteratorId" in opened.json, opened.json
    ask = {"strIteratorId": opened.json["strIteratorId"], "nEnd": 100}
    part = client.call("EventProcessing.GetRecordRange", ask)
    return [item["value"] for item in part.json["pParamsEvents"]["KLEVP_EVENT_RANGE_ARRAY"]]


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [event["event_db_id"]["value"] for event in found]


# -- logging in ------------------------------------------------------------------------------------


@pytest.mark.parametrize("virtual_server", ["", "x"])
@pytest.mark.parametrize("tail", [', domain="", internal="1"', ', domain="", internal=true', ""])
@pytest.mark.parametrize("method", ["login", "Session.StartSession"])
def test_a_login_needs_no_body(
    start: Start, client_of: ClientOf, method: str, tail: str, virtual_server: str
) -> None:
    client = client_of(start(), is_logged_in=False)
    headers = {
        "Authorization": client.basic(tail=tail),
        "X-KSC-VServer": virtual_server,
        "Content-Type": "application/json",
        "Content-Length": "0",
    }
    reply = client.send("POST", f"/api/v1.0/{method}", None, headers)
    assert (reply.status, reply.body[:1]) == (200, b"{")


def test_a_district_is_reached_with_a_location_that_lost_its_false_members(
    start: Start, client_of: ClientOf
) -> None:
    rows = [host("A"), host("B", server_code="dtp_872")]
    sim = start(*rows, servers=[server("dtp"), server("dtp_872", "dtp")])
    main, other = client_of(sim), client_of(sim, is_logged_in=False)
    managed = main.call("HostGroup.GroupIdGroups").result
    [child] = main.call("ServerHierarchy.GetChildServers", {"nGroupId": managed}).result
    ask = {"nSlaveServerId": child["value"]["KLSRVH_SRV_ID"]}
    location = main.call("CgwHelper.GetSlaveServerLocation", ask).result
    kept = {name: value for name, value in location.items() if value}
    assert kept != location
    wrapped = {"pLocations": [{"type": "params", "value": kept}]}
    key = main.call("GatewayConnection.PrepareGatewayConnection", wrapped).json["wstrAuthKey"]
    assert other.call("login", Authorization=f"KSCGW {key}").status == 200
    assert other.names("") == ["B"]


# -- numbers, orders and filters -------------------------------------------------------------------


def test_an_index_that_is_0_may_be_left_out(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A"), host("B"), host("C")))
    found = client.find_hosts("", order=("KLHST_WKS_DN", True)).json["strAccessor"]
    ask = {"strAccessor": found, "nCount": 2}
    first = client.call("ChunkAccessor.GetItemsChunk", ask)
    second = client.call("ChunkAccessor.GetItemsChunk", {**ask, "nStart": 2})
    names = [row["KLHST_WKS_DN"] for reply in (first, second) for row in elements(reply)]
    assert names == ["A", "B", "C"]
    group = client.call("HostGroup.GetGroupInfoEx", {"pArrAttributes": ["id", "name"]}).result
    assert group == {"id": 0, "name": "Managed devices"}


def test_one_sort_key_may_stand_where_an_array_of_keys_belongs(
    start: Start, client_of: ClientOf
) -> None:
    rows = [detection("A", NOW - timedelta(hours=hours)) for hours in (3, 2)]
    client = client_of(start(host("A"), detections=rows))

    def order(kind: str, name: str) -> dict[str, Any]:
        key = {"type": kind, "value": {"Name": name, "Asc": False}}
        return {"vecFieldsToOrder": key}

    ascending = numbers(events(client, "CreateEventProcessing"))
    assert len(ascending) == 4
    descending = events(client, "CreateEventProcessing", **order("params", "event_db_id"))
    assert numbers(descending) == ascending[::-1]
    # A client that has no key sends one with blanks.
    assert numbers(events(client, "CreateEventProcessing", **order("", ""))) == ascending


@pytest.mark.parametrize(
    "order",
    [
        [{"Name": "KLHST_WKS_DN", "Asc": True}],
        {"Name": "KLHST_WKS_DN", "Asc": True},
        {"type": "long", "value": {"Name": "KLHST_WKS_DN", "Asc": True}},
        [{"type": "params", "value": {"Name": "", "Asc": True}}],
        "KLHST_WKS_DN",
    ],
)
def test_a_sort_key_in_any_other_form_is_still_refused(
    start: Start, client_of: ClientOf, order: Any
) -> None:
    ask = {"vecFieldsToReturn": ["KLHST_WKS_DN"], "vecFieldsToOrder": order, "lMaxLifeTime": 60}
    assert "STDE_BADPARAM" in client_of(start()).call("HostGroup.FindHosts", ask).error


def test_everything_that_may_be_left_out_may_be_null(start: Start, client_of: ClientOf) -> None:
    ask = {
        "wstrFilter": None,
        "vecFieldsToReturn": ["KLHST_WKS_DN"],
        "vecFieldsToOrder": None,
        "pParams": None,
        "lMaxLifeTime": 60,
    }
    assert client_of(start(host("A"))).call("HostGroup.FindHosts", ask).result == 1


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('(KLHST_WKS_CREATED<"2022-10-01T01:00:00Z")', 0),
        ('(KLHST_WKS_CREATED<"2022-10-01T01:00:01Z")', 1),
        ('(&(KLHST_WKS_STATUS & 4<>0)(KLHST_WKS_CREATED>="2022-10-01T01:00:00Z"))', 1),
        ("\n\t\t(&\n\t\t\t(KLHST_WKS_GROUPID_GP <> 4)\n\t\t\t(KLHST_WKS_STATUS&1<>0)\n\t\t)", 1),
        (f'KLHST_WKS_HOSTNAME = "{host_id_of("A")}"', 1),
    ],
)
def test_filters_of_public_clients_and_samples_are_understood(
    start: Start, client_of: ClientOf, text: str, count: int
) -> None:
    client = client_of(start(host("A", created_at="2022-10-01T08:00:00+07:00")))
    assert client.find_hosts(text).result == count


@pytest.mark.parametrize("text", ["2022-10-01", "2022-10-01T01:00:00", "soon"])
def test_a_text_that_is_no_instant_is_no_value_of_one(
    start: Start, client_of: ClientOf, text: str
) -> None:
    client = client_of(start(host("A")))
    assert "STDE_BADFORMAT" in client.find_hosts(f'(KLHST_WKS_CREATED<"{text}")').error


def test_a_sweep_goes_down_although_its_other_option_is_the_text_false(
    start: Start, client_of: ClientOf, seconds: ManualSeconds
) -> None:
    rows = [host("A"), host("B", server_code="dtp_872")]
    client = client_of(start(*rows, servers=[server("dtp"), server("dtp_872", "dtp")]))

    def swept(option: Any) -> int:
        params = {"KLSRVH_SLAVE_REC_DEPTH": 1, "KLGRP_FIND_FROM_CUR_VS_ONLY": option}
        ask = {"vecFieldsToReturn": ["KLHST_WKS_DN"], "pParams": params, "lMaxLifeTime": 60}
        action = client.call("HostGroup.FindHostsAsync", ask).json["strRequestId"]
        seconds.pass_by(1)
        client.call("AsyncActionStateChecker.CheckActionState", {"wstrActionGuid": action})
        ask = {"strRequestId": action}
        return int(client.call("HostGroup.FindHostsAsyncGetAccessor", ask).result)

    assert [swept("false"), swept(False), swept(True)] == [2, 2, 1]


# -- fields that clients ask for -------------------------------------------------------------------


def test_group_fields_of_public_clients_are_known(start: Start, client_of: ClientOf) -> None:
    fields = [
        "id", "name", "parentId", "autoRemovePeriod", "notifyPeriod", "creationDate",
        "KLGRP_HlfInherited", "KLGRP_HlfForceChildren", "KLGRP_HlfForced", "lastUpdate", "hostsNum",
        "childGroupsNum", "grp_full_name", "level", "KLSRV_HSTSTAT_CRITICAL",
        "KLSRV_HSTSTAT_WARNING", "KLGRP_GRP_GROUPID_GP", "c_grp_autoInstallPackageId",
        "grp_from_unassigned", "grp_enable_fscan", "KLSRVH_SRV_DN", "KLVSRV_ID", "KLVSRV_DN",
        "KLGRP_CHLDGRP_CNT", "KLGRP_CHLDHST_CNT", "KLGRP_CHLDHST_CNT_OK", "KLGRP_CHLDHST_CNT_CRT",
        "KLGRP_CHLDHST_CNT_WRN",
    ]  # fmt: skip
    client = client_of(start(host("A", group_path="Phòng Nội vụ")))
    ask = {"wstrFilter": None, "vecFieldsToReturn": fields, "lMaxLifeTime": 600}
    found = client.call("HostGroup.FindGroups", ask)
    rows = elements(client.chunk(found.json["strAccessor"]))
    assert {"Phòng Nội vụ", "Managed devices"} <= {row["name"] for row in rows}
    assert not any("KLGRP_HlfForced" in row or "KLGRP_GRP_GROUPID_GP" in row for row in rows)


def test_host_fields_of_public_clients_are_known(start: Start, client_of: ClientOf) -> None:
    [row] = client_of(start(host("A"))).hosts("", "KLHST_WKS_DN", "HST_VM_VDI", "KLHST_WKS_LID")
    assert row == {"KLHST_WKS_DN": "A"}


def keys(client: RawClient, *fields: str) -> tuple[str, list[dict[str, Any]]]:
    opened = client.call("LicenseKeys.EnumKeys", {"pFields": list(fields)}).json
    return opened["wstrIterator"], read_keys(client, opened["wstrIterator"], 50)[0]


def read_keys(client: RawClient, iterator: str, count: int) -> tuple[list[dict[str, Any]], bool]:
    ask = {"szwIterator": iterator, "nCount": count}
    reply: Reply = client.call("GroupSyncIterator.GetNextItems", ask)
    array = reply.json["pData"]["KLCSP_ITERATOR_ARRAY"]
    return [item["value"] for item in array], reply.json["bEOF"]


def test_a_key_has_what_the_vendors_sample_prints_without_asking_whether_it_is_there(
    start: Start, client_of: ClientOf
) -> None:
    printed = [
        "KLLIC_APP_ID", "KLLIC_PROD_SUITE_ID", "KLLIC_LIMIT_DATE", "KLLIC_SERIAL",
        "KLLIC_PROD_NAME", "KLLIC_KEY_TYPE", "KLLIC_LICENSE_PERIOD", "KLLIC_LIC_COUNT",
        "KLLICSRV_KEY_INSTALLED", "KLLIC_LICINFO", "KLLIC_SUPPORT_INFO", "KLLIC_CUSTOMER_INFO",
        "KLLIC_LICTYPE_IS_SUBSCRIPTION",
    ]  # fmt: skip
    asked = [
        "KLLIC_MAJ_VER", "KLLIC_SUBSCRINFO_ENDDATE", "KLLIC_SUBSCRINFO_ENDDATETYPE",
        "KLLIC_SUBSCRINFO_GRACETERM", "KLLIC_SUBSCRINFO_PROVIDERURL", "KLLIC_SUBSCRINFO_STATE",
    ]  # fmt: skip
    client = client_of(start(host("A", licence_serial=SERIAL), keys=[KEY]))
    _, [key] = keys(client, *printed, *asked)
    assert set(printed) <= set(key)
    assert key["KLLIC_LICTYPE_IS_SUBSCRIPTION"] is False


def test_the_end_of_the_keys_is_told_once_nothing_is_left(
    start: Start, client_of: ClientOf
) -> None:
    client = client_of(start(host("A"), keys=[KEY]))
    iterator, found = keys(client, "KLLIC_SERIAL")
    assert [key["KLLIC_SERIAL"] for key in found] == [SERIAL]
    assert read_keys(client, iterator, 50) == ([], True)


def test_a_server_without_keys_says_so_at_once(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A")))
    opened = client.call("LicenseKeys.EnumKeys", {"pFields": ["KLLIC_SERIAL"]}).json
    assert opened["lKeyCount"] == 0
    assert read_keys(client, opened["wstrIterator"], 50) == ([], True)


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, {"KLEVP_RFC2254_FILTER": '(hostdn="B")'}])
def test_a_filter_given_to_the_method_without_one_means_nothing(
    start: Start, client_of: ClientOf, given: Any
) -> None:
    client = client_of(start(host("A"), detections=[detection("A")]))
    assert len(events(client, "CreateEventProcessing", pFilter=given, vecFieldsToOrder=None)) == 2


def test_no_days_are_no_limit(start: Start, client_of: ClientOf) -> None:
    long_ago = NOW - timedelta(days=300)
    client = client_of(start(host("A"), detections=[detection("A", long_ago), detection("A")]))

    def count(days: Any) -> int:
        wanted = {"KLEVP_RFC2254_FILTER": "", "KLEVP_EVENT_RISE_TIME_LAST_DAYS": days,
                  "EVP_INCL_GNRL_EVENTS": True}  # fmt: skip
        return len(events(client, "CreateEventProcessing2", pFilter=wanted))

    assert [count(0), count(1), count(299), count(300)] == [4, 2, 2, 4]


def test_events_are_asked_for_between_two_instants(start: Start, client_of: ClientOf) -> None:
    rise_at = NOW - timedelta(hours=2)
    client = client_of(start(host("A"), detections=[detection("A", rise_at)]))

    def count(least: int, greatest: int) -> int:
        wanted: dict[str, Any] = {"EVP_INCL_GNRL_EVENTS": True}
        for name, seconds in (("LEAST", least), ("GREATEST", greatest)):
            at = (rise_at + timedelta(seconds=seconds)).astimezone(UTC)
            value = {"type": "datetime", "value": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
            wanted[f"KLEVP_EVENT_RISE_TIME_{name}"] = value
        return len(events(client, "CreateEventProcessing2", pFilter=wanted))

    assert [count(-1, 1), count(0, 0), count(1, 2), count(-2, -1)] == [2, 2, 0, 0]


def test_an_instant_in_another_form_is_refused(start: Start, client_of: ClientOf) -> None:
    wanted = {"KLEVP_EVENT_RISE_TIME_LEAST": "yesterday"}
    ask = {"pFilter": wanted, "vecFieldsToReturn": ["event_type"], "lifetimeSec": 60}
    client = client_of(start(host("A"), detections=[detection("A")]))
    reply = client.call("EventProcessingFactory.CreateEventProcessing2", ask)
    assert "STDE_BADPARAM" in reply.error


@pytest.mark.parametrize(("name", "count"), [("a", 2), ("A", 2), ("B", 0)])
def test_events_are_asked_for_by_the_netbios_name(
    start: Start, client_of: ClientOf, name: str, count: int
) -> None:
    wanted = {"EVP_INCL_GNRL_EVENTS": True, "KLEVP_EVENT_HOST_NETBIOSNAME": name}
    client = client_of(start(host("A"), host("B"), detections=[detection("A")]))
    assert len(events(client, "CreateEventProcessing2", pFilter=wanted)) == count


# -- types that a strict client expects ------------------------------------------------------------


def test_statistics_and_definitions_have_the_types_that_a_strict_client_knows(
    start: Start, client_of: ClientOf
) -> None:
    client = client_of(start(host("A", foreign_antivirus="BkavPro Internet Security")))
    ask = {"vecFilterFields": ["KLSRV_ST_CON_EVENTS"]}
    statistics = client.call("HostGroup.GetInstanceStatistics", ask).result
    assert statistics["KLSRV_ST_NETWORK_SCANNED"] is True
    assert statistics["KLSRV_ST_CON_EVENTS"]["type"] == "params"
    method = "InventoryApi.GetSrvCompetitorIniFileInfoList"
    [definition] = client.call(method, {"wstrType": ""}).result
    assert {type(value) for value in definition["value"].values()} == {str}


def test_a_session_id_is_safe_in_json_made_by_hand(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A")))
    accessor = client.find_hosts().json["strAccessor"]
    for opaque in (client.session, accessor):
        assert len(base64.b64decode(opaque, validate=True)) == 16
    body = f'{{"strAccessor": "{accessor}"}}'.encode()
    path = "/api/v1.0/ChunkAccessor.GetItemsCount"
    assert client.send("POST", path, body, {"X-KSC-Session": client.session}).result == 1
