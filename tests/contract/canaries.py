"""A password that must be found nowhere, servers that repeat it wherever they can, and where to look."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb
import zstandard

from unit.sources.scripted import PASSWORD, SESSION, Answering, Request, Scripted, ok, reply

IN_BASE64 = base64.b64encode(PASSWORD.encode()).decode()
CANARIES = {
    PASSWORD,
    IN_BASE64,
    quote(PASSWORD, safe=""),
    quote_plus(PASSWORD),
    quote(IN_BASE64, safe=""),
    json.dumps(PASSWORD)[1:-1],
    SESSION,
}


def everything(request: Request) -> str:
    """All that a server knows of its client, in each way in which it could be written."""
    known = CANARIES if "X-KSC-Session" in request.headers else CANARIES - {SESSION}
    return " ".join([request.headers.get("Authorization", ""), *sorted(known)])


def _status(status: int, **headers: str) -> Answering:
    def answering(request: Request) -> Scripted:
        told = everything(request)
        return reply(status, f"<p>{told}</p>".encode(), **headers)

    return answering


def _business_error(request: Request) -> Scripted:
    return ok(
        {"PxgError": {"code": 1, "module": everything(request), "message": everything(request)}}
    )


def _redirect(request: Request) -> Scripted:
    told = quote(everything(request))
    return reply(307, b"", Location=f"https://127.0.0.1:9/{told}", WWW_Authenticate=told)


def _not_json(request: Request) -> Scripted:
    return ok(everything(request).encode())


ANSWERS: dict[str, Answering] = {
    "401": _status(401),
    "second factor": _status(401, WWW_Authenticate="KSCMFA", X_KSC_Session=SESSION),
    "403": _status(403),
    "404": _status(404),
    "500": _status(500),
    "503": _status(503, Retry_After="0"),
    "redirect": _redirect,
    "business error": _business_error,
    "no JSON": _not_json,
}


def found_in(text: str) -> set[str]:
    return {canary for canary in CANARIES if canary in text}


def leaks(texts: Iterator[tuple[str, str]]) -> dict[str, set[str]]:
    """Where a canary was found, and which; empty is what is hoped for."""
    return {name: found for name, text in texts if (found := found_in(text))}


def written(home: Path) -> Iterator[tuple[str, str]]:
    """Every file of a home as text, unpacked and decoded, and what its databases hold."""
    for file in sorted(path for path in home.rglob("*") if path.is_file()):
        content = file.read_bytes()
        if ".zst" in file.name:
            content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        yield file.name, content.decode(errors="replace")
        if file.suffix == ".eml":
            yield f"{file.name}, decoded", _decoded(content)
        if file.suffix == ".duckdb":
            yield f"{file.name}, read", _rows(file)
    for database in [*home.rglob("*.sqlite*"), *home.rglob("airflow.db")]:
        if database.name.endswith((".lock", "-wal", "-shm")):
            continue
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as con:
            yield f"{database.name}, dumped", "\n".join(con.iterdump())


def _decoded(mail: bytes) -> str:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    parts = [str(value) for value in message.values()]
    for part in message.walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            parts.append(payload.decode(errors="replace") if isinstance(payload, bytes) else "")
    return "\n".join(parts)


def _rows(file: Path) -> str:
    with duckdb.connect(str(file), read_only=True) as con:
        tables = con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        return "\n".join(
            repr(con.execute(f'from "{schema}"."{table}"').fetchall()) for schema, table in tables
        )
