from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from estates import host, server, write_estate
from ksc_ledger.simulator import Simulator
from unit.simulator.conftest import NOW, ManualSeconds
from unit.simulator.raw_client import RawClient, elements

Start = Callable[..., Simulator]
ClientOf = Callable[..., RawClient]

HOUR = timedelta(hours=1)
SERVERS = [server("dtp"), server("dtp_872", "dtp"), server("dtp_875", "dtp", is_passive=1)]


def event(
    kind: str, begins: timedelta, ends: timedelta | None = None, **facts: Any
) -> dict[str, Any]:
    return {
        "server_code": "dtp_872",
        "from_at": (NOW + begins).isoformat(),
        "to_at": (NOW + ends).isoformat() if ends else "",
        "kind": kind,
        **facts,
    }


def links(client: RawClient) -> dict[str, tuple[int, str]]:
    children = client.call("ServerHierarchy.GetChildServers", {"nGroupId": -1}).result
    return {
        child["value"]["KLSRVH_SRV_DN"]: (
            child["value"]["KLSRVH_SRV_STATUS"],
            child["value"]["KLSRVH_SRV_LAST_CONNECTED"]["value"],
        )
        for child in children
    }


def is_open(sim: Simulator, code: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", sim.ports["servers"][code]["port"]), 5).close()
    except ConnectionError:  # refused, or dropped by a port that closes at this very moment
        return False
    return True


def test_the_province_lists_its_districts(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(servers=SERVERS))
    listed = client.call("ServerHierarchy.GetChildServers", {"nGroupId": -1}).result
    first, second = (child["value"] for child in listed)
    assert all(child["type"] == "params" for child in listed)
    assert (first["KLSRVH_SRV_ID"], second["KLSRVH_SRV_ID"]) == (6, 7)
    assert (first["KLSRVH_SRV_PASSIVE"], second["KLSRVH_SRV_PASSIVE"]) == (False, True)
    assert "KLSRVH_SRV_MASTER_ADDR" in first
    assert "KLSRVH_SRV_MASTER_ADDR" not in second  # the province dials it
    assert first["KLSRVH_SRV_LAST_CONNECTED"]["type"] == "datetime"
    assert first["KLSRVH_SRV_INST_ID"] != second["KLSRVH_SRV_INST_ID"]
    assert client.call("ServerHierarchy.GetChildServers", {"nGroupId": 999}).result == []


def test_a_district_has_no_districts(start: Start, client_of: ClientOf) -> None:
    client = client_of(start(servers=SERVERS), "dtp_872")
    assert client.call("ServerHierarchy.GetChildServers", {"nGroupId": -1}).result == []


def test_an_up_link_was_used_within_minutes_of_the_clock(start: Start, client_of: ClientOf) -> None:
    for status, last in links(client_of(start(servers=SERVERS))).values():
        age = NOW - datetime.fromisoformat(last)
        assert status == 1
        assert timedelta(0) <= age < timedelta(minutes=4)


@pytest.mark.parametrize("kind", ["link_cut", "server_down"])
@pytest.mark.parametrize(
    ("at", "is_up"),
    [(HOUR - timedelta(seconds=1), True), (HOUR, False), (2 * HOUR - timedelta(seconds=1), False),
     (2 * HOUR, True)],
)  # fmt: skip
def test_a_link_is_lost_exactly_in_the_period_of_its_event(
    start: Start, client_of: ClientOf, kind: str, at: timedelta, is_up: bool
) -> None:
    sim = start(servers=SERVERS, events=[event(kind, HOUR, 2 * HOUR)])
    sim.set_clock(NOW + at)
    status, last = links(client_of(sim))["KSC-DTP-872"]
    assert status == int(is_up)
    if not is_up:
        assert datetime.fromisoformat(last) == NOW + HOUR
    assert links(client_of(sim))["KSC-DTP-875"][0] == 1


def test_behind_a_cut_link_the_server_itself_answers(start: Start, client_of: ClientOf) -> None:
    sim = start(servers=SERVERS, events=[event("link_cut", -HOUR)])
    assert client_of(sim, "dtp_872").call("Session.Ping").status == 200


def test_a_server_that_is_down_refuses_and_comes_back(start: Start, client_of: ClientOf) -> None:
    sim = start(servers=SERVERS, events=[event("server_down", HOUR, 2 * HOUR)])
    client = client_of(sim, "dtp_872")
    sim.set_clock(NOW + HOUR)
    assert not is_open(sim, "dtp_872")
    assert is_open(sim, "dtp")
    with pytest.raises((ConnectionError, ssl.SSLError)):
        client.call("Session.Ping")
    client.connection.close()
    sim.set_clock(NOW + 2 * HOUR)
    assert is_open(sim, "dtp_872")
    assert client.call("Session.Ping").status == 403  # it was restarted: no session is left
    assert client.log_in().call("Session.Ping").status == 200


def test_a_server_exists_only_in_its_period(start: Start, client_of: ClientOf) -> None:
    rows = [server("dtp"), server("dtp_872", "dtp", from_at=(NOW + HOUR).isoformat())]
    sim = start(servers=rows)
    client = client_of(sim)
    assert not is_open(sim, "dtp_872")
    assert links(client) == {}
    sim.set_clock(NOW + HOUR)
    assert is_open(sim, "dtp_872")
    assert set(links(client)) == {"KSC-DTP-872"}


def test_an_upgrade_is_the_next_period_of_a_server(start: Start, client_of: ClientOf) -> None:
    later = (NOW + HOUR).isoformat()
    sim = start(
        servers=[
            server("dtp", version="13.2.0.1511", to_at=later),
            server("dtp", version="14.2.0.26967", from_at=later),
        ]
    )
    client = client_of(sim)

    def version() -> str:
        info = client.call("HostGroup.GetStaticInfo", {"pValues": None}).result
        return str(info["KLADMSRV_PRODUCT_FULL_VERSION"])

    assert version() == "13.2.0.1511"
    sim.set_clock(NOW + HOUR)
    assert version() == "14.2.0.26967"


@pytest.mark.parametrize("seconds_ahead", [10_800, -86_400])
@pytest.mark.parametrize("by_event", [True, False])
def test_a_wrong_clock_shows_in_date_stamps_and_curtime_but_not_in_the_bases(
    start: Start, client_of: ClientOf, seconds_ahead: int, by_event: bool
) -> None:
    if by_event:
        row = {**event("clock_skew", -HOUR, value=seconds_ahead), "server_code": "dtp"}
        sim = start(events=[row])
    else:
        sim = start(servers=[server("dtp", clock_skew_seconds=seconds_ahead)])
    client = client_of(sim)
    wrong = NOW + timedelta(seconds=seconds_ahead)
    reply = client.call("Session.Ping")
    assert parsedate_to_datetime(reply.headers["Date"]) == wrong
    fields = ("KLHST_WKS_LAST_VISIBLE", "KLHST_WKS_RTP_AV_BASES_TIME", "KLHST_WKS_STATUS")
    [row] = client.hosts("(KLHST_WKS_LAST_VISIBLE>CURTIME(-301))", *fields)
    assert datetime.fromisoformat(row[fields[0]]["value"]) == wrong - timedelta(minutes=5)
    assert datetime.fromisoformat(row[fields[1]]["value"]) == NOW - timedelta(hours=10)
    assert row[fields[2]] & 1 == 1


def test_a_province_stamps_its_links_by_its_own_wrong_clock(
    start: Start, client_of: ClientOf
) -> None:
    rows = [server("dtp", clock_skew_seconds=10_800), server("dtp_872", "dtp")]
    sim = start(servers=rows, events=[event("link_cut", -HOUR)])
    assert links(client_of(sim)) == {"KSC-DTP-872": (0, "2023-10-20T03:00:00Z")}


def test_a_driven_clock_stands_still_and_a_free_one_runs(tmp_path: Path) -> None:
    from ksc_ledger.simulator.virtual_clock import VirtualClock

    seconds = ManualSeconds()
    clock = VirtualClock(NOW, is_driven=True, monotonic=seconds)
    seconds.pass_by(60)
    assert clock.now() == NOW
    clock.set(NOW, is_driven=False)
    seconds.pass_by(60.9)
    assert clock.now() == NOW + timedelta(seconds=60)


def test_a_running_clock_opens_and_closes_ports_by_itself(tmp_path: Path) -> None:
    """The one test that waits for real time: the clock passes the event within a second."""
    events = [event("server_down", HOUR)]
    folder = write_estate(tmp_path / "thap_muoi", servers=SERVERS, events=events)
    with Simulator([folder], tmp_path / "run", at=NOW) as sim:
        sim.set_clock(NOW + HOUR - timedelta(seconds=0.3), is_driven=False)
        assert is_open(sim, "dtp_872")
        for _ in range(200):
            if not is_open(sim, "dtp_872"):
                break
            threading.Event().wait(0.1)
        assert not is_open(sim, "dtp_872")


def test_without_an_instant_the_clock_begins_at_the_end_of_the_latest_scenario(
    tmp_path: Path,
) -> None:
    ends = ("2023-10-20T09:00:00+07:00", "2024-01-16T08:00:00+07:00")
    folders = [
        write_estate(tmp_path / f"s_{number}", servers=[server(f"s{number}")], ends_at=at)
        for number, at in enumerate(ends)
    ]
    with Simulator(folders, tmp_path / "run") as sim:
        assert sim.now() == datetime.fromisoformat(ends[1])


def test_secondary_servers_can_be_searched_and_asked_one_by_one(
    start: Start, client_of: ClientOf
) -> None:
    client = client_of(start(servers=SERVERS, events=[event("link_cut", -HOUR)]))
    found = client.call(
        "ServerHierarchy.FindSlaveServers",
        {
            "wstrFilter": "(KLSRVH_SRV_STATUS=0)",
            "pFieldsToReturn": ["KLSRVH_SRV_ID", "name"],
            "pFieldsToOrder": [],
            "pParams": {},
            "lMaxLifeTime": 60,
        },
    )
    rows = elements(client.chunk(found.json["wstrIterator"]))
    assert rows == [{"KLSRVH_SRV_ID": 6, "name": "KSC-DTP-872"}]
    ask = {"lServer": 6, "pFields": ["KLSRVH_SRV_HOST_GUID", "KLSRVH_SRV_STATUS"]}
    info = client.call("ServerHierarchy.GetServerInfo", ask).result
    assert info["KLSRVH_SRV_STATUS"] == 0
    assert info["KLSRVH_SRV_HOST_GUID"]
    assert (
        "STDE_NOTFOUND" in client.call("ServerHierarchy.GetServerInfo", ask | {"lServer": 99}).error
    )


def test_each_server_gives_only_its_own_devices(start: Start, client_of: ClientOf) -> None:
    sim = start(host("P"), host("D", server_code="dtp_872"), servers=SERVERS)
    assert client_of(sim).names("") == ["P"]
    assert client_of(sim, "dtp_872").names("") == ["D"]
    assert client_of(sim, "dtp_875").names("") == []
