"""The users of a rehearsal and what the page lets them see."""

from __future__ import annotations

import stat
from pathlib import Path

from ksc_ledger.ops_room.access import OF_ESTATES, Role, load_users
from ksc_ledger.rehearsal.home import PAGE_ROLES, USERS, gather_page_users
from ksc_ledger.settings import REPOSITORY

SCENARIOS = [REPOSITORY / "scenarios" / name for name in ("dong_thap", "kon_tum")]


def test_every_user_of_the_rehearsal_has_a_role_on_the_page(tmp_path: Path) -> None:
    file = tmp_path / "page_users.csv"
    gather_page_users(SCENARIOS, file)
    users = load_users(file)
    assert set(users) == set(USERS)
    assert {user.role for user in users.values()} == set(Role) - OF_ESTATES
    assert users["canbo"].unit_code == "dtp_872"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_who_may_act_on_the_page_may_act_in_airflow(tmp_path: Path) -> None:
    """And the others are viewers there, so that neither way is open to them."""
    file = tmp_path / "page_users.csv"
    gather_page_users(SCENARIOS, file)
    for name, reader in load_users(file).items():
        assert reader.may_act is (USERS[name] in {"admin", "op"})


def test_without_an_officer_in_the_scenario_the_others_are_there(tmp_path: Path) -> None:
    file = tmp_path / "page_users.csv"
    gather_page_users([tmp_path], file)
    assert set(load_users(file)) == set(PAGE_ROLES)
