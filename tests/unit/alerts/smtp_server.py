"""A small SMTP server on loopback that answers by a script, faults included."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass
class Script:
    """What the server says. ``recipients`` overrides the answer for single addresses."""

    banner: str = "220 ready"
    sender: str = "250 ok"
    recipients: dict[str, str] = field(default_factory=dict)
    data: str = "354 go on"
    after_data: str = "250 stored"
    drop_before_data: bool = False
    drop_after_data: bool = False  # the mail is stored, its 250 is never said
    close_after_mail: bool = False
    starttls: ssl.SSLContext | None = None
    login: str | None = None  # the answer to AUTH
    seconds_per_byte: float = 0.0


@dataclass(frozen=True)
class Stored:
    sender: str
    recipients: tuple[str, ...]
    message: bytes


class SmtpServer:
    """Serves one connection after another; ``stored`` is what it took, ``said`` what it heard."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.stored: list[Stored] = []
        self.heard: list[str] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._connection: socket.socket | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._connection = connection
            with contextlib.suppress(OSError, ConnectionError):
                self._talk(connection)
            with contextlib.suppress(OSError):
                (self._connection or connection).close()
            connection.close()

    def _talk(self, connection: socket.socket) -> None:
        script = self.script
        self._say(connection, script.banner)
        lines = connection.makefile("rb")
        sender = ""
        recipients: list[str] = []
        while line := lines.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self.heard.append(text)
            word = text.split(" ")[0].upper()
            if word == "EHLO":
                offers = ["250-loopback"]
                if script.starttls and not isinstance(connection, ssl.SSLSocket):
                    offers.append("250-STARTTLS")
                if script.login:
                    offers.append("250-AUTH PLAIN")
                self._say(connection, "\r\n".join([*offers, "250 8BITMIME"]))
            elif word == "STARTTLS" and script.starttls:
                self._say(connection, "220 go on")
                lines.close()
                connection = script.starttls.wrap_socket(connection, server_side=True)
                self._connection = connection
                lines = connection.makefile("rb")
            elif word == "AUTH":
                self._say(connection, script.login or "503 no")
            elif word == "MAIL":
                sender, recipients = text.partition("<")[2].partition(">")[0], []
                self._say(connection, script.sender)
            elif word == "RCPT":
                address = text.partition("<")[2].partition(">")[0]
                answer = script.recipients.get(address, "250 ok")
                if answer.startswith("25"):
                    recipients.append(address)
                self._say(connection, answer)
            elif word == "DATA":
                if script.drop_before_data:
                    return
                self._say(connection, script.data)
                if not script.data.startswith("354"):
                    continue
                message = b""
                while (line := lines.readline()) != b".\r\n":
                    if not line:
                        return
                    message += line.removeprefix(b".") if line.startswith(b"..") else line
                if script.after_data.startswith("25"):
                    self.stored.append(Stored(sender, tuple(recipients), message))
                if script.drop_after_data:
                    return
                self._say(connection, script.after_data)
                if script.close_after_mail:
                    return
            elif word == "QUIT":
                self._say(connection, "221 bye")
                return
            else:
                self._say(connection, "250 ok")

    def _say(self, connection: socket.socket, text: str) -> None:
        answer = f"{text}\r\n".encode()
        if not self.script.seconds_per_byte:
            connection.sendall(answer)
            return
        for byte in answer:
            connection.sendall(bytes([byte]))
            time.sleep(self.script.seconds_per_byte)
