"""The signal for a dead-man switch: when all is well, and at no other time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import FixedClock, RehearsalClock
from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.state import open_state
from ksc_ledger.watchdog import switch
from ksc_ledger.watchdog.judging import Limits
from ksc_ledger.watchdog.process import Post, look_once
from unit.alerts.estates import START
from unit.alerts.mails import LIVE, SENDER
from unit.alerts.post_office import PostOffice
from unit.watchdog.test_process import tick

MINUTE = timedelta(minutes=1)
# One estate that ticks is all that this house does; nothing else is to be old.
LIMITS = Limits(free_bytes=1, load_age=timedelta(days=9), published_age=timedelta(days=9))


class Listening:
    """An HTTP server that notes who asked for what."""

    def __init__(self, status: int = 200) -> None:
        self.asked: list[str] = []
        heard = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing: the test looks at ``asked``."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/ping/geheim"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Listening:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    env = {
        "KSC_LEDGER_HOME": str(tmp_path / "home"),
        "KSC_LEDGER_HEARTBEAT_FILE": str(tmp_path / "alive"),
    }
    return settings_module.load(env)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_state(settings.state_url)
    yield engine
    engine.dispose()


def post(office: PostOffice) -> Post:
    return Post(
        open=office.outlet,
        addresses=lambda: ["kt@tinh.example"],
        sender=SENDER,
        domain=LIVE.domain,
        is_rehearsal=False,
    )


def test_the_signal_is_given_while_all_is_well_and_ends_with_the_first_trouble(
    settings: Settings, engine: Engine
) -> None:
    """Ticks for ten minutes, then none: as the watchdog sees an Airflow that was killed."""
    with PostOffice() as office, Listening() as listening:
        given = replace(settings, heartbeat_url=listening.url)
        signals: list[int] = []
        for minute in range(60):
            at = START + minute * MINUTE
            if minute <= 10 and minute % 5 == 0:
                tick(engine, at)
            told = look_once(given, post(office), FixedClock(at), at, LIMITS).told
            signals.append(len(listening.asked))
            assert (signals[-1] > (signals[-2] if minute else 0)) is not bool(told)
        assert told
        assert set(listening.asked) == {"/ping/geheim"}
        assert 10 < len(listening.asked) < 40
        assert given.heartbeat_file is not None
        assert given.heartbeat_file.exists()


def test_a_mail_of_the_watchdog_that_nobody_took_stops_the_signal(settings: Settings) -> None:
    assert settings.heartbeat_file is not None
    switch.signal(settings, is_well=False)
    assert not settings.heartbeat_file.exists()
    switch.signal(settings, is_well=True)
    assert settings.heartbeat_file.exists()


def test_without_settings_nothing_is_touched_or_asked(tmp_path: Path) -> None:
    bare = settings_module.load({"KSC_LEDGER_HOME": str(tmp_path / "home")})
    switch.check(bare)
    switch.signal(bare, is_well=True)
    assert list(tmp_path.iterdir()) == []


def test_in_rehearsal_nobody_outside_is_asked(settings: Settings) -> None:
    settings.home.mkdir()
    settings.places.rehearsal_mark.touch()
    with Listening() as listening:
        switch.signal(replace(settings, heartbeat_url=listening.url), is_well=True)
        assert listening.asked == []


def test_while_the_clock_is_driven_there_is_no_signal(settings: Settings) -> None:
    clock = RehearsalClock(settings.places.clock_file)
    clock.set(START, is_driven=True)
    with PostOffice() as office:
        look_once(settings, post(office), clock, START, LIMITS)
    assert settings.heartbeat_file is not None
    assert not settings.heartbeat_file.exists()


@pytest.mark.parametrize("status", [404, 500])
def test_a_signal_that_is_not_heard_is_logged_without_its_address(
    settings: Settings, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Listening(status) as listening, caplog.at_level(logging.ERROR):
        switch.signal(replace(settings, heartbeat_url=listening.url), is_well=True)
    assert f"HTTP {status}" in caplog.text
    switch.signal(replace(settings, heartbeat_url=listening.url), is_well=True)  # nobody is there
    assert "not heard" in caplog.text
    assert "geheim" not in caplog.text


@pytest.mark.parametrize(
    "url", ["ftp://x.example/y", "file:///etc/passwd", "hc.example", "https://:443/x"]
)
def test_an_address_that_cannot_be_meant_is_refused_at_the_start(
    settings: Settings, url: str
) -> None:
    with pytest.raises(LedgerError) as refused:
        switch.check(replace(settings, heartbeat_url=url))
    assert url not in str(refused.value)


def test_the_address_is_not_shown_with_the_settings(settings: Settings) -> None:
    assert "geheim" not in repr(replace(settings, heartbeat_url="https://hc.example/geheim"))


def test_a_file_that_cannot_be_touched_is_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    switch.signal(replace(settings, heartbeat_file=tmp_path / "no" / "alive"), is_well=True)
    assert "could not be touched" in caplog.text
