"""A server whose certificate is the known one: when it ends, told in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ksc_ledger.doctor import Check, Finding, Verdict
from ksc_ledger.doctor.servers import ENDS_SOON, Patient, look_at
from ksc_ledger.sources.endpoint import Endpoint
from ksc_ledger.sources.presented import presented
from unit.sources.scripted import PASSWORD, QUICK, Identity, ScriptedKsc, make_identity


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), "server")


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(identity) as running:
        yield running


def endpoint(server: ScriptedKsc) -> Endpoint:
    return Endpoint(
        server_code="dtp",
        host="127.0.0.1",
        port=server.port,
        login="doc",
        password=PASSWORD,
        certificate_sha256=(server.identity.sha256,),
    )


def certificate_at(server: ScriptedKsc, real_now: datetime) -> Finding:
    """What is said of the certificate; nobody is logged in."""
    seen = look_at(
        Patient(endpoint=endpoint(server), is_province=False, groups={}),
        QUICK,
        now=lambda: real_now,
        real_now=real_now,
        chunk_size=100,
        held_reason="bị từ chối",
        may_log_in=True,
    )
    assert [one.code for one in seen.findings if one.check is Check.LOGIN] == ["account_held"]
    (found,) = [one for one in seen.findings if one.check is Check.CERTIFICATE]
    return found


@pytest.mark.parametrize(
    ("before_its_end", "code", "verdict"),
    [
        (ENDS_SOON + timedelta(seconds=1), "ok", Verdict.OK),
        (ENDS_SOON, "expires_soon", Verdict.WARN),
        (timedelta(seconds=1), "expires_soon", Verdict.WARN),
        (timedelta(0), "expired_but_pinned", Verdict.WARN),
    ],
)
def test_the_end_of_a_certificate_is_told_in_time(
    server: ScriptedKsc, before_its_end: timedelta, code: str, verdict: Verdict
) -> None:
    shown = presented(endpoint(server), 2)
    assert shown is not None
    found = certificate_at(server, shown.not_after - before_its_end)
    assert (found.code, found.verdict) == (code, verdict)


def test_what_a_server_presents_is_read_without_trusting_it(server: ScriptedKsc) -> None:
    shown = presented(endpoint(server), 2)
    assert shown is not None
    assert shown.sha256 == server.identity.sha256
    assert shown.is_self_signed
    assert shown.names == ("127.0.0.1",)
    assert shown.not_before < datetime.now(UTC) < shown.not_after


def test_who_shows_nothing_is_not_guessed_at(server: ScriptedKsc) -> None:
    nowhere = Endpoint(
        server_code="dtp",
        host="127.0.0.1",
        port=1,
        login="doc",
        password="p",
        certificate_sha256=("0" * 64,),
    )
    assert presented(nowhere, 1) is None


def test_a_ca_file_that_is_not_there_is_told(server: ScriptedKsc, tmp_path: Path) -> None:
    given = Endpoint(
        server_code="dtp",
        host="127.0.0.1",
        port=server.port,
        login="doc",
        password="p",
        ca_file=tmp_path / "klserver.cer",
    )
    seen = look_at(
        Patient(endpoint=given, is_province=False, groups={}),
        QUICK,
        now=lambda: datetime.now(UTC),
        real_now=datetime.now(UTC),
        chunk_size=100,
        held_reason=None,
        may_log_in=True,
    )
    assert seen.findings[-1].code == "ca_file_unusable"
