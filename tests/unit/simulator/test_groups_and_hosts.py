from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from estates import AT, UNASSIGNED, host, host_id_of
from ksc_ledger.simulator import Simulator
from unit.simulator.conftest import NOW, ManualSeconds
from unit.simulator.raw_client import RawClient, elements

Start = Callable[..., Simulator]
ClientOf = Callable[..., RawClient]

PATH = "01. Phòng ban/Phòng Nội vụ"


def test_a_device_has_its_attributes_in_their_wire_types(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("TM-NV-PC01~~10281", group_path=PATH, virus_count=3)))
    fields = [
        "KLHST_WKS_HOSTNAME", "KLHST_WKS_DN", "KLHST_WKS_WINHOSTNAME", "KLHST_WKS_DNSNAME",
        "KLHST_WKS_GROUPID", "name", "grp_full_name", "KLHST_WKS_FROM_UNASSIGNED",
        "KLHST_WKS_STATUS", "KLHST_WKS_STATUS_ID", "KLHST_WKS_STATUS_MASK",
        "KLHST_WKS_RTP_STATE", "KLHST_WKS_RTP_AV_BASES_TIME", "KLHST_WKS_LAST_NAGENT_CONNECTED",
        "KLHST_WKS_CTYPE", "KLHST_WKS_IP_LONG", "KLHST_WKS_IP", "KLHST_WKS_VIRUS_COUNT",
    ]  # fmt: skip
    assert client.hosts("", *fields) == [
        {
            "KLHST_WKS_HOSTNAME": host_id_of("TM-NV-PC01~~10281"),
            "KLHST_WKS_DN": "TM-NV-PC01~~10281",
            "KLHST_WKS_WINHOSTNAME": "TM-NV-PC01",
            "KLHST_WKS_DNSNAME": "tm-nv-pc01",
            "KLHST_WKS_GROUPID": 17,
            "name": "Phòng Nội vụ",
            "grp_full_name": "Managed devices/01. Phòng ban/Phòng Nội vụ",
            "KLHST_WKS_FROM_UNASSIGNED": False,
            "KLHST_WKS_STATUS": 31,
            "KLHST_WKS_STATUS_ID": 0,
            "KLHST_WKS_STATUS_MASK": 0,
            "KLHST_WKS_RTP_STATE": 4,
            "KLHST_WKS_RTP_AV_BASES_TIME": {"type": "datetime", "value": "2023-10-19T15:00:00Z"},
            "KLHST_WKS_LAST_NAGENT_CONNECTED": {
                "type": "datetime",
                "value": "2023-10-20T00:55:00Z",
            },
            "KLHST_WKS_CTYPE": 1,
            "KLHST_WKS_IP_LONG": {"type": "long", "value": 173278741},
            "KLHST_WKS_IP": 352736266,
            "KLHST_WKS_VIRUS_COUNT": {"type": "long", "value": 3},
        }
    ]


def test_an_address_in_network_order_may_be_negative(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A", ip="10.84.6.200")))
    assert client.hosts("", "KLHST_WKS_IP", "KLHST_WKS_IP_LONG") == [
        {"KLHST_WKS_IP": -939109366, "KLHST_WKS_IP_LONG": {"type": "long", "value": 173278920}}
    ]


def test_attributes_without_a_value_are_absent_not_null(start: Start, client_of: ClientOf) -> None:
    bare = host("X", agent_version="", antivirus_version="", rtp_state="", bases="", ip="",
                last_connected="", last_visible="", last_full_scan="", created_at="")  # fmt: skip
    fields = ["KLHST_WKS_DN", "KLHST_WKS_NAG_VERSION", "KLHST_WKS_RTP_AV_VERSION", "KLHST_WKS_IP",
              "KLHST_WKS_RTP_AV_BASES_TIME", "KLHST_WKS_LAST_VISIBLE", "KLHST_WKS_LAST_FULLSCAN",
              "KLHST_WKS_CREATED", "KLHST_WKS_COMMENT", "KLSRVH_SRV_ID"]  # fmt: skip
    assert client_of(start(bare)).hosts("", *fields) == [{"KLHST_WKS_DN": "X"}]


def test_a_device_outside_groups_is_unassigned(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A"), host("B", group_path=UNASSIGNED)))
    assert client.names("(KLHST_WKS_FROM_UNASSIGNED=1)") == ["B"]
    assert client.names("(KLHST_WKS_FROM_UNASSIGNED=0)") == ["A"]
    [row] = client.hosts('(KLHST_WKS_DN="B")', "KLHST_WKS_STATUS", "grp_full_name")
    assert row == {"KLHST_WKS_STATUS": 29, "grp_full_name": "Unassigned devices"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["A", "B", "C"]),
        ('(KLHST_WKS_DN="[a-b]")', ["A", "B"]),
        ("(KLHST_WKS_STATUS&16<>0)", ["A", "B"]),
        ("(KLHST_WKS_STATUS_ID=1)", ["B", "C"]),
        ("(KLHST_WKS_STATUS_MASK_5<>0)", ["C"]),
        ("(KLHST_WKS_STATUS_MASK_12 <> 0)", ["B"]),
        ("(KLHST_WKS_GROUPID_GP=0)", ["A", "B", "C"]),
        ("(KLHST_WKS_GROUPID_GP=16)", ["A", "B"]),
        ("(KLHST_WKS_GROUPID=16)", ["B"]),
        ("(!(KLHST_WKS_GROUPID_GP=16))", ["C"]),
        ("(KLHST_WKS_LAST_NAGENT_CONNECTED<CURTIME(-86400))", ["B"]),
        ('(KLHST_WKS_AV_BASES_DATE>=T"2023-10-19 15:00:00")', ["A", "B"]),
        ("(KLHST_WKS_AV_BASES_SEC>35999)", ["A", "B"]),
        ('(KLHST_WKS_PRODUCT_NAME="*Endpoint*")', ["A", "B"]),
        ('(KLHST_WKS_PRODUCT_ID="KES/*")', ["A", "B"]),
        ('(KLHST_INVENTORY_PRODUCT_NAME="BkavPro*")', ["B"]),
        ('KLHST_WKS_HOSTNAME = "' + host_id_of("C") + '"', ["C"]),
    ],
)
def test_filters_search_the_estate(
    start: Start, client_of: ClientOf, text: str, expected: list[str]
) -> None:
    sim = start(
        host("A", group_path=PATH),
        host(
            "B",
            group_path="01. Phòng ban",
            foreign_antivirus="BkavPro Internet Security",
            last_connected="-2d",
        ),
        host("C", antivirus_version="", rtp_state="", bases="", last_full_scan=""),
    )
    assert client_of(sim).names(text) == expected


def test_devices_are_ordered_as_asked(start: Start, client_of: ClientOf) -> None:
    client = client_of(
        start(host("b", last_full_scan=""), host("A", last_full_scan="-2d"), host("c"))
    )

    def names(key: str, is_ascending: bool) -> list[str]:
        rows = client.hosts("", "KLHST_WKS_DN", order=(key, is_ascending))
        return [row["KLHST_WKS_DN"] for row in rows]

    assert names("KLHST_WKS_DN", True) == ["A", "b", "c"]
    assert names("KLHST_WKS_DN", False) == ["c", "b", "A"]
    assert names("KLHST_WKS_LAST_FULLSCAN", True) == ["b", "c", "A"]


def test_a_set_is_read_by_position_and_released(start: Start, client_of: ClientOf) -> None:
    sim = start(*(host(f"PC-{number:02}") for number in range(7)))
    client = client_of(sim)
    found = client.find_hosts("", order=("KLHST_WKS_DN", True))
    accessor = found.json["strAccessor"]
    assert found.result == 7
    assert client.call("ChunkAccessor.GetItemsCount", {"strAccessor": accessor}).result == 7
    read = [client.chunk(accessor, first, 3) for first in (0, 3, 6, 9)]
    assert [reply.result for reply in read] == [3, 3, 1, 0]
    names = [row["KLHST_WKS_DN"] for reply in read for row in elements(reply)]
    assert names == [f"PC-{number:02}" for number in range(7)]
    assert sim.state()["servers"]["dtp"]["set_count"] == 1
    assert client.call("ChunkAccessor.Release", {"strAccessor": accessor}).json == {}
    assert sim.state()["servers"]["dtp"]["set_count"] == 0
    assert "STDE_NOTFOUND" in client.chunk(accessor).error


def test_a_set_does_not_change_while_it_is_read(start: Start, client_of: ClientOf) -> None:
    later = (NOW + timedelta(minutes=1)).isoformat()
    sim = start(host("A"), host("B", to_at=later), host("C", from_at=later))
    client = client_of(sim)
    accessor = client.find_hosts("", order=("KLHST_WKS_DN", True)).json["strAccessor"]
    sim.set_clock(NOW + timedelta(minutes=1))
    assert [row["KLHST_WKS_DN"] for row in elements(client.chunk(accessor))] == ["A", "B"]
    assert client.names("") == ["A", "C"]


def test_an_accessor_belongs_to_its_session(start: Start, client_of: ClientOf) -> None:
    sim = start()
    first, second = client_of(sim), client_of(sim)
    accessor = first.find_hosts().json["strAccessor"]
    assert "STDE_NOTFOUND" in second.chunk(accessor).error


@pytest.mark.parametrize(("waited", "is_there"), [(100.0, True), (100.1, False)])
def test_an_accessor_dies_after_its_life_since_the_last_use(
    start: Start, client_of: ClientOf, seconds: ManualSeconds, waited: float, is_there: bool
) -> None:
    client = client_of(start())
    arguments = {
        "wstrFilter": "",
        "vecFieldsToReturn": ["KLHST_WKS_DN"],
        "lMaxLifeTime": 100,
    }
    accessor = client.call("HostGroup.FindHosts", arguments).json["strAccessor"]
    for _ in range(2):
        seconds.pass_by(waited)
        client.call("Session.Ping")
        reply = client.chunk(accessor)
    assert ("PxgError" not in reply.json) is is_there


@pytest.mark.parametrize(
    "changes",
    [
        {"lMaxLifeTime": 7201},
        {"lMaxLifeTime": 0},
        {"lMaxLifeTime": "600"},
        {"vecFieldsToReturn": []},
        {"vecFieldsToReturn": ["KLHST_WKS_LAST_INFOUPDATE"]},
        {"vecFieldsToReturn": "KLHST_WKS_DN"},
        {"vecFieldsToOrder": [{"Name": "KLHST_WKS_DN", "Asc": True}]},
        {"vecFieldsToOrder": [{"type": "params", "value": {"Asc": True}}]},
        {"pParams": []},
        {"pParams": {"KLGRP_FIND_FROM_CUR_VS_ONLY": None}},
        {"wstrFilter": "(KLHST_WKS_NONSENSE=1)"},
        {"wstrfilter": ""},
        {"pParams": {"a": {"type": "long"}}},
        {"strFilter": ""},
    ],
)
def test_a_wrong_argument_is_a_business_error(
    start: Start, client_of: ClientOf, changes: dict[str, Any]
) -> None:
    arguments = {
        "wstrFilter": "",
        "vecFieldsToReturn": ["KLHST_WKS_DN"],
        "vecFieldsToOrder": [],
        "pParams": {},
        "lMaxLifeTime": 7200,
    }
    client = client_of(start())
    assert client.call("HostGroup.FindHosts", arguments).result == 1
    assert "STDE_BAD" in client.call("HostGroup.FindHosts", arguments | changes).error


@pytest.mark.parametrize("bad", [{"nStart": -1}, {"nCount": 0}, {"nCount": None}, {"nStart": True}])
def test_a_chunk_needs_sensible_bounds(
    start: Start, client_of: ClientOf, bad: dict[str, Any]
) -> None:
    client = client_of(start())
    accessor = client.find_hosts().json["strAccessor"]
    arguments = {"strAccessor": accessor, "nStart": 0, "nCount": 1} | bad
    assert "STDE_BADPARAM" in client.call("ChunkAccessor.GetItemsChunk", arguments).error


def test_ages_follow_the_clock_and_instants_do_not(start: Start, client_of: ClientOf) -> None:
    sim = start(host("A", last_visible="-1h", last_connected=AT))
    client = client_of(sim)

    def seen() -> tuple[str, str, int]:
        fields = ("KLHST_WKS_LAST_VISIBLE", "KLHST_WKS_LAST_NAGENT_CONNECTED", "KLHST_WKS_STATUS")
        [row] = client.hosts("", *fields)
        return row[fields[0]]["value"], row[fields[1]]["value"], row[fields[2]]

    assert seen() == ("2023-10-20T00:00:00Z", "2023-10-20T01:00:00Z", 31)
    sim.set_clock(NOW + timedelta(days=1))
    assert seen() == ("2023-10-21T00:00:00Z", "2023-10-20T01:00:00Z", 23)


def test_a_rename_and_a_move_are_the_next_period_of_one_id(
    start: Start, client_of: ClientOf
) -> None:
    device = {"host_id": host_id_of("the one")}
    later = (NOW + timedelta(hours=1)).isoformat()
    sim = start(
        host("OLD", **device, to_at=later), host("NEW", **device, from_at=later, group_path=PATH)
    )
    client = client_of(sim)
    fields = ("KLHST_WKS_HOSTNAME", "KLHST_WKS_DN", "KLHST_WKS_GROUPID")
    [before] = client.hosts("", *fields)
    sim.set_clock(NOW + timedelta(hours=1))
    [after] = client.hosts("", *fields)
    assert before == {fields[0]: device["host_id"], fields[1]: "OLD", fields[2]: 0}
    assert after == {fields[0]: device["host_id"], fields[1]: "NEW", fields[2]: 17}


def test_groups_are_found_with_their_full_names_and_counts(
    start: Start, client_of: ClientOf
) -> None:
    sim = start(host("A", group_path=PATH), host("B", group_path=PATH), host("C"))
    client = client_of(sim)
    fields = ["id", "parentId", "name", "grp_full_name", "level", "hostsNum", "KLGRP_CHLDHST_CNT"]
    found = client.call(
        "HostGroup.FindGroups",
        {"wstrFilter": "", "vecFieldsToReturn": fields, "vecFieldsToOrder": [], "pParams": {},
         "lMaxLifeTime": 60},
    )  # fmt: skip
    rows = elements(client.chunk(found.json["strAccessor"]))
    assert [tuple(row.get(name) for name in fields) for row in rows] == [
        (0, 2, "Managed devices", "Managed devices", 0, 1, 3),
        (1, 2, "Unassigned devices", "Unassigned devices", 0, 0, 0),
        (16, 0, "01. Phòng ban", "Managed devices/01. Phòng ban", 1, 0, 2),
        (17, 16, "Phòng Nội vụ", f"Managed devices/{PATH}", 2, 2, 2),
    ]


def test_a_group_counts_the_devices_below_it_by_their_status(
    start: Start, client_of: ClientOf
) -> None:
    sim = start(
        host("ok", group_path=PATH),
        host("warning", group_path=PATH, bases="-8d"),
        host("critical", group_path=PATH, bases="-15d"),
        host("critical too", group_path="01. Phòng ban", rtp_state=1),
    )
    names = [f"KLGRP_CHLDHST_CNT{suffix}" for suffix in ("", "_OK", "_WRN", "_CRT")]
    ask = {"nGroupId": 16, "pArrAttributes": names}
    counts = client_of(sim).call("HostGroup.GetGroupInfoEx", ask).result
    assert [counts[name] for name in names] == [4, 1, 1, 2]


def test_group_ids_stay_when_groups_come_and_go(start: Start, client_of: ClientOf) -> None:
    later = (NOW + timedelta(hours=1)).isoformat()
    groups = [
        {"server_code": "dtp", "group_path": "A", "to_at": later},
        {"server_code": "dtp", "group_path": "B"},
        {"server_code": "dtp", "group_path": "C", "from_at": later},
    ]
    sim = start(groups=groups)
    client = client_of(sim)

    def groups_now() -> dict[str, int]:
        tree = client.call("HostGroup.GetSubgroups", {"nGroupId": 0, "nDepth": 0}).result
        return {item["value"]["name"]: item["value"]["id"] for item in tree}

    assert groups_now() == {"A": 16, "B": 17}
    sim.set_clock(NOW + timedelta(hours=1))
    assert groups_now() == {"B": 17, "C": 18}


@pytest.mark.parametrize("spelling", ["nGroupId", "nParent"])
def test_subgroups_come_as_a_tree_of_the_asked_depth(
    start: Start, client_of: ClientOf, spelling: str
) -> None:
    client = client_of(start(host(group_path="A/B/C")))

    def depth(asked: int) -> int:
        level = client.call("HostGroup.GetSubgroups", {spelling: 0, "nDepth": asked}).result
        found = 0
        while level:
            found += 1
            level = level[0]["value"].get("groups")
        return found

    assert [depth(asked) for asked in (0, 1, 2, 9)] == [3, 1, 2, 3]


def test_one_group_tells_its_limits(start: Start, client_of: ClientOf) -> None:
    client = client_of(start())
    info = client.call(
        "HostGroup.GetGroupInfoEx",
        {
            "nGroupId": 0,
            "pArrAttributes": ["name", "KLSRV_HSTSTAT_CRITICAL", "KLGRP_HlfInherited "],
        },
    ).result
    assert info["name"] == "Managed devices"
    assert info["KLSRV_HSTSTAT_CRITICAL"]["value"]["KLSRV_HSTSTAT_OLD_AV_BASES"] == 14
    assert info["KLGRP_HlfInherited "] is False
    assert client.call("HostGroup.GetGroupInfo", {"nGroupId": 1}).result["name"].startswith("Un")
    assert "STDE_NOTFOUND" in client.call("HostGroup.GetGroupInfo", {"nGroupId": 99}).error


def test_the_built_in_groups_and_a_name_have_ids(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host(group_path=PATH)))
    ids = [
        client.call(f"HostGroup.GroupId{name}").result for name in ("Groups", "Super", "Unassigned")
    ]
    assert len(set(ids)) == 3
    by_name = client.call("HostGroup.GetGroupId", {"nParent": ids[0], "strName": "01. Phòng ban"})
    assert by_name.result == 16
    assert client.call("HostGroup.GetGroupId", {"nParent": 0, "strName": "none"}).result == -1


def test_a_device_is_asked_for_by_its_id_not_by_its_name(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A")))
    ask = {"strHostName": host_id_of("A"), "pFields2Return": ["KLHST_WKS_DN", "KLHST_APP_INFO"]}
    info = client.call("HostGroup.GetHostInfo", ask).result
    assert info["KLHST_WKS_DN"] == "A"
    assert set(info["KLHST_APP_INFO"]["value"]) == {"1103", "KES"}
    ask["strHostName"] = "A"
    assert "STDE_NOTFOUND" in client.call("HostGroup.GetHostInfo", ask).error


def test_the_server_tells_about_itself(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(host("A"), host("B")))
    info = client.call("HostGroup.GetStaticInfo", {"pValues": None}).result
    assert info["KLADMSRV_PRODUCT_FULL_VERSION"] == "14.2.0.26967"
    assert info["KLSRV_NETSIZE"] == 2
    assert info["KLADMSRV_EV_EV_SIZE"]["type"] == "double"
    assert "KLADMSRV_SERVER_CERT" not in info
    some = {"pValues": ["KLADMSRV_SERVER_CERT", "KLADMSRV_IS_VIRTUAL"]}
    asked = client.call("HostGroup.GetStaticInfo", some).result
    assert set(asked) == {"KLADMSRV_SERVER_CERT", "KLADMSRV_IS_VIRTUAL"}
    assert asked["KLADMSRV_SERVER_CERT"]["type"] == "binary"
    assert "KLADMSRV_SSS_PORT" in client.call("HostGroup.GetRunTimeInfo", {"pValues": []}).result
    counts = {"vecFilterFields": ["KLSRV_ST_TOTAL_HOSTS_COUNT"]}
    statistics = client.call("HostGroup.GetInstanceStatistics", counts).result
    assert statistics["KLSRV_ST_TOTAL_HOSTS_COUNT"] == 2
    assert "STDE_BADPARAM" in client.call("HostGroup.GetInstanceStatistics").error
    [domain] = client.call("HostGroup.GetDomains").result
    assert domain["value"]["KLHST_WKS_WINDOMAIN_TYPE"] == 1
