"""A small IMAP server over TLS, in this process: just what a client asks that reads one folder."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOGIN, PASSWORD = "baocao", "mat-khau-thu"


@dataclass
class Stored:
    """A mail in the mailbox: its bytes, the mailbox's own date, its flags."""

    raw: bytes
    internal_date: str
    flags: set[str] = field(default_factory=set)


@dataclass
class FakeImap:
    port: int
    ca_file: Path
    mails: dict[int, Stored]
    commands: list[str] = field(default_factory=list)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "imap.pem", folder / "imap.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, secret


@contextmanager
def imap_server(folder: Path, mails: dict[int, Stored]) -> Iterator[FakeImap]:
    pem, secret = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)

    class Handler(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            self.request.do_handshake()
            super().setup()

        def handle(self) -> None:
            self.say(b"* OK ready")
            while line := self.rfile.readline():
                tag, _, rest = line.strip().decode("ascii").partition(" ")
                fake.commands.append(rest.split(" ")[0].upper())
                self.answer(tag, rest)
                if rest.upper().startswith("LOGOUT"):
                    return

        def say(self, data: bytes) -> None:
            self.wfile.write(data + b"\r\n")

        def answer(self, tag: str, rest: str) -> None:
            said = self.result(rest)
            self.say(f"{tag} {said}".encode("ascii"))

        def result(self, rest: str) -> str:
            words = rest.split(" ")
            match [word.upper() for word in words[:2]]:
                case ["CAPABILITY", *_]:
                    self.say(b"* CAPABILITY IMAP4rev1")
                case ["LOGIN", *_]:
                    if words[1:] != [LOGIN, f'"{PASSWORD}"']:
                        return "NO [AUTHENTICATIONFAILED] wrong"
                case ["SELECT", *_]:
                    if words[1] != '"INBOX"':
                        return "NO no such folder"
                    self.say(f"* {len(mails)} EXISTS".encode("ascii"))
                    return "OK [READ-WRITE] done"
                case ["UID", "SEARCH"]:
                    left = [
                        str(uid)
                        for uid, one in mails.items()
                        if not one.flags & {"\\Seen", "\\Flagged"}
                    ]
                    self.say(" ".join(["* SEARCH", *left]).encode("ascii"))
                case ["UID", "FETCH"]:
                    self.fetch(int(words[2]), rest)
                case ["UID", "STORE"]:
                    flags = re.findall(r"\\\w+", rest)
                    mails[int(words[2])].flags |= set(flags)
            return "OK done"

        def fetch(self, uid: int, rest: str) -> None:
            one = mails[uid]
            head = f"* {uid} FETCH (UID {uid} "
            if "INTERNALDATE" in rest:
                size = f'INTERNALDATE "{one.internal_date}" RFC822.SIZE {len(one.raw)})'
                self.say((head + size).encode("ascii"))
            else:
                self.say(head.encode("ascii") + b"BODY[] {%d}" % len(one.raw))
                self.wfile.write(one.raw)
                self.say(b")")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def get_request(self) -> Any:
            plain, address = super().get_request()
            wrapped = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            return wrapped, address

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up in the middle of TLS is part of the tests."""

    with Server(("127.0.0.1", 0), Handler) as server:
        fake = FakeImap(server.server_address[1], pem, mails)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
