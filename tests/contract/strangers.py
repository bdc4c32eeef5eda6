"""Things that listen on a port and are no KSC server: silent, eavesdropping, or out of date."""

from __future__ import annotations

import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HOST = "127.0.0.1"


@contextmanager
def black_hole() -> Iterator[int]:
    """A port whose queue is full: the system drops every further SYN, as a dead route does."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(0)
        waiting: list[socket.socket] = []
        try:
            while _joins_the_queue(listener.getsockname()[1], waiting):
                continue
            yield listener.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


def _joins_the_queue(port: int, waiting: list[socket.socket]) -> bool:
    one = socket.socket()
    one.settimeout(0.2)
    waiting.append(one)
    try:
        one.connect((HOST, port))
    except TimeoutError:
        return False
    return True


@dataclass
class Listener:
    """``heard`` is every byte that was sent to the port."""

    port: int
    heard: bytearray = field(default_factory=bytearray)


@contextmanager
def eavesdropper() -> Iterator[Listener]:
    """A port without TLS that notes what it is told and answers every caller in plain HTTP."""
    with _serving(None) as listener:
        yield listener


@contextmanager
def outdated_tls(certificate: Path, key: Path) -> Iterator[Listener]:
    """A port that speaks TLS 1.1 at most, with the certificate of the server that is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is outdated is the point
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.load_cert_chain(certificate, key)
    with _serving(context) as listener:
        yield listener


@contextmanager
def no_names(monkeypatch: pytest.MonkeyPatch, *, of: str = "") -> Iterator[None]:
    """Let no name be resolved, or none that ends in ``of``. Addresses are no names."""
    resolve = socket.getaddrinfo

    def refuse(host: object, *rest: object, **more: object) -> object:
        is_name = isinstance(host, str) and not host.replace(".", "").isdigit()
        if is_name and str(host).endswith(of):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *rest, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@contextmanager
def _serving(context: ssl.SSLContext | None) -> Iterator[Listener]:
    with socket.create_server((HOST, 0)) as accepting:
        listener = Listener(accepting.getsockname()[1])
        serving = threading.Thread(target=_serve, args=(accepting, context, listener), daemon=True)
        serving.start()
        try:
            yield listener
        finally:
            accepting.shutdown(socket.SHUT_RDWR)
            serving.join(5)


def _serve(accepting: socket.socket, context: ssl.SSLContext | None, listener: Listener) -> None:
    while True:
        try:
            caller, _ = accepting.accept()
        except OSError:  # closed: the test is over
            return
        with caller, suppress(OSError):
            caller.settimeout(2)
            if context is not None:
                with context.wrap_socket(caller, server_side=True) as speaking:
                    listener.heard += speaking.recv(65_536)
                continue
            listener.heard += caller.recv(65_536)
            caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
