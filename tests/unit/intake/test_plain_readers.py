"""What plain readers make of the corpus, and the table in docs/intake.md that says so."""

from __future__ import annotations

import dataclasses
import re

import pytest

from corpus import plain_readers
from corpus.cases import cases
from ksc_ledger.settings import REPOSITORY

GOOD = next(case for case in cases() if case.name == "C20_flat_table.csv")
NAMES = next(case for case in cases() if case.name == "C26_like_powers.csv")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["Huyện", "1.330", "1.077"], ["Huyện", 1200, 900.0]], plain_readers.INTACT),
        ([["Huyện; 1.330 máy; 1.077; 1.200; 900"]], plain_readers.INTACT),
        ([["Huyện", 1.33, 1.077], ["Huyện", 1.2, 900]], plain_readers.MISREAD),
        ([["Huyện", 13300, 1077, 1200, 900]], plain_readers.MISREAD),
        ([], plain_readers.MISREAD),
        (None, plain_readers.NOTHING),
    ],
)
def test_figures_are_looked_for_everywhere(rows: list[list[object]] | None, expected: str) -> None:
    assert plain_readers.outcome(GOOD, rows) == expected


def test_names_are_compared_sign_by_sign() -> None:
    assert plain_readers.outcome(NAMES, [["1E5", "2E3", "12e10"]]) == plain_readers.INTACT
    assert plain_readers.outcome(NAMES, [[100000.0, 2000.0, 1.2e11]]) == plain_readers.MISREAD


def test_a_bad_file_that_is_returned_was_let_pass() -> None:
    bad = dataclasses.replace(GOOD, verdict="refused", figures=None)
    assert plain_readers.outcome(bad, [[1]]) == plain_readers.PASSED


@pytest.mark.long
def test_the_table_in_the_docs_is_what_the_readers_do_today() -> None:
    text = (REPOSITORY / "docs" / "intake.md").read_text("utf-8")
    found = re.search(r"<!-- plain readers -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found is not None
    assert found[1].strip() == plain_readers.table().strip()
