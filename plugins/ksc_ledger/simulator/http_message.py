"""HTTP/1.1 as far as the protocol needs it: one request read, one response written."""

from __future__ import annotations

import gzip
import http.client
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from email.utils import format_datetime
from http import HTTPStatus
from typing import BinaryIO, Final

MAX_LINE: Final = 65_536
MAX_BODY: Final = 64 * 1024 * 1024
JSON: Final = "application/json; charset=utf-8"


class HttpError(Exception):
    """An HTTP status that is no method's answer. The text is for people, not JSON."""

    def __init__(
        self, status: HTTPStatus, text: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text or status.phrase)
        self.status = status
        self.text = text or status.phrase
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    path: str
    headers: Message
    body: bytes
    keeps_alive: bool

    def header(self, name: str) -> str:
        return str(self.headers.get(name, "")).strip()


@dataclass(slots=True)
class Response:
    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def read_request(stream: BinaryIO) -> Request | None:
    """Read one request; None when the peer has closed between two."""
    line = stream.readline(MAX_LINE + 1)
    if not line:
        return None
    words = line.decode("latin-1").rstrip("\r\n").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise HttpError(HTTPStatus.BAD_REQUEST)
    verb, path, version = words
    try:
        headers = http.client.parse_headers(stream)
    except http.client.HTTPException as error:
        raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from error
    keeps_alive = version == "HTTP/1.1" and headers.get("Connection", "").lower() != "close"
    return Request(verb, path, headers, _read_body(stream, verb, headers), keeps_alive)


def _read_body(stream: BinaryIO, verb: str, headers: Message) -> bytes:
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return b"".join(_chunks(stream))
    length = headers.get("Content-Length")
    if length is None:
        if verb in ("POST", "PUT"):
            raise HttpError(HTTPStatus.LENGTH_REQUIRED)
        return b""
    if not str(length).isdigit():
        raise HttpError(HTTPStatus.BAD_REQUEST)
    if int(length) > MAX_BODY:
        raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body = stream.read(int(length))
    if len(body) < int(length):
        raise ConnectionResetError("the peer left in the middle of its request")
    return body


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    total = 0
    while True:
        size_text = stream.readline(MAX_LINE).split(b";")[0].strip()
        try:
            size = int(size_text, 16)
        except ValueError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST) from error
        total += size
        if size < 0 or total > MAX_BODY:
            raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if size == 0:
            while stream.readline(MAX_LINE).strip():
                continue
            return
        yield stream.read(size)
        stream.readline(MAX_LINE)


def compressed(response: Response, accept_encoding: str) -> Response:
    """The response as the request allows it: never compressed unless it was asked for."""
    accepted = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",")}
    if "gzip" in accepted:
        response.body = gzip.compress(response.body, compresslevel=1, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
    elif "deflate" in accepted:
        response.body = zlib.compress(response.body, 1)
        response.headers["Content-Encoding"] = "deflate"
    return response


def head(
    response: Response, now: datetime, *, length: int | None, keeps_alive: bool = True
) -> bytes:
    """The response's head; ``now`` is the server's clock; without a length the end is the end."""
    headers = {
        "Date": format_datetime(now, usegmt=True),
        "Content-Type": response.content_type,
        **response.headers,
    }
    if length is not None:
        headers["Content-Length"] = str(length)
    headers["Connection"] = "keep-alive" if keeps_alive and length is not None else "close"
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
