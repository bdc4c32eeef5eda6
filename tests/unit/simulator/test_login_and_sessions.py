from __future__ import annotations

import gzip
import http.client
import json
import socket
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.simulator import Simulator
from unit.simulator.conftest import ManualSeconds
from unit.simulator.raw_client import RawClient

Start = Callable[..., Simulator]
ClientOf = Callable[..., RawClient]


def test_a_session_is_opened_used_and_ended(start: Start, client_of: ClientOf) -> None:
    sim = start()
    client = client_of(sim)
    assert client.call("Session.Ping").json == {}
    assert sim.state()["servers"]["dtp"]["session_count"] == 1
    assert client.call("Session.EndSession").json == {}
    assert sim.state()["servers"]["dtp"]["session_count"] == 0
    ended = client.call("Session.Ping")
    assert ended.status == 403
    assert not ended.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    "tail", [', internal="1"', ", internal=true", "", ', domain="", internal="1"']
)
def test_every_known_spelling_of_an_internal_user_is_taken(
    start: Start, client_of: ClientOf, tail: str
) -> None:
    client = client_of(start(), is_logged_in=False)
    reply = client.call("Session.StartSession", Authorization=client.basic(tail=tail))
    assert reply.result


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic bGVkZ2VyLXJlYWRlcjp4",
        'KSCBasic user="not base64", pass="eA=="',
        'KSCBasic user="bGVkZ2VyLXJlYWRlcg=="',
        'KSCBasic user="bGVkZ2VyLXJlYWRlcg==", pass="d3Jvbmc=", internal="1"',
        "KSCT unknown",
        "KSCGW unknown",
    ],
)
def test_anything_but_the_account_is_401_without_json(
    start: Start, client_of: ClientOf, header: str
) -> None:
    client = client_of(start(), is_logged_in=False)
    for method in ("login", "Session.StartSession"):
        reply = client.call(method, Authorization=header)
        assert reply.status == 401
        assert not reply.headers["Content-Type"].startswith("application/json")


def test_an_operating_system_user_of_that_name_does_not_exist(
    start: Start, client_of: ClientOf
) -> None:
    client = client_of(start(), is_logged_in=False)
    header = client.basic(tail=', internal="0"')
    assert client.call("Session.StartSession", Authorization=header).status == 401


def test_a_connection_can_be_logged_in_as_a_whole_and_only_that_one(
    start: Start, client_of: ClientOf
) -> None:
    sim = start()
    first, second = client_of(sim, is_logged_in=False), client_of(sim, is_logged_in=False)
    assert first.call("login", Authorization=first.basic()).json == {}
    assert first.call("HostGroup.GroupIdGroups").result == 0
    assert second.call("HostGroup.GroupIdGroups").status == 401
    first.connection.close()
    assert first.call("HostGroup.GroupIdGroups").status == 401


def test_a_session_is_not_bound_to_a_connection(start: Start, client_of: ClientOf) -> None:
    client = client_of(start())
    client.connection.close()
    assert client.call("Session.Ping").status == 200


@pytest.mark.parametrize(("idle", "status"), [(180.0, 200), (180.1, 403)])
def test_a_session_expires_after_180_idle_seconds(
    start: Start, client_of: ClientOf, seconds: ManualSeconds, idle: float, status: int
) -> None:
    client = client_of(start())
    for _ in range(2):
        seconds.pass_by(idle)
        reply = client.call("Session.Ping")
    assert reply.status == status


def test_a_token_opens_one_session_within_three_minutes(
    start: Start, client_of: ClientOf, seconds: ManualSeconds
) -> None:
    sim = start()
    client, other = client_of(sim), client_of(sim, is_logged_in=False)
    token = client.call("Session.CreateToken").result
    assert other.call("Session.StartSession", Authorization=f"KSCT {token}").result
    assert other.call("Session.StartSession", Authorization=f"KSCT {token}").status == 401
    late = client.call("Session.CreateToken").result
    seconds.pass_by(180.1)
    assert other.call("Session.StartSession", Authorization=f"KSCT {late}").status == 401


def test_a_session_of_one_server_is_nothing_on_another(start: Start, client_of: ClientOf) -> None:
    from estates import server

    sim = start(servers=[server("dtp"), server("dtp_872", "dtp")])
    province, district = client_of(sim), client_of(sim, "dtp_872", is_logged_in=False)
    district.session = province.session
    assert district.call("Session.Ping").status == 403


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("HostGroup.GroupIdGroups", 200),
        ("Instance.HostGroup.GroupIdGroups", 200),
        ("hostgroup.groupidgroups", 404),
        ("HostGroup.groupIdGroups", 404),
        ("HostGroup.AddHost", 404),
        ("HostGroup", 404),
    ],
)
def test_names_are_case_sensitive_and_an_instance_may_stand_in_front(
    start: Start, client_of: ClientOf, method: str, status: int
) -> None:
    assert client_of(start()).call(method).status == status


def test_the_body_may_be_missing_but_not_anything(start: Start, client_of: ClientOf) -> None:
    client = client_of(start())
    session = {"X-KSC-Session": client.session}
    path = "/api/v1.0/HostGroup.GroupIdGroups"
    assert client.send("POST", path, b"", session).result == 0
    assert client.send("POST", path, b"[]", session).status == 400
    assert client.send("POST", path, b"{", session).status == 400
    assert client.send("POST", path, b"[" * 100_000, session).status == 400
    wrong_type = {**session, "Content-Type": "text/xml"}
    assert client.send("POST", path, b"{}", wrong_type).status == 415
    right_type = {**session, "Content-Type": "application/json; charset=utf-8"}
    assert client.send("POST", path, b"{}", right_type).status == 200
    assert client.send("GET", path, None, session).status == 404
    assert client.send("DELETE", path, None, session).status == 405


def test_a_body_in_chunks_is_read(start: Start, client_of: ClientOf) -> None:
    client = client_of(start())
    client.connection.request(
        "POST",
        "/api/v1.0/HostGroup.GetGroupId",
        iter([b'{"nParent": 0, ', b'"strName": "none"}']),
        {"X-KSC-Session": client.session},
        encode_chunked=True,
    )
    response = client.connection.getresponse()
    assert json.loads(response.read()) == {"PxgRetVal": -1}


def test_an_answer_is_compressed_only_when_that_was_asked_for(
    start: Start, client_of: ClientOf
) -> None:
    client = client_of(start())
    plain = client.call("HostGroup.GetStaticInfo", {"pValues": None})
    zipped = client.call("HostGroup.GetStaticInfo", {"pValues": None}, Accept_Encoding="gzip")
    deflated = client.call("HostGroup.GetStaticInfo", {"pValues": None}, Accept_Encoding="deflate")
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body == zlib.decompress(deflated.body)


def test_what_is_not_http_is_answered_with_400_and_the_end(
    start: Start, client_of: ClientOf
) -> None:
    client = client_of(start(), is_logged_in=False)
    client.connection.connect()
    client.connection.sock.sendall(b"\x00\x01 nonsense\r\n\r\n")
    assert client.connection.sock.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert client.connection.sock.recv(1000) == b""


def test_plain_http_on_a_tls_port_is_not_answered(start: Start) -> None:
    sim = start()
    connection = http.client.HTTPConnection("127.0.0.1", sim.ports["servers"]["dtp"]["port"])
    connection.request("GET", "/")
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()


def test_passwords_and_keys_are_for_their_owner_only(start: Start, tmp_path: Path) -> None:
    sim = start()
    file = Path(sim.ports["servers"]["dtp"]["password_file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text("ascii") == sim.password("dtp")
    for key in (tmp_path / "run" / "private").iterdir():
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_log_has_no_credentials(start: Start, client_of: ClientOf) -> None:
    sim = start()
    client = client_of(sim)
    client.call("Session.Ping")
    log = sim.log()["dtp"]
    assert [(entry["method"], entry["had_authorization"], entry["status"]) for entry in log] == [
        ("Session.StartSession", True, 200),
        ("Session.Ping", False, 200),
    ]
    everything = json.dumps([log, sim.state(), sim.ports])
    assert sim.password("dtp") not in everything
    assert client.session not in everything


def test_certificate_and_password_stay_over_a_restart(start: Start, tmp_path: Path) -> None:
    from unit.simulator.conftest import NOW

    first = start()
    known = first.ports["servers"]["dtp"]["sha256"], first.password("dtp")
    first.stop()
    folder = tmp_path / "thap_muoi"
    with Simulator([folder], tmp_path / "run", at=NOW) as second:
        assert (second.ports["servers"]["dtp"]["sha256"], second.password("dtp")) == known


def test_a_taken_port_is_explained(start: Start, tmp_path: Path) -> None:
    start()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Exception, match=str(port)):
            Simulator([tmp_path / "thap_muoi"], tmp_path / "other", port)


def test_ports_follow_the_servers_file_each_province_before_its_districts(tmp_path: Path) -> None:
    from estates import server, write_estate

    first = write_estate(
        tmp_path / "first",
        servers=[server("aa_1", "aa"), server("aa"), server("aa_2", "aa"), server("aa_11", "aa_1")],
    )
    second = write_estate(tmp_path / "second", servers=[server("bb"), server("bb_1", "bb")])
    port = _free_range(6)
    with Simulator([first, second], tmp_path / "run", port) as sim:
        ports = {code: facts["port"] - port for code, facts in sim.ports["servers"].items()}
        written: Any = json.loads((tmp_path / "run" / "ports.json").read_text("utf-8"))
        assert written == sim.ports
    assert ports == {"aa": 0, "aa_1": 1, "aa_2": 2, "aa_11": 3, "bb": 4, "bb_1": 5}
    assert not (tmp_path / "run" / "ports.json").exists()


def _free_range(length: int) -> int:
    """The first of so many free ports in a row."""
    for first in range(21_300, 29_000, length):
        try:
            for port in range(first, first + length):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    raise AssertionError("no free range of ports")
