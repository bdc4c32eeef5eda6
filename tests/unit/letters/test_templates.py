"""The Word templates: an office may edit them, and a mistake in one is named."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger import letters
from ksc_ledger.errors import LedgerError
from ksc_ledger.letters.templates.make_templates import TEMPLATES, make
from ksc_ledger.letters.writing import TEMPLATES as FOLDER
from ksc_ledger.letters.writing import letter_context, sheet_context
from unit.letters.reading import text_of
from unit.letters.three_letters import letter_a, unit_sheet

Edit = Callable[[str], str]
REPOSITORY = Path(__file__).resolve().parents[3]


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Edit], Path]:
    """A folder of templates in which the body of ``don_doc`` was edited."""

    def edit(change: Edit) -> Path:
        folder = tmp_path / "mau"
        shutil.copytree(FOLDER, folder)
        file = folder / "don_doc.docx"
        parts = parts_of(file)
        before = parts["word/document.xml"].decode("utf-8")
        after = change(before)
        assert after != before
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, after.encode() if name == "word/document.xml" else content)
        return folder

    return edit


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_script_makes_the_templates_that_lie_beside_it(name: str, tmp_path: Path) -> None:
    make(tmp_path)
    assert parts_of(tmp_path / f"{name}.docx") == parts_of(FOLDER / f"{name}.docx")


def test_the_guide_for_offices_names_every_tag() -> None:
    guide = (REPOSITORY / "docs" / "letters.md").read_text("utf-8")
    documented = set(re.findall(r"`([a-z_]+)`", guide))
    assert names_in(letter_context(letter_a())) <= documented
    assert names_in(sheet_context(unit_sheet())) | {"chart"} <= documented


def names_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {name for one in value.values() for name in names_in(one)}
    if isinstance(value, list):
        return {name for one in value for name in names_in(one)}
    return set()


def test_a_sentence_rewritten_by_the_office_is_the_sentence_of_the_letter(
    edited: Callable[[Edit], Path], tmp_path: Path
) -> None:
    folder = edited(lambda xml: xml.replace("nghiêm túc triển khai thực hiện", "khẩn trương làm"))
    text = text_of(letters.write(letter_a(), tmp_path, folder).docx)
    assert "khẩn trương làm./." in text


def test_tags_that_word_has_cut_into_pieces_still_work(
    edited: Callable[[Edit], Path], tmp_path: Path
) -> None:
    """Word parts a run at a spelling mark or a revision, also in the middle of a tag."""
    cut = (
        '</w:t></w:r><w:proofErr w:type="spellStart"/><w:r w:rsidR="00A1">'
        '<w:rPr><w:lang w:val="en-US"/></w:rPr><w:t xml:space="preserve">'
    )
    folder = edited(
        lambda xml: xml.replace("{{ installed }}", f"{{{cut}{{ inst{cut}alled {cut}}}{cut}}}")
    )
    text = text_of(letters.write(letter_a(), tmp_path, folder).docx)
    assert "255/330 máy tính" in text


def test_properties_filed_as_libreoffice_does_are_not_written_twice(tmp_path: Path) -> None:
    folder = tmp_path / "mau"
    folder.mkdir()
    official = b"package/2006/relationships/metadata/core-properties"
    with zipfile.ZipFile(folder / "don_doc.docx", "w") as archive:
        for name, content in parts_of(FOLDER / "don_doc.docx").items():
            other = content.replace(
                official, b"officedocument/2006/relationships/metadata/core-properties"
            )
            assert (other != content) is (name == "_rels/.rels")
            archive.writestr(name, other)
    written = letters.write(letter_a(), tmp_path / "out", folder)
    with zipfile.ZipFile(written.docx) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))
    assert "255/330" in text_of(written.docx)


def test_lost_blanks_in_a_tag_do_no_harm(edited: Callable[[Edit], Path], tmp_path: Path) -> None:
    folder = edited(lambda xml: xml.replace("{{ installed }}", "{{installed}}"))
    assert "255/330" in text_of(letters.write(letter_a(), tmp_path, folder).docx)


@pytest.mark.parametrize(
    ("tag", "named"),
    [
        pytest.param("{{ installd }}", "installd", id="a tag that is none of ours"),
        pytest.param("{{ installed ", "don_doc.docx", id="a tag without its end"),
        pytest.param("{% if installed %}", "don_doc.docx", id="an if without its end"),
        pytest.param("{{ installed | nope }}", "nope", id="an unknown filter"),
        pytest.param("{{ installed.__class__.__mro__ }}", "don_doc.docx", id="a way out"),
    ],
)
def test_a_broken_tag_is_named_and_nothing_is_written(
    tag: str, named: str, edited: Callable[[Edit], Path], tmp_path: Path
) -> None:
    folder = edited(lambda xml: xml.replace("{{ installed }}", tag))
    with pytest.raises(LedgerError) as caught:
        letters.write(letter_a(), tmp_path / "out", folder)
    assert caught.value.code == "letter_template_broken"
    assert named in caught.value.text
    assert not (tmp_path / "out").exists()


def test_a_template_that_is_no_word_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "don_doc.docx").write_bytes(b"PK\x03\x04 not a document")
    with pytest.raises(LedgerError) as caught:
        letters.write(letter_a(), tmp_path / "out", tmp_path)
    assert caught.value.code == "letter_template_unreadable"


def test_a_missing_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=re.escape("phieu_don_vi.docx")):
        letters.write_unit_sheet(unit_sheet(), tmp_path / "out", tmp_path)
