"""Contacts of several scenarios in one file, however their spreadsheets wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.rehearsal.home import gather_contacts


def scenario(path: Path, text: str | None) -> Path:
    path.mkdir()
    if text is not None:
        (path / "contacts.csv").write_text(text, "utf-8")
    return path


def test_columns_may_stand_in_any_order_and_a_mark_may_stand_before_them(tmp_path: Path) -> None:
    first = scenario(tmp_path / "a", "role,unit_code,name,address\nunit,pnv,Trần B,b@x.example\n")
    second = scenario(
        tmp_path / "b",
        '\ufeffaddress,name,role,unit_code\nc@x.example,"Lê, C",so,tinh\n,,,\n',
    )
    target = tmp_path / "contacts.csv"
    gather_contacts([first, second, scenario(tmp_path / "c", None)], target)
    assert target.read_text("utf-8").splitlines() == [
        "role,unit_code,name,address",
        "unit,pnv,Trần B,b@x.example",
        'so,tinh,"Lê, C",c@x.example',
    ]
    assert target.stat().st_mode & 0o777 == 0o600


def test_without_any_contacts_there_is_a_header(tmp_path: Path) -> None:
    gather_contacts([scenario(tmp_path / "a", None)], tmp_path / "contacts.csv")
    assert (tmp_path / "contacts.csv").read_text("utf-8") == "role,unit_code,name,address\n"


def test_a_column_that_is_missing_is_told(tmp_path: Path) -> None:
    bad = scenario(tmp_path / "a", "role,unit_code,name\nunit,pnv,Trần B\n")
    with pytest.raises(LedgerError, match="address"):
        gather_contacts([bad], tmp_path / "contacts.csv")
