"""The proof beside a letter: every figure with its snapshot id, and a hash that notices changes."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger import letters
from ksc_ledger.letters.proof import is_intact
from unit.letters.reading import annex_tables
from unit.letters.three_letters import letter_a, letter_b, letter_c, unit_sheet


def proof(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def test_every_figure_has_its_snapshot_id(tmp_path: Path) -> None:
    content = proof(letters.write(letter_a(), tmp_path).json)
    assert content["snapshot_id"] == "20221012-aaaa"
    assert {figure["snapshot_id"] for figure in content["figures"]} == {"20221012-aaaa"}
    own = {
        figure["name"]: (figure["value"], figure["shown"])
        for figure in content["figures"]
        if figure["unit_code"] == "dtp_872"
    }
    assert own == {
        "allocated_count": (330, "330"),
        "installed_count": (255, "255"),
        "correctly_named_count": (235, "235"),
        "installed_ratio": ("255/330", "77,3%"),
        "gap_count": (77, "77"),
        "over_count": (2, "2"),
    }


@pytest.mark.parametrize("letter", [letter_a, letter_b, letter_c])
def test_every_number_in_the_annex_is_in_the_proof(letter: Any, tmp_path: Path) -> None:
    written = letters.write(letter(), tmp_path)
    rows = [row for table in annex_tables(written.docx) for row in table[1:-1]]
    figures = proof(written.json)["figures"]
    shown: dict[str, set[str]] = {}
    for figure in figures:
        shown.setdefault(figure["unit_code"], set()).add(figure["shown"])
    units = [row.unit_code for row in letter().rows]
    assert len(units) == len(rows)
    for unit_code, row in zip(units, rows, strict=True):
        printed = {cell for cell in row[2:10] if cell}
        assert printed <= shown[unit_code]


def test_the_proof_names_directives_demands_and_term(tmp_path: Path) -> None:
    content = proof(letters.write(letter_c(), tmp_path).json)
    assert content["kind"] == "phan_bo"
    assert content["directives"][0].startswith("Quyết định số 565/QĐ-UBND-HC")
    assert content["term"]["wording"] == "01 năm (tính từ ngày 13/10/2023)"
    assert content["demands"][2]["due_at"] == "2023-10-20T01:00:00+00:00"


def test_the_files_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    written = letters.write(letter_b(), tmp_path)
    for path in (written.docx, written.xlsx):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert proof(written.json)["files"][path.name] == digest


def test_the_same_letter_is_the_same_bytes(tmp_path: Path) -> None:
    first = letters.write(letter_b(), tmp_path / "1")
    second = letters.write(letter_b(), tmp_path / "2")
    for one, other in zip(
        (first.docx, first.xlsx, first.json), (second.docx, second.xlsx, second.json), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()


def test_no_file_remembers_the_hour_it_was_made(tmp_path: Path) -> None:
    written = letters.write(letter_b(), tmp_path)
    for path in (written.docx, written.xlsx):
        with zipfile.ZipFile(path) as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            assert archive.read("docProps/core.xml").count(b">2024-01-08T00:00:00Z<") == 2


def test_a_changed_figure_changes_the_hash(tmp_path: Path) -> None:
    before = proof(letters.write(letter_b(), tmp_path / "1").json)
    totals = replace(letter_b().totals, snapshot_id="another")
    after = proof(letters.write(letter_b(totals=totals), tmp_path / "2").json)
    assert before["content_sha256"] != after["content_sha256"]


def test_a_tampered_proof_is_noticed(tmp_path: Path) -> None:
    path = letters.write(letter_b(), tmp_path).json
    assert is_intact(path)
    path.write_text(path.read_text("utf-8").replace("32,6%", "42,6%"), "utf-8")
    assert not is_intact(path)


def test_a_sheet_is_proved_without_naming_machines(tmp_path: Path) -> None:
    written = letters.write_unit_sheet(unit_sheet(), tmp_path)
    text = written.json.read_text("utf-8")
    assert is_intact(written.json)
    assert '"machine_count[wrong_name]"' in text
    assert "mayphuong" not in text


def test_the_files_are_not_for_everybody(tmp_path: Path) -> None:
    written = letters.write_unit_sheet(unit_sheet(), tmp_path)
    assert stat.S_IMODE(written.docx.stat().st_mode) == 0o640


def test_writing_again_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    letters.write(letter_b(), tmp_path)
    written = letters.write(letter_b(), tmp_path)
    assert sorted(path.name for path in written.docx.parent.iterdir()) == sorted(
        path.name for path in (written.docx, written.xlsx, written.json)
    )
