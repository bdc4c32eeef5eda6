"""What a person does on the page, in a browser, on a real Airflow."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

OUTAGE = "may-chu/dtp_875"
SERIOUS = {"serious", "critical"}


def words(tab: Any) -> str:
    return " ".join(tab.inner_text("main").split())


def test_the_cut_off_district_is_the_first_thing_seen(person: Any) -> None:
    """Sign in: the home page says it, and the page in the navigation shows it."""
    ops = person("vanhanh", viewport={"width": 1400, "height": 900})
    block = ops.tab.get_by_label("Tình hình", exact=True).filter(has_text="bản quyền")
    block.wait_for()
    assert "Máy chủ KSC huyện Lấp Vò: mất kết nối từ 10/01/2024 09:" in block.inner_text()
    ops.shot("home")
    ops.tab.get_by_role("link", name="Tình hình").first.click()
    page = ops.tab.frame_locator("iframe")
    lost = page.locator("li.lost")
    lost.wait_for()
    assert lost.count() == 1
    assert "huyện Lấp Vò" in lost.inner_text()
    assert "mất kết nối đã" in lost.inner_text()
    assert "DIỄN TẬP" in page.locator("aside.rehearsal").inner_text()
    ops.shot("in-airflow")


def test_from_the_province_to_a_wrongly_named_machine_on_a_past_day(person: Any) -> None:
    """Nine clicks and a date: which machines do I mend first in xã Mỹ Đông?"""
    ops = person("vanhanh", viewport={"width": 1400, "height": 900})
    ops.open()
    assert "5.037" in words(ops.tab)
    ops.tab.fill("#ngay", "12/10/2022")
    ops.tab.get_by_role("button", name="Xem").click()
    ops.tab.get_by_text("Đang xem số liệu ngày 12/10/2022").wait_for()
    assert "330" in words(ops.tab)
    assert "255" in words(ops.tab)
    ops.tab.get_by_role("link", name="Huyện Tháp Mười", exact=True).click()
    ops.tab.get_by_role("link", name="Xã Mỹ Đông", exact=True).click()
    ops.tab.get_by_role("heading", name="Xã Mỹ Đông").wait_for()
    row = ops.tab.locator(".machines tbody tr").filter(has_text="Tên mặc định của hệ điều hành")
    assert row.count() == 1
    assert "MYDONG-" in row.inner_text()
    ops.shot("my-dong")
    row.get_by_role("link").click()
    ops.tab.get_by_role("heading", name="Lịch sử").wait_for()
    assert "tên gợi ý MYDONG-" in words(ops.tab)
    ops.shot("machine")
    ops.tab.get_by_role("link", name="Về ngày mới nhất").click()
    ops.tab.get_by_text("Kết nối máy chủ lần cuối").wait_for()
    assert ops.troubles == []


def test_units_can_be_listed_by_what_is_missing(person: Any) -> None:
    ops = person("vanhanh")
    ops.open("?xep=thieu")
    gaps = [
        int(text.replace(".", ""))
        for text in ops.tab.locator("tbody tr td:nth-child(7)").all_inner_texts()
    ]
    assert len(gaps) > 20
    assert gaps == sorted(gaps, reverse=True)


def test_an_outage_is_taken_on(person: Any) -> None:
    ops = person("vanhanh", viewport={"width": 1400, "height": 900})
    ops.open(OUTAGE)
    ops.tab.get_by_label("Ai làm gì").fill("Trực ban gọi điện cho huyện")
    ops.tab.locator("#gio1").select_option("4")
    ops.tab.get_by_role("button", name="Tiếp nhận").click()
    ops.tab.get_by_role("status").filter(has_text="Đã ghi nhận việc tiếp nhận").wait_for()
    # The clock has run on since the last instant of the timeline, 09:55, as long as other tests took.
    said = re.search(r"không nhắc lại đến (10/01/2024 1[3-9]:\d\d)", words(ops.tab))
    assert said is not None
    assert said[1] >= "10/01/2024 13:55"
    ops.shot("acknowledged")
    ops.open()
    assert f"đã tiếp nhận đến {said[1]}" in ops.tab.inner_text("li.lost")


def test_alerts_of_a_server_are_silenced(person: Any) -> None:
    ops = person("quantri")
    ops.open("may-chu/dtp_866")
    ops.tab.get_by_label("Lý do").fill("Bảo trì điện")
    ops.tab.get_by_label("Người chịu trách nhiệm").fill("Đội kỹ thuật")
    ops.tab.get_by_role("button", name="Tạm ngừng").click()
    ops.tab.get_by_role("status").filter(has_text="Đã tạm ngừng").wait_for()
    assert "Tạm ngừng cảnh báo đến 10/01/2024" in words(ops.tab)


def test_an_officer_sees_the_own_district_only(person: Any) -> None:
    officer = person("canbo", viewport={"width": 1400, "height": 900})
    officer.open()
    assert officer.tab.inner_text("h1") == "Huyện Tháp Mười"
    assert "Lấp Vò" not in officer.tab.inner_text("body")
    answer = officer.open("don-vi/dtp_875")
    assert answer.status == 403
    assert officer.tab.inner_text("h1") == "Không được phép"
    officer.shot("refused")
    assert officer.open(OUTAGE).status == 403


@pytest.mark.parametrize("name", ["kiemtra", "canbo"])
def test_who_may_not_act_is_refused(person: Any, name: str) -> None:
    """Not offered on the page, and refused when it is sent all the same."""
    reader = person(name)
    reader.open("may-chu/dtp_872")
    assert reader.tab.locator("form[method=post]").count() == 0
    status = reader.tab.evaluate(
        "async (path) => (await fetch(path, {method: 'POST', body: new URLSearchParams("
        "{gio: '1', ly_do: 'x', nguoi: 'x', ma_phien: '1.2'})})).status",
        "/tinh-hinh/may-chu/dtp_872/tam-ngung",
    )
    assert status == 403


def test_an_auditor_sees_no_name_of_a_machine(person: Any) -> None:
    auditor = person("kiemtra")
    auditor.open("don-vi/dtp_872_30058?ngay=12/10/2022")
    names = auditor.tab.locator(".machines tbody th").all_inner_texts()
    assert len(names) == 4
    assert all(name.startswith("MÁY-") for name in names)
    assert "DESKTOP-" not in auditor.tab.content()


def test_a_stranger_gets_nothing(demo: Any) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for path in ("", "tom-tat", "don-vi/dtp_872", OUTAGE, "static/block.js"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            opener.open(demo.page + path, timeout=30)
        assert refused.value.code == 401
        refused.value.close()


PAGES = ("", "don-vi/dtp_872", "don-vi/dtp_872_30058?ngay=12/10/2022", OUTAGE)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390, 2560])
def test_pages_are_accessible_in_both_themes_and_on_every_screen(
    person: Any, theme: str, width: int
) -> None:
    """No serious finding of axe-core, nothing wider than the screen, no error in the console."""
    ops = person("vanhanh", viewport={"width": width, "height": 900}, color_scheme=theme)
    for number, path in enumerate(PAGES):
        ops.open(path)
        assert ops.tab.evaluate("document.documentElement.dataset.theme") == theme
        found = Axe().run(ops.tab).response["violations"]
        told = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS]
        assert told == []
        assert ops.tab.evaluate("document.documentElement.scrollWidth") <= width
        ops.shot(f"page{number}-{theme}-{width}")
    assert ops.troubles == []


def test_the_keyboard_is_enough(person: Any) -> None:
    ops = person("vanhanh")
    ops.open()
    ops.tab.keyboard.press("Tab")
    assert ops.tab.evaluate("document.activeElement.textContent") == "Tới nội dung chính"
    ops.tab.keyboard.press("Enter")
    assert ops.tab.evaluate("document.activeElement.id") == "noi-dung"
    ops.tab.keyboard.press("Tab")
    assert ops.tab.evaluate("document.activeElement.tagName") == "A"


def test_the_page_works_without_scripts(browser: Any, person: Any, demo: Any) -> None:
    ops = person("vanhanh")
    state = ops.context.storage_state()
    plain = browser.new_context(java_script_enabled=False, storage_state=state)
    tab = plain.new_page()
    tab.goto(demo.page)
    tab.fill("#ngay", "12/10/2022")
    tab.click("text=Xem")
    assert "12/10/2022" in tab.inner_text("main")
    plain.close()


@pytest.mark.parametrize(
    ("dag", "task", "leads_to"),
    [
        ("watch_server_links", "watch", "/tinh-hinh/"),
        ("collect_endpoints", "ask_server", "/tinh-hinh/may-chu/dtp"),
    ],
)
def test_tasks_lead_to_the_page(person: Any, dag: str, task: str, leads_to: str) -> None:
    """The button on a task, as Airflow's own API offers it."""
    ops = person("vanhanh")
    found = ops.tab.evaluate(
        """async ([dag, task]) => {
          const get = async (path) => (await fetch('/api/v2' + path)).json();
          const runs = (await get(`/dags/${dag}/dagRuns?limit=50`)).dag_runs;
          const ours = runs.find((one) => one.dag_run_id.startsWith('rehearsal'));
          const run = encodeURIComponent(ours.dag_run_id);
          const index = task === 'ask_server' ? '?map_index=0' : '';
          return await get(`/dags/${dag}/dagRuns/${run}/taskInstances/${task}/links${index}`);
        }""",
        [dag, task],
    )
    assert found["extra_links"]["Tình hình"] == leads_to
