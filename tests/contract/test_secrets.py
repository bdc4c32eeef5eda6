"""A password is in no log, no exception, no manifest, no file and no database, in any form of it.

The servers of this test are as indiscreet as can be: they repeat what they were told wherever
there is room for it.
"""

from __future__ import annotations

import logging
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import duckdb
import pytest
import zstandard

from contract.canaries import ANSWERS, CANARIES, IN_BASE64, found_in, leaks, written
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
    Identity,
    ScriptedKsc,
    host,
    make_identity,
)

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
    texts += written(settings.home)
    assert any(name.endswith(".json") for name, _ in texts)
    assert any(".tar.zst" in name for name, _ in texts)
    assert any("dumped" in name for name, _ in texts)
    assert leaks(iter(texts)) == {}


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


def test_the_search_finds_a_secret_wherever_one_is_written(tmp_path: Path) -> None:
    """Packed, encoded for a mail, in a column: else the tests above could not fail."""
    (tmp_path / "plain.log").write_text(f"password={PASSWORD}", "utf-8")
    packed = zstandard.ZstdCompressor().compress(IN_BASE64.encode())
    (tmp_path / "body.tar.zst").write_bytes(packed)
    mail = EmailMessage()
    mail.set_content(f"Mật khẩu: {PASSWORD}", cte="base64")
    (tmp_path / "one.eml").write_bytes(mail.as_bytes())
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as con:
        con.execute("create table xcom (value text)")
        con.execute("insert into xcom values (?)", [SESSION])
        con.commit()
    with duckdb.connect(str(tmp_path / "ledger.duckdb")) as warehouse:
        warehouse.execute("create table load as select $1 as fault_text", [PASSWORD])
    assert set(leaks(written(tmp_path))) >= {
        "plain.log", "body.tar.zst", "one.eml, decoded", "airflow.db, dumped",
        "ledger.duckdb, read",
    }  # fmt: skip
