from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from ksc_ledger.alerts.compose import compose
from ksc_ledger.alerts.outlets import (
    FolderOutlet,
    Relay,
    RelayDown,
    Security,
    SmtpOutlet,
    file_name,
)
from ksc_ledger.errors import LedgerError
from ksc_ledger.state.outbox import Recipient, RecipientStatus
from unit.alerts.certificates import a_certificate
from unit.alerts.mails import SENDER, a_mail, parsed
from unit.alerts.smtp_server import Script, SmtpServer

A, B = "a@huyen.example", "b@huyen.example"
MAIL = a_mail()
MESSAGE = compose(MAIL, [Recipient(address=A), Recipient(address=B)], SENDER)
SENT, REFUSED, PENDING = RecipientStatus.SENT, RecipientStatus.REFUSED, RecipientStatus.PENDING


def relay_of(server: SmtpServer, **changes: Any) -> Relay:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "bounce_address": "bounce@tinh.example",
        "security": Security.NONE,
        "timeout_seconds": 2.0,
        "deadline_seconds": 3.0,
    }
    return Relay(**{**values, **changes})


@contextmanager
def outlet_to(
    script: Script | None = None, **changes: Any
) -> Iterator[tuple[SmtpOutlet, SmtpServer]]:
    with SmtpServer(script) as server, SmtpOutlet(relay_of(server, **changes)) as outlet:
        yield outlet, server


def send(outlet: SmtpOutlet, *addresses: str) -> dict[str, RecipientStatus]:
    results = outlet.send(MAIL, addresses or (A, B), MESSAGE)
    return {result.address: result.status for result in results}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_certificate(tmp_path_factory.mktemp("relay") / "relay.pem")


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_mail_arrives_byte_for_byte_for_all_its_recipients() -> None:
    with outlet_to() as (outlet, server):
        assert send(outlet) == {A: SENT, B: SENT}
    (stored,) = server.stored
    assert stored.sender == "bounce@tinh.example"
    assert stored.recipients == (A, B)
    assert stored.message == MESSAGE
    assert parsed(stored.message)["Message-ID"] == MAIL.message_id


def test_several_mails_share_one_connection() -> None:
    with outlet_to() as (outlet, server):
        for _ in range(3):
            send(outlet)
    assert (server.connections, len(server.stored)) == (1, 3)
    assert server.heard[-1] == "quit"


def test_a_relay_that_closes_after_each_mail_is_simply_asked_again() -> None:
    with outlet_to(Script(close_after_mail=True)) as (outlet, server):
        assert [send(outlet, A) for _ in range(3)] == [{A: SENT}] * 3
    assert server.connections == 3


@pytest.mark.parametrize("answer", ["550 no such user", "551 moved", "553 not here"])
def test_one_bad_recipient_of_two_is_the_only_one_refused(answer: str) -> None:
    """F56."""
    with outlet_to(Script(recipients={B: answer})) as (outlet, server):
        results = {one.address: one for one in outlet.send(MAIL, (A, B), MESSAGE)}
    assert (results[A].status, results[B].status) == (SENT, REFUSED)
    assert results[B].reply == answer
    assert server.stored[0].recipients == (A,)


@pytest.mark.parametrize("answer", ["450 later", "451 later", "452 full"])
def test_a_recipient_put_off_is_neither_sent_nor_refused(answer: str) -> None:
    with outlet_to(Script(recipients={B: answer})) as (outlet, _):
        assert send(outlet) == {A: SENT, B: PENDING}


def test_nobody_accepted_sends_no_data_and_keeps_the_connection_usable() -> None:
    with outlet_to(Script(recipients={A: "550 no", B: "450 later"})) as (outlet, server):
        assert send(outlet) == {A: REFUSED, B: PENDING}
        assert "DATA" not in [line.upper() for line in server.heard]
        server.script.recipients.clear()
        assert send(outlet) == {A: SENT, B: SENT}
    assert server.connections == 1


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (Script(data="451 later"), PENDING),
        (Script(data="554 no"), REFUSED),
        (Script(after_data="452 full"), PENDING),
        (Script(after_data="421 going down"), PENDING),
        (Script(after_data="552 too big"), REFUSED),
        (Script(after_data="554 refused"), REFUSED),
        (Script(drop_before_data=True), PENDING),
    ],
    ids=lambda value: str(value) if isinstance(value, RecipientStatus) else None,
)
def test_an_answer_to_the_data_counts_for_all_who_were_accepted(
    script: Script, status: RecipientStatus
) -> None:
    with outlet_to(script) as (outlet, server):
        assert send(outlet) == {A: status, B: status}
    assert server.stored == []


def test_a_lost_250_is_tried_again_although_the_mail_was_taken() -> None:
    """F55: the same bytes go again; the Message-ID makes them one mail."""
    with outlet_to(Script(drop_after_data=True)) as (outlet, server):
        assert send(outlet) == {A: PENDING, B: PENDING}
        server.script.drop_after_data = False
        assert send(outlet) == {A: SENT, B: SENT}
    first, second = server.stored
    assert first.message == second.message


@pytest.mark.parametrize(
    "script",
    [Script(banner="421 too busy"), Script(banner="554 go away"), Script(sender="550 not you")],
    ids=["421", "554", "sender refused"],
)
def test_a_relay_that_takes_nothing_is_down(script: Script) -> None:
    with outlet_to(script) as (outlet, _), pytest.raises(RelayDown) as raised:
        send(outlet)
    assert str(raised.value)[:3] in ("421", "554", "550")


def test_a_closed_port_is_a_relay_that_is_down() -> None:
    with SmtpServer() as server:
        relay = relay_of(server)
    with SmtpOutlet(relay) as outlet, pytest.raises(RelayDown):
        send(outlet)


def test_a_relay_that_talks_a_byte_at_a_time_is_cut_off_at_the_deadline() -> None:
    """Each byte comes within the timeout; only the deadline ends it."""
    script = Script(banner="220 " + "x" * 200, seconds_per_byte=0.05)
    started = time.monotonic()
    with (
        outlet_to(script, timeout_seconds=1.0, deadline_seconds=0.4) as (outlet, _),
        pytest.raises(RelayDown),
    ):
        send(outlet)
    assert time.monotonic() - started < 3


def test_starttls_with_the_certificate_we_know(certificate: Path) -> None:
    script = Script(starttls=server_context(certificate), login="235 welcome")
    with outlet_to(
        script, security=Security.STARTTLS, ca_file=certificate, login="u", password="p"
    ) as (outlet, server):
        assert send(outlet, A) == {A: SENT}
    assert any(line.startswith("AUTH") for line in server.heard)


def test_without_starttls_nothing_is_sent_and_nobody_logged_in(certificate: Path) -> None:
    with (
        outlet_to(
            Script(login="235 welcome"),
            security=Security.STARTTLS,
            ca_file=certificate,
            login="u",
            password="p",
        ) as (outlet, server),
        pytest.raises(RelayDown, match="STARTTLS"),
    ):
        send(outlet)
    assert not any(line.startswith(("AUTH", "MAIL", "mail")) for line in server.heard)


@pytest.mark.parametrize("wrong", ["unknown certificate", "wrong host"])
def test_starttls_with_another_certificate_or_host_sends_nothing(
    certificate: Path, wrong: str
) -> None:
    known = None if wrong == "unknown certificate" else certificate
    host = "127.0.0.1" if wrong == "unknown certificate" else "localhost"
    with (
        outlet_to(
            Script(starttls=server_context(certificate), login="235 welcome"),
            security=Security.STARTTLS,
            ca_file=known,
            host=host,
            login="u",
            password="p",
        ) as (outlet, server),
        pytest.raises(RelayDown, match=r"(?i)certificate"),
    ):
        send(outlet)
    assert not any(line.startswith(("AUTH", "MAIL", "mail")) for line in server.heard)


def test_a_refused_login_is_a_relay_that_is_down_and_does_not_tell_the_password(
    certificate: Path,
) -> None:
    script = Script(starttls=server_context(certificate), login="535 wrong")
    with (
        outlet_to(
            script, security=Security.STARTTLS, ca_file=certificate, login="u", password="hunter2"
        ) as (outlet, server),
        pytest.raises(RelayDown) as raised,
    ):
        send(outlet)
    assert "535" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert len([line for line in server.heard if line.startswith("AUTH")]) == 1


def test_a_login_in_the_clear_is_refused_before_any_connection() -> None:
    with pytest.raises(LedgerError) as raised:
        Relay(
            host="h",
            port=25,
            bounce_address="b@c.example",
            security=Security.NONE,
            login="u",
            password="hunter2",
        )
    assert raised.value.code == "relay_login_in_the_clear"


def test_a_relay_does_not_show_its_password() -> None:
    relay = Relay(host="h", port=25, bounce_address="b@c.example", login="u", password="hunter2")
    assert "hunter2" not in repr(relay)


def test_in_rehearsal_a_mail_is_a_file_and_the_same_mail_the_same_file(tmp_path: Path) -> None:
    outlet = FolderOutlet(tmp_path / "mail")
    for _ in range(2):
        results = outlet.send(MAIL, (A, B), MESSAGE)
        assert [one.status for one in results] == [SENT, SENT]
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == file_name(MAIL)
    assert file.name == "20240109T090000-lost-huyen_a-ops_team-1-incident.eml"
    assert file.read_bytes() == MESSAGE
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_cannot_be_written_is_a_relay_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "mail").touch()
    with pytest.raises(RelayDown):
        FolderOutlet(tmp_path / "mail").send(MAIL, (A,), MESSAGE)


def test_a_server_we_did_not_write_understands_us() -> None:
    """Dots at the beginning of lines, two recipients, several mails: as aiosmtpd reads them."""
    heard: list[Envelope] = []

    class Keep:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            heard.append(envelope)
            return "250 kept"

        async def handle_RCPT(  # noqa: N802
            self,
            server: SMTP,
            session: Session,
            envelope: Envelope,
            address: str,
            options: list[str],
        ) -> str:
            if address == B:
                return "550 no such user"
            envelope.rcpt_tos.append(address)
            return "250 ok"

    dotted = MESSAGE + b"\r\n..two\r\n.one\r\n.\r\nend\r\n"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    controller = Controller(Keep(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        relay = Relay(
            host="127.0.0.1",
            port=port,
            bounce_address="bounce@tinh.example",
            security=Security.NONE,
        )
        with SmtpOutlet(relay) as outlet:
            for _ in range(2):
                results = {one.address: one.status for one in outlet.send(MAIL, (A, B), dotted)}
                assert results == {A: SENT, B: REFUSED}
    finally:
        controller.stop()
    assert [one.content for one in heard] == [dotted, dotted]
    assert [one.rcpt_tos for one in heard] == [[A], [A]]
