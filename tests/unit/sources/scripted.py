"""A scripted KSC server over TLS: a small well-behaved one, each of whose answers a test may replace.

It works on the level of bytes, which is what the simulator cannot do on demand.
"""

from __future__ import annotations

import datetime as dt
import email
import hashlib
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ksc_ledger.sources.endpoint import Budget, Endpoint

LOGIN = "etl-reader"
PASSWORD = "Mật khẩu+thử/1"
SESSION = "nq1hT0mK0l9wqv2sQ8rW4uA=="
SERVER_DATE = dt.datetime(2023, 10, 20, 2, 0, tzinfo=dt.UTC)
QUICK = Budget(
    connect_seconds=2, read_seconds=2, call_seconds=4, server_seconds=20, max_body_bytes=1 << 20
)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, as the server's files."""

    certificate: Path
    key: Path
    sha256: str


def make_identity(
    folder: Path,
    name: str,
    *,
    common_name: str = "127.0.0.1",
    days: tuple[int, int] = (-1, 1),
) -> Identity:
    """Self-signed, valid between two days counted from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = dt.datetime.now(dt.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(common_name))
    except ValueError:
        alternative = x509.DNSName(common_name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{name}.cer", folder / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Identity(certificate_file, key_file, hashlib.sha256(der).hexdigest())


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    arguments: Mapping[str, Any]

    @property
    def method(self) -> str:
        return self.path.removeprefix("/api/v1.0/")


class HangUp(Exception):  # noqa: N818 - it is what the script does
    """Close the connection without (further) answer."""


@dataclass
class Scripted:
    """What a request is answered with: bytes as they go over the line, piece by piece.

    ``is_last``: the connection is closed after them.
    """

    pieces: Sequence[bytes]
    pause: float = 0.0
    is_last: bool = False


def ok(value: Any, **headers: str) -> Scripted:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return reply(200, body, **headers)


def reply(status: int, body: bytes = b"", **headers: str) -> Scripted:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        f"Date: {format_datetime(SERVER_DATE, usegmt=True)}",
        *(f"{name}: {value}" for name, value in named.items()),
    ]
    return Scripted(["\r\n".join(lines).encode() + b"\r\n\r\n" + body])


Answering = Callable[[Request], Scripted]


def host(number: int, **attributes: Any) -> dict[str, Any]:
    """One device of a chunk, still without its wrapper."""
    return {
        "KLHST_WKS_HOSTNAME": f"8910f900-3807-4b97-8a97-{number:012d}",
        "KLHST_WKS_DN": f"TM-PC{number:04d}",
        "KLHST_WKS_GROUPID": 23,
        "grp_full_name": "Managed devices/01. Phòng ban/Phòng Nội vụ",
        "KLHST_WKS_STATUS": 31,
        "KLHST_WKS_LAST_VISIBLE": {"type": "datetime", "value": "2023-10-20T01:55:02Z"},
        "KLHST_WKS_VIRUS_COUNT": {"type": "long", "value": 3},
        **attributes,
    }


def chunk(rows: Sequence[Any]) -> dict[str, Any]:
    items = [{"type": "params", "value": row} for row in rows]
    return {"PxgRetVal": len(items), "pChunk": {"KLCSP_ITERATOR_ARRAY": items}}


def wrapped(rows: Sequence[Any]) -> list[Any]:
    return [{"type": "params", "value": row} for row in rows]


def at(text: str) -> dict[str, str]:
    return {"type": "datetime", "value": text}


def event(number: int, **attributes: Any) -> dict[str, Any]:
    """One stored event: by default a detection, registered in minute ``number`` of an hour."""
    return {
        "event_db_id": {"type": "long", "value": 918_000 + number},
        "event_type": "GNRL_EV_VIRUS_FOUND",
        "hostname": host(1)["KLHST_WKS_HOSTNAME"],
        "rise_time": at("2023-10-19T07:31:09Z"),
        "registration_time": at(f"2023-10-19T08:{number:02d}:00Z"),
        "GNRL_EA_PARAM_2": "E:\\congvan.exe",
        "GNRL_EA_PARAM_5": "Trojan.Win32.Agent.gen",
        "GNRL_EA_PARAM_6": f"b1f0c{number}",
        **attributes,
    }


def key(serial: str = "2B1E-231013", **attributes: Any) -> dict[str, Any]:
    return {
        "KLLIC_SERIAL": serial,
        "KLLIC_PROD_NAME": "Kaspersky Endpoint Security for Business - Select",
        "KLLIC_KEY_TYPE": 1,
        "KLLIC_LIC_COUNT": 330,
        "KLLIC_LIMIT_DATE": at("2024-10-12T17:00:00Z"),
        **attributes,
    }


def key_host(number: int) -> dict[str, Any]:
    return {
        "KLLICSRV_HOSTNAME": host(number)["KLHST_WKS_HOSTNAME"],
        "KLLICSRV_HOST_CURRENT": True,
        "KLLICSRV_PRODUCT": "KES",
    }


def device(number: int, **attributes: Any) -> dict[str, Any]:
    """One row of the hardware view."""
    return {"Id": 300 + number, "Name": f"TM-PC{number:04d}", "MemorySize": 1024, **attributes}


def program(name: str, *, cleaner: str = "") -> dict[str, Any]:
    return {
        "ProductID": "a3c1",
        "bIsMsi": False,
        "DisplayName": name,
        "DisplayVersion": "2022",
        "InstallDate": "20220817",
        "CleanerProductName": cleaner,
        "VapmBuild": {"type": "long", "value": 0},
    }


PXG_NOT_FOUND = {"PxgError": {"code": 9001, "module": "KLSTD", "message": "Object not found"}}
GROUPS = (
    {"id": 0, "name": "Managed devices", "grp_full_name": "Managed devices"},
    {"id": 23, "parentId": 0, "name": "Phòng Nội vụ", "grp_full_name": "Managed devices/Nội vụ"},
)


@dataclass
class ScriptedKsc:
    """Serves the lists it holds; ``on[method]`` replaces an answer.

    ``key_hosts`` is by serial, ``inventory`` by host id. ``is_end_included``: how it reads nEnd.
    ``plain``: no TLS. ``requests`` and ``connections`` tell what reached it.
    """

    identity: Identity
    hosts: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=lambda: list(GROUPS))
    keys: list[dict[str, Any]] = field(default_factory=list)
    key_hosts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    hardware: list[dict[str, Any]] = field(default_factory=list)
    inventory: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    is_end_included: bool = False
    on: dict[str, Answering] = field(default_factory=dict)
    plain: bool = False
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    bytes_in_clear: bytes = b""

    def __post_init__(self) -> None:
        self._sets: dict[str, list[dict[str, Any]]] = {}
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.identity.certificate, self.identity.key)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def endpoint(self, **changes: Any) -> Endpoint:
        return Endpoint(
            **{
                "server_code": "dtp_872",
                "host": "127.0.0.1",
                "port": self.port,
                "login": LOGIN,
                "password": PASSWORD,
                "certificate_sha256": (self.identity.sha256,),
                **changes,
            }
        )

    def speak_at_most(self, version: ssl.TLSVersion) -> None:
        """Speak this version of TLS at most, be it as old as may be."""
        self._context.set_ciphers("ALL:@SECLEVEL=0")
        self._context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        self._context.maximum_version = version

    def asked(self, method: str) -> int:
        return sum(request.method == method for request in self.requests)

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        line.settimeout(10)
        try:
            if not self.plain:
                line = self._context.wrap_socket(line, server_side=True)
            with line.makefile("rb") as stream:
                while (request := self._request(stream)) is not None:
                    self.requests.append(request)
                    scripted = self._answer(request)
                    for piece in scripted.pieces:
                        line.sendall(piece)
                        if scripted.pause and _pause(line, scripted.pause):
                            return
                    if scripted.is_last:
                        return
        except (OSError, HangUp):
            return  # the client hung up, or the script says so
        finally:
            line.close()

    def _request(self, stream: Any) -> Request | None:
        start = stream.readline()
        if self.plain:
            self.bytes_in_clear += start
        if not start.startswith(b"POST "):
            return None
        head = b"".join(iter(stream.readline, b"\r\n"))
        headers = dict(email.message_from_bytes(head).items())
        body = stream.read(int(headers["Content-Length"]))
        return Request(start.split()[1].decode(), headers, json.loads(body))

    def _answer(self, request: Request) -> Scripted:
        if request.method in self.on:
            return self.on[request.method](request)
        return self.behave(request)

    def behave(self, request: Request) -> Scripted:
        """The answer of a well-behaved server."""
        arguments = request.arguments
        match request.method:
            case "Session.StartSession":
                return ok({"PxgRetVal": SESSION})
            case "HostGroup.GetStaticInfo":
                return ok({"PxgRetVal": {"KLADMSRV_PRODUCT_FULL_VERSION": "14.2.0.26967"}})
            case "HostGroup.FindHosts" | "HostGroup.FindGroups" as method:
                rows = self.hosts if method == "HostGroup.FindHosts" else self.groups
                if arguments["wstrFilter"] == "(KLHST_WKS_STATUS_MASK_12 <> 0)":
                    rows = [one for one in rows if one.get("KLHST_WKS_STATUS_MASK", 0) & 1 << 12]
                return ok({"PxgRetVal": len(rows), "strAccessor": self.keep(rows)})
            case "ChunkAccessor.GetItemsCount":
                return ok({"PxgRetVal": len(self._sets[arguments["strAccessor"]])})
            case "ChunkAccessor.GetItemsChunk":
                start = arguments["nStart"]
                rows = self._sets[arguments["strAccessor"]][start : start + arguments["nCount"]]
                return ok(chunk(rows))
            case _:
                return ok(self._behave_beside_hosts(request.method, arguments))

    def keep(self, rows: list[dict[str, Any]]) -> str:
        """Make a set of rows; its id."""
        set_id = f"set{len(self._sets)}"
        self._sets[set_id] = rows
        return set_id

    def _behave_beside_hosts(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        match method:
            case "LicenseKeys.EnumKeys" | "LicenseKeys.AcquireKeyHosts":
                rows = self.keys
                if method == "LicenseKeys.AcquireKeyHosts":
                    rows = self.key_hosts.get(arguments["pInData"]["KLLIC_SERIAL"], [])
                return {"lKeyCount": len(rows), "wstrIterator": self.keep([*rows])}
            case "GroupSyncIterator.GetNextItems":
                left, count = self._sets[arguments["szwIterator"]], arguments["nCount"]
                items, left[:count] = wrapped(left[:count]), []
                # False with the last items: so it is documented.
                return {
                    "PxgRetVal": len(items),
                    "bEOF": bool(left),
                    "pData": {"KLCSP_ITERATOR_ARRAY": items},
                }
            case "EventProcessingFactory.CreateEventProcessing2":
                return {"strIteratorId": self.keep(self.events)}
            case "SrvView.ResetIterator":
                return {"wstrIteratorId": self.keep(self.hardware)}
            case "EventProcessing.GetRecordCount" | "SrvView.GetRecordCount":
                return {"PxgRetVal": len(self._set_of(arguments))}
            case "EventProcessing.GetRecordRange" | "SrvView.GetRecordRange":
                end = arguments["nEnd"] + self.is_end_included
                rows = wrapped(self._set_of(arguments)[arguments["nStart"] : end])
                if method == "SrvView.GetRecordRange":
                    return {"pRecords": {"KLCSP_ITERATOR_ARRAY": rows}}
                return {"pParamsEvents": {"KLEVP_EVENT_RANGE_ARRAY": rows}}
            case "InventoryApi.GetHostInvProducts":
                programs = self.inventory.get(arguments["szwHostId"], [])
                return {"PxgRetVal": {"GNRL_EA_PARAM_1": wrapped(programs)}}
            case _:
                return {}

    def _set_of(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        return self._sets[arguments.get("strIteratorId") or arguments["wstrIteratorId"]]


def _pause(line: socket.socket, seconds: float) -> bool:
    """Wait; True as soon as the client has gone."""
    line.settimeout(seconds)
    try:
        return line.recv(1) == b""
    except TimeoutError:
        return False
    finally:
        line.settimeout(10)


def in_turn(*answers: Answering | Scripted) -> Answering:
    """The answers one after the other; the last one for ever."""
    left = list(answers)

    def answering(request: Request) -> Scripted:
        one = left.pop(0) if len(left) > 1 else left[0]
        return one(request) if callable(one) else one

    return answering


def hang_up(request: Request) -> Scripted:
    raise HangUp
