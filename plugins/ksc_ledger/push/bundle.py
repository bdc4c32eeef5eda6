"""What travels from a site to the centre: one statement, its signature, and the files it names.

``MAGIC``, the statement's length (four bytes, big-endian), the statement (JSON), 64 bytes of an
Ed25519 signature over ``DOMAIN`` and the statement, then the files one after the other, each as long
as the statement says. The statement names each file's SHA-256, so the signature covers all of it,
and whoever reads can refuse before he has taken more than the statement.

A statement says nothing about where a file is to lie or which estate it is about: the centre knows.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from ksc_ledger.landing.manifest import Extra, ExtraKind, Load, LoadStatus
from ksc_ledger.push.keys import SIGNATURE_BYTES
from ksc_ledger.rules.links_evidence import Knock
from ksc_ledger.settings import Places

MAGIC = b"KSCPUSH1"
DOMAIN = b"ksc-ledger push 1\0"
STATEMENT_BYTES_AT_MOST = 64 * 1024
HEAD_BYTES = len(MAGIC) + 4
_CHUNK = 256 * 1024

HOSTS = "hosts"
GROUPS = "groups"
PART_KINDS = (HOSTS, GROUPS, *ExtraKind)

Code = Annotated[str, Meta(pattern=r"^[a-z0-9_]{2,32}\Z")]
LoadId = Annotated[str, Meta(pattern=r"^[a-z0-9_]{2,32}-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{10}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=4000)]
ShortText = Annotated[str, Meta(min_length=1, max_length=64)]
Instant = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, le=10_000_000)]
Size = Annotated[int, Meta(ge=0, le=2**40)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file of rows, as it follows the statement."""

    kind: ShortText
    size: Size
    sha256: Sha256


class ExtraSaid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    count: Count
    newest_at: Instant | None = None


class FaultSaid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    code: ShortText
    text: Text


class LoadSaid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a site says of one load. Whatever can be counted again is counted again."""

    load_id: LoadId
    observed_at: Instant
    collected_at: Instant
    status: LoadStatus
    rows_expected_count: Count | None = None
    rows_read_count: Count = 0
    content_sha256: Sha256 | None = None
    fault: FaultSaid | None = None
    product_version: ShortText | None = None
    clock_skew_seconds: Annotated[int, Meta(ge=-(2**40), le=2**40)] | None = None
    extras: dict[str, ExtraSaid] = {}
    extra_faults: dict[str, FaultSaid] = {}


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``sent_at`` is real time; ``knock`` is how the site's own server answered it last.

    Without ``load`` it is a sign of life and nothing else.
    """

    server_code: Code
    sent_at: Instant
    knock: Knock
    load: LoadSaid | None = None
    parts: tuple[Part, ...] = ()

    @property
    def size(self) -> int:
        """Of all files together."""
        return sum(part.size for part in self.parts)


class NotABundle(ValueError):  # noqa: N818 - it completes the sentence of its message
    """The bytes are not a bundle; the text is Vietnamese and has no content."""


@dataclass(frozen=True, slots=True)
class Head:
    """Everything before the first file."""

    statement: Statement
    signed: bytes
    signature: bytes

    @property
    def length(self) -> int:
        return HEAD_BYTES + len(self.signed) - len(DOMAIN) + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is ready to be sent, its files still where they landed."""

    head: bytes
    files: tuple[Path, ...]
    length: int

    def __iter__(self) -> Iterator[bytes]:
        yield self.head
        for file in self.files:
            with file.open("rb") as opened:
                while piece := opened.read(_CHUNK):
                    yield piece


def head_length(start: bytes) -> int:
    """How long the head is, from its first ``HEAD_BYTES`` bytes. Raises NotABundle."""
    if start[: len(MAGIC)] != MAGIC:
        raise NotABundle("không phải là gói do ksc-ledger push gửi")
    (length,) = struct.unpack(">I", start[len(MAGIC) : HEAD_BYTES])
    if not 0 < length <= STATEMENT_BYTES_AT_MOST:
        raise NotABundle("phần kê khai dài quá giới hạn")
    return HEAD_BYTES + int(length) + SIGNATURE_BYTES


def read_head(head: bytes) -> Head:
    """A whole head taken apart; the signature is not looked at here. Raises NotABundle."""
    raw = head[HEAD_BYTES:-SIGNATURE_BYTES]
    try:
        statement = msgspec.json.decode(raw, type=Statement)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotABundle("phần kê khai sai cấu trúc") from error
    kinds = [part.kind for part in statement.parts]
    if len(set(kinds)) != len(kinds) or not set(kinds) <= set(PART_KINDS):
        raise NotABundle("phần kê khai nêu tệp không được biết hoặc hai lần")
    if statement.load is None and kinds:
        raise NotABundle("phần kê khai nêu tệp mà không có lần tải")
    load = statement.load
    if (
        load is not None
        and load.load_id.rpartition("-")[0].rpartition("-")[0] != statement.server_code
    ):
        raise NotABundle("phần kê khai nêu lần tải của máy chủ khác")
    return Head(statement, DOMAIN + raw, head[-SIGNATURE_BYTES:])


def pack(
    load: Load | None,
    places: Places,
    key: Ed25519PrivateKey,
    *,
    server_code: str,
    knock: Knock,
    sent_at: datetime,
) -> Bundle:
    """What a site sends of a load of its own, or of none; signed anew each time it is sent."""
    files = {} if load is None else _files(load, places)
    parts = tuple(
        Part(kind=kind, size=file.stat().st_size, sha256=_sha256(file))
        for kind, file in files.items()
    )
    statement = Statement(
        server_code=server_code,
        sent_at=sent_at.astimezone(UTC),
        knock=knock,
        load=None if load is None else _said(load),
        parts=parts,
    )
    raw = msgspec.json.encode(statement)
    if len(raw) > STATEMENT_BYTES_AT_MOST:
        raise NotABundle("phần kê khai dài quá giới hạn")
    head = MAGIC + struct.pack(">I", len(raw)) + raw + key.sign(DOMAIN + raw)
    return Bundle(head, tuple(files.values()), len(head) + statement.size)


def _files(load: Load, places: Places) -> dict[str, Path]:
    """Only of a load that is whole: nobody counts the rows of another one."""
    if load.status is not LoadStatus.COMPLETE:
        return {}
    named: Mapping[str, str | None] = {
        HOSTS: load.hosts_path,
        GROUPS: load.groups_path,
        **{kind: extra.path for kind, extra in load.extras.items()},
    }
    return {kind: places.home / path for kind, path in named.items() if path is not None}


def _said(load: Load) -> LoadSaid:
    return LoadSaid(
        load_id=load.load_id,
        observed_at=load.observed_at,
        collected_at=load.collected_at,
        status=load.status,
        rows_expected_count=load.rows_expected_count,
        rows_read_count=load.rows_read_count,
        content_sha256=load.content_sha256,
        fault=None
        if load.fault_code is None
        else FaultSaid(code=load.fault_code, text=load.fault_text or load.fault_code),
        product_version=load.product_version[:64] if load.product_version else None,
        clock_skew_seconds=load.clock_skew_seconds,
        extras={kind: _extra_said(extra) for kind, extra in load.extras.items()},
        extra_faults={
            kind: FaultSaid(code=fault.code, text=fault.text)
            for kind, fault in load.extra_faults.items()
        },
    )


def _extra_said(extra: Extra) -> ExtraSaid:
    return ExtraSaid(count=extra.count, newest_at=extra.newest_at)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
