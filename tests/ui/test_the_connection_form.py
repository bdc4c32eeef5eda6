"""Airflow's own dialogs for a connection of type ``ksc``: its fields, and a Test that means something."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

CODE = "dtp_866"
STANDARD = ("Địa chỉ máy chủ KSC", "Cổng Open API", "Tài khoản chỉ đọc", "Mật khẩu")
EXTRA = (
    "Tệp chứng chỉ klserver.cer",
    "Vân tay SHA-256 của chứng chỉ",
    "Tên ghi trong chứng chỉ",
    "Tài khoản nội bộ của KSC",
    "Miền Windows",
)


def logins(demo: Any, status: int) -> int:
    """How often somebody tried to sign in at the simulated server and was answered so.

    The demo's Airflow keeps to its schedule: on the hour it signs in itself, and is let in.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{demo.simulator}/log", timeout=30) as answer:
        entries = json.load(answer)[CODE]
    tried = [entry for entry in entries if entry["method"] in {"login", "Session.StartSession"}]
    return sum(entry["status"] == status for entry in tried)


def fill_in(person: Any, connection_id: str, server: dict[str, Any], password: str) -> Any:
    """The Add dialog, from its type to the last field; the dialog."""
    person.tab.goto(f"{person.demo.url}/connections")
    person.tab.get_by_role("button", name="Add Connection").click()
    dialog = person.tab.get_by_role("dialog")
    dialog.locator("input[name=connection_id]").fill(connection_id)
    dialog.get_by_role("combobox").click()
    dialog.get_by_role("combobox").press_sequentially("Kaspersky")
    person.tab.get_by_role("option", name="Kaspersky Security Center").click()
    dialog.locator("input[name=host]").fill("127.0.0.1")
    for label in STANDARD:
        assert label in dialog.inner_text()
    assert dialog.locator("input[name=schema]").count() == 0  # means nothing here
    assert dialog.locator("input[name=port]").get_attribute("placeholder") == "13299"
    dialog.locator("input[name=port]").fill(str(server["port"]))
    dialog.locator("input[name=login]").fill(server["login"])
    dialog.locator("input[name=password]").fill(password)
    person.shot("connection-form")
    dialog.get_by_role("button", name="Extra Fields", exact=True).click()
    pin = dialog.locator("[name=element_certificate_sha256]")
    pin.fill(server["sha256"])
    pin.blur()
    for label in EXTRA:
        assert label in dialog.inner_text()
    return dialog


def row_of(tab: Any, connection_id: str) -> Any:
    return tab.locator("tr", has=tab.get_by_text(connection_id, exact=True))


def press_test(person: Any, connection_id: str, title: str) -> str:
    """Press Test in the list; what Airflow then says."""
    person.tab.goto(f"{person.demo.url}/connections")
    row_of(person.tab, connection_id).get_by_role("button", name="Test Connection").click()
    toast = person.tab.get_by_role("status").filter(has_text=title)
    toast.wait_for()
    # It slides in; a picture is taken of it when it is there.
    person.tab.wait_for_function(
        "one => one.getBoundingClientRect().bottom <= innerHeight"
        " && getComputedStyle(one).opacity === '1'",
        arg=toast.element_handle(),
    )
    return " ".join(toast.inner_text().split())


def test_a_connection_is_made_in_the_form_and_tested(person: Any, demo: Any) -> None:
    """One good, one with a wrong password, which is tried once however often Test is pressed."""
    chief = person("quantri", viewport={"width": 1400, "height": 1000})
    server = demo.servers[CODE]
    password = Path(server["password_file"]).read_text("utf-8").strip()
    dialog = fill_in(chief, "ksc_thu", server, password)
    chief.shot("connection-form-extra")
    dialog.get_by_role("button", name="Save").click()
    row_of(chief.tab, "ksc_thu").wait_for()

    let_in, turned_away = logins(demo, 200), logins(demo, 401)
    said = press_test(chief, "ksc_thu", "Test Connection Successful")
    assert "Đã đăng nhập; máy chủ chạy phiên bản 14.2.0.26967." in said
    chief.shot("connection-test-good")
    assert logins(demo, 200) > let_in
    assert logins(demo, 401) == turned_away

    dialog = fill_in(chief, "ksc_thu_sai", server, "sai-mat-khau")
    dialog.get_by_role("button", name="Save").click()
    row_of(chief.tab, "ksc_thu_sai").wait_for()
    said = press_test(chief, "ksc_thu_sai", "Test Connection Failed")
    assert "từ chối tài khoản thu thập" in said
    chief.shot("connection-test-bad")
    assert logins(demo, 401) == turned_away + 1
    said = press_test(chief, "ksc_thu_sai", "Test Connection Failed")
    assert "không thử lại, để tránh khóa tài khoản" in said
    chief.shot("connection-test-held")
    assert logins(demo, 401) == turned_away + 1
