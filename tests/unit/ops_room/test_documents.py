"""Letters and runbooks on the page: whose they are, and that nothing else is served."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from ksc_ledger.letters.model import LetterKind
from ksc_ledger.ops_room import documents, runbooks, words

if TYPE_CHECKING:
    from pathlib import Path

    from unit.ops_room.conftest import Site

OURS = "/cong-van/dt/2022-10-12-don_doc-tm"
THEIRS = "/cong-van/dt/2022-10-12-don_doc-lv"


def test_every_kind_of_letter_has_a_name_on_the_page() -> None:
    assert set(words.LETTERS) == {kind.value for kind in LetterKind}
    assert set(words.LETTER_FILES) == set(documents.SUFFIXES)


def test_a_letter_is_found_opened_and_taken_home(site: Site) -> None:
    listed = site.ask("/cong-van").text
    assert "2 bản dự thảo" in listed
    assert f'href="{OURS}"' in listed
    opened = site.ask(OURS).text
    assert "Đôn đốc cài đặt" in opened
    assert "snap-1" in opened
    for suffix, content in (("docx", b"letter"), ("xlsx", b"annex")):
        assert f'href="{OURS}/{suffix}"' in opened
        answer = site.ask(f"{OURS}/{suffix}")
        assert answer.content == content
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["cache-control"] == "no-store"


def test_a_subject_with_tricks_is_shown_as_text(site: Site) -> None:
    text = site.ask(OURS).text
    assert "&lt;script&gt;alert(1)" in text
    assert "{{ 7 * 7 }}" in text
    assert "⟦202E⟧" in text
    assert "<script>alert" not in text


def test_an_officer_is_given_the_letters_of_the_own_district_only(site: Site) -> None:
    listed = site.ask("/cong-van", "canbo").text
    assert "1 bản dự thảo" in listed
    assert "Lấp Vò" not in listed
    assert site.ask(OURS, "canbo").status_code == 200
    for path in (THEIRS, f"{THEIRS}/docx", f"{THEIRS}/json"):
        answer = site.ask(path, "canbo")
        assert answer.status_code == 403
        assert "Lấp Vò" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/cong-van/dt/2022-10-12-phieu_don_vi-tm",
        "/cong-van/dt/2022-10-12-phieu_don_vi-tm/docx",
        "/cong-van/dt/2022-10-12-don_doc-tm_md",
        "/cong-van/dt/2022-10-12-don_doc-khong_co/docx",
        "/cong-van/khac/2022-10-12-don_doc-tm/docx",
        "/cong-van/..%2fdt/2022-10-12-don_doc-tm/docx",
        "/cong-van/dt/..%2f..%2fpage_users/csv",
        f"{OURS}/py",
        f"{OURS}/docx%2f..%2f..%2fx",
        "/cong-van/dt/2022-99-12-don_doc-tm",
    ],
)
def test_nothing_but_whole_letters_is_served(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert answer.status_code == 404
    assert "names of machines" not in answer.text


def test_a_letter_without_its_proof_is_not_there_yet(site: Site) -> None:
    (site.settings.places.letters / "dt" / "2022-10-12-don_doc-tm.json").unlink()
    assert "1 bản dự thảo" in site.ask("/cong-van").text
    assert site.ask(OURS).status_code == 404


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_a_broken_proof_hides_no_letter(site: Site, content: str) -> None:
    (site.settings.places.letters / "dt" / "2022-10-12-don_doc-tm.json").write_text(content)
    assert site.ask(OURS).status_code == 200


def test_the_newest_figures_come_first(tmp_path: Path) -> None:
    for day in ("2022-10-12", "2024-01-15", "2023-10-13"):
        (tmp_path / "dt").mkdir(exist_ok=True)
        (tmp_path / "dt" / f"{day}-term-tm.json").write_text("{}")
    found = documents.letters_of(tmp_path, ["dt", "khong_co"])
    assert [one.as_of_date.year for one in found] == [2024, 2023, 2022]
    assert found[0].as_of_date == date(2024, 1, 15)


def test_a_runbook_is_read_as_a_page_with_tables() -> None:
    html = runbooks.page("watch_server_links")
    assert html is not None
    assert "<h1>Sổ tay: Theo dõi kết nối máy chủ huyện" in html
    assert "<td><code>[KHÔI PHỤC]</code></td>" in html
    assert html.count("<table>") == html.count('<div class="scroll"') == 2
    assert "| Làm gì |" not in html


def test_a_runbook_brings_no_markup_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runbooks, "FOLDER", tmp_path)
    (tmp_path / "xau.md").write_text(
        "# Sổ tay: Xấu (`xau`)\n\n<script>alert(1)</script> <img src=x onerror=y>\n\n"
        "[bấm](javascript:alert(1)) ![x](https://xau.example/x.png)\n",
        "utf-8",
    )
    html = runbooks.page("xau")
    assert html is not None
    assert "<script" not in html
    assert "<img" not in html
    assert "<a " not in html
    assert runbooks.names() == {"xau": "Xấu"}


def test_every_runbook_has_a_title() -> None:
    assert all(title != name for name, title in runbooks.names().items())
