"""The three letters' figures, asked today and asked again after the whole history was made anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.the_road import Road, road
from ksc_ledger.registry import in_force
from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse import publish
from ksc_ledger.warehouse.asof import coverage_as_of, replay
from ksc_ledger.warehouse.rebuild import rebuild

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

SCENARIOS = [REPOSITORY / "scenarios" / name for name in ("dong_thap", "kon_tum")]
# The days of the letters: Tháp Mười, Đồng Tháp, Kon Plông.
INSTANTS = ("2022-10-12T08:00:00+07:00", "2023-10-13T08:00:00+07:00", "2024-01-08T08:00:00+07:00")
DAYS = [date.fromisoformat(text[:10]) for text in INSTANTS]


@pytest.fixture(scope="module")
def travelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with road(SCENARIOS, tmp_path_factory.mktemp("letters")) as the_road:
        for text in INSTANTS:
            the_road.collect_and_publish(datetime.fromisoformat(text))
        yield the_road


def letters() -> list[dict[str, Any]]:
    """The figures of the scenarios that stand in a letter, on the three days."""
    found = []
    for scenario in SCENARIOS:
        expected = yaml.safe_load(Path(scenario / "expected.yml").read_text("utf-8"))
        found += [one for one in expected["figures"] if one.get("letter")]
    return [one for one in found if one["as_of_date"] in DAYS]


def test_the_letters_figures_are_equal_row_for_row_after_a_rebuild(travelled: Road) -> None:
    settings = travelled.settings
    before = {day: coverage_as_of(settings, day) for day in DAYS}
    stated = letters()
    assert {one["as_of_date"] for one in stated} == set(DAYS)
    for one in stated:
        (row,) = [row for row in before[one["as_of_date"]] if row["unit_code"] == one["unit_code"]]
        for column in ("allocated_count", "installed_count", "correctly_named_count"):
            if column in one:
                assert row[column] == one[column], (one["unit_code"], column)

    report = rebuild(settings, in_force(settings).registry, code_version="test")
    assert report.refused == ()
    publish(settings)
    after = {day: coverage_as_of(settings, day) for day in DAYS}
    for day in DAYS:
        assert after[day] == before[day]
    for one in stated:  # and each printed figure by its own id
        (row,) = [row for row in before[one["as_of_date"]] if row["unit_code"] == one["unit_code"]]
        if not row["is_provisional"]:
            assert replay(settings, row["snapshot_id"]) == row
