"""The mail relay, on the level of what a relay says: one connection, one login, no mail unless asked."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path
from typing import Any

import pytest

from contract.strangers import black_hole, no_names
from ksc_ledger import settings as settings_module
from ksc_ledger.alerts.outlets import Relay, Security
from ksc_ledger.doctor import Finding, Verdict, relays
from ksc_ledger.doctor.connections import Kept
from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from unit.alerts.certificates import a_certificate
from unit.alerts.smtp_server import Script, SmtpServer

NOW = datetime(2024, 1, 10, 1, 0, tzinfo=UTC)
TO = "truc@tinh.example"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.load({"KSC_LEDGER_HOME": str(tmp_path / "home")})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_certificate(tmp_path_factory.mktemp("relay") / "relay.pem")


def speaking_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def relay(port: int, **changes: Any) -> Relay:
    facts: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "bounce_address": "ksc@tinh.example",
        **changes,
    }
    return Relay(**facts)


def looked_at(
    settings: Settings, given: Mapping[str, Relay | LedgerError], send_to: str | None = None
) -> list[Finding]:
    return relays.look_at_relays(given, settings, send_to, NOW)


def only(settings: Settings, one: Relay, send_to: str | None = None) -> Finding:
    (found,) = looked_at(settings, {"smtp_alerts": one}, send_to)
    assert found.subject == "smtp_alerts"
    assert bool(found.remedy) is (found.verdict is not Verdict.OK)
    return found


def test_a_relay_that_encrypts_and_lets_us_in_is_well_and_gets_no_mail(
    settings: Settings, certificate: Path
) -> None:
    script = Script(starttls=speaking_tls(certificate), login="235 welcome")
    with SmtpServer(script) as server:
        given = relay(server.port, login="ksc", password="hunter2", ca_file=certificate)
        found = looked_at(settings, {"smtp_alerts": given, "smtp_engineers": given})
        assert [one.verdict for one in found] == [Verdict.OK, Verdict.OK]
        assert [one.subject for one in found] == ["smtp_alerts", "smtp_engineers"]
        assert server.connections == 1  # what two connections mean alike is tried once
        assert [line for line in server.heard if line.startswith(("AUTH", "MAIL"))] == [
            line for line in server.heard if line.startswith("AUTH")
        ]
        assert sum(line.startswith("AUTH") for line in server.heard) == 1
        assert server.stored == []


def test_a_mail_is_sent_where_one_was_asked_for(settings: Settings) -> None:
    with SmtpServer(Script()) as server:
        found = only(settings, relay(server.port, security=Security.NONE), TO)
        assert found.verdict is Verdict.OK
        (stored,) = server.stored
    assert stored.recipients == (TO,)
    message = BytesParser(policy=compat32).parsebytes(stored.message)
    assert str(make_header(decode_header(message["Subject"]))) == "[KSC][TỰ KIỂM TRA] Thử gửi thư"
    assert message["Auto-Submitted"] == "auto-generated"


def test_a_mail_that_the_relay_does_not_take_is_told(settings: Settings) -> None:
    with SmtpServer(Script(recipients={TO: "550 who"})) as server:
        found = only(settings, relay(server.port, security=Security.NONE), TO)
    assert (found.code, "550 who" in found.said) == ("relay_took_no_mail", True)


def test_a_refused_login_is_told_without_the_password(
    settings: Settings, certificate: Path
) -> None:
    script = Script(starttls=speaking_tls(certificate), login="535 wrong")
    with SmtpServer(script) as server:
        given = relay(server.port, login="ksc", password="hunter2", ca_file=certificate)
        found = only(settings, given)
    assert found.code == "relay_login_refused"
    assert "hunter2" not in f"{found.said}{found.remedy}"


def test_without_starttls_nobody_is_logged_in(settings: Settings) -> None:
    with SmtpServer(Script(login="235 welcome")) as server:
        found = only(settings, relay(server.port, login="ksc", password="p"))
        assert not any(line.startswith("AUTH") for line in server.heard)
    assert found.code == "relay_not_offered"


def test_another_certificate_is_told(settings: Settings, certificate: Path, tmp_path: Path) -> None:
    other = a_certificate(tmp_path / "other.pem")
    with SmtpServer(Script(starttls=speaking_tls(certificate))) as server:
        found = only(settings, relay(server.port, ca_file=other))
    assert found.code == "relay_certificate"
    assert "ca_file" in found.remedy


def test_tls_where_the_relay_begins_in_the_clear_is_told(settings: Settings) -> None:
    with SmtpServer(Script()) as server:
        found = only(settings, relay(server.port, security=Security.TLS))
    assert found.code == "relay_not_tls"


def test_a_relay_in_the_clear_is_a_warning(settings: Settings) -> None:
    with SmtpServer(Script()) as server:
        found = only(settings, relay(server.port, security=Security.NONE))
    assert (found.verdict, found.code) == (Verdict.WARN, "relay_in_the_clear")


def test_a_relay_that_is_not_there_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert only(settings, relay(port)).code == "relay_refused"
    with no_names(monkeypatch, of=".example"):
        assert only(settings, relay(25, host="thu.tinh.example")).code == "relay_name_unknown"
    monkeypatch.setattr(relays, "PATIENCE_SECONDS", 0.2)
    with black_hole() as hole:
        assert only(settings, relay(hole)).code == "relay_timed_out"


class InMemory:
    """Connections as a table."""

    def __init__(self, kept: Mapping[str, Kept]) -> None:
        self._kept = kept

    def names(self) -> list[str]:
        return list(self._kept)

    def get(self, connection_id: str) -> Kept | None:
        return self._kept.get(connection_id)


def test_the_relays_come_from_the_connections_and_from_the_watchdogs_settings(
    tmp_path: Path,
) -> None:
    settings = settings_module.load(
        {
            "KSC_LEDGER_HOME": str(tmp_path),
            "KSC_LEDGER_WATCHDOG_RELAY_HOST": "thu2.tinh.example",
            "KSC_LEDGER_WATCHDOG_RELAY_PORT": "465",
        }
    )
    kept = {"smtp_alerts": Kept(host="thu.tinh.example", port=587, login="u", password="p")}
    given = relays.given_relays(settings, InMemory(kept))
    alerts, engineers, watchdog = given.values()
    assert isinstance(alerts, Relay)
    assert (alerts.host, alerts.security) == ("thu.tinh.example", Security.STARTTLS)
    assert isinstance(engineers, LedgerError)
    assert engineers.code == "relay_missing"
    assert isinstance(watchdog, Relay)
    assert watchdog.security is Security.TLS
    (found,) = looked_at(settings, {"smtp_engineers": engineers})
    assert (found.verdict, found.code) == (Verdict.FAIL, "relay_missing")
