"""A password is in no log, no exception, no manifest, no file and no database, in any form of it.

The servers of this test are as indiscreet as can be: they repeat what they were told wherever
there is room for it.
"""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import zstandard

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import FixedClock
from ksc_ledger.collection import collect_under_lease
from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.sources.client import KscClient
from ksc_ledger.sources.sets import RowsInMemory
from ksc_ledger.state import open_state
from unit.sources.scripted import (
    PASSWORD,
    QUICK,
    SERVER_DATE,
    SESSION,
    Answering,
    Identity,
    Request,
    Scripted,
    ScriptedKsc,
    host,
    make_identity,
    ok,
    reply,
)

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
METHODS = (
    "Session.StartSession",
    "HostGroup.GetStaticInfo",
    "HostGroup.FindHosts",
    "ChunkAccessor.GetItemsChunk",
    "LicenseKeys.EnumKeys",
    "Session.EndSession",
)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), "server")


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(identity, hosts=[host(number) for number in range(12)]) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.load({"KSC_LEDGER_HOME": str(tmp_path / "home")})


def found_in(text: str) -> set[str]:
    return {canary for canary in CANARIES if canary in text}


def written(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every file of a home as text, unpacked, and what its database holds."""
    for file in sorted(path for path in settings.home.rglob("*") if path.is_file()):
        content = file.read_bytes()
        if ".zst" in file.name:
            content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        yield file.name, content.decode(errors="replace")
    for database in settings.home.rglob("*.sqlite*"):
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as con:
            yield f"{database.name}, dumped", "\n".join(con.iterdump())
        con.close()


@pytest.mark.parametrize("method", METHODS)
def test_an_indiscreet_server_gives_nothing_away(
    server: ScriptedKsc, settings: Settings, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)  # of every library too
    engine = open_state(settings.state_url)
    texts: list[tuple[str, str]] = []
    try:
        for number, (name, answering) in enumerate(ANSWERS.items()):
            server.on = {method: answering}
            load = collect_under_lease(
                engine,
                server.endpoint(server_code=f"server_{number}"),  # an account of its own
                estate_code="mau",
                places=settings.places,
                budget=QUICK,
                chunk_size=25,
                as_of_at=SERVER_DATE,
                clock=FixedClock(SERVER_DATE),
                owner="test",
                sleep=lambda _: None,
            )
            texts.append((f"{name}: the load", repr(load)))
            if method != "Session.EndSession":
                assert load.fault_code or load.extra_faults, name
    finally:
        engine.dispose()
    texts.append(("the log", caplog.text))
    texts += [("a record", repr(record.__dict__)) for record in caplog.records]
    texts += written(settings)
    assert any(name.endswith(".json") for name, _ in texts)
    assert any(".tar.zst" in name for name, _ in texts)
    assert any("dumped" in name for name, _ in texts)
    assert {name: found for name, text in texts if (found := found_in(text))} == {}


def ask(server: ScriptedKsc) -> None:
    with KscClient(server.endpoint(), QUICK, sleep=lambda _: None) as client:
        client.server_info()
        client.hosts(RowsInMemory())


@pytest.mark.parametrize("name", ANSWERS)
def test_an_exception_and_all_its_causes_keep_quiet(server: ScriptedKsc, name: str) -> None:
    for method in METHODS[:3]:
        server.on = {method: ANSWERS[name]}
        with pytest.raises(LedgerError) as error:
            ask(server)
        shown = "".join(traceback.format_exception(error.value))
        assert found_in(shown + repr(error.value)) == set(), method


def test_an_endpoint_does_not_show_its_password(server: ScriptedKsc) -> None:
    endpoint = server.endpoint()
    assert found_in(repr(endpoint) + str(endpoint) + endpoint.label + endpoint.fingerprint) == set()


def test_every_form_of_the_password_is_blanked_and_nothing_else() -> None:
    from ksc_ledger.sources.endpoint import Endpoint

    endpoint = Endpoint(
        server_code="mau", host="127.0.0.1", login="etl", password=PASSWORD,
        certificate_sha256=("ab" * 32,),
    )  # fmt: skip
    for form in CANARIES - {SESSION}:
        assert endpoint.without_secrets(f"trước {form} sau") == "trước ••• sau"
    assert endpoint.without_secrets("Máy chủ bận") == "Máy chủ bận"
