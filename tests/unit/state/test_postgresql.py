"""The state room on a real PostgreSQL: every test that is not about SQLite's own file, once more."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from ksc_ledger.errors import LedgerError
from ksc_ledger.state import accounts, database, leases, open_state, outbox
from ksc_ledger.state.outbox import Channel
from ksc_ledger.state.tables import METADATA
from unit.alerts.mails import a_new_mail, put
from unit.state import test_accounts as of_accounts
from unit.state import test_leases as of_leases
from unit.state import test_links_state as of_links
from unit.state import test_outbox as of_outbox
from unit.state import test_registry_log as of_registry
from unit.state.postgresql import Cluster, running

pytestmark = [pytest.mark.long]

NOW = datetime(2024, 1, 9, 2, 0, tzinfo=UTC)


# These ask SQLite's own catalogue; their like is below.
OF_SQLITE = {"test_a_zombie_commits_nothing"}


def _tests_of(*modules: ModuleType) -> dict[str, Callable[..., None]]:
    """The tests of other modules, to be collected here too, where ``engine`` is PostgreSQL's."""
    found: dict[str, Callable[..., None]] = {}
    for module in modules:
        for name, one in vars(module).items():
            if name.startswith("test_") and callable(one) and name not in OF_SQLITE:
                assert name not in found, f"two tests are called {name}"
                found[name] = one
    return found


globals().update(_tests_of(of_accounts, of_leases, of_links, of_outbox, of_registry))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running() as cluster:
        yield cluster


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.migrated()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_state(url)
    assert engine.dialect.name == "postgresql"
    yield engine
    engine.dispose()


@pytest.fixture
def racers(url: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that ask for the same lease as fast as they can."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", of_leases.RACER, url, owner, of_leases.NOW.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for owner in ("first", "second")
    ]
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def test_the_tests_of_the_state_room_are_here_too() -> None:
    here = [name for name in globals() if name.startswith("test_")]
    assert len(here) > 55


def test_the_migrations_make_the_tables_that_the_code_uses_on_postgresql(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": database.REVISION_TABLE,
                "compare_type": True,
                "target_metadata": METADATA,
            },
        )
        assert compare_metadata(context, METADATA) == []


def test_processes_that_start_at_once_on_an_empty_database_migrate_it_once(
    cluster: Cluster,
) -> None:
    url = cluster.empty()
    start = (
        "import sys; from ksc_ledger.state import open_state, accounts\n"
        "sys.stdin.readline()\n"
        f"accounts.held(open_state({url!r}))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", start], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, b"")


def test_a_migration_that_fails_leaves_nothing_behind_on_postgresql(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    url = cluster.empty()
    with monkeypatch.context() as patched:
        patched.setattr("alembic.op.create_index", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            open_state(url)
    engine = open_state(url)
    assert inspect(engine).has_table("outbox")
    engine.dispose()


def test_newer_code_is_not_downgraded_on_postgresql(engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("update state_revision set version_num = '9999'"))
    with pytest.raises(LedgerError) as raised:
        open_state(url)
    assert raised.value.code == "state_newer_than_code"


def test_a_server_that_is_not_there_is_named_without_its_password(cluster: Cluster) -> None:
    with pytest.raises(LedgerError) as raised:
        open_state(f"postgresql+psycopg://ksc:hunter2@/none?host={cluster.folder}")
    assert raised.value.code == "state_unreachable"
    assert "hunter2" not in str(raised.value)


def test_an_instant_comes_back_in_utc_whatever_zone_the_session_has(engine: Engine) -> None:
    accounts.hold(engine, "dtp_872", "ab", "401", NOW)
    with engine.begin() as connection:
        connection.execute(text("set time zone 'Asia/Ho_Chi_Minh'"))
        stored = connection.execute(text("select held_at from held_account")).scalar_one()
    (held,) = accounts.held(engine)
    assert stored == NOW
    assert (held.held_at, held.held_at.tzinfo) == (NOW, UTC)


def _at_once(number: int, act: Callable[[int], None]) -> None:
    """Run ``act`` in threads that start together; an error in one fails the test."""
    barrier = threading.Barrier(number)
    errors: list[BaseException] = []

    def run(which: int) -> None:
        barrier.wait()
        try:
            act(which)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(which,)) for which in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_zombie_commits_nothing_on_postgresql(engine: Engine) -> None:
    zombie = leases.acquire(engine, "writer", "first", 60, NOW)
    assert zombie is not None
    assert leases.acquire(engine, "writer", "second", 60, NOW + timedelta(minutes=2)) is not None

    def effect() -> None:
        with engine.begin() as connection:
            connection.execute(text("create table effect (x integer)"))
            leases.guard(connection, zombie)

    with pytest.raises(leases.LeaseLost):
        effect()
    assert not inspect(engine).has_table("effect")


def test_connections_that_race_for_a_lease_never_both_win(engine: Engine) -> None:
    tokens: list[int] = []
    for turn in range(40):
        now = NOW + timedelta(minutes=2 * turn)
        won: list[leases.Lease] = []

        def ask(which: int, now: datetime = now, won: list[leases.Lease] = won) -> None:
            lease = leases.acquire(engine, "writer", f"owner-{which}", 60, now)
            if lease is not None:
                won.append(lease)

        _at_once(4, ask)
        (lease,) = won
        tokens.append(lease.token)
    assert tokens == sorted(set(tokens))


def test_connections_that_race_for_mails_claim_each_once(engine: Engine) -> None:
    ids = put(engine, *(a_new_mail(incident_id=f"incident-{number}") for number in range(40)))
    claimed: list[str] = []

    def drain(which: int) -> None:
        while mail := outbox.claim_next(engine, Channel.ALERTS, f"drain-{which}", 300, NOW):
            claimed.append(mail.message_id)

    _at_once(4, drain)
    assert sorted(claimed) == sorted(ids)


def test_an_account_refused_by_two_at_once_is_held_once(engine: Engine) -> None:
    is_first: list[bool] = []
    _at_once(4, lambda which: is_first.append(accounts.hold(engine, "dtp", "ab", f"{which}", NOW)))
    assert sorted(is_first) == [False, False, False, True]
    assert len(accounts.held(engine)) == 1
