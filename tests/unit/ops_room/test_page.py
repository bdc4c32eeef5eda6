"""Who sees what, that nothing from outside becomes markup, and that only a page of ours can act."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ksc_ledger.ops_room import page, runbooks, tokens
from ksc_ledger.state import open_state
from ksc_ledger.state.tables import ACKNOWLEDGEMENT, AUDIT, SILENCE
from unit.ops_room import a_province
from unit.ops_room.a_province import INCIDENT, NOW

if TYPE_CHECKING:
    from unit.ops_room.conftest import Site

LETTER = "/cong-van/dt/2022-10-12-don_doc-tm"
READ = (
    "/",
    "/don-vi/tm",
    "/may/e_html",
    "/may-chu/s_lv",
    "/tom-tat",
    "/so-tay",
    "/so-tay/watchdog",
    "/cong-van",
    LETTER,
    f"{LETTER}/docx",
    "/static/room.css",
)
ACT = ("/may-chu/s_lv/tiep-nhan", "/may-chu/s_lv/tam-ngung")


def token(site: Site, user: str = "truc", age: timedelta = timedelta()) -> str:
    secret = tokens.secret_of(site.settings.places.state)
    return tokens.make(secret, user, NOW - age)


def acknowledgement(site: Site, **changed: str) -> dict[str, str]:
    form = {"ma_phien": token(site), "su_co": INCIDENT, "gio": "4", "noi_dung": "Gọi trực huyện"}
    return form | changed


def rows(site: Site, table: object) -> list[object]:
    engine = open_state(site.settings.state_url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(table.select()))  # type: ignore[attr-defined]
    finally:
        engine.dispose()


def test_the_list_of_addresses_under_test_is_whole(site: Site) -> None:
    patterns = {route.path for route in site.app.routes}
    assert len(patterns) == len(READ) + len(ACT)
    tried = {
        re.sub(r"(?<=/)(dt|tm|e_html|s_lv|watchdog|room\.css|2022-[\w-]+|docx)(?=/|$)", "*", path)
        for path in READ + ACT
    }
    assert {re.sub(r"\{\w+\}", "*", pattern) for pattern in patterns} == tried


@pytest.mark.parametrize("path", READ)
def test_nobody_reads_without_signing_in(site: Site, path: str) -> None:
    answer = site.ask(path, user="")
    assert answer.status_code == 401
    assert "Tháp Mười" not in answer.text


@pytest.mark.parametrize("path", ACT)
def test_nobody_acts_without_signing_in(site: Site, path: str) -> None:
    assert site.ask(path, user="", method="POST", form=acknowledgement(site)).status_code == 401


@pytest.mark.parametrize("path", [path for path in READ if "static" not in path])
def test_whoever_is_not_on_the_list_sees_nothing(site: Site, path: str) -> None:
    answer = site.ask(path, user="nguoi-la")
    assert answer.status_code == 403
    assert "Tháp Mười" not in answer.text


@pytest.mark.parametrize("path", [*READ, "/don-vi/khong_co", "/khong-co", "/?ngay=xyz"])
@pytest.mark.parametrize("user", ["truc", ""])
def test_every_answer_forbids_foreign_content(site: Site, path: str, user: str) -> None:
    answer = site.ask(path, user)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize("path", READ)
def test_no_page_needs_what_the_policy_forbids(site: Site, path: str) -> None:
    text = site.ask(path).content.decode("utf-8", "replace")
    assert not re.search(
        r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|https?://(?!www\.w3\.org)", text
    )


def test_an_officer_sees_the_own_unit_and_what_is_below(site: Site) -> None:
    assert "<h1>" in site.ask("/", "canbo").text
    assert "Huyện Tháp Mười" in site.ask("/", "canbo").text
    assert site.ask("/don-vi/tm_md", "canbo").status_code == 200
    assert "e_html" in site.ask("/don-vi/tm_md", "canbo").text
    assert site.ask("/may/e_html", "canbo").status_code == 200
    assert site.ask("/may-chu/s_tm", "canbo").status_code == 200


@pytest.mark.parametrize(
    "path", ["/don-vi/lv", "/don-vi/dt", "/may/e_lv", "/may-chu/s_lv", "/may-chu/s_dt"]
)
@pytest.mark.parametrize("query", ["", "?ngay=12/10/2022", "?dia_ban=dt"])
def test_an_officer_sees_nothing_beside_it(site: Site, path: str, query: str) -> None:
    answer = site.ask(path + query, "canbo")
    assert answer.status_code == 403
    assert "Lấp Vò" not in answer.text


def test_an_officers_pages_do_not_name_the_neighbours(site: Site) -> None:
    for path in ("/", "/?xep=thieu&may=1", "/don-vi/tm_md", "/may/e_html", "/tom-tat"):
        text = site.ask(path, "canbo").text
        assert "Lấp Vò" not in text
        assert "LAPVO" not in text


def test_an_auditor_is_shown_masked_names_only(site: Site) -> None:
    text = site.ask("/don-vi/tm_md", "kiemtra").text
    assert "MÁY-e_html" in text
    assert "MÁY-e_html</bdi></h1>" in site.ask("/may/e_html", "kiemtra").text
    assert "Tên máy đã được che" in text


def test_a_lost_role_is_lost_at_the_next_request(site: Site) -> None:
    assert site.ask("/", "canbo").status_code == 200
    site.settings.page_users.write_text("user_name,role,unit_code\n", "utf-8")
    assert site.ask("/", "canbo").status_code == 403


@pytest.mark.parametrize(
    "path", ["/don-vi/tm_md", "/may/e_html", "/may/e_jinja", "/may/e_bidi", "/"]
)
def test_names_with_tricks_are_shown_as_text(site: Site, path: str) -> None:
    a_province.write(
        site.settings.places.named_marts_file,
        is_masked=False,
        more=a_province.DETECTIONS,
        version="v2",
    )
    text = site.ask(path).text
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert "\u200b" not in text
    assert ">49<" not in text


def test_names_with_tricks_can_be_read(site: Site) -> None:
    text = site.ask("/don-vi/tm_md").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{ 7 * 7 }}{% raw %}" in text
    assert "⟦202E⟧" in text
    assert "⟦200B⟧" in text


@pytest.mark.parametrize("name", ["khong_co", "..%2f..%2fREADME", "../adr/0001", "watchdog.md"])
def test_only_runbooks_are_read_from_the_disk(site: Site, name: str) -> None:
    assert site.ask(f"/so-tay/{name}").status_code == 404


def test_every_runbook_named_on_a_page_is_there(site: Site) -> None:
    text = site.ask("/").text + site.ask("/may-chu/s_lv").text
    named = set(re.findall(r'href="(/so-tay/[^"?]+)', text))
    assert len(named) == 6
    named |= set(re.findall(r'href="(/so-tay/[^"?]+)', site.ask("/so-tay").text))
    assert len(named) == len(list(runbooks.FOLDER.glob("*.md")))
    assert {site.ask(path).status_code for path in named} == {200}


def test_the_block_on_the_home_page_gives_plain_text(site: Site) -> None:
    answer = site.ask("/tom-tat")
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"lines", "is_bad", "now"}
    assert answer.json()["now"] == "20/10/2022 10:00"


def test_the_cut_off_district_is_seen_with_its_outage(site: Site) -> None:
    text = site.ask("/").text
    assert "mất kết nối đã 2 ngày 3 giờ (từ 18/10/2022 07:00)" in text
    assert "đứt kết nối về tỉnh" in text
    assert site.ask("/tom-tat").json()["is_bad"]


def test_a_past_day_shows_what_held_then(site: Site) -> None:
    then, now = site.ask("/don-vi/tm_md?ngay=12/10/2022").text, site.ask("/don-vi/tm_md").text
    assert "CU-e_html" in then
    assert "CU-e_html" not in now
    assert "Đang xem số liệu ngày <strong>12/10/2022" in then
    assert re.search(r"Đã cài đặt</dt><dd>4 ", then)
    assert re.search(r"Đã cài đặt</dt><dd>6 ", now)
    assert "mất kết nối đã" not in site.ask("/?ngay=12/10/2022").text
    assert "chưa theo dõi" in then


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("2022-10-12", "12/10/2022"), ("1/1/2020", "12/10/2022"), ("1/1/2030", "20/10/2022")],
)
def test_a_day_is_the_nearest_one_with_figures(site: Site, asked: str, shown: str) -> None:
    assert f'value="{shown}"' in site.ask(f"/?ngay={asked}").text


@pytest.mark.parametrize("asked", ["13/13/2022", "hom qua", "2022-99-01", "<script>", "9" * 400])
def test_what_is_no_day_is_refused_in_words(site: Site, asked: str) -> None:
    answer = site.ask(f"/?ngay={asked}")
    assert answer.status_code == 400
    assert "12/10/2022" in answer.text


def test_a_mart_that_is_not_there_has_no_source_yet(site: Site) -> None:
    assert site.ask("/don-vi/tm_md").text.count("chưa có nguồn") == 3
    a_province.write(
        site.settings.places.named_marts_file,
        is_masked=False,
        more=a_province.DETECTIONS,
        version="v2",
    )
    text = site.ask("/don-vi/tm_md").text
    assert "1 máy còn nhiễm; 2 phát hiện đến nay chưa xử lý được; 4 phát hiện trong 30 ngày" in text
    assert text.count("chưa có nguồn") == 1
    assert "chưa có nguồn" in site.ask("/don-vi/lv").text.split("Mã độc</dt>")[1].split("</dd>")[0]


def test_a_key_of_several_servers_has_one_limit(site: Site) -> None:
    a_province.write(
        site.settings.places.named_marts_file,
        is_masked=False,
        more=a_province.DETECTIONS,
        version="v2",
    )
    assert (
        "còn <strong>10</strong> ngày (đến 31/10/2022 00:00), dùng 30/5.037" in site.ask("/").text
    )


def test_a_new_version_answers_the_next_request(site: Site) -> None:
    assert "Bản số liệu v1" in site.ask("/").text
    a_province.write(site.settings.places.named_marts_file, is_masked=False, version="v2")
    assert "Bản số liệu v2" in site.ask("/").text


def test_before_the_first_version_the_page_says_what_to_do(site: Site) -> None:
    site.settings.places.named_marts_file.unlink()
    answer = site.ask("/")
    assert answer.status_code == 503
    assert "build_marts" in answer.text


def test_in_rehearsal_the_page_shows_its_clock(site: Site) -> None:
    assert "DIỄN TẬP</strong> · đồng hồ diễn tập: <time>20/10/2022 10:00" in site.ask("/").text
    site.settings.places.rehearsal_mark.unlink()
    assert "DIỄN TẬP" not in site.ask("/").text


def test_without_the_operational_database_the_marts_are_still_shown(site: Site) -> None:
    site.settings.places.state_database.write_bytes(b"not a database" * 100)
    text = site.ask("/").text
    assert "Không đọc được trạng thái lúc này" in text
    assert "mất kết nối đã 2 ngày" in text


def test_an_outage_is_acknowledged_with_who_until_when_and_what(site: Site) -> None:
    page = site.ask("/may-chu/s_lv").text
    found = re.search(r'name="ma_phien" value="([^"]+)"', page)
    assert found
    assert f'value="{INCIDENT}"' in page
    form = acknowledgement(site, ma_phien=found[1])
    answer = site.ask(ACT[0], method="POST", form=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/may-chu/s_lv?xong=tiep-nhan"
    (kept,) = rows(site, ACKNOWLEDGEMENT)
    assert (kept.owner, kept.note) == ("truc", "Gọi trực huyện")  # type: ignore[attr-defined]
    assert (kept.made_at, kept.until_at) == (NOW, NOW + timedelta(hours=4))  # type: ignore[attr-defined]
    assert [row.actor for row in rows(site, AUDIT)] == ["truc"]  # type: ignore[attr-defined]


def test_a_silence_keeps_reason_owner_end_and_who_made_it(site: Site) -> None:
    form = {"ma_phien": token(site), "gio": "24", "ly_do": "Bảo trì điện", "nguoi": "Đội kỹ thuật"}
    answer = site.ask(ACT[1], method="POST", form=form)
    assert answer.status_code == 303
    (kept,) = rows(site, SILENCE)
    assert kept.reason == "Bảo trì điện"  # type: ignore[attr-defined]
    assert kept.owner == "Đội kỹ thuật"  # type: ignore[attr-defined]
    assert (kept.from_at, kept.to_at) == (NOW, NOW + timedelta(hours=24))  # type: ignore[attr-defined]
    assert [row.actor for row in rows(site, AUDIT)] == ["truc"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        pytest.param({"ma_phien": ""}, 403, id="no token"),
        pytest.param({"ma_phien": "1666242000.0"}, 403, id="made up"),
        pytest.param({"ma_phien": "²." + "0" * 64}, 403, id="not even a number"),
        pytest.param({"gio": "1000000"}, 400, id="longer than offered"),
        pytest.param({"gio": ""}, 400, id="no end"),
        pytest.param({"noi_dung": " "}, 400, id="no reason"),
        pytest.param({"noi_dung": "x" * 501}, 400, id="too long"),
        pytest.param({"su_co": "another"}, 400, id="no such outage"),
    ],
)
def test_a_form_that_is_not_whole_does_nothing(
    site: Site, changed: dict[str, str], status: int
) -> None:
    answer = site.ask(ACT[0], method="POST", form=acknowledgement(site, **changed))
    assert answer.status_code == status
    assert rows(site, ACKNOWLEDGEMENT) + rows(site, AUDIT) == []


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        pytest.param(("truc", timedelta(hours=11, minutes=59)), True, id="just in time"),
        pytest.param(("truc", timedelta(hours=12)), False, id="too old"),
        pytest.param(("kysu", timedelta()), False, id="of another person"),
    ],
)
def test_a_token_is_for_one_person_and_half_a_day(
    site: Site, given: tuple[str, timedelta], is_taken: bool
) -> None:
    form = acknowledgement(site, ma_phien=token(site, *given))
    answer = site.ask(ACT[0], method="POST", form=form)
    assert answer.status_code == (303 if is_taken else 403)
    assert len(rows(site, ACKNOWLEDGEMENT)) == is_taken


@pytest.mark.parametrize("path", ACT)
@pytest.mark.parametrize("user", ["kiemtra", "canbo", "nguoi-la"])
def test_only_ops_and_engineers_act(site: Site, path: str, user: str) -> None:
    form = acknowledgement(site, ma_phien=token(site, user), ly_do="x", nguoi="x")
    assert site.ask(path, user, method="POST", form=form).status_code == 403
    assert rows(site, ACKNOWLEDGEMENT) + rows(site, SILENCE) == []
    assert "Tạm ngừng cảnh báo</h2>" not in site.ask("/may-chu/s_tm", user).text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-airflow-forbids": "1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-length": "9000"}, 413),
        ({"sec-fetch-site": "same-origin"}, 303),
    ],
)
def test_only_a_form_of_our_own_site_is_taken(
    site: Site, headers: dict[str, str], status: int
) -> None:
    answer = site.ask(ACT[0], method="POST", form=acknowledgement(site), headers=headers)
    assert answer.status_code == status
    assert len(rows(site, ACKNOWLEDGEMENT)) == (status == 303)


@pytest.mark.parametrize("path", ACT)
def test_reading_never_acts(site: Site, path: str) -> None:
    assert site.ask(path).status_code == 405


def test_an_outage_that_is_not_published_yet_is_listed_first() -> None:
    link = page.LinkShown(
        server_code="s_tm",
        server_name="Máy chủ Tháp Mười",
        state="down",
        cause="link",
        since_at=NOW,
        evidence_at=NOW,
        observed_at=None,
        is_of_that_day=False,
        incident_id="new",
        outage_started_at=NOW,
    )
    old = [{"incident_id": "old"}]
    assert [row["incident_id"] for row in page._with_live([link], old)] == ["new", "old"]
    assert page._with_live([link], [{"incident_id": "new"}]) == [{"incident_id": "new"}]
    assert page._with_live([replace(link, outage_started_at=None)], old) == old


def test_a_past_day_offers_no_deeds(site: Site) -> None:
    assert "Tiếp nhận sự cố" in site.ask("/may-chu/s_lv").text
    assert '<form method="post"' not in site.ask("/may-chu/s_lv?ngay=18/10/2022").text
