"""Two estates in one installation: who is of one sees and does nothing of the other."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksc_ledger import settings as settings_module
from ksc_ledger.errors import LedgerError
from ksc_ledger.ops_room import tokens
from ksc_ledger.ops_room.access import OF_ESTATES, Role, read_users
from ksc_ledger.state import open_state
from ksc_ledger.state.tables import ACKNOWLEDGEMENT, AUDIT, SILENCE
from unit.ops_room import a_ministry
from unit.ops_room.a_ministry import OTHERS_INCIDENT
from unit.ops_room.a_province import INCIDENT, NOW
from unit.ops_room.conftest import Site

if TYPE_CHECKING:
    from sqlalchemy import Table

# What lies in one estate and what in the other, address by address.
DT = (
    "/don-vi/dt",
    "/don-vi/tm_md",
    "/may/e_html",
    "/may-chu/s_tm",
    "/cong-van/dt/2022-10-12-don_doc-tm",
    "/cong-van/dt/2022-10-12-don_doc-tm/docx",
)
KT = (
    "/don-vi/kt",
    "/don-vi/kp",
    "/may/e_kt",
    "/may-chu/s_kt",
    "/cong-van/kt/2022-10-12-don_doc-kp",
    "/cong-van/kt/2022-10-12-don_doc-kp/docx",
)
# Row by row: who, what of Đồng Tháp, what of Kon Tum.
MATRIX = (
    ("truc", 200, 200),
    ("kiemtra", 200, 200),
    ("truc_dt", 200, 403),
    ("kiemtra_dt", 200, 403),
    ("truc_kt", 403, 200),
    ("truc_ca_hai", 200, 200),
)


@pytest.fixture(scope="session")
def home_of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_ministry.a_home(tmp_path_factory.mktemp("two")).home


@pytest.fixture
def site(tmp_path: Path, home_of_two: Path) -> Site:
    home = tmp_path / "home"
    shutil.copytree(home_of_two, home, symlinks=True)
    return Site(settings_module.load({"KSC_LEDGER_HOME": str(home)}))


def form(site: Site, user: str, **changed: str) -> dict[str, str]:
    made = tokens.make(tokens.secret_of(site.settings.places.state), user, NOW)
    return {
        "ma_phien": made,
        "gio": "4",
        "noi_dung": "Gọi trực",
        "ly_do": "Bảo trì",
        "nguoi": "Đội",
    } | changed


def count(site: Site, table: Table) -> int:
    engine = open_state(site.settings.state_url)
    try:
        with engine.connect() as connection:
            return len(list(connection.execute(table.select())))
    finally:
        engine.dispose()


@pytest.mark.parametrize(("user", "of_dt", "of_kt"), MATRIX, ids=[row[0] for row in MATRIX])
def test_who_reads_what(site: Site, user: str, of_dt: int, of_kt: int) -> None:
    assert {path: site.ask(path, user).status_code for path in DT} == dict.fromkeys(DT, of_dt)
    assert {path: site.ask(path, user).status_code for path in KT} == dict.fromkeys(KT, of_kt)


@pytest.mark.parametrize(
    ("user", "own", "others"),
    [
        ("truc_dt", ("Tháp Mười", "Máy chủ Lấp Vò"), ("Kon Tum", "Kon Plông", "KONTUM", "4.321")),
        ("kiemtra_dt", ("Tháp Mười",), ("Kon Tum", "Kon Plông", "KONTUM", "4.321")),
        ("truc_kt", ("Kon Tum", "4.321"), ("Tháp Mười", "Lấp Vò", "LAPVO")),
        ("can_bo_kt", ("Kon Plông",), ("Tháp Mười", "Lấp Vò", "Tỉnh Kon Tum")),
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/?dia_ban=dt", "/?dia_ban=kt", "/?may=1&xep=thieu", "/tom-tat", "/cong-van"]
)
def test_no_row_of_another_estate_is_on_a_page(
    site: Site, path: str, user: str, own: tuple[str, ...], others: tuple[str, ...]
) -> None:
    answer = site.ask(path, user)
    assert answer.status_code == 200
    assert [word for word in others if word in answer.text] == []
    if path in ("/", "/tom-tat") and user != "can_bo_kt":
        assert own[0] in answer.text or path == "/tom-tat"
    if path == "/":
        assert [word for word in own if word not in answer.text] == []


def test_a_ministrys_own_people_choose_among_all_estates(site: Site) -> None:
    for user in ("truc", "kiemtra", "truc_ca_hai"):
        text = site.ask("/", user).text
        assert "dia_ban=dt" in text
        assert "dia_ban=kt" in text
    assert "dia_ban=kt" not in site.ask("/", "truc_dt").text


def test_who_is_of_all_estates_sees_them_side_by_side_with_their_sum(site: Site) -> None:
    for user in ("truc", "kiemtra"):
        text = site.ask("/", user).text
        assert "Toàn bộ 2 địa bàn" in text
        assert "4.327" in text
        assert "<td>7</td>" in text
    assert "Toàn bộ" not in site.ask("/don-vi/tm", "truc").text


@pytest.mark.parametrize("user", ["truc_dt", "kiemtra_dt", "truc_kt", "truc_ca_hai", "can_bo_kt"])
def test_who_is_of_some_estates_does_not_see_the_sum_of_all(site: Site, user: str) -> None:
    text = site.ask("/", user).text
    assert "Toàn bộ" not in text
    assert "4.327" not in text


@pytest.mark.parametrize("deed", ["tiep-nhan", "tam-ngung"])
@pytest.mark.parametrize(
    ("user", "server", "incident", "status"),
    [
        ("truc", "s_kt", OTHERS_INCIDENT, 303),
        ("truc_kt", "s_kt", OTHERS_INCIDENT, 303),
        ("truc_ca_hai", "s_lv", INCIDENT, 303),
        ("truc_dt", "s_lv", INCIDENT, 303),
        ("truc_dt", "s_kt", OTHERS_INCIDENT, 403),
        ("truc_kt", "s_lv", INCIDENT, 403),
        ("kiemtra_dt", "s_lv", INCIDENT, 403),
        ("can_bo_kt", "s_kt", OTHERS_INCIDENT, 403),
    ],
)
def test_who_does_what(
    site: Site, deed: str, user: str, server: str, incident: str, status: int
) -> None:
    fields = form(site, user, su_co=incident)
    answer = site.ask(f"/may-chu/{server}/{deed}", user, method="POST", form=fields)
    assert answer.status_code == status
    table = ACKNOWLEDGEMENT if deed == "tiep-nhan" else SILENCE
    assert count(site, table) == count(site, AUDIT) == (1 if status == 303 else 0)


def test_an_outage_of_another_estate_is_not_taken_on_through_ones_own_server(site: Site) -> None:
    fields = form(site, "truc_dt", su_co=OTHERS_INCIDENT)
    answer = site.ask("/may-chu/s_lv/tiep-nhan", "truc_dt", method="POST", form=fields)
    assert answer.status_code == 400
    assert count(site, ACKNOWLEDGEMENT) == count(site, AUDIT) == 0


def test_only_the_masked_file_is_opened_for_an_estates_auditor(site: Site) -> None:
    site.settings.places.named_marts_file.unlink()
    assert site.ask("/may/e_html", "kiemtra_dt").status_code == 200


def test_an_estate_without_figures_shows_nothing_of_the_others(site: Site) -> None:
    site.settings.page_users.write_text(
        "user_name,role,unit_code,estate_codes\nmoi,estate_ops,,cn\n", "utf-8"
    )
    answer = site.ask("/", "moi")
    assert answer.status_code == 503
    assert "Tháp Mười" not in answer.text


def test_a_file_without_the_column_of_estates_is_good_and_means_all(site: Site) -> None:
    site.settings.page_users.write_text("user_name,role,unit_code\ntruc,ops,\n", "utf-8")
    assert site.ask("/don-vi/kt", "truc").status_code == 200


@pytest.mark.parametrize("role", sorted(OF_ESTATES))
@pytest.mark.parametrize("estates", ["", "Đồng Tháp", "dt,kt", "dt K"])
def test_a_role_of_estates_needs_codes_of_estates(role: Role, estates: str) -> None:
    row = {"user_name": "an", "role": role, "unit_code": "", "estate_codes": estates}
    with pytest.raises(LedgerError, match="địa bàn"):
        read_users([row])


@pytest.mark.parametrize("role", sorted(set(Role) - OF_ESTATES))
def test_another_role_has_no_estates_that_would_be_ignored(role: Role) -> None:
    unit = "tm" if role is Role.UNIT_OFFICER else ""
    row = {"user_name": "an", "role": role, "unit_code": unit, "estate_codes": "dt"}
    with pytest.raises(LedgerError, match="địa bàn"):
        read_users([row])


@pytest.mark.parametrize("listed", ["dt kt", "dt;kt", " dt ; kt "])
def test_estates_are_listed_with_spaces_or_semicolons(listed: str) -> None:
    row = {"user_name": "an", "role": "estate_ops", "unit_code": "", "estate_codes": listed}
    found = read_users([row])["an"]
    assert found.estate_codes == {"dt", "kt"}
    assert not found.sees_all
    assert found.may_enter("kt")
    assert not found.may_enter("cn")
