"""docs/registry.md says what the reader does: every column is explained, every example is right."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.registry.files import settings_of
from ksc_ledger.registry.model import Estate
from ksc_ledger.registry.sheets import Reading, Sheet

PAGE = (Path(__file__).parents[3] / "docs" / "registry.md").read_text("utf-8")
SECTIONS = {part.split(" ")[0]: part for part in re.split(r"^###? ", PAGE, flags=re.MULTILINE)[1:]}
SHEETS = Reading().tables


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_the_examples_of_a_file_are_right(sheet: Sheet[Any]) -> None:
    (block,) = re.findall(r"```csv\n(.*?)```", SECTIONS[sheet.name], flags=re.DOTALL)
    rows = list(csv.reader(io.StringIO(block)))
    columns = sheet.columns
    if set(rows[0]) == set(columns):
        columns = tuple(rows.pop(0))
    assert rows
    for row in rows:
        cells = dict(zip(columns, row, strict=True))
        sheet.model.model_validate({**cells, "estate_code": "dong_thap"})


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_every_column_of_a_file_is_named(sheet: Sheet[Any]) -> None:
    general = {"valid_from_date", "valid_to_date", "source_document"}  # told once, at the top
    for column in set(sheet.columns) - general:
        assert re.search(rf"\b{column}\b", SECTIONS[sheet.name]), column
    assert all(f"`{column}`" in PAGE for column in general)


def test_the_example_of_an_estate_is_right() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", SECTIONS["estate.yml"], flags=re.DOTALL)
    found = settings_of(block, "estate.yml", tuple(Estate.model_fields), [])
    assert Estate.model_validate(found).old_bases_days == 15
