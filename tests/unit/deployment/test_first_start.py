"""What ``ksc-ledger init`` reads before it touches a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ksc_ledger.deployment import first_start
from ksc_ledger.errors import LedgerError
from ksc_ledger.ops_room.access import Role


def test_people_are_read_with_their_roles() -> None:
    found = first_start.people("quantri:engineer  canbo:unit_officer")
    assert [(one.user_name, one.role) for one in found] == [
        ("quantri", Role.ENGINEER),
        ("canbo", Role.UNIT_OFFICER),
    ]
    assert first_start.people("") == []


@pytest.mark.parametrize("text", ["quantri", "quantri:Admin", "quantri:"])
def test_a_role_that_is_none_of_the_four_is_refused(text: str) -> None:
    with pytest.raises(LedgerError, match="quantri"):
        first_start.people(text)


def test_a_connection_is_named_by_its_file(tmp_path: Path) -> None:
    values = {"host": "ksc.example", "port": 13299, "login": "doc", "password": "p"}
    (tmp_path / "ksc_ktm.json").write_text(json.dumps(values), "utf-8")
    (tmp_path / "smtp_alerts.json").write_text('{"host": "mail.example"}', "utf-8")
    found = {one.connection_id: one for one in first_start.from_files([tmp_path])}
    assert found["ksc_ktm"].conn_type == "ksc"
    assert found["ksc_ktm"].values == values
    assert found["smtp_alerts"].conn_type == "smtp"


def test_folders_that_are_not_there_have_no_connections(tmp_path: Path) -> None:
    assert first_start.from_files([tmp_path / "nowhere"]) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"passwort": "canary-secret"}'])
def test_a_file_that_is_wrong_is_named_and_not_repeated(tmp_path: Path, text: str) -> None:
    (tmp_path / "ksc_ktm.json").write_text(text, "utf-8")
    with pytest.raises(LedgerError, match=r"ksc_ktm\.json") as error:
        first_start.from_files([tmp_path])
    assert "canary-secret" not in str(error.value)


def test_contacts_are_taken_over_once_and_never_again(tmp_path: Path) -> None:
    given, target = tmp_path / "contacts.csv", tmp_path / "home" / "contacts.csv"
    assert "CHƯA CÓ" in first_start._contacts(target, given)
    given.write_text("role,unit_code,name,address\n", "utf-8")
    first_start._contacts(target, given)
    assert f"{target.stat().st_mode & 0o777:o}" == "600"
    target.write_text("erased", "utf-8")
    first_start._contacts(target, given)
    assert target.read_text("utf-8") == "erased"


def test_an_officers_unit_comes_from_the_file_alone(tmp_path: Path) -> None:
    given = tmp_path / "page_users.csv"
    given.write_text("user_name,role,unit_code\ncanbo,unit_officer,ktm_613\n", "utf-8")
    folk = first_start.people("quantri:engineer canbo:unit_officer khac:unit_officer")
    first_start._page_users(tmp_path / "home.csv", given, folk)
    lines = (tmp_path / "home.csv").read_text("utf-8").splitlines()
    assert lines == [
        "user_name,role,unit_code,estate_codes",
        "quantri,engineer,,",
        "canbo,unit_officer,ktm_613,",
    ]
