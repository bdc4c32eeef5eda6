"""From a connection's fields to an encrypted relay: by port, by extras, and never by accident in clear."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from ksc_ledger.alerts.compose import compose
from ksc_ledger.alerts.outlets import Relay, RelayDown, Security, SmtpOutlet
from ksc_ledger.alerts.relays import relay_of
from ksc_ledger.errors import LedgerError
from ksc_ledger.state.outbox import Recipient, RecipientStatus
from unit.alerts.certificates import a_certificate
from unit.alerts.mails import SENDER, a_mail

READER = "truc@tinh.example"
MAIL = a_mail()
MESSAGE = compose(MAIL, [Recipient(address=READER)], SENDER)


def relay(port: int | None = None, login: str | None = None, **extra: Any) -> Relay:
    return relay_of(
        "smtp_alerts",
        host="127.0.0.1",
        port=port,
        login=login,
        password="mat khau thu" if login else None,
        extra=extra,
        usual_sender="ksc@tinh.example",
    )


@pytest.mark.parametrize(
    ("port", "extra", "security", "used_port"),
    [
        (587, {}, Security.STARTTLS, 587),
        (25, {}, Security.STARTTLS, 25),
        (2525, {}, Security.STARTTLS, 2525),
        (465, {}, Security.TLS, 465),
        (None, {}, Security.STARTTLS, 587),
        (None, {"disable_tls": True}, Security.TLS, 465),
        (587, {"disable_ssl": False, "disable_tls": False}, Security.STARTTLS, 587),
        (465, {"disable_ssl": False, "disable_tls": False}, Security.TLS, 465),
        (465, {"disable_ssl": True}, Security.STARTTLS, 465),
        (2465, {"disable_tls": True}, Security.TLS, 2465),
        (2465, {"security": "tls"}, Security.TLS, 2465),
        (465, {"security": "STARTTLS"}, Security.STARTTLS, 465),
        (25, {"disable_ssl": True, "disable_tls": True}, Security.NONE, 25),
        (None, {"security": "none"}, Security.NONE, 25),
        # A word is not a switch that is on: "false" written as text must not end encryption.
        (25, {"disable_ssl": "false", "disable_tls": "False"}, Security.STARTTLS, 25),
        (25, {"disable_ssl": "true", "disable_tls": "0"}, Security.STARTTLS, 25),
    ],
)
def test_encryption_follows_the_port_unless_the_extras_say_otherwise(
    port: int | None, extra: dict[str, Any], security: Security, used_port: int
) -> None:
    made = relay(port, **extra)
    assert (made.security, made.port) == (security, used_port)


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"security": "ssl3"}, "smtp_security_unknown"),
        ({"disable_ssl": "maybe"}, "smtp_extra_wrong"),
        ({"disable_tls": "tắt"}, "smtp_extra_wrong"),
    ],
)
def test_what_cannot_be_understood_sends_nothing(extra: dict[str, Any], code: str) -> None:
    with pytest.raises(LedgerError) as raised:
        relay(587, **extra)
    assert raised.value.code == code
    assert raised.value.remedy


def test_an_account_without_encryption_is_refused() -> None:
    with pytest.raises(LedgerError) as raised:
        relay(25, login="ksc", disable_ssl=True, disable_tls=True)
    assert raised.value.code == "relay_login_in_the_clear"


def test_an_account_that_smtp_cannot_carry_is_refused_before_any_connection() -> None:
    with pytest.raises(LedgerError) as raised:
        relay(587, login="trực")
    assert raised.value.code == "relay_login_not_ascii"


def test_a_connection_without_a_host_is_named() -> None:
    with pytest.raises(LedgerError) as raised:
        relay_of(
            "smtp_engineers",
            host=" ",
            port=587,
            login=None,
            password=None,
            extra={},
            usual_sender="a@b.example",
        )
    assert "smtp_engineers" in raised.value.text


def test_the_envelopes_sender_is_the_connections_else_the_usual_one() -> None:
    assert relay(587).bounce_address == "ksc@tinh.example"
    assert relay(587, from_email="thu@tinh.example").bounce_address == "thu@tinh.example"


# Against a real server


class Desk:
    """A server's handler: whom it was sent what, and with which account."""

    def __init__(self) -> None:
        self.received: list[tuple[str, ...]] = []
        self.logins: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.received.append(tuple(str(one) for one in envelope.rcpt_tos))
        return "250 kept"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == "mat khau thu")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_certificate(tmp_path_factory.mktemp("relay") / "relay.pem")


@contextmanager
def a_server(kind: Security, certificate: Path) -> Iterator[tuple[int, Desk]]:
    """aiosmtpd with TLS from the first byte, with STARTTLS, or with nothing at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    desk = Desk()
    asked: dict[str, Any] = {
        Security.TLS: {"ssl_context": context, "auth_require_tls": False},
        Security.STARTTLS: {"tls_context": context, "require_starttls": True},
        Security.NONE: {},
    }[kind]
    if kind is not Security.NONE:
        asked["authenticator"] = desk.authenticate
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    controller = Controller(desk, hostname="127.0.0.1", port=port, **asked)
    controller.start()
    try:
        yield port, desk
    finally:
        controller.stop()


def sent(made: Relay) -> RecipientStatus:
    with SmtpOutlet(made) as outlet:
        (result,) = outlet.send(MAIL, [READER], MESSAGE)
    return result.status


def test_starttls_is_what_a_port_like_587_gets(certificate: Path) -> None:
    with a_server(Security.STARTTLS, certificate) as (port, desk):
        assert sent(relay(port, "ksc", ca_file=str(certificate))) is RecipientStatus.SENT
    assert (desk.received, desk.logins) == ([(READER,)], ["ksc"])


def test_tls_from_the_first_byte_is_what_the_extras_can_ask_for(certificate: Path) -> None:
    with a_server(Security.TLS, certificate) as (port, desk):
        made = relay(port, "ksc", disable_tls=True, ca_file=str(certificate))
        assert sent(made) is RecipientStatus.SENT
    assert (desk.received, desk.logins) == ([(READER,)], ["ksc"])


@pytest.mark.parametrize(
    ("server", "extra"),
    [
        pytest.param(Security.NONE, {}, id="STARTTLS is not offered"),
        pytest.param(Security.NONE, {"security": "tls"}, id="TLS is not spoken"),
        pytest.param(Security.STARTTLS, {"security": "tls"}, id="TLS asked of a STARTTLS port"),
        pytest.param(Security.STARTTLS, {"ca_file": ""}, id="STARTTLS, unknown certificate"),
        pytest.param(Security.TLS, {"security": "tls", "ca_file": ""}, id="TLS, unknown one"),
    ],
)
def test_without_the_encryption_meant_neither_mail_nor_password_leaves(
    certificate: Path, server: Security, extra: dict[str, Any]
) -> None:
    with a_server(server, certificate) as (port, desk):
        made = relay(port, "ksc", **{"ca_file": str(certificate), **extra})
        with pytest.raises(RelayDown):
            sent(made)
    assert (desk.received, desk.logins) == ([], [])
