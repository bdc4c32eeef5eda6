"""A centre and a site in one folder each, and a real HTTPS server in front of the centre's desk."""

from __future__ import annotations

import datetime as dt
import ipaddress
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import Clock, FixedClock
from ksc_ledger.landing.manifest import Load
from ksc_ledger.push import keys
from ksc_ledger.push.bundle import Bundle, pack
from ksc_ledger.push.desk import Desk, Receipt
from ksc_ledger.push.sending import Centre, Site
from ksc_ledger.push.taking import take
from ksc_ledger.push.web import PATH, create_app
from ksc_ledger.registry import Registry, Server, load
from ksc_ledger.rules.links_evidence import Knock
from ksc_ledger.settings import Settings
from ksc_ledger.sources.endpoint import Endpoint
from ksc_ledger.state import open_state
from unit.registry.registry_folder import LETTER, write_registry

CODE = "dtp_872"
NOW = dt.datetime(2023, 10, 20, 2, 0, tzinfo=dt.UTC)
KEYS = "server_code,public_key,valid_from_date,valid_to_date,source_document\n"


class RealTime:
    """Real time that a test moves; every look is a little later, as in life."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def __call__(self) -> dt.datetime:
        self.at += dt.timedelta(microseconds=1)
        return self.at


def key_row(key: Ed25519PrivateKey, code: str = CODE, *, end: str = "") -> str:
    return f"{code},{keys.public_text(key)},2022-09-01,{end},{LETTER}\n"


def settings_of(home: Path, **environ: str) -> Settings:
    registry = str(home / "registry")
    given = {"KSC_LEDGER_HOME": str(home), "KSC_LEDGER_REGISTRY": registry}
    return settings_module.load({**given, "KSC_LEDGER_FREE_SPACE_MB": "0", **environ})


@dataclass
class House:
    """The centre. ``key_rows`` is what stands in its push_keys.csv; written by ``know``."""

    settings: Settings
    clock: Clock = field(default_factory=lambda: FixedClock(NOW))
    real_now: Callable[[], dt.datetime] = field(default_factory=lambda: RealTime(NOW))

    def know(self, *key_rows: str) -> None:
        write_registry(self.settings.registry, {"push_keys.csv": KEYS + "".join(key_rows)})

    @property
    def registry(self) -> Registry:
        return load(self.settings.registry)

    @property
    def server(self) -> Server:
        (found,) = (one for one in self.registry.servers if one.server_code == CODE)
        return found

    @property
    def desk(self) -> Desk:
        return Desk(
            places=self.settings.places,
            registry=lambda: self.registry,
            clock=self.clock,
            max_bytes=self.settings.push_max_bytes,
            free_space_mb=0,
            real_now=self.real_now,
        )

    def receive(self, raw: bytes | Iterable[bytes], *, piece: int = 1000) -> Receipt:
        """As the web does, in pieces of some size."""
        whole = raw if isinstance(raw, bytes) else b"".join(raw)
        arrival = self.desk.open()
        try:
            for start in range(0, len(whole), piece):
                arrival.feed(whole[start : start + piece])
            return arrival.finish()
        finally:
            arrival.abort()

    def take(self) -> list[Load]:
        self.settings.places.state.mkdir(parents=True, exist_ok=True)
        engine = open_state(self.settings.state_url)
        try:
            return take(
                engine,
                self.settings,
                self.registry,
                self.server,
                clock=self.clock,
                owner="test:1",
                real_now=dt.datetime.now(dt.UTC),
            )
        finally:
            engine.dispose()

    def kept(self) -> list[str]:
        """The files that wait to be taken, and what was begun and not finished."""
        found = self.settings.places.pushed.rglob("*.kscpush*")
        return sorted(path.name for path in found)


def packed(
    site: Site, load: Load | None, *, sent_at: dt.datetime = NOW, knock: Knock = Knock.OK, **to: Any
) -> Bundle:
    """A load as the site would send it; ``to``: another key or server_code."""
    return pack(
        load,
        site.places,
        to.get("key", site.key),
        server_code=to.get("server_code", CODE),
        knock=knock,
        sent_at=sent_at,
    )


def a_site(home: Path, endpoint: Endpoint, centre: str, ca_file: Path | None = None) -> Site:
    settings = settings_of(home)
    settings.places.state.mkdir(parents=True, exist_ok=True)
    return Site(
        settings=settings,
        endpoint=endpoint,
        key=Ed25519PrivateKey.generate(),
        centre=Centre(url=centre, ca_file=ca_file),
        clock=FixedClock(NOW),
        real_now=RealTime(NOW),
    )


@dataclass(frozen=True)
class Address:
    url: str
    ca_file: Path


@contextmanager
def open_to_the_world(house: House, folder: Path) -> Iterator[Address]:
    """The desk behind HTTPS on a free port of this machine."""
    certificate, key = _certificate(folder)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(lambda: house.desk),
            host="127.0.0.1",
            port=0,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=2,
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        end = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < end
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Address(f"https://127.0.0.1:{port}{PATH}", certificate)
    finally:
        server.should_exit = True
        thread.join(10)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A small authority that signs itself, strict enough for every Python."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "centre.example")])
    now = dt.datetime.now(dt.UTC)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(own, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    files = folder / "centre.pem", folder / "centre.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
