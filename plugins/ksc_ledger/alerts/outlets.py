"""Where a composed mail is handed over: a relay over SMTP, or a folder in rehearsal."""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ksc_ledger.clock import VIETNAM
from ksc_ledger.errors import LedgerError
from ksc_ledger.state.outbox import Mail, RecipientStatus, Result

_READY = 220
_OK = 250
_SERVICE_CLOSING = 421
_PERMANENT = 500


class RelayDown(Exception):  # noqa: N818 - a state of the relay, not a mistake of ours
    """The relay takes no mail at all now; nothing of this one was handed over."""


class Outlet(Protocol):
    """Takes one mail for several addresses and says what became of each.

    PENDING in a result means: not now, or not known; try again. Raise RelayDown when no mail can
    be handed over at all.
    """

    is_rehearsal: bool

    def send(self, mail: Mail, addresses: Sequence[str], message: bytes) -> list[Result]: ...


class Security(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"  # a relay on this machine or one that needs no login


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """How to reach a relay. ``bounce_address`` is the envelope's sender.

    ``timeout_seconds`` bounds one wait, ``deadline_seconds`` (real time) one mail from the first
    byte to the last answer, however slowly the relay talks; it must lie well below the time for
    which a mail is claimed.
    """

    host: str
    port: int
    bounce_address: str
    security: Security = Security.STARTTLS
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    timeout_seconds: float = 20.0
    deadline_seconds: float = 60.0
    local_hostname: str = "localhost"

    def __post_init__(self) -> None:
        if self.security is Security.NONE and self.login is not None:
            raise LedgerError(
                "relay_login_in_the_clear",
                f"Kết nối máy chủ thư {self.host} có tài khoản nhưng không mã hóa; mật khẩu sẽ bị "
                "lộ trên đường truyền.",
                "Bật STARTTLS hoặc TLS cho kết nối, hoặc bỏ tài khoản.",
            )
        if not ((self.login or "") + (self.password or "")).isascii():
            raise LedgerError(
                "relay_login_not_ascii",
                f"Tài khoản hoặc mật khẩu của máy chủ thư {self.host} có ký tự ngoài ASCII; giao "
                "thức thư không chuyển được.",
                "Đặt mật khẩu chỉ gồm chữ không dấu, chữ số và dấu thông thường.",
            )


class _Session(smtplib.SMTP):
    """An SMTP session that can be cut off from outside, also while it is being opened."""

    def __init__(self, relay: Relay, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._seconds = relay.deadline_seconds
        with self.deadline():
            super().__init__(
                relay.host, relay.port, relay.local_hostname, timeout=relay.timeout_seconds
            )

    @contextmanager
    def deadline(self) -> Iterator[None]:
        """Cut the connection when the block takes too long: waits alone do not bound a talk."""
        timer = threading.Timer(self._seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        if self.sock is not None:
            with suppress(OSError):  # it is closed already: what was wanted
                self.sock.shutdown(socket.SHUT_RDWR)


class _TlsSession(_Session):
    """The same over TLS from the first byte."""

    default_port = smtplib.SMTP_SSL_PORT

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((host, port), timeout)
        assert self._context is not None  # noqa: S101 - given by SmtpOutlet for this class
        return self._context.wrap_socket(plain, server_hostname=host)


class SmtpOutlet:
    """Hands mails to a relay over one connection, opened for the first mail.

    Without the encryption that was asked for, nothing is sent and nobody is logged in.
    """

    is_rehearsal = False

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._session: _Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close(is_polite=error is None)

    def try_out(self) -> None:
        """Connect, encrypt and log in, once; no mail is begun. Raise RelayDown, caused by what it was."""
        if self._session is None:
            self._session = self._open()

    def send(self, mail: Mail, addresses: Sequence[str], message: bytes) -> list[Result]:
        session = self._begun()
        with session.deadline():
            return self._hand_over(session, addresses, message)

    def _begun(self) -> _Session:
        """A session with a mail begun; what fails up to here concerns the relay, not the mail."""
        if self._session is not None:
            # A relay may close a connection after some mails or some minutes: not yet a failure.
            with suppress(RelayDown):
                return self._begin(self._session)
        self._session = self._open()
        return self._begin(self._session)

    def _open(self) -> _Session:
        relay = self._relay
        session: _Session | None = None
        try:
            context = None
            if relay.security is not Security.NONE:
                context = ssl.create_default_context(
                    cafile=str(relay.ca_file) if relay.ca_file else None
                )
            kind = _TlsSession if relay.security is Security.TLS else _Session
            session = kind(relay, context)
            with session.deadline():
                session.ehlo_or_helo_if_needed()
                if relay.security is Security.STARTTLS:
                    session.starttls(context=context)
                    session.ehlo_or_helo_if_needed()
                if relay.login is not None:
                    session.login(relay.login, relay.password or "")
        except BaseException as error:
            if session is not None:
                session.close()
            if isinstance(error, OSError | smtplib.SMTPException):
                raise RelayDown(_said(error)) from error
            raise
        return session

    def _begin(self, session: _Session) -> _Session:
        try:
            with session.deadline():
                code, reply = session.mail(self._relay.bounce_address)
        except (OSError, smtplib.SMTPException) as error:
            self._close(is_polite=False)
            raise RelayDown(_said(error)) from error
        if code != _OK:
            self._close(is_polite=True)
            raise RelayDown(_reply(code, reply))
        return session

    def _hand_over(
        self, session: _Session, addresses: Sequence[str], message: bytes
    ) -> list[Result]:
        results: dict[str, Result] = {}
        accepted: list[str] = []
        try:
            for address in addresses:
                code, reply = session.rcpt(address)
                if code in (_OK, 251):
                    accepted.append(address)
                    continue
                results[address] = _result(address, code, reply)
                if code == _SERVICE_CLOSING:
                    break
            else:
                if not accepted:
                    session.rset()
                    return list(results.values())
                try:
                    code, reply = session.data(message)
                except smtplib.SMTPDataError as error:
                    code, reply = error.smtp_code, _as_bytes(error.smtp_error)
                for address in accepted:
                    results[address] = _result(address, code, reply)
                if code != _SERVICE_CLOSING:
                    return list(results.values())
            self._close(is_polite=False)
        except (OSError, smtplib.SMTPException) as error:
            # The relay may have taken the mail or not: it goes again under the same Message-ID.
            self._close(is_polite=False)
            for address in addresses:
                results.setdefault(
                    address,
                    Result(address=address, status=RecipientStatus.PENDING, reply=_said(error)),
                )
        return list(results.values())

    def _close(self, *, is_polite: bool) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        if is_polite:
            with suppress(OSError, smtplib.SMTPException), session.deadline():
                session.quit()
        session.close()


class FolderOutlet:
    """Writes mails as .eml files; the same Message-ID always to the same file. Opens no connection."""

    is_rehearsal = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, mail: Mail, addresses: Sequence[str], message: bytes) -> list[Result]:
        path = self._folder / file_name(mail)
        beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o640), "wb") as file:  # noqa: PTH123
                file.write(message)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise RelayDown(_said(error)) from error
        return [
            Result(address=address, status=RecipientStatus.SENT, reply=path.name)
            for address in addresses
        ]


def file_name(mail: Mail) -> str:
    """The file of a mail, in order of time, speaking of what it holds."""
    place = mail.server_code or mail.estate_code
    at = mail.created_at.astimezone(VIETNAM)
    return (
        f"{at:%Y%m%dT%H%M%S}-{mail.kind}-{place}-{mail.role}-{mail.step}-{mail.incident_id[:8]}.eml"
    )


def _result(address: str, code: int, reply: bytes) -> Result:
    if code == _OK:
        status = RecipientStatus.SENT
    elif code >= _PERMANENT:
        status = RecipientStatus.REFUSED
    else:
        status = RecipientStatus.PENDING
    return Result(address=address, status=status, reply=_reply(code, reply))


def _reply(code: int, reply: bytes) -> str:
    return f"{code} {reply.decode('utf-8', 'replace')}"[:500]


def _said(error: Exception) -> str:
    """What went wrong, for the page of mails; never more than the relay or the system said."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error.smtp_code, _as_bytes(error.smtp_error))
    return f"{type(error).__name__}: {error}"[:500]


def _as_bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode()
