"""What the link watch takes for a knock at a site that only reaches out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from ksc_ledger.collection.witness import look
from ksc_ledger.errors import LedgerError
from ksc_ledger.push import signs
from ksc_ledger.rules.links_evidence import (
    Cause,
    Knock,
    ProvinceWord,
    Role,
    Verdict,
    WatchedServer,
    judge,
)
from ksc_ledger.settings import Places
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.state import open_state
from unit.push.a_site import NOW

A, B, C, D = "dtp_872", "dtp_873", "dtp_874", "dtp_875"
AFTER = timedelta(minutes=20)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "home")


def note(places: Places, code: str, minutes: int, knock: Knock = Knock.OK) -> bool:
    at = NOW - timedelta(minutes=minutes)
    return signs.note(places, code, signs.Sign(sent_at=at, heard_at=at, knock=knock))


def test_a_sites_own_word_counts_as_long_as_it_is_fresh(places: Places) -> None:
    assert note(places, A, 20)
    assert note(places, B, 21)
    assert note(places, C, 0, Knock.REFUSED)
    found = signs.knocks(places, [A, B, C, D], now=NOW, silent_after=AFTER)
    assert found == {A: Knock.OK, B: Knock.TIMEOUT, C: Knock.REFUSED, D: Knock.NOT_TRIED}


def test_an_older_sign_never_takes_the_place_of_a_newer_one(places: Places) -> None:
    assert note(places, A, 5)
    assert not note(places, A, 5)
    assert not note(places, A, 6)
    assert note(places, A, 4)


def test_of_many_with_the_same_statement_one_is_heard(places: Places) -> None:
    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(lambda _: note(places, A, 5), range(32)))
    assert sum(heard) == 1


def test_the_watch_neither_knocks_nor_asks_where_a_site_sends(
    places: Places, tmp_path: Path
) -> None:
    def nobody(server_code: str) -> Endpoint:
        assert server_code not in {"dtp", A}
        raise LedgerError("connection_missing", "Không có.", "Không cần.")

    watched = [
        WatchedServer(server_code="dtp", role=Role.PROVINCE, unit_code="dtp", place="Tỉnh"),
        *(
            WatchedServer(
                server_code=code, role=Role.DISTRICT, unit_code=code, place=code, parent_code="dtp"
            )
            for code in (A, B)
        ),
    ]
    engine = open_state(f"sqlite:///{tmp_path / 'state.sqlite'}")
    word = ProvinceWord(is_active=True, read_at=NOW - timedelta(minutes=5))
    try:
        seen = look(
            engine,
            watched,
            {},
            nobody,
            Budget(),
            now=NOW,
            words={A: word, B: word},
            ask=["dtp"],
            said={"dtp": Knock.OK, A: Knock.OK},
        )
    finally:
        engine.dispose()
    judged = judge(seen.tick, watched, word_max_age=timedelta(hours=1))
    assert judged["dtp"].verdict is Verdict.OK
    assert judged[A].verdict is Verdict.OK
    assert judged[B].verdict is Verdict.NO_EVIDENCE
    assert judged[B].cause is Cause.COLLECTOR
