"""A real SMTP server (aiosmtpd) on loopback, with switches for what can go wrong with mail."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from ksc_ledger.alerts.outlets import Relay, Security, SmtpOutlet
from unit.alerts.mails import parsed


@dataclass(frozen=True)
class Received:
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        return parsed(self.content)


class PostOffice:
    """Keeps what it took in ``received``.

    ``refused``: the answer to single recipients. ``answers_to_lose``: so many mails are taken and
    their 250 is never said. ``off()`` closes the port, ``on()`` opens the same one again.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.refused: dict[str, str] = {}
        self.answers_to_lose = 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._controller: Controller | None = None

    def __enter__(self) -> Self:
        self.on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.off()

    def on(self) -> None:
        if self._controller is None:
            self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
            self._controller.start()

    def off(self) -> None:
        controller, self._controller = self._controller, None
        if controller is not None:
            controller.stop()

    def outlet(self) -> SmtpOutlet:
        return SmtpOutlet(
            Relay(
                host="127.0.0.1",
                port=self.port,
                bounce_address="ksc@tinh.example",
                security=Security.NONE,
                timeout_seconds=5.0,
                deadline_seconds=10.0,
            )
        )

    def read_by(self, address: str) -> list[EmailMessage]:
        return [one.message for one in self.received if address in one.recipients]

    def subjects(self, address: str) -> list[str]:
        return [str(message["Subject"]) for message in self.read_by(address)]

    async def handle_RCPT(  # noqa: N802 - the names are aiosmtpd's
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content: Any = envelope.content
        assert isinstance(content, bytes)
        self.received.append(Received(tuple(envelope.rcpt_tos), content))
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            assert server.transport is not None
            server.transport.abort()
        return "250 kept"
