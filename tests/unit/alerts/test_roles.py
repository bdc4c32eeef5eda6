from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ksc_ledger.alerts.policy import parents_of_units
from ksc_ledger.alerts.roles import Contact, Directory, load_contacts, read_contacts
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import load
from ksc_ledger.rehearsal.home import gather_contacts, gather_registry
from ksc_ledger.settings import REPOSITORY

PARENTS = {"xa": "huyen", "huyen": "tinh", "tinh": None}


def a_contact(role: str, unit_code: str, address: str) -> Contact:
    return Contact(role=role, unit_code=unit_code, name="", address=address)


def a_row(**changes: str) -> dict[str, str]:
    return {
        "role": "unit",
        "unit_code": "huyen",
        "name": "Phòng Văn hóa",
        "address": "a@huyen.example",
        **changes,
    }


def test_the_nearest_holder_of_a_role_is_told() -> None:
    directory = Directory(
        contacts=(a_contact("so", "tinh", "so@t.example"), a_contact("so", "huyen", "h@t.example")),
        parents=PARENTS,
    )
    assert [one.address for one in directory.recipients("so", "xa")] == ["h@t.example"]
    assert [one.address for one in directory.recipients("so", "tinh")] == ["so@t.example"]


def test_no_mail_about_one_estate_reaches_the_people_of_another(tmp_path: Path) -> None:
    """Both demo estates in one installation: every role, asked for every unit that ever was."""
    scenarios = [REPOSITORY / "scenarios" / name for name in ("dong_thap", "kon_tum")]
    registry = load(gather_registry(scenarios, tmp_path / "registry"))
    gather_contacts(scenarios, tmp_path / "contacts.csv")
    contacts = load_contacts(tmp_path / "contacts.csv")
    estates = {unit.unit_code: unit.estate_code for unit in registry.units}
    of_address = {contact.address: estates[contact.unit_code] for contact in contacts}
    assert set(of_address.values()) == {"dong_thap", "kon_tum"}
    told = 0
    for day in (date(2022, 10, 12), date(2024, 1, 12), date(2025, 7, 1)):
        directory = Directory(contacts=tuple(contacts), parents=parents_of_units(registry, day))
        for unit in registry.units_on(day):
            for role in {contact.role for contact in contacts}:
                for found in directory.recipients(role, unit.unit_code):
                    assert of_address[found.address] == unit.estate_code
                    told += 1
    assert told > 100


def test_everybody_who_holds_it_there_is_told_once_in_a_fixed_order() -> None:
    directory = Directory(
        contacts=tuple(a_contact("so", "tinh", f"{name}@t.example") for name in ("b", "a", "b")),
        parents=PARENTS,
    )
    found = directory.recipients("so", "xa")
    assert [one.address for one in found] == ["a@t.example", "b@t.example"]


def test_nobody_is_nobody_and_a_circle_of_units_ends() -> None:
    directory = Directory(
        contacts=(a_contact("so", "x", "a@t.example"),), parents={"a": "b", "b": "a"}
    )
    assert directory.recipients("so", "a") == []
    assert directory.recipients("unit", "x") == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "khong-co-a-cong",
        "a@b",
        "a b@huyen.example",
        "a@huyen.example\r\nBcc: x@y.example",
        "a@huyen.example, b@huyen.example",
        "á@huyen.example",
        "a@huyện.example",
        "<a@huyen.example>",
    ],
)
def test_an_address_that_could_forge_or_fail_is_named_by_its_row_only(address: str) -> None:
    with pytest.raises(LedgerError) as raised:
        read_contacts([a_row(), a_row(address=address)])
    assert "dòng 3" in raised.value.text
    assert "dòng 2" not in raised.value.text
    assert address == "" or address not in str(raised.value)


@pytest.mark.parametrize(
    "row", [a_row(role="Đơn vị"), a_row(unit_code=""), a_row(name="A\u202eB"), a_row(name="A\x00")]
)
def test_a_wrong_row_is_refused(row: dict[str, str]) -> None:
    with pytest.raises(LedgerError, match="dòng 2"):
        read_contacts([row])


def test_every_wrong_row_is_named_at_once() -> None:
    with pytest.raises(LedgerError) as raised:
        read_contacts([a_row(address="x"), a_row(), a_row(role="")])
    assert "2 dòng sai" in raised.value.text


def test_the_file_is_read_only_when_nobody_else_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "contacts.csv"
    file.write_text(
        "\ufeffrole,unit_code,name,address\nops_team,tinh,Tổ vận hành,OPS@tinh.example\n", "utf-8"
    )
    file.chmod(0o640)
    with pytest.raises(LedgerError, match="người khác cũng đọc được"):
        load_contacts(file)
    file.chmod(0o600)
    assert load_contacts(file) == [
        Contact(role="ops_team", unit_code="tinh", name="Tổ vận hành", address="ops@tinh.example")
    ]


def test_a_file_without_its_columns_or_in_another_encoding_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "contacts.csv"
    file.write_text("role;unit_code;name;address\n", "utf-8")
    file.chmod(0o600)
    with pytest.raises(LedgerError, match="thiếu cột"):
        load_contacts(file)
    file.write_bytes("role,unit_code,name,address\nunit,huyen,Tổ,a@h.example\n".encode("utf-16"))
    with pytest.raises(LedgerError, match="Không đọc được"):
        load_contacts(file)
