"""A server that answers like a KSC server and costs next to nothing: hosts from a prepared file.

``python -m bench.standin FOLDER`` serves every day found there, each on a port of its own, over
TLS on 127.0.0.1, writes ``standin.json`` and then says "listening". A chunk is a slice of the file, so
that the server is never what is measured.
"""

from __future__ import annotations

import json
import mmap
import re
import socket
import ssl
import sys
import threading
from array import array
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

_REQUEST = re.compile(rb"POST (?:/api/v1\.0/)?([\w./]+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Asked beside the devices, answered as by a server that has no key, event or hardware to tell of.
_NOTHING_ELSE = {
    "LicenseKeys.EnumKeys": b'{"wstrIterator":"none","lKeyCount":0}',
    "GroupSyncIterator.GetNextItems": b'{"pData":{"KLCSP_ITERATOR_ARRAY":[]},"bEOF":true,"PxgRetVal":0}',
    "EventProcessingFactory.CreateEventProcessing2": b'{"strIteratorId":"none"}',
    "EventProcessing.GetRecordCount": b'{"PxgRetVal":0}',
    "SrvView.ResetIterator": b'{"wstrIteratorId":"none"}',
    "SrvView.GetRecordCount": b'{"PxgRetVal":0}',
}


@dataclass(frozen=True, slots=True)
class Listening:
    """What a client has to know: a port a day, the certificate and its SHA-256."""

    ports: list[int]
    ca_file: str
    sha256: str

    @classmethod
    def read(cls, folder: Path) -> Listening:
        return cls(**json.loads((folder / "standin.json").read_text("utf-8")))


class Day:
    """The answers of one day."""

    def __init__(self, items: Path, offsets: Path, groups: Path) -> None:
        with items.open("rb") as file:
            self.items = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.offsets = array("Q")
        self.offsets.frombytes(offsets.read_bytes())
        self.groups = json.loads(groups.read_text("utf-8"))

    @property
    def count(self) -> int:
        return len(self.offsets) - 1

    def now(self) -> datetime:
        """What the server's clock says."""
        return datetime.now(UTC)

    def answer(self, method: str, arguments: dict[str, Any]) -> list[bytes | memoryview]:
        """The body, in pieces."""
        match method:
            case "Session.StartSession":
                return [b'{"PxgRetVal":"bench-session"}']
            case "HostGroup.GetStaticInfo":
                return [b'{"PxgRetVal":{"KLADMSRV_PRODUCT_FULL_VERSION":"14.2.0.26967"}}']
            case "HostGroup.FindHosts" if arguments["wstrFilter"]:
                return [b'{"strAccessor":"none","PxgRetVal":0}']
            case _ if method in _NOTHING_ELSE:
                return [_NOTHING_ELSE[method]]
            case "HostGroup.FindHosts":
                return [b'{"strAccessor":"hosts","PxgRetVal":%d}' % self.count]
            case "HostGroup.FindGroups":
                return [b'{"strAccessor":"groups","PxgRetVal":%d}' % len(self.groups)]
            case "ChunkAccessor.GetItemsCount":
                counts = {"hosts": self.count, "groups": len(self.groups), "none": 0}
                return [b'{"PxgRetVal":%d}' % counts[arguments["strAccessor"]]]
            case "ChunkAccessor.GetItemsChunk":
                start, asked = int(arguments["nStart"]), int(arguments["nCount"])
                if arguments["strAccessor"] == "groups":
                    return _chunk_of([_item(one) for one in self.groups[start : start + asked]])
                return self._chunk(start, min(start + asked, self.count))
            case _:
                return [b"{}"]

    def _chunk(self, start: int, end: int) -> list[bytes | memoryview]:
        items = memoryview(self.items)[self.offsets[start] : max(self.offsets[end] - 1, 0)]
        head = b'{"PxgRetVal":%d,"pChunk":{"KLCSP_ITERATOR_ARRAY":[' % (end - start)
        return [head, items, b"]}}"]


def serve(folder: Path) -> None:
    """Listen until the process is ended."""
    context, sha256 = certificate(folder)
    ports = []
    for number in range(len(list(folder.glob("day*.items")))):
        day = Day(
            folder / f"day{number}.items", folder / f"day{number}.offsets", folder / "groups.json"
        )
        listener = socket.create_server(("127.0.0.1", 0))
        ports.append(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, context, day), daemon=True).start()
    listening = Listening(ports, str(folder / "ca.pem"), sha256)
    (folder / "standin.json").write_text(json.dumps(asdict(listening)), "utf-8")
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()  # the harness closes it when it ends, however it ends


def _accept(listener: socket.socket, context: ssl.SSLContext, day: Day) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=talk, args=(connection, context, day), daemon=True).start()


def talk(connection: socket.socket, context: ssl.SSLContext, day: Day) -> None:
    try:
        with context.wrap_socket(connection, server_side=True) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _answer_all(stream, day)
    except (ConnectionError, ssl.SSLError):
        return  # the client hung up; it says so itself if that was wrong


def _answer_all(stream: ssl.SSLSocket, day: Day) -> None:
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            piece = stream.recv(65536)
            if not piece:
                return
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        while len(body) < length:
            body += stream.recv(65536)
        received = body[length:]
        request = _REQUEST.match(head)
        if request is None:
            return
        method = request[1].decode().rpartition("/")[2]
        pieces = day.answer(method, json.loads(body[:length] or b"{}"))
        size = sum(len(piece) for piece in pieces)
        date = format_datetime(day.now(), usegmt=True)
        answer = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: {date}\r\n"
            f"Content-Length: {size}\r\n\r\n"
        ).encode()
        stream.sendall(answer + bytes(pieces[0]))
        for more in pieces[1:]:
            stream.sendall(more)


def _chunk_of(items: list[str]) -> list[bytes | memoryview]:
    array_text = ",".join(items)
    text = f'{{"PxgRetVal":{len(items)},"pChunk":{{"KLCSP_ITERATOR_ARRAY":[{array_text}]}}}}'
    return [text.encode()]


def _item(value: dict[str, Any]) -> str:
    item = {"type": "params", "value": value}
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A certificate of its own for 127.0.0.1, left in ``ca.pem`` for the clients."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ksc.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    ca_file, key_file = folder / "ca.pem", folder / "key.pem"
    ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file, key_file)
    return context, certificate.fingerprint(hashes.SHA256()).hex()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
