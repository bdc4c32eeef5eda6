"""Answers whose bytes are wrong: sent instead of, or made out of, a right one."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from ksc_ledger.simulator.faults import Fault, FaultKind
from ksc_ledger.simulator.http_message import HttpError, Response

_MIB: Final = 1024 * 1024
_HTML: Final = "text/html; charset=utf-8"
_LOGIN_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>"
    b'<form method="post"><input name="user"><input name="password" type="password"></form>'
    b"</body></html>"
)
_GATEWAY_PAGE: Final = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def instead(fault: Fault) -> Response | None:
    """What is sent instead of calling the method at all; None when the kind does not do that."""
    match fault.kind:
        case FaultKind.TOO_MANY_REQUESTS:
            raise HttpError(HTTPStatus.TOO_MANY_REQUESTS, "", {"Retry-After": fault.value})
        case FaultKind.BUSY:
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "", {"Retry-After": fault.value})
        case FaultKind.SERVER_ERROR:
            raise HttpError(HTTPStatus.INTERNAL_SERVER_ERROR)
        case FaultKind.REDIRECT:
            raise HttpError(HTTPStatus.TEMPORARY_REDIRECT, "", {"Location": fault.value})
        case FaultKind.HTML:
            return Response(HTTPStatus.OK, _LOGIN_PAGE, _HTML)
        case FaultKind.HTML_502:
            return Response(HTTPStatus.BAD_GATEWAY, _GATEWAY_PAGE, _HTML)
        case _:
            return None


INSTEAD: Final = (
    FaultKind.TOO_MANY_REQUESTS,
    FaultKind.BUSY,
    FaultKind.SERVER_ERROR,
    FaultKind.REDIRECT,
    FaultKind.HTML,
    FaultKind.HTML_502,
)


def _with_member(body: bytes, member: bytes) -> bytes:
    """An answer with one more member in front."""
    return b"{" + member + (b"," if body != b"{}" else b"") + body[1:]


def _deep(fault: Fault) -> bytes:
    depth = int(fault.number)
    return b'"pExtra":' + b"[" * depth + b"]" * depth


# What makes a right JSON body wrong.
REWRITES: Final[Mapping[FaultKind, Callable[[bytes, Fault], bytes]]] = {
    FaultKind.DEEP_JSON: lambda body, fault: _with_member(body, _deep(fault)),
    FaultKind.JSON_NAN: lambda body, _: _with_member(body, b'"pExtra":NaN'),
    FaultKind.JSON_OVERFLOW: lambda body, _: _with_member(body, b'"pExtra":1e999'),
    FaultKind.JSON_LONG_INTEGER: lambda body, _: _with_member(
        body, b'"pExtra":12345678901234567890123'
    ),
    FaultKind.JSON_DUPLICATE_KEYS: lambda body, _: _with_member(body, b'"PxgRetVal":0'),
    FaultKind.TRUNCATED_JSON: lambda body, _: _half(body),
}


def _half(body: bytes) -> bytes:
    """A chunk with only the first half of its elements; still JSON, its own count unchanged."""
    answer = json.loads(body)
    array = answer.get("pChunk", {}).get("KLCSP_ITERATOR_ARRAY")
    if isinstance(array, list):
        del array[len(array) // 2 :]
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass")


@lru_cache(maxsize=4)
def bomb(mebibytes: int) -> bytes:
    """A gzip body that is so many MiB of one JSON text when it is unpacked."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    out = [packer.compress(b'{"PxgRetVal":0,"pExtra":"')]
    out += [packer.compress(b"a" * _MIB) for _ in range(mebibytes)]
    out += [packer.compress(b'"}'), packer.flush()]
    return b"".join(out)


def huge(mebibytes: int) -> Iterator[bytes]:
    """So many MiB of one JSON text, in blocks of one MiB."""
    yield b'{"PxgRetVal":0,"pExtra":"' + b"a" * (_MIB - 25)
    for _ in range(mebibytes - 2):
        yield b"a" * _MIB
    yield b"a" * (_MIB - 2) + b'"}'
