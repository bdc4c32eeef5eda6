"""A knock tells what stands at the door, and says nothing to it."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from ksc_ledger.collection import KnockOutcome, knock
from ksc_ledger.sources.endpoint import Endpoint
from unit.sources.scripted import QUICK, Identity, ScriptedKsc, make_identity


def test_a_known_server_is_at_home_and_hears_no_request(identity: Identity) -> None:
    with ScriptedKsc(identity) as server:
        assert knock(server.endpoint(), QUICK).outcome is KnockOutcome.OK
    assert (server.connections, server.requests) == (1, [])


def test_a_closed_port_is_refused(identity: Identity) -> None:
    with ScriptedKsc(identity) as gone:
        pass
    heard = knock(gone.endpoint(), QUICK)
    assert heard.outcome is KnockOutcome.REFUSED
    assert "dtp_872" in heard.text


def test_a_stranger_is_told_by_the_certificate(identity: Identity, tmp_path: Path) -> None:
    other = make_identity(tmp_path, "other")
    with ScriptedKsc(other) as stranger:
        endpoint = stranger.endpoint(certificate_sha256=(identity.sha256,))
        assert knock(endpoint, QUICK).outcome is KnockOutcome.CERTIFICATE


def test_something_without_tls_is_not_the_protocol(identity: Identity) -> None:
    with ScriptedKsc(identity, plain=True) as server:
        outcome = knock(server.endpoint(), QUICK).outcome
    assert outcome in (KnockOutcome.PROTOCOL, KnockOutcome.REFUSED)


def silent_endpoint(port: int) -> Endpoint:
    return Endpoint(
        server_code="dtp_872",
        host="127.0.0.1",
        port=port,
        login="a",
        password="b",
        certificate_sha256=("0" * 64,),
    )


def test_silence_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        heard = knock(silent_endpoint(silent.getsockname()[1]), replace(QUICK, connect_seconds=0.2))
    assert heard.outcome is KnockOutcome.TIMEOUT


def test_an_unknown_name_is_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    assert knock(silent_endpoint(1), QUICK).outcome is KnockOutcome.DNS
