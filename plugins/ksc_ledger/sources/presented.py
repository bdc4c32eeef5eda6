"""The certificate that a server shows to anybody, read without trusting it.

For a person who has to find out why it was not accepted. Nothing is sent to the server.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from ksc_ledger.sources.endpoint import Endpoint
from ksc_ledger.sources.faults import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """``names`` are those a client may call the server by; instants are aware, in UTC."""

    sha256: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    @property
    def is_self_signed(self) -> bool:
        return self.subject == self.issuer


def presented(endpoint: Endpoint, seconds: float) -> Presented | None:
    """What the server shows now; None when it shows nothing that can be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    name = endpoint.server_hostname or endpoint.host
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), seconds) as plain,
            context.wrap_socket(plain, server_hostname=name) as speaking,
        ):
            der = speaking.getpeercert(binary_form=True) or b""
        certificate = x509.load_der_x509_certificate(der)
        return Presented(
            sha256=hashlib.sha256(der).hexdigest(),
            subject=_name(certificate.subject),
            issuer=_name(certificate.issuer),
            names=_names(certificate),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return None


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    said = common[0].value if common else name.rfc4514_string()
    return one_line(said if isinstance(said, str) else said.decode("utf-8", "replace"), 80)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    names = [*found.get_values_for_type(x509.DNSName)]
    names += [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return tuple(one_line(name, 80) for name in names)
