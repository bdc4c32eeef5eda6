"""What a tick of the link watch sees of a real estate: who is knocked at, who is asked, and how often.

The simulator plays a province with three districts over TLS; its request log tells what it heard.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from estates import AT, server, write_estate
from ksc_ledger.collection.witness import EndpointOf, Seen, look
from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.links_evidence import (
    Cause,
    Knock,
    ProvinceWord,
    Role,
    Verdict,
    WatchedServer,
    judge,
)
from ksc_ledger.simulator import Simulator
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.state import accounts, open_state

NOW = datetime.fromisoformat(AT)
PROVINCE = "dtp"
DISTRICTS = ("dtp_872", "dtp_873", "dtp_875")
A, B, C = DISTRICTS
NAMES = {"dtp_872": "KSC-DTP-872", "dtp_873": "KSC-DTP-873", "dtp_875": "KSC-DTP-875"}
WATCHED = (
    WatchedServer(server_code=PROVINCE, role=Role.PROVINCE, unit_code="dtp", place="Tỉnh"),
    *(
        WatchedServer(
            server_code=code, role=Role.DISTRICT, unit_code=code, place=code, parent_code=PROVINCE
        )
        for code in DISTRICTS
    ),
)
BUDGET = Budget(
    connect_seconds=2, read_seconds=2, call_seconds=3, server_seconds=10, max_body_bytes=1 << 20
)
ALL_OK = dict.fromkeys((PROVINCE, *DISTRICTS), Knock.OK)
OLD_WORD = ProvinceWord(is_active=True, read_at=NOW - timedelta(minutes=5))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    estate = write_estate(
        tmp_path_factory.mktemp("scenarios") / "dong_thap",
        servers=[server(PROVINCE), *(server(code, PROVINCE) for code in DISTRICTS)],
    )
    with Simulator([estate], tmp_path_factory.mktemp("run"), port=0, at=NOW) as one:
        yield one


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()
    running.set_clock(NOW)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty state database: migrating costs more than a test."""
    file = tmp_path_factory.mktemp("state") / "state.sqlite"
    open_state(f"sqlite:///{file}").dispose()
    return file


@pytest.fixture
def engine(migrated: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(migrated, tmp_path / "state.sqlite")
    engine = open_state(f"sqlite:///{tmp_path / 'state.sqlite'}")
    yield engine
    engine.dispose()


def endpoint_of(simulator: Simulator, code: str) -> Endpoint:
    facts = simulator.ports["servers"][code]
    return Endpoint(
        server_code=code,
        host=facts["host"],
        port=facts["port"],
        login=facts["login"],
        password=simulator.password(code),
        certificate_sha256=(facts["sha256"],),
    )


@pytest.fixture
def see(simulator: Simulator, engine: Engine) -> Callable[..., Seen]:
    """Look once; without ``ask`` the province is asked."""

    def look_once(
        ask: Sequence[str] = (PROVINCE,),
        endpoints: EndpointOf | None = None,
        names: dict[str, str] | None = None,
        **changes: Any,
    ) -> Seen:
        arguments: dict[str, Any] = {"now": NOW, "words": {}, "budget": BUDGET, **changes}
        return look(
            engine,
            WATCHED,
            NAMES if names is None else names,
            endpoints or (lambda code: endpoint_of(simulator, code)),
            arguments.pop("budget"),
            ask=ask,
            **arguments,
        )

    return look_once


def knocks(seen: Seen) -> dict[str, Knock]:
    return {code: evidence.knock for code, evidence in seen.tick.evidence.items()}


def said(seen: Seen) -> dict[str, bool | None]:
    """What each district's evidence holds of the province's word: active, inactive, nothing."""
    words = {code: seen.tick.evidence[code].province_word for code in DISTRICTS}
    return {code: word.is_active if word else None for code, word in words.items()}


def verdicts(seen: Seen) -> dict[str, tuple[Verdict, Cause | None]]:
    judged = judge(seen.tick, WATCHED, word_max_age=timedelta(minutes=35))
    return {code: (one.verdict, one.cause or one.trouble) for code, one in judged.items()}


class Heard:
    """What the servers heard since this was made."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._before = {code: len(rows) for code, rows in simulator.log().items()}

    def requests(self, code: str) -> list[str]:
        rows = self._simulator.log().get(code, [])
        return [row["method"] for row in rows[self._before.get(code, 0) :]]

    def logins(self, code: str) -> int:
        rows = self._simulator.log().get(code, [])
        return sum(row["had_authorization"] for row in rows[self._before.get(code, 0) :])


def test_a_healthy_estate_answers_every_knock_and_the_province_speaks_for_each_district(
    simulator: Simulator, see: Callable[..., Seen]
) -> None:
    heard = Heard(simulator)
    seen = see()
    assert knocks(seen) == ALL_OK
    assert said(seen) == dict.fromkeys(DISTRICTS, True)
    assert seen.tick.at == NOW
    assert set(seen.new_words) == set(DISTRICTS)
    for word in seen.new_words.values():
        assert word.read_at == NOW
        assert word.last_connected_at is not None
        assert word.last_connected_at <= NOW
    assert heard.logins(PROVINCE) == 1
    assert [heard.requests(code) for code in DISTRICTS] == [[], [], []]


def test_a_province_that_is_not_to_be_asked_hears_nothing_and_old_words_are_carried(
    simulator: Simulator, see: Callable[..., Seen]
) -> None:
    heard = Heard(simulator)
    seen = see(ask=(), words={A: OLD_WORD})
    assert knocks(seen) == ALL_OK
    assert seen.new_words == {}
    assert said(seen) == {A: True, B: None, C: None}
    assert seen.tick.evidence[A].province_word == OLD_WORD
    assert heard.requests(PROVINCE) == []


def test_a_new_word_takes_the_place_of_the_old_one(see: Callable[..., Seen]) -> None:
    seen = see(words={A: replace(OLD_WORD, is_active=False)})
    assert seen.tick.evidence[A].province_word == seen.new_words[A]
    assert said(seen)[A] is True


def test_a_cut_link_is_told_by_the_province_while_the_district_still_answers(
    simulator: Simulator, see: Callable[..., Seen]
) -> None:
    simulator.fault(A, "link_cut")
    seen = see()
    assert knocks(seen) == ALL_OK
    assert said(seen) == {A: False, B: True, C: True}
    assert verdicts(seen)[A] == (Verdict.LOST, Cause.LINK)
    assert verdicts(seen)[B] == (Verdict.OK, None)


def test_a_server_that_is_down_is_refused_at_its_door_and_lost_to_the_province(
    simulator: Simulator, see: Callable[..., Seen]
) -> None:
    """F01, the evidence of it."""
    simulator.fault(A, "server_down")
    seen = see()
    assert knocks(seen) == {**ALL_OK, A: Knock.REFUSED}
    assert said(seen)[A] is False
    assert verdicts(seen)[A] == (Verdict.LOST, Cause.SERVER)


def test_a_changed_certificate_of_a_district_is_trouble_and_nothing_was_sent_to_it(
    simulator: Simulator, see: Callable[..., Seen]
) -> None:
    """F05."""
    simulator.fault(A, "certificate_changed")
    heard = Heard(simulator)
    seen = see()
    assert knocks(seen) == {**ALL_OK, A: Knock.CERTIFICATE}
    assert said(seen)[A] is True
    assert verdicts(seen)[A] == (Verdict.DEGRADED, Cause.CERTIFICATE)
    assert heard.requests(A) == []


def test_a_province_with_another_certificate_is_not_logged_in_to(
    simulator: Simulator, see: Callable[..., Seen]
) -> None:
    simulator.fault(PROVINCE, "certificate_changed")
    heard = Heard(simulator)
    seen = see()
    assert knocks(seen) == {**ALL_OK, PROVINCE: Knock.CERTIFICATE}
    assert seen.new_words == {}
    assert heard.requests(PROVINCE) == []
    assert verdicts(seen)[A][0] is Verdict.NO_EVIDENCE


def test_a_login_refused_is_tried_once_then_held_and_never_tried_again_until_resumed(
    simulator: Simulator, engine: Engine, see: Callable[..., Seen]
) -> None:
    """F08."""
    simulator.fault(PROVINCE, "unauthorized")
    heard = Heard(simulator)
    first = see(words={A: OLD_WORD})
    assert knocks(first)[PROVINCE] is Knock.CREDENTIALS
    assert said(first) == {A: True, B: None, C: None}
    assert heard.logins(PROVINCE) == 1
    (held,) = accounts.held(engine)
    assert (held.server_code, held.held_at) == (PROVINCE, NOW)

    simulator.clear_faults()  # even a mended server is left alone: only a person may resume
    for _ in range(3):
        assert knocks(see())[PROVINCE] is Knock.CREDENTIALS
    assert heard.logins(PROVINCE) == 1
    assert all(verdict is not Verdict.LOST for verdict, _ in verdicts(first).values())

    assert accounts.resume(engine, PROVINCE) == 1
    assert knocks(see()) == ALL_OK
    assert heard.logins(PROVINCE) == 2


def test_another_password_is_another_account_and_is_not_held(
    simulator: Simulator, engine: Engine, see: Callable[..., Seen]
) -> None:
    former = replace(endpoint_of(simulator, PROVINCE), password="former")
    accounts.hold(engine, PROVINCE, former.fingerprint, "401", NOW)
    heard = Heard(simulator)
    assert knocks(see()) == ALL_OK
    assert heard.logins(PROVINCE) == 1


def test_an_account_held_on_a_district_is_shown_as_such_but_a_worse_knock_wins(
    simulator: Simulator, engine: Engine, see: Callable[..., Seen]
) -> None:
    for code in (A, B):
        accounts.hold(engine, code, endpoint_of(simulator, code).fingerprint, "401", NOW)
    simulator.fault(B, "server_down")
    assert knocks(see()) == {**ALL_OK, A: Knock.CREDENTIALS, B: Knock.REFUSED}


def test_a_second_factor_counts_as_a_refused_login(
    simulator: Simulator, engine: Engine, see: Callable[..., Seen]
) -> None:
    simulator.fault(PROVINCE, "second_factor")
    assert knocks(see())[PROVINCE] is Knock.CREDENTIALS
    assert [one.server_code for one in accounts.held(engine)] == [PROVINCE]


def test_a_province_that_is_down_is_not_asked_and_says_nothing(
    simulator: Simulator, see: Callable[..., Seen]
) -> None:
    """F50, the evidence of it."""
    simulator.fault(PROVINCE, "server_down")
    seen = see()
    assert knocks(seen) == {**ALL_OK, PROVINCE: Knock.REFUSED}
    assert said(seen) == dict.fromkeys(DISTRICTS, None)
    assert verdicts(seen)[PROVINCE] == (Verdict.LOST, Cause.PROVINCE)
    assert verdicts(seen)[A] == (Verdict.NO_EVIDENCE, Cause.PROVINCE)


@pytest.mark.parametrize("kind", ["server_error", "redirect", "html"])
def test_a_province_that_answers_nonsense_gives_no_word_and_holds_no_account(
    simulator: Simulator, engine: Engine, see: Callable[..., Seen], kind: str
) -> None:
    simulator.fault(PROVINCE, kind, method="ServerHierarchy.GetChildServers")
    seen = see(words={A: OLD_WORD})
    assert knocks(seen)[PROVINCE] is Knock.PROTOCOL
    assert said(seen) == {A: True, B: None, C: None}
    assert accounts.held(engine) == []


def test_a_console_name_that_is_missing_or_unknown_is_said_and_gives_no_word(
    see: Callable[..., Seen], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        seen = see(names={A: NAMES[A], B: "KSC-KHAC"})
    assert said(seen) == {A: True, B: None, C: None}
    assert set(seen.new_words) == {A}
    warned = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in warned] == [B, C]
    assert all("console_name" in line for line in warned)
    assert verdicts(seen)[B][0] is Verdict.NO_EVIDENCE


def test_a_console_name_is_matched_as_people_read_it(see: Callable[..., Seen]) -> None:
    assert said(see(names={**NAMES, A: " ksc-dtp-872 "}))[A] is True


def test_a_server_without_a_usable_connection_is_not_tried_and_the_others_are(
    simulator: Simulator, see: Callable[..., Seen], caplog: pytest.LogCaptureFixture
) -> None:
    def endpoints(code: str) -> Endpoint:
        if code == A:
            raise LedgerError("connection_missing", "Chưa có kết nối ksc_dtp_872.")
        return endpoint_of(simulator, code)

    with caplog.at_level(logging.WARNING):
        seen = see(endpoints=endpoints)
    assert knocks(seen) == {**ALL_OK, A: Knock.NOT_TRIED}
    assert "ksc_dtp_872" in caplog.text
    assert said(seen)[A] is True
    assert verdicts(seen)[A] == (Verdict.OK, None)


def test_a_province_without_a_usable_connection_is_not_asked(
    simulator: Simulator, see: Callable[..., Seen]
) -> None:
    def endpoints(code: str) -> Endpoint:
        if code == PROVINCE:
            raise LedgerError("connection_missing", "Chưa có kết nối ksc_dtp.")
        return endpoint_of(simulator, code)

    seen = see(endpoints=endpoints)
    assert knocks(seen)[PROVINCE] is Knock.NOT_TRIED
    assert seen.new_words == {}


@pytest.mark.parametrize(
    ("skew_seconds", "has_contact"),
    [(3 * 3600, False), (-24 * 3600, True)],
    ids=["ahead", "behind"],
)
def test_a_provinces_wrong_clock_never_makes_a_contact_fresh(
    simulator: Simulator, see: Callable[..., Seen], skew_seconds: int, has_contact: bool
) -> None:
    """F34: a contact in the future is no contact; the word about the link itself stands."""
    simulator.fault(PROVINCE, "clock_skew", value=skew_seconds)
    seen = see()
    assert said(seen) == dict.fromkeys(DISTRICTS, True)
    contacts = [word.last_connected_at for word in seen.new_words.values()]
    assert [contact is not None for contact in contacts] == [has_contact] * 3
    assert all(contact <= NOW for contact in contacts if contact)
