"""Data Docs: kept with their history, escaped, and without a word from the sources."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ksc_ledger.quality import data_docs
from ksc_ledger.quality.data_docs import Kind, record
from ksc_ledger.quality.frames import Landed, hosts_frame
from ksc_ledger.quality.gate import judge
from ksc_ledger.quality.suites import HOSTS
from ksc_ledger.settings import Places
from unit.quality.landed import AT, ROOT, a_host, a_load, a_table

EVIL = '"><img src=x onerror=alert(1)>'


def a_verdict(**facts: Any) -> dict[str, Any]:
    return {
        "load_id": "dtp_872-20221012T010000Z",
        "suite": "landing.ksc_hosts",
        "expectation": "display_name.not_null",
        "severity": "warn",
        "is_success": True,
        "unexpected_count": 0,
        "description": "Mỗi máy phải có tên.",
    } | facts


def index_of(places: Places) -> str:
    return (places.data_docs / "index.html").read_text("utf-8")


def test_a_run_is_a_page_and_a_line_of_the_index(tmp_path: Path) -> None:
    places = Places(tmp_path)
    failed = a_verdict(severity="fail", is_success=False, unexpected_count=3)
    page = record(Kind.LANDED, [a_verdict(expectation="a.b"), failed], places, AT)
    assert page is not None
    text = page.read_text("utf-8")
    assert "Bị chặn: 1 quy tắc không đạt" in text
    assert text.index("display_name.not_null") < text.index("a.b")  # the worst stands first
    assert f'href="runs/{page.name}"' in index_of(places)
    assert page.stat().st_mode & 0o777 == 0o640


def test_the_history_stays_newest_first_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_docs, "RUNS_KEPT", 3)
    places = Places(tmp_path)
    for hour in range(5):
        record(Kind.MARTS, [a_verdict()], places, AT + timedelta(hours=hour))
    listed = re.findall(r'href="runs/([^"]+)"', index_of(places))
    assert len(listed) == 3
    assert listed == sorted(listed, reverse=True)
    assert {path.name for path in (places.data_docs / "runs").glob("*.html")} == set(listed)


def test_a_history_that_cannot_be_read_does_not_stop_the_gate(tmp_path: Path) -> None:
    places = Places(tmp_path)
    record(Kind.LANDED, [a_verdict()], places, AT)
    (places.data_docs / "runs" / "history.json").write_text("[{", "utf-8")
    page = record(Kind.MARTS, [a_verdict()], places, AT)
    assert page is not None
    assert re.findall(r'href="runs/([^"]+)"', index_of(places)) == [page.name]


def test_two_runs_of_one_instant_are_two_pages(tmp_path: Path) -> None:
    places = Places(tmp_path)
    pages = {record(Kind.REPORTS, [a_verdict()], places, AT) for _ in range(2)}
    assert len(pages) == 2


def test_nothing_judged_is_no_run(tmp_path: Path) -> None:
    assert record(Kind.LANDED, [], Places(tmp_path), AT) is None
    assert not Places(tmp_path).data_docs.exists()


def test_what_stands_in_a_page_is_text_and_nothing_else(tmp_path: Path) -> None:
    places = Places(tmp_path)
    evil = a_verdict(load_id=EVIL, description=EVIL, expectation=EVIL, suite="{{7*7}}")
    page = record(Kind.LANDED, [evil], places, AT)
    assert page is not None
    for text in (page.read_text("utf-8"), index_of(places)):
        assert "<img" not in text
        assert "49" not in text.split("<body>")[1].replace("1949", "")
        assert "default-src 'none'" in text
        assert "<script" not in text
        assert "http://" not in text
        assert "https://" not in text


def test_a_machine_with_a_wicked_name_is_not_named(tmp_path: Path) -> None:
    """The verdicts of the real suite over a host whose name is a piece of a page."""
    table: pa.Table = a_table([a_host(1, display_name=EVIL, status_bits=-1)])
    frame = hosts_frame([Landed(a_load(rows=1), table, None)])
    verdicts = [{**one.to_json(), "load_id": "dtp_872-1"} for one in judge(frame, HOSTS, root=ROOT)]
    assert any(not one["is_success"] for one in verdicts)
    page = record(Kind.LANDED, verdicts, Places(tmp_path), AT)
    assert page is not None
    assert "onerror" not in page.read_text("utf-8")


def test_a_rehearsal_says_so(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.rehearsal_mark.touch()
    page = record(Kind.LANDED, [a_verdict()], places, AT)
    assert page is not None
    assert "DIỄN TẬP" in page.read_text("utf-8")
    assert "DIỄN TẬP" in index_of(places)
