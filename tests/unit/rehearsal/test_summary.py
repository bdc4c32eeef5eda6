"""The end of a rehearsal tells the letters, the mails about deadlines and who is in breach."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ksc_ledger.rehearsal.summary import Check, LetterLine, Report, _letter_line, show
from ksc_ledger.rehearsal.timeline import WantedLetter
from ksc_ledger.settings import Places

WANTED = WantedLetter("dong_thap", date(2022, 10, 12), "don_doc", "dtp_872")
STEM = "2022-10-12-don_doc-dtp_872"
CHECK = Check("2022-10-12", "dtp_872", "Huyện Tháp Mười", "gap_count", "77", "77", True, "công văn")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    folder = tmp_path / "letters" / "dong_thap"
    folder.mkdir(parents=True)
    figures = [
        {"unit_code": "dtp_872", "name": "installed_count", "shown": "255"},
        {"unit_code": "dtp_872", "name": "allocated_count", "shown": "330"},
        {"unit_code": "dtp_872_pnv", "name": "installed_count", "shown": "12"},
    ]
    (folder / f"{STEM}.json").write_text(json.dumps({"figures": figures}), "utf-8")
    for name in (f"{STEM}.docx", f"{STEM}.xlsx", "mau-bao-cao-dtp_872_pnv-2022-10-12.xlsx"):
        (folder / name).write_bytes(b"x")
    return Places(tmp_path)


def test_a_letter_is_told_with_its_figures_and_the_files_beside_it(places: Places) -> None:
    line = _letter_line(places, WANTED)
    assert line.path is not None
    assert line.path.endswith(f"dong_thap/{STEM}.docx")
    assert line.figures == "đã cài đặt 255, được phân bổ 330, 1 dòng phụ lục"
    assert line.files_beside == 1


@pytest.mark.parametrize("suffix", [".docx", ".xlsx", ".json"])
def test_a_letter_without_one_of_its_files_is_missing(places: Places, suffix: str) -> None:
    (places.letters / "dong_thap" / f"{STEM}{suffix}").unlink()
    assert _letter_line(places, WANTED).path is None


def made(**changes: object) -> Report:
    due = datetime(2022, 10, 19, 16, 59, 59, tzinfo=UTC)
    report = Report(
        (CHECK,),
        {"version_id": "v1"},
        (),
        (LetterLine(STEM, "/nha/letters/x.docx", "đã cài đặt 255", 2),),
        ({"mail_kind": "deadline_reminder", "mail_count": 55, "sent_count": 54},),
        (
            {
                "obligation_code": "tm_2022_bao_cao",
                "wording": "chậm nhất ngày 19/10/2022",
                "due_at": due,
                "unit_count": 27,
                "met_count": 22,
                "late_count": 1,
                "breached_count": 2,
                "undetermined_count": 2,
                "breached_units": ["Xã Mỹ Hòa", "Xã Thanh Mỹ"],
            },
        ),
    )
    return replace(report, **changes)  # type: ignore[arg-type]


def printed(report: Report, tmp_path: Path) -> str:
    paper = StringIO()
    console = Console(file=paper, width=100)
    show(report, console, Places(tmp_path), "http://127.0.0.1:8080", {}, [])
    return paper.getvalue()


def test_the_summary_names_who_is_in_breach(tmp_path: Path) -> None:
    text = printed(made(), tmp_path)
    assert "/nha/letters/x.docx" in text
    assert "Thư nhắc hạn: 55, đã gửi 54" in text
    assert "23:59 19/10/2022" in text
    assert "Xã Mỹ Hòa; Xã Thanh Mỹ" in text
    assert made().holds


def test_a_missing_letter_fails_the_rehearsal(tmp_path: Path) -> None:
    report = made(letters=(LetterLine(STEM, None, "", 0),))
    assert not report.holds
    assert f"thiếu {STEM}" in printed(report, tmp_path)
