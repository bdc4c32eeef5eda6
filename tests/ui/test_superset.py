"""The BI dashboard in a browser, on the rehearsal's own figures, while the pipeline publishes."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bi_server import ROOT, Dashboard, Publishing, ask_file, provision, publish, start

SHOTS = ROOT / ".ui" / "shots"
VERSION = re.compile(r"\d{8}T\d{12}Z")
# The one picture that Superset's pages always hold; the policy stops it before it leaves.
PIXEL = "apachesuperset.gateway.scarf.sh"
# What a component of Superset's writes into its markup; the policy lets no such script run.
INLINE = "Executing inline event handler violates the following Content Security Policy"
# The map of colours that the page would like to save, and a reader may not.
COLOURS = "/colors"


@pytest.fixture(scope="module")
def dashboard(demo: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    home = ROOT / ".ui" / "home"
    publish(home)
    found = start(home, tmp_path_factory.mktemp("superset") / "bi.log")
    yield found
    found.stop()


class Reader:
    """Somebody signed in to Superset, with a browser of his own."""

    def __init__(self, browser: Any, dashboard: Dashboard, name: str, **window: Any) -> None:
        self.dashboard = dashboard
        self.left: list[str] = []
        self.stopped: list[str] = []
        self.troubles: list[str] = []
        self.context = browser.new_context(locale="vi-VN", **window)
        self.context.set_default_timeout(60_000)
        self.tab = self.context.new_page()
        self.tab.on("response", self._answered)
        self.tab.on("console", self._heard)
        self.tab.goto(f"{dashboard.url}/login/")
        self.tab.wait_for_selector("input:visible")
        self.tab.fill("#username", name)
        self.tab.fill("#password", dashboard.passwords[name])
        self.tab.keyboard.press("Enter")
        self.tab.wait_for_url(re.compile("/superset/welcome/"))

    def open(self) -> None:
        """The dashboard, with every chart drawn."""
        self.tab.goto(self.dashboard.page)
        self.tab.wait_for_selector(".header-line")
        self.see_all()

    def see_all(self) -> None:
        for place in range(self.charts.count()):
            chart = self.charts.nth(place)
            chart.scroll_into_view_if_needed()
            chart.locator(".slice_container").wait_for()
        self.tab.wait_for_function("!document.querySelector('.dashboard .loading')")

    @property
    def charts(self) -> Any:
        return self.tab.locator(".dashboard-component-chart-holder")

    def version(self) -> str:
        shown = self.tab.get_by_text(VERSION).first
        shown.wait_for()
        found = VERSION.search(shown.inner_text())
        assert found
        return found[0]

    def ask(self, path: str, body: object | None = None, method: str | None = None) -> Any:
        """An answer of Superset's API with this person's session: status and JSON."""
        return self.tab.evaluate(
            """async ([path, body, method]) => {
              const token = await (await fetch('/api/v1/security/csrf_token/')).json();
              const said = {method: method || (body ? 'POST' : 'GET'), headers: {
                'Content-Type': 'application/json', 'X-CSRFToken': token.result || ''}};
              if (body) said.body = JSON.stringify(body);
              const answer = await fetch(path, said);
              const text = await answer.text();
              let json = null;
              try { json = JSON.parse(text); } catch { json = text.slice(0, 2000); }
              return {status: answer.status, json};
            }""",
            [path, body, method],
        )

    def _answered(self, response: Any) -> None:
        if not response.url.startswith((self.dashboard.url, "data:", "blob:")):
            self.left.append(response.url)

    def _heard(self, message: Any) -> None:
        if message.type != "error":
            return
        if PIXEL in message.text or message.text.startswith(INLINE):
            self.stopped.append(message.text)
        elif not urlsplit(message.location.get("url", "")).path.endswith(COLOURS):
            self.troubles.append(f"{message.text} {message.location}")


@pytest.fixture
def reader(browser: Any, dashboard: Dashboard) -> Iterator[Any]:
    people: list[Reader] = []

    def sign_in(name: str, **window: Any) -> Reader:
        people.append(Reader(browser, dashboard, name, **window))
        return people[-1]

    yield sign_in
    for one in people:
        one.context.close()
        assert one.left == []  # nothing but ours ever answered


def test_a_viewer_sees_every_chart_while_the_pipeline_publishes(
    reader: Any, dashboard: Dashboard
) -> None:
    viewer = reader("xem", viewport={"width": 1400, "height": 900})
    viewer.open()
    assert viewer.charts.count() >= 8
    seen = [viewer.version()]
    with Publishing(dashboard.home) as pipeline:
        for _ in range(3):
            before = len(pipeline.versions)
            while len(pipeline.versions) == before:
                viewer.tab.wait_for_timeout(100)
            viewer.open()
            for place in range(viewer.charts.count()):
                text = viewer.charts.nth(place).inner_text()
                assert "Error" not in text, text
                assert "Lỗi" not in text, text
            seen.append(viewer.version())
    assert seen == sorted(seen)
    assert len(set(seen)) >= 3
    viewer.tab.screenshot(path=SHOTS / "superset-viewer.png")
    assert viewer.troubles == []
    assert any(PIXEL in one for one in viewer.stopped)  # else it was not the policy that stopped it


def test_the_whole_dashboard_is_kept_as_a_picture(reader: Any) -> None:
    viewer = reader("xem", viewport={"width": 1400, "height": 5200}, color_scheme="light")
    viewer.open()
    viewer.tab.wait_for_timeout(2000)  # the charts' own animation
    viewer.tab.screenshot(path=SHOTS / "superset-whole.png")
    text = viewer.tab.inner_text("body")
    for word in ("Tình hình KSC", "Tỷ lệ cài đặt", "Mất kết nối", "Quá hạn", "Huyện Tháp Mười"):
        assert word in text or viewer.tab.get_by_text(word).count()


def test_figures_are_those_of_the_published_file(reader: Any, dashboard: Dashboard) -> None:
    """The big numbers, before and after the filter on a unit, beside SQL on the file."""
    viewer = reader("xem", viewport={"width": 1400, "height": 900})
    viewer.open()
    (whole,) = ask_file(
        dashboard.home, "select sum(installed_count)::int, sum(gap_count)::int from bi.coverage"
    )
    shown = viewer.tab.locator(".header-line").all_inner_texts()
    assert [shown[1], shown[2]] == [vietnamese(one) for one in whole]
    viewer.tab.locator("#NATIVE_FILTER-main_unit_name").click(force=True)
    viewer.tab.keyboard.type("Huyện Tháp Mười")
    viewer.tab.locator(".ant-select-item-option[title='Huyện Tháp Mười']").click()
    viewer.tab.keyboard.press("Escape")
    viewer.tab.locator("[data-test=filter-bar__apply-button]").click()
    (part,) = ask_file(
        dashboard.home,
        "select sum(installed_count)::int, sum(gap_count)::int from bi.coverage"
        " where main_unit_name = 'Huyện Tháp Mười'",
    )
    # Both: each chart asks for itself, and either may be the first to have its answer.
    viewer.tab.wait_for_function(
        """wanted => {
          const shown = [...document.querySelectorAll('.header-line')].map(one => one.innerText);
          return shown[1] === wanted[0] && shown[2] === wanted[1];
        }""",
        arg=[vietnamese(one) for one in part],
    )


def test_a_viewer_reads_and_changes_nothing(reader: Any) -> None:
    viewer = reader("xem")
    dashboards = viewer.ask("/api/v1/dashboard/")["json"]
    assert dashboards["count"] == 1
    number = dashboards["result"][0]["id"]
    chart = viewer.ask("/api/v1/chart/")["json"]["result"][0]["id"]
    sql = {"database_id": 1, "sql": "select 1", "schema": "bi"}
    refused = {
        "SQL": viewer.ask("/api/v1/sqllab/execute/", sql),
        "users": viewer.ask("/api/v1/security/users/"),
        "databases": viewer.ask("/api/v1/database/", {"database_name": "x"}),
        "change": viewer.ask(f"/api/v1/dashboard/{number}", {"dashboard_title": "x"}, "PUT"),
        "delete": viewer.ask(f"/api/v1/chart/{chart}", None, "DELETE"),
        "new": viewer.ask("/api/v1/dashboard/", {"dashboard_title": "x"}),
        "new chart": viewer.ask("/api/v1/chart/", {"slice_name": "x", "datasource_id": 1}),
    }
    assert {name: answer["status"] for name, answer in refused.items()} == dict.fromkeys(
        refused, 403
    )
    viewer.tab.goto(f"{viewer.dashboard.url}/sqllab/")
    assert viewer.tab.locator(".ace_editor").count() == 0


def test_an_admin_cannot_leave_the_file(reader: Any) -> None:
    admin = reader("quantri")
    database = admin.ask("/api/v1/database/")["json"]["result"][0]["id"]

    def run(sql: str) -> Any:
        return admin.ask(
            "/api/v1/sqllab/execute/", {"database_id": database, "sql": sql, "schema": "bi"}
        )

    answer = run("select count(*) as n from bi.unit")
    assert answer["status"] == 200
    assert answer["json"]["data"][0]["n"] > 10
    for sql in (
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from '/etc/passwd'",
        "attach '/tmp/other.duckdb' as other",
        "copy (select 1) to '/tmp/x.csv'",
        "install httpfs",
        "set enable_external_access = true",
        "reset lock_configuration",
        "create table bi.mine as select 1",
        "delete from marts.dim_unit",
    ):
        answer = run(sql)
        assert answer["status"] >= 400, sql
        assert "root:" not in json.dumps(answer["json"]), sql


def test_an_admin_cannot_unlock_the_file_or_add_another(reader: Any) -> None:
    """What the form of a database would save or test is not what is opened."""
    admin = reader("quantri")
    database = admin.ask("/api/v1/database/")["json"]["result"][0]["id"]
    elsewhere = {
        "database_name": "other",
        "sqlalchemy_uri": "duckdb:////etc/other.duckdb",
        "configuration_method": "sqlalchemy_form",
    }
    assert admin.ask("/api/v1/database/", elsewhere)["status"] >= 400
    assert admin.ask("/api/v1/database/test_connection/", elsewhere)["status"] >= 400
    loose = json.dumps({"engine_params": {"connect_args": {"read_only": True, "config": {}}}})
    said = admin.ask(f"/api/v1/database/{database}", {"extra": loose}, "PUT")
    assert said["status"] in (200, 422)
    answer = admin.ask(
        "/api/v1/sqllab/execute/",
        {"database_id": database, "sql": "select * from read_text('/etc/passwd')", "schema": "bi"},
    )
    assert answer["status"] >= 400
    assert "root:" not in json.dumps(answer["json"])


def test_a_table_leaves_as_excel_and_as_csv_that_excel_reads(reader: Any) -> None:
    viewer = reader("xem")
    chart = next(
        one
        for one in viewer.ask("/api/v1/chart/?q=(page_size:100)")["json"]["result"]
        if one["slice_name"].startswith("Tra cứu từng đơn vị")
    )
    question = {
        "datasource": {"id": chart["datasource_id"], "type": "table"},
        "queries": [{"columns": ["unit_name", "installed_count"], "row_limit": 100}],
        "result_type": "full",
    }
    for kind, begin in (("csv", "efbbbf"), ("xlsx", "504b0304")):
        found = viewer.tab.evaluate(
            """async ([question, kind]) => {
              const token = await (await fetch('/api/v1/security/csrf_token/')).json();
              const answer = await fetch('/api/v1/chart/data', {method: 'POST', headers: {
                'Content-Type': 'application/json', 'X-CSRFToken': token.result || ''},
                body: JSON.stringify({...question, result_format: kind})});
              const bytes = new Uint8Array(await answer.arrayBuffer());
              return [answer.status, Array.from(bytes.slice(0, 4),
                (one) => one.toString(16).padStart(2, '0')).join(''),
                new TextDecoder().decode(bytes)];
            }""",
            [question, kind],
        )
        assert found[0] == 200
        assert found[1].startswith(begin), (kind, found[2][:200])
        assert kind == "xlsx" or "Huyện Tháp Mười" in found[2]


@pytest.mark.parametrize(
    "path",
    ["/superset/dashboard/tinh-hinh-ksc/", "/api/v1/dashboard/", "/sqllab/", "/api/v1/database/"],
)
def test_a_stranger_gets_nothing(dashboard: Dashboard, path: str) -> None:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay())
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(dashboard.url + path, timeout=30)
    assert refused.value.code in (302, 401, 403, 404)
    assert "Tỷ lệ" not in refused.value.read().decode()
    refused.value.close()


def test_it_keeps_no_record_of_who_looked_and_its_secrets_to_itself(dashboard: Dashboard) -> None:
    folder = dashboard.home / "bi"
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("secret_key", "passwords.json", "provisioned"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    with closing(sqlite3.connect(folder / "superset.db")) as con:
        assert con.execute("select count(*) from logs").fetchone() == (0,)


def test_provisioning_again_changes_nothing_and_a_second_start_is_quick(
    dashboard: Dashboard, tmp_path: Path
) -> None:
    """Last in this file: it stops the dashboard."""
    assert dashboard.stop() == 0
    first, second = provision(dashboard.home), provision(dashboard.home)
    assert first == second
    assert first["dashboard"] == first["database"] == 1
    assert first["chart"] >= 8
    mark = (dashboard.home / "bi" / "provisioned").read_bytes()
    database = (dashboard.home / "bi" / "superset.db").read_bytes()
    again = start(dashboard.home, tmp_path / "again.log")
    assert "chuẩn bị" not in (tmp_path / "again.log").read_text("utf-8")
    assert again.passwords == dashboard.passwords
    assert again.stop() == 0
    assert (dashboard.home / "bi" / "provisioned").read_bytes() == mark
    assert (dashboard.home / "bi" / "superset.db").read_bytes() == database


def vietnamese(number: int) -> str:
    return f"{number:,}".replace(",", ".")
