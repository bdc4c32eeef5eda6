"""Self-signed certificates like the ones KSC servers make for themselves."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_KEYS = 4


class Variant(StrEnum):
    """The certificates one server may show."""

    CURRENT = "current"
    CHANGED = "changed"  # another key: the server is no longer the one that was known
    EXPIRED = "expired"  # the current key, with a validity that is over


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its context. ``file`` is PEM, ``sha256`` the hex digest of the leaf's DER."""

    file: Path
    sha256: str
    der: bytes
    context: ssl.SSLContext


class CertificateStore:
    """Makes the certificates of one run directory when they are first asked for, and keeps them.

    Files already there are used again, so that pins stay true over a restart.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._private = run_dir / "private"
        self._private.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._made: dict[tuple[str, Variant], Certificate] = {}
        self._lock = threading.Lock()

    def certificate(self, server_code: str, server_name: str, variant: Variant) -> Certificate:
        with self._lock:
            made = self._made.get((server_code, variant))
            if made is None:
                made = self._load_or_make(server_code, server_name, variant)
                self._made[server_code, variant] = made
            return made

    def _load_or_make(self, server_code: str, server_name: str, variant: Variant) -> Certificate:
        suffix = "" if variant is Variant.CURRENT else f"-{variant}"
        file = self._run_dir / f"klserver-{server_code}{suffix}.cer"
        key_file = self._private / f"{server_code}{suffix}.key"
        names = _dns_names(server_code, server_name)
        if not (file.exists() and key_file.exists()):
            key = _key(zlib.crc32(server_code.encode()) % _KEYS, variant is Variant.CHANGED)
            write_private(
                key_file,
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
            pem = _sign(key, names, is_expired=variant is Variant.EXPIRED)
            file.write_bytes(pem)
        der = ssl.PEM_cert_to_DER_cert(file.read_text("ascii"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # no documentation names 1.3
        context.load_cert_chain(file, key_file)
        return Certificate(file, hashlib.sha256(der).hexdigest(), der, context)


def write_private(file: Path, content: bytes) -> None:
    """Write a secret so that it is never readable by others, not even for a moment."""
    beside = file.with_suffix(".tmp")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    beside.write_bytes(content)
    beside.replace(file)


@cache
def _key(place: int, is_other: bool) -> rsa.RSAPrivateKey:
    """A few keys a process, shared by many servers: making them is the slow part of a start."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _dns_names(server_code: str, server_name: str) -> list[str]:
    """The server's name where it can stand in a certificate, else one made of its code."""
    label = server_name.lower()
    if not (label.isascii() and label.replace("-", "").replace(".", "").isalnum()):
        label = f"ksc-{server_code.replace('_', '-')}"
    return [label, "localhost"]


def _sign(key: rsa.RSAPrivateKey, dns_names: Sequence[str], *, is_expired: bool) -> bytes:
    now = datetime.now(UTC)
    begins = now - timedelta(days=400 if is_expired else 1)
    ends = now - timedelta(days=2) if is_expired else now + timedelta(days=365)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0])])
    alternatives: list[x509.GeneralName] = [x509.DNSName(text) for text in dns_names]
    alternatives.append(x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")))
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
