"""The secrets of a deployment: made once, closed, never replaced."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ksc_ledger.cli import main
from ksc_ledger.deployment import keys

DATABASE = "postgres:5432"


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text("utf-8") for file in folder.iterdir()}


def test_every_secret_has_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    made = keys.make(tmp_path / "secrets", DATABASE, ["quantri"])
    folder = tmp_path / "secrets"
    assert set(made.new) == {file.name for file in folder.iterdir()}
    assert {f"{file.stat().st_mode & 0o777:o}" for file in folder.iterdir()} == {"640"}
    assert len(base64.urlsafe_b64decode(contents(folder)["fernet_key"])) == 32
    assert len(contents(folder)["jwt_secret"]) >= 64


def test_two_deployments_have_no_secret_in_common(tmp_path: Path) -> None:
    for name in ("one", "two"):
        keys.make(tmp_path / name, DATABASE, ["quantri"])
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert [name for name in one if one[name] == two[name]] == list(keys.FROM_OUTSIDE)


def test_a_second_call_keeps_every_byte_and_adds_a_new_user_only(tmp_path: Path) -> None:
    keys.make(tmp_path, DATABASE, ["quantri"])
    before = contents(tmp_path)
    again = keys.make(tmp_path, DATABASE, ["quantri"])
    assert again.new == ()
    assert contents(tmp_path) == before
    keys.make(tmp_path, DATABASE, ["quantri", "vanhanh"])
    passwords = json.loads(contents(tmp_path)[keys.INITIAL_PASSWORDS])
    assert passwords["quantri"] == json.loads(before[keys.INITIAL_PASSWORDS])["quantri"]
    assert set(passwords) == {"quantri", "vanhanh"}


def test_the_databases_addresses_carry_the_passwords_that_postgres_is_given(tmp_path: Path) -> None:
    keys.make(tmp_path, "db.example:6432", [])
    made = contents(tmp_path)
    assert made["state_url"] == (
        f"postgresql+psycopg://ledger:{made['ledger_db_password']}@db.example:6432/ledger"
    )
    assert made["airflow_db_password"] in made["airflow_database_url"]


def test_the_brokers_address_carries_the_password_that_redis_is_given(tmp_path: Path) -> None:
    keys.make(tmp_path, DATABASE, [])
    made = contents(tmp_path)
    assert made["broker_url"] == f"redis://:{made['redis_password']}@redis:6379/0"


def test_an_address_of_another_database_stays(tmp_path: Path) -> None:
    (tmp_path / "state_url").write_text("postgresql+psycopg://a:b@elsewhere/c", "utf-8")
    keys.make(tmp_path, DATABASE, [])
    assert contents(tmp_path)["state_url"].endswith("elsewhere/c")


def test_the_command_says_where_and_never_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "--into", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert str(tmp_path / "fernet_key") in said
    assert not [name for name, text in contents(tmp_path).items() if text and text in said]


def test_a_folder_that_cannot_be_made_is_told_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    assert main(["keys", "--into", str(tmp_path / "file" / "secrets")]) == 2
    assert "chmod 750" in capsys.readouterr().err
