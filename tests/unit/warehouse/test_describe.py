"""docs/warehouse.md is what the .yml twins say, and the SQL files keep the house's form."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse import describe, marts
from ksc_ledger.warehouse.twins import PUBLISHED, twins

SQL = REPOSITORY / "sql"
FILES = sorted(SQL.rglob("*.sql"))


def test_the_page_is_up_to_date() -> None:
    assert describe.TARGET.read_text("utf-8") == describe.text(SQL), (
        "run: python -m ksc_ledger.warehouse.describe"
    )


def test_every_mart_has_a_twin_and_every_twin_a_mart() -> None:
    made = {path.stem for path in (SQL / "marts").glob("*.sql")}
    assert made == set(twins(SQL)) - {PUBLISHED}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SQL)))
def test_the_first_lines_of_a_file_say_its_grain_and_its_readers(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert lines[0].startswith("-- ")
    said = " ".join(lines[1:5])
    assert "Feeds: " in said
    if path.stem != "macros":
        assert lines[1].startswith("-- Grain: ")


def test_all_text_is_composed() -> None:
    for path in [*FILES, *SQL.rglob("*.yml")]:
        text = path.read_text("utf-8")
        assert unicodedata.is_normalized("NFC", text), path


def test_a_model_comes_behind_those_it_names() -> None:
    order = marts.in_order(SQL)
    assert set(order) == {
        *marts.model_folders(SQL),
        marts.JUDGED,
        marts.FREED,
        marts.PROPOSED,
    }
    for before, after in (
        ("stg_home", "stg_sighting"),
        ("stg_placed", marts.JUDGED),
        (marts.JUDGED, "stg_piece"),
        (marts.FREED, "rpt_wrong_name"),
        ("fct_unit_coverage_daily", "rpt_unit_coverage"),
    ):
        assert order.index(before) < order.index(after)


def test_one_model_needs_only_its_own_forebears() -> None:
    order = marts.in_order(SQL, ["fct_server_source_daily"])
    assert order == ["stg_calendar", "stg_server_day", "fct_server_source_daily"]
