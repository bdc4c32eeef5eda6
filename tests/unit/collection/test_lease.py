"""One attempt at a time, and a refused password is refused once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from ksc_ledger.clock import FixedClock
from ksc_ledger.collection import collect_under_lease, lease
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.settings import Places
from ksc_ledger.state import accounts, leases, open_state
from ksc_ledger.state.leases import LeaseLost
from unit.sources.scripted import (
    PASSWORD,
    QUICK,
    SERVER_DATE,
    Identity,
    Request,
    Scripted,
    ScriptedKsc,
    host,
    in_turn,
    reply,
)

NOW = SERVER_DATE
LOGIN = "Session.StartSession"


@pytest.fixture
def engine(places: Places) -> Iterator[Engine]:
    places.state.mkdir(parents=True)
    one = open_state(f"sqlite:///{places.state_database}")
    yield one
    one.dispose()


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(identity, hosts=[host(n) for n in range(1, 13)]) as scripted:
        yield scripted


def collect(
    engine: Engine, server: ScriptedKsc, places: Places, *, hours: int = 0, **changes: Any
) -> Load:
    at = NOW + timedelta(hours=hours)
    return collect_under_lease(
        engine,
        server.endpoint(**changes),
        estate_code="dong_thap",
        places=places,
        budget=QUICK,
        chunk_size=25,
        as_of_at=at,
        clock=FixedClock(at),
        owner="test:1",
    )


def test_each_attempt_has_a_greater_fence_and_gives_the_lease_back(
    engine: Engine, server: ScriptedKsc, places: Places
) -> None:
    first = collect(engine, server, places)
    second = collect(engine, server, places, hours=1)
    assert first.status is LoadStatus.COMPLETE
    assert second.fence > first.fence > 0


def test_a_second_attempt_waits_its_turn_and_asks_nothing(
    engine: Engine, server: ScriptedKsc, places: Places
) -> None:
    assert leases.acquire(engine, "ksc:dtp_872", "other", 600, datetime.now(UTC))
    with pytest.raises(LedgerError) as caught:
        collect(engine, server, places)
    assert caught.value.code == "collection_already_running"
    assert server.connections == 0
    assert list(manifest.read_all(places)) == []


def test_a_long_attempt_keeps_its_lease_and_a_dead_one_loses_it_soon(
    engine: Engine, server: ScriptedKsc, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_RENEWED_AFTER_SECONDS", 0.01)
    seen: list[datetime] = []

    def ends_at() -> datetime:
        held = leases.holder(engine, "ksc:dtp_872", datetime.now(UTC))
        assert held is not None
        return held.expires_at

    def slow(request: Request) -> Scripted:
        seen.append(ends_at())
        assert seen[0] <= datetime.now(UTC) + timedelta(seconds=75)
        patience = time.monotonic() + 30
        while ends_at() == seen[0] and time.monotonic() < patience:
            time.sleep(0.01)
        seen.append(ends_at())
        return server.behave(request)

    server.on["HostGroup.FindHosts"] = in_turn(slow, server.behave)
    assert collect(engine, server, places).status is LoadStatus.COMPLETE
    assert seen[1] > seen[0]
    assert leases.holder(engine, "ksc:dtp_872", datetime.now(UTC)) is None


def test_an_attempt_overtaken_meanwhile_records_nothing(
    engine: Engine, server: ScriptedKsc, places: Places
) -> None:
    def overtaken(request: Request) -> Scripted:
        much_later = datetime.now(UTC) + timedelta(days=1)
        assert leases.acquire(engine, "ksc:dtp_872", "other", 600, much_later)
        return server.behave(request)

    server.on["HostGroup.FindHosts"] = in_turn(overtaken, server.behave)
    with pytest.raises(LeaseLost):
        collect(engine, server, places)
    assert list(manifest.read_all(places)) == []
    assert server.asked("Session.EndSession") == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(401), "credentials"),
        (reply(401, WWW_Authenticate='KSCMFA type="totp"'), "second_factor"),
    ],
    ids=["wrong password", "second factor"],
)
def test_a_refused_account_is_not_tried_again(
    engine: Engine, server: ScriptedKsc, places: Places, answer: Scripted, code: str
) -> None:
    server.on[LOGIN] = lambda _: answer
    assert collect(engine, server, places).fault_code == code
    again = collect(engine, server, places, hours=1)
    assert (again.status, again.fault_code) == (LoadStatus.FAILED, "credentials")
    assert "accounts resume dtp_872" in (again.fault_text or "")
    assert server.asked(LOGIN) == 1
    assert len(list(manifest.read_all(places))) == 2
    (held,) = accounts.held(engine)
    assert held.held_at == NOW
    assert PASSWORD not in repr(held)


def test_a_password_refused_after_the_devices_were_read_is_not_tried_again_either(
    engine: Engine, server: ScriptedKsc, places: Places
) -> None:
    """The load is complete and stays so; the account is held all the same."""
    server.on["LicenseKeys.EnumKeys"] = lambda _: reply(403)
    server.on[LOGIN] = in_turn(server.behave, reply(401))
    load = collect(engine, server, places)
    assert (load.status, load.fault_code) == (LoadStatus.COMPLETE, None)
    again = collect(engine, server, places, hours=1)
    assert (again.status, again.fault_code) == (LoadStatus.FAILED, "credentials")
    assert server.asked(LOGIN) == 2


@pytest.mark.parametrize("status", [403, 404, 500])
def test_no_other_fault_beside_the_devices_holds_an_account(
    engine: Engine, server: ScriptedKsc, places: Places, status: int
) -> None:
    server.on["LicenseKeys.EnumKeys"] = lambda _: reply(status)
    assert "licences" in collect(engine, server, places).extra_faults
    assert accounts.held(engine) == []


def test_a_new_password_is_tried_at_once(
    engine: Engine, server: ScriptedKsc, places: Places
) -> None:
    server.on[LOGIN] = lambda _: reply(401)
    collect(engine, server, places)
    del server.on[LOGIN]
    assert collect(engine, server, places, hours=1, password="another").fault_code is None


def test_a_resumed_account_is_tried_again(
    engine: Engine, server: ScriptedKsc, places: Places
) -> None:
    server.on[LOGIN] = lambda _: reply(401)
    collect(engine, server, places)
    accounts.resume(engine, "dtp_872")
    del server.on[LOGIN]
    assert collect(engine, server, places, hours=1).fault_code is None


@pytest.mark.parametrize(("status", "code"), [(403, "server_error"), (404, "protocol")])
def test_other_faults_hold_no_account(
    engine: Engine, server: ScriptedKsc, places: Places, status: int, code: str
) -> None:
    server.on["HostGroup.FindHosts"] = lambda _: reply(status)
    assert collect(engine, server, places).fault_code == code
    assert accounts.held(engine) == []


def test_the_last_complete_load_is_what_a_zero_is_compared_with(
    engine: Engine, server: ScriptedKsc, places: Places
) -> None:
    assert collect(engine, server, places).rows_read_count == 12
    server.hosts.clear()
    assert collect(engine, server, places, hours=1).fault_code == "suspicious"


def test_the_lease_is_given_back_after_a_mistake_of_ours(
    engine: Engine, server: ScriptedKsc, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> bool:
        raise RuntimeError("ours")

    with monkeypatch.context() as patched:
        patched.setattr(accounts, "held_of", broken)
        with pytest.raises(RuntimeError):
            collect(engine, server, places)
    assert collect(engine, server, places).status is LoadStatus.COMPLETE
