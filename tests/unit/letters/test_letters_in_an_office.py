"""LibreOffice opens, prints and re-saves what we write; needs the packages of ``make system-deps``."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ksc_ledger import letters
from ksc_ledger.letters.writing import TEMPLATES
from unit.letters.reading import annex_tables, text_of
from unit.letters.three_letters import letter_a, letter_b, letter_c, unit_sheet

pytestmark = pytest.mark.long


def command(name: str, package: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: install the Debian package {package} (make system-deps)"
    return found


def converted(file: Path, to: str, folder: Path) -> Path:
    office = command("soffice", "libreoffice-writer")
    profile = (folder / "profile").as_uri()
    subprocess.run(
        [
            office, "--headless", f"-env:UserInstallation={profile}",
            "--convert-to", to, "--outdir", str(folder), str(file),
        ],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    return folder / file.with_suffix(f".{to}").name


def printed(pdf: Path) -> str:
    tool = command("pdftotext", "poppler-utils")
    done = subprocess.run(
        [tool, "-layout", str(pdf), "-"], check=True, capture_output=True, timeout=60
    )
    return " ".join(done.stdout.decode("utf-8").split())


@pytest.mark.parametrize(
    ("letter", "figures"),
    [
        (letter_a, ("255/330", "235 máy", "77,3%", "chậm nhất ngày 19/10/2022", "Nơi nhận:")),
        (letter_b, ("62/190", "32,6%", "trước ngày 16 tháng 01 năm 2024", "PHÓ CHỦ TỊCH")),
        (letter_c, ("1.077", "3.960", "5.037", "bắt đầu lúc 08 giờ", "KT. GIÁM ĐỐC")),
    ],
)
def test_the_printed_letter_has_its_figures(
    letter: object, figures: tuple[str, ...], tmp_path: Path
) -> None:
    assert callable(letter)
    written = letters.write(letter(), tmp_path)
    text = printed(converted(written.docx, "pdf", tmp_path))
    for figure in figures:
        assert figure in text


def test_the_sheet_prints_on_one_page(tmp_path: Path) -> None:
    written = letters.write_unit_sheet(unit_sheet(), tmp_path)
    pdf = converted(written.docx, "pdf", tmp_path)
    info = subprocess.run(
        [command("pdfinfo", "poppler-utils"), str(pdf)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert b"Pages:           1\n" in info.stdout


def test_a_template_saved_by_another_word_processor_keeps_working(tmp_path: Path) -> None:
    """Opened and saved by LibreOffice, which writes every run, style and table anew."""
    folder = tmp_path / "mau"
    folder.mkdir()
    saved = tmp_path / "saved"
    saved.mkdir()
    odt = converted(TEMPLATES / "don_doc.docx", "odt", saved)
    shutil.copy(converted(odt, "docx", saved), folder / "don_doc.docx")
    ours = letters.write(letter_a(), tmp_path / "1")
    theirs = letters.write(letter_a(), tmp_path / "2", folder)
    assert " ".join(text_of(theirs.docx).split()) == " ".join(text_of(ours.docx).split())
    assert annex_tables(theirs.docx) == annex_tables(ours.docx)
