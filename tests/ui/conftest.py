"""A real Airflow with demo data, and a browser in front of it (`make test-ui`).

The rehearsal of a province runs to the minute at which a district's loss is confirmed, and stays
up: nothing here is faked. The fast tests' environment has no browser and leaves this folder out.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".ui"
SHOTS = WORK / "shots"
SCENARIO = ROOT / "scenarios" / "dong_thap"
START_SECONDS = 900  # three minutes on a machine with nothing else to do

HAS_BROWSER = importlib.util.find_spec("playwright") is not None
collect_ignore_glob = [] if HAS_BROWSER else ["test_*.py"]

# Up to the third bad look at the district that is cut off, and no further.
SHORT = """name: dong_thap
title: "Tỉnh Đồng Tháp: huyện Lấp Vò vừa mất kết nối"
estate_code: dong_thap
timeline:
  - {at: "2022-10-12T08:00:00+07:00", do: collect}
  - {at: "2023-10-13T08:00:00+07:00", do: collect}
  - {at: "2024-01-10T09:05:00+07:00", do: watch}
  - {at: "2024-01-10T09:35:00+07:00", do: watch}
  - {at: "2024-01-10T09:45:00+07:00", do: watch}
  - {at: "2024-01-10T09:55:00+07:00", do: watch}
ends_at: "2024-01-10T09:55:00+07:00"
"""


# What an attacker would call a machine, a unit and a threat: markup, a template, signs that turn
# text around. Three rows of the scenario's copy carry them.
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}\u202e"
HOSTILE_UNIT = "dtp_872_30070"
HOSTILE_MACHINE = "CAYTIENG01"


@dataclass(frozen=True)
class Demo:
    url: str
    passwords: dict[str, str]
    servers: dict[str, Any]  # the simulated ones, as in ports.json
    simulator: str  # where what they were asked can be read
    hostile: str = HOSTILE
    hostile_unit: str = HOSTILE_UNIT

    @property
    def page(self) -> str:
        return f"{self.url}/tinh-hinh/"


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """The rehearsal, from an empty folder, until the tests are over."""
    shutil.rmtree(WORK, ignore_errors=True)
    SHOTS.mkdir(parents=True)
    scenario = WORK / "dong_thap"
    shutil.copytree(SCENARIO, scenario, ignore=shutil.ignore_patterns("inbox"))
    (scenario / "scenario.yml").write_text(SHORT, "utf-8")
    (scenario / "expected.yml").write_text("figures: []\n", "utf-8")
    name_with_tricks(scenario)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    log = WORK / "rehearsal.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [
                str(ROOT / ".venv" / "bin" / "python"),
                "-m",
                "ksc_ledger.rehearsal",
                "--port",
                "0",
                str(scenario),
            ],
            cwd=ROOT,
            env=kept | {"KSC_LEDGER_HOME": str(WORK / "home"), "PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + START_SECONDS
        while "Diễn tập xong" not in log.read_text("utf-8"):
            if process.poll() is not None or time.monotonic() > end:
                pytest.exit(
                    f"the rehearsal did not get there:\n{log.read_text('utf-8')[-4000:]}", 1
                )
            time.sleep(0.5)
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text("utf-8"))
        assert found
        passwords = json.loads((WORK / "home" / "airflow" / "passwords.json").read_text("utf-8"))
        ports = json.loads((WORK / "home" / "simulator" / "ports.json").read_text("utf-8"))
        control = f"http://127.0.0.1:{ports['control']['port']}"
        yield Demo(found[0], passwords, ports["servers"], control)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()


def name_with_tricks(scenario: Path) -> None:
    """Figures stay as they are: a wrong name is another wrong name."""

    def change(path: str, key: str, value: str, column: str, wanted: str) -> str:
        file = scenario / path
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        meant = [row for row in rows if row[key] == value]
        assert meant, f"{value} is no longer in {path}"
        for row in meant:
            row[column] = wanted
        with file.open("w", encoding="utf-8", newline="") as out:
            written = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
            written.writeheader()
            written.writerows(rows)
        return str(meant[0].get("host_id"))

    hosts = "estate/hosts/dtp_872.csv"
    machine = change(hosts, "display_name", HOSTILE_MACHINE, "display_name", HOSTILE)
    # A registry refuses signs that nobody can see; markup is no such sign.
    unit = HOSTILE.removesuffix("\u202e")
    units = "registry/dong_thap/units.csv"
    change(units, "unit_code", HOSTILE_UNIT, "unit_name", f"Xã Láng Biển {unit}")
    detections = scenario / "estate" / "detections.csv"
    some = detections.read_text("utf-8").splitlines()
    first = dict(zip(some[0].split(","), next(csv.reader([some[1]])), strict=True))
    row = first | {"host_id": machine, "threat_name": HOSTILE, "object_name": HOSTILE}
    row |= {"rise_at": "2022-10-05T09:00:00+07:00", "registered_at": "2022-10-05T09:01:00+07:00"}
    with detections.open("a", encoding="utf-8", newline="") as out:
        csv.DictWriter(out, list(row), lineterminator="\n").writerow(row)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium")
    assert found, "the Debian package chromium is missing: make system-deps"
    quiet = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    if os.geteuid() == 0:
        quiet.append("--no-sandbox")  # Chromium's own sandbox refuses to run as root
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=quiet)
        yield opened
        opened.close()


class Person:
    """Somebody signed in through Airflow's own form, with a browser of his own."""

    def __init__(self, browser: Any, demo: Demo, name: str, **window: Any) -> None:
        self.demo = demo
        self.troubles: list[str] = []
        self.asked_elsewhere: list[str] = []
        self.context = browser.new_context(locale="vi-VN", **window)
        self.context.set_default_timeout(90_000)
        self.tab = self.context.new_page()
        self.tab.goto(demo.url)
        self.tab.fill("input[name=username]", name)
        self.tab.fill("input[name=password]", demo.passwords[name])
        self.tab.keyboard.press("Enter")
        self.tab.get_by_role("link", name="Tình hình").first.wait_for()
        self.tab.on("console", self._heard)
        self.tab.on("dialog", self._asked_by_a_script)
        self.tab.on("request", self._asked)

    def open(self, path: str = "") -> Any:
        return self.tab.goto(self.demo.page + path)

    def shot(self, name: str) -> None:
        self.tab.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def _heard(self, message: Any) -> None:
        # Another program of this machine made or removed a network (Docker does): none of ours.
        if message.type == "error" and "ERR_NETWORK_CHANGED" not in message.text:
            self.troubles.append(message.text)

    def _asked_by_a_script(self, dialog: Any) -> None:
        """No page of ours opens one: a name has become a script."""
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.demo.url, "data:", "blob:")):
            self.asked_elsewhere.append(request.url)


@pytest.fixture
def person(browser: Any, demo: Demo) -> Iterator[Any]:
    people: list[Person] = []

    def sign_in(name: str, **window: Any) -> Person:
        people.append(Person(browser, demo, name, **window))
        return people[-1]

    yield sign_in
    for one in people:
        one.context.close()
        assert one.asked_elsewhere == []
