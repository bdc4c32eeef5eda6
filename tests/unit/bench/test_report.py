"""Targets, tables and the page that a run writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.process import Case, Reading, Readings
from bench.report import (
    BEGIN,
    END,
    Section,
    Standing,
    Table,
    as_markdown,
    at_least,
    at_most,
    failed,
    is_good,
    number,
    write_page,
)


def a_reading(cpu: float, peak_mb: float = 100.0) -> Reading:
    return Reading(
        cpu={"second": cpu},
        wall={"second": cpu},
        base_mb=50.0,
        peak_mb=peak_mb,
        process_cpu=cpu + 1,
        facts={},
    )


@pytest.mark.parametrize(
    ("measured", "standing"), [(2.5, Standing.PASS), (2.5001, Standing.FAIL), (0.0, Standing.PASS)]
)
def test_at_most_holds_up_to_its_limit(measured: float, standing: Standing) -> None:
    assert at_most("x", measured, 2.5, is_full_size=True).standing is standing


@pytest.mark.parametrize(("measured", "standing"), [(1.5, Standing.PASS), (1.4999, Standing.FAIL)])
def test_at_least_holds_from_its_limit(measured: float, standing: Standing) -> None:
    assert at_least("x", measured, 1.5, is_full_size=True).standing is standing


def test_a_small_run_judges_nothing_but_refuses_all_the_same() -> None:
    assert at_most("x", 99, 1, is_full_size=False).standing is Standing.SMALL
    assert at_most("x", None, 1, is_full_size=False).standing is Standing.REFUSED


def test_a_run_is_good_only_without_a_missed_and_without_a_refused_target() -> None:
    passed = at_most("x", 1, 1, is_full_size=True)
    small = at_most("x", 2, 1, is_full_size=False)
    missed = at_most("x", 2, 1, is_full_size=True)
    refused = at_most("x", None, 1, is_full_size=True)
    assert is_good([Section("a", judgements=[passed, small])])
    assert not is_good([Section("a", judgements=[passed]), Section("b", judgements=[missed])])
    assert not is_good([Section("a", judgements=[passed, refused])])
    assert not is_good([failed("ingest", "no network\nat all")])


def test_the_figure_of_a_case_is_the_median_of_its_turns_and_its_highest_peak() -> None:
    turns = (a_reading(3.0), a_reading(1.0, peak_mb=180.0), a_reading(2.0))
    readings = Readings(Case("x", "y"), turns)
    assert readings.cpu("second") == 2.0
    assert readings.spread("second") == 3.0
    assert readings.peak_mb == 180.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (0.00123, "0.0012"),
        (0.0123, "0.012"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (1234.5, "1,234"),
    ],
)
def test_numbers_keep_the_digits_that_matter(value: float | None, text: str) -> None:
    assert number(value) == text


def test_all_targets_stand_together_before_the_tables() -> None:
    one = Section("One", tables=[Table(("case", "s"), (("a", "1"),))])
    one.judgements.append(at_most("first", 1, 2, is_full_size=True))
    two = Section("Two", lines=["said"])
    two.judgements.append(at_least("second", None, 2, is_full_size=True, note="rows differ"))
    text = as_markdown(["A run."], [one, two])
    targets, _, rest = text.partition("### One")
    assert "| first  | ≤ 2   | 1.00     | pass    |" in targets
    assert "refused" in targets
    assert "rows differ" in targets
    assert "| a    | 1 |" in rest
    assert rest.endswith("- said\n")


def test_a_run_replaces_what_the_last_one_wrote_and_leaves_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Speed\n\n{BEGIN}\nold \\1 figures\n{END}\n\nMethod.\n", "utf-8")
    write_page(page, "new \\g<0> figures\n")
    write_page(page, "new \\g<0> figures\n")
    wanted = f"# Speed\n\n{BEGIN}\nnew \\g<0> figures\n{END}\n\nMethod.\n"
    assert page.read_text("utf-8") == wanted


@pytest.mark.parametrize("text", ["no marks", f"{BEGIN} only", f"{BEGIN}{BEGIN}{END}"])
def test_a_page_without_its_marks_is_not_written(tmp_path: Path, text: str) -> None:
    page = tmp_path / "performance.md"
    page.write_text(text, "utf-8")
    with pytest.raises(ValueError, match="marks"):
        write_page(page, "figures")
    assert page.read_text("utf-8") == text


def test_the_page_of_the_repository_has_its_marks() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "performance.md"
    text = page.read_text("utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
