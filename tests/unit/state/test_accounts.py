from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from ksc_ledger.state import accounts
from ksc_ledger.state.accounts import HeldAccount

AT = datetime(2023, 10, 20, 1, 0, tzinfo=UTC)


def test_an_account_nobody_held_is_free(engine: Engine) -> None:
    assert not accounts.is_held(engine, "dtp_872", "ab12")
    assert accounts.held(engine) == []


def test_a_held_account_is_that_server_and_that_password_only(engine: Engine) -> None:
    assert accounts.hold(engine, "dtp_872", "ab12", "Máy chủ từ chối đăng nhập.", AT)
    assert accounts.is_held(engine, "dtp_872", "ab12")
    assert not accounts.is_held(engine, "dtp_872", "cd34")
    assert not accounts.is_held(engine, "dtp_873", "ab12")


def test_holding_twice_keeps_the_first_instant_and_reason(engine: Engine) -> None:
    accounts.hold(engine, "dtp_872", "ab12", "Lần đầu.", AT)
    assert not accounts.hold(engine, "dtp_872", "ab12", "Lần sau.", AT + timedelta(hours=1))
    assert accounts.held(engine) == [HeldAccount("dtp_872", "ab12", "Lần đầu.", AT)]


def test_resuming_frees_every_account_of_the_server_and_no_other(engine: Engine) -> None:
    for server, fingerprint in (("dtp_872", "ab12"), ("dtp_872", "cd34"), ("dtp_873", "ab12")):
        accounts.hold(engine, server, fingerprint, "Từ chối.", AT)
    assert accounts.resume(engine, "dtp_872") == 2
    assert [one.server_code for one in accounts.held(engine)] == ["dtp_873"]
    assert accounts.resume(engine, "dtp_872") == 0


def test_an_account_can_be_held_again_after_it_was_resumed(engine: Engine) -> None:
    accounts.hold(engine, "dtp_872", "ab12", "Lần đầu.", AT)
    accounts.resume(engine, "dtp_872")
    assert accounts.hold(engine, "dtp_872", "ab12", "Lần sau.", AT + timedelta(hours=1))
    assert accounts.is_held(engine, "dtp_872", "ab12")
