"""The newcomer's walk of docs/newcomers-walk.md, as it is written there, with a clock beside it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WALK = ROOT / "docs" / "newcomers-walk.md"
MEASURED = ROOT / ".ui" / "shots" / "walk.json"
LONGEST_SECONDS = 120
MOST_CLICKS = 6


class Walker:
    """A person at a screen: what is clicked and typed is counted."""

    def __init__(self) -> None:
        self.clicks = 0
        self.began = time.monotonic()

    def click(self, place: Any) -> None:
        place.click()
        self.clicks += 1

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


def machines_of_the_page() -> list[list[str]]:
    """The rows of the table in the document: machine, reasons, suggested name."""
    lines = [line.strip() for line in WALK.read_text("utf-8").splitlines()]
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")][2:]
    return [[cell.strip() for cell in row[1:]] for row in rows]


def test_from_the_front_door_to_the_machines_to_mend_first(person: Any) -> None:
    """Begins at Airflow's sign-in form; ends at the list for xã Mỹ Đông as of 12/10/2022."""
    walker = Walker()
    guest = person("vanhanh", viewport={"width": 1400, "height": 900})
    walker.clicks += 1  # Enter in the form
    walker.click(guest.tab.get_by_role("link", name="Tình hình").first)
    page = guest.tab.frame_locator("iframe")
    page.locator("#ngay").fill("12/10/2022")
    walker.click(page.get_by_role("button", name="Xem"))
    page.get_by_text("Đang xem số liệu ngày 12/10/2022").wait_for()
    assert {"330", "255", "235"} <= set(page.locator("main").inner_text().split())
    walker.click(page.get_by_role("link", name="Huyện Tháp Mười", exact=True))
    walker.click(page.get_by_role("link", name="Xã Mỹ Đông", exact=True))
    page.get_by_role("heading", name="Xã Mỹ Đông").wait_for()
    table = page.locator(".machines tbody tr")
    table.first.wait_for()
    seconds = walker.seconds
    found = [
        [row.locator("th").inner_text(), *row.locator("td").all_inner_texts()[2:4]]
        for row in table.all()
    ]
    guest.shot("walk")
    MEASURED.write_text(json.dumps({"clicks": walker.clicks, "seconds": round(seconds, 1)}))
    assert [[one.lower() for one in row] for row in found] == [
        [one.lower() for one in row] for row in machines_of_the_page()
    ]
    assert "7 bản quyền chưa có máy nào cài đặt" in page.locator("main").inner_text()
    assert walker.clicks <= MOST_CLICKS
    assert seconds < LONGEST_SECONDS
    assert guest.troubles == []
