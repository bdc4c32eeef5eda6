"""From the work to what it is about: buttons on tasks, the tab of a DAG, its runbook, the home page."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

RUN_SECONDS = 180
GET = "async (path) => (await fetch('/api/v2' + path)).json()"


def asked(person: Any, path: str) -> Any:
    return person.tab.evaluate(GET, path)


def runs_of(person: Any, dag: str) -> list[str]:
    """The runs that the rehearsal ordered, the newest first."""
    found = asked(person, f"/dags/{dag}/dagRuns?limit=100&order_by=-run_after")["dag_runs"]
    return [one["dag_run_id"] for one in found if one["dag_run_id"].startswith("rehearsal")]


def button(person: Any, dag: str, run: str, task: str, name: str, index: str = "") -> str:
    run = run.replace(":", "%3A").replace("+", "%2B")
    found = asked(person, f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/links{index}")
    return str(found["extra_links"][name])


def test_the_gate_leads_to_what_it_said_in_this_run(person: Any, demo: Any) -> None:
    ops = person("vanhanh", viewport={"width": 1400, "height": 900})
    places = {
        button(ops, "collect_endpoints", run, "judge_landed", "Kiểm tra dữ liệu")
        for run in runs_of(ops, "collect_endpoints")
    }
    assert len(places) == 2  # each run has a page of its own
    assert all(place.startswith("/chat-luong-du-lieu/runs/") for place in places)
    answer = ops.tab.goto(demo.url + sorted(places)[0])
    assert answer.status == 200
    assert "Số liệu vừa thu thập" in ops.tab.inner_text("body")
    ops.shot("data-docs-of-a-run")


def test_the_tick_that_found_a_loss_leads_to_the_server(person: Any, demo: Any) -> None:
    ops = person("vanhanh", viewport={"width": 1400, "height": 900})
    newest, *older = runs_of(ops, "watch_server_links")
    assert button(ops, "watch_server_links", newest, "watch", "Sự cố") == (
        "/tinh-hinh/may-chu/dtp_875"
    )
    assert button(ops, "watch_server_links", older[-1], "watch", "Sự cố") == ("/tinh-hinh/#ket-noi")
    ops.tab.goto(f"{demo.url}/dags/watch_server_links/runs/{newest}/tasks/watch/details")
    link = ops.tab.get_by_role("link", name="Sự cố")
    link.wait_for()
    ops.shot("buttons")
    assert link.get_attribute("href") == "/tinh-hinh/may-chu/dtp_875"
    ops.tab.goto(demo.url + "/tinh-hinh/may-chu/dtp_875")
    assert "huyện Lấp Vò" in ops.tab.inner_text("h1")


def test_the_letter_of_a_run_is_opened_from_its_task(person: Any, demo: Any) -> None:
    chief = person("quantri", viewport={"width": 1400, "height": 900})
    conf = {
        "estate": "dong_thap",
        "as_of": "2022-10-12",
        "kind": "don_doc",
        "unit_code": "dtp_872",
        "unit_sheets": "none",
    }
    started = chief.tab.evaluate(
        """async (body) => (await fetch('/api/v2/dags/write_letters/dagRuns', {
          method: 'POST', headers: {'content-type': 'application/json'}, body
        })).json()""",
        json.dumps({"logical_date": None, "conf": conf}),
    )
    run = started["dag_run_id"].replace(":", "%3A").replace("+", "%2B")
    end = time.monotonic() + RUN_SECONDS
    state = ""
    while state not in {"success", "failed"} and time.monotonic() < end:
        state = asked(chief, f"/dags/write_letters/dagRuns/{run}")["state"]
        time.sleep(1)
    assert state == "success"
    place = button(chief, "write_letters", started["dag_run_id"], "write", "Công văn")
    assert place == "/tinh-hinh/cong-van/dong_thap/2022-10-12-don_doc-dtp_872"
    chief.tab.goto(demo.url + place)
    assert "Huyện Tháp Mười" in chief.tab.inner_text("h1")
    chief.shot("letter")
    with chief.tab.expect_download() as coming:
        chief.tab.get_by_role("link", name="Công văn (.docx)").click()
    assert coming.value.suggested_filename == "2022-10-12-don_doc-dtp_872.docx"
    assert chief.troubles == []


def test_a_dag_has_a_tab_with_the_estate(person: Any, demo: Any) -> None:
    ops = person("vanhanh", viewport={"width": 1400, "height": 900})
    ops.tab.goto(f"{demo.url}/dags/build_marts")
    ops.tab.get_by_role("link", name="Địa bàn").click()
    heading = ops.tab.frame_locator("iframe").locator("h1")
    heading.wait_for()
    assert heading.inner_text() == "Tỉnh Đồng Tháp"
    ops.shot("dag-tab")


def test_a_dag_leads_to_its_runbook(person: Any, demo: Any) -> None:
    ops = person("vanhanh", viewport={"width": 1400, "height": 900})
    ops.tab.goto(f"{demo.url}/dags/watch_server_links")
    ops.tab.get_by_role("button", name="Dag Docs").click()
    link = ops.tab.get_by_role("link", name="Sổ tay xử lý")
    link.wait_for()
    ops.shot("dag-docs")
    place = link.evaluate("one => one.href")
    assert place == f"{demo.url}/tinh-hinh/so-tay/watch_server_links"
    ops.tab.goto(place)
    assert "Theo dõi kết nối máy chủ huyện" in ops.tab.inner_text("h1")
    ops.tab.locator("td", has_text="[KHÔI PHỤC]").wait_for()
    ops.shot("runbook")


def test_names_with_tricks_are_text_wherever_they_are_shown(person: Any, demo: Any) -> None:
    ops = person("vanhanh", viewport={"width": 1400, "height": 900})
    shown = demo.hostile.replace("\u202e", "⟦202E⟧")
    ops.open(f"don-vi/{demo.hostile_unit}?ngay=12/10/2022")
    assert "<img src=x onerror=alert(1)>{{7*7}}" in ops.tab.inner_text("h1")
    row = ops.tab.locator(".machines tbody tr").filter(has_text="onerror").first
    assert row.locator("th").inner_text() == shown
    ops.shot("tricks-unit")
    row.get_by_role("link").click()
    ops.tab.get_by_role("heading", name="Lịch sử").wait_for()
    assert ops.tab.inner_text("h1") == shown
    threats = ops.tab.locator("section", has=ops.tab.locator("#phat-hien"))
    assert shown in threats.inner_text()
    ops.shot("tricks-machine")
    for path in ("", "don-vi/dtp_872", "cong-van"):
        ops.open(path)
        assert ops.tab.locator("img[src=x]").count() == 0
    assert ops.troubles == []


def test_the_block_on_the_home_page_makes_text_of_whatever_it_is_told(
    person: Any, demo: Any
) -> None:
    ops = person("vanhanh", viewport={"width": 1400, "height": 900})
    said = {"lines": [f"{demo.hostile}: mất kết nối."], "is_bad": True, "now": demo.hostile}
    ops.tab.route("**/tinh-hinh/tom-tat", lambda route: route.fulfill(json=said))
    ops.tab.goto(demo.url)
    block = ops.tab.get_by_label("Tình hình", exact=True).filter(has_text="mất kết nối.")
    block.wait_for()
    assert "<img src=x onerror=alert(1)>{{7*7}}" in block.inner_text()
    assert block.locator("img").count() == 0
    assert ops.troubles == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_new_pages_are_accessible(person: Any, theme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    ops = person("vanhanh", viewport={"width": width, "height": 900}, color_scheme=theme)
    for number, path in enumerate(("cong-van", "so-tay", "so-tay/watch_server_links")):
        ops.open(path)
        found = Axe().run(ops.tab).response["violations"]
        serious = [one for one in found if one["impact"] in {"serious", "critical"}]
        assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []
        assert ops.tab.evaluate("document.documentElement.scrollWidth") <= width
        ops.shot(f"way{number}-{theme}-{width}")
    assert ops.troubles == []
