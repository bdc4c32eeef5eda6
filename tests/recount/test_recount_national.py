"""Both demo estates in one installation: the whole is the sum of what is counted without the product."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from integration.the_road import road
from recount.recount import VIETNAM, recount

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
ESTATES = {"dtp": SCENARIOS / "dong_thap", "ktm": SCENARIOS / "kon_tum"}
INSTANTS = ("2024-01-08T08:00:00+07:00", "2024-01-16T08:00:00+07:00")  # both are collected then
MEASURES = ("allocated", "installed", "correctly_named")


@pytest.mark.long
def test_the_whole_of_two_estates_equals_the_recount(tmp_path: Path) -> None:
    with road(list(ESTATES.values()), tmp_path) as one:
        one.kinds = ()  # nothing of what lies beside the devices is counted here
        for at in map(datetime.fromisoformat, INSTANTS):
            one.collect(at)
            one.build(at)
        columns = ", ".join(f"{name}_count as {name}" for name in MEASURES)
        shown = one.built(
            f"select estate_code, snapshot_date, {columns} from marts.rpt_national_coverage_daily"
        )
    found: dict[date, dict[str, tuple[int | None, ...]]] = {}
    for row in shown:
        counts = tuple(row[name] for name in MEASURES)
        found.setdefault(row["snapshot_date"], {})[row["estate_code"]] = counts
    for at in map(datetime.fromisoformat, INSTANTS):
        parts = [
            tuple(recount(scenario, at)[top][name] for name in MEASURES)
            for top, scenario in ESTATES.items()
        ]
        day = found[at.astimezone(VIETNAM).date()]
        assert sorted(counts for code, counts in day.items() if code != "*") == sorted(parts)
        assert day["*"] == tuple(sum(filter(None, both)) for both in zip(*parts, strict=True))
    # Between the two readings the figures stand, so every day has its whole.
    assert len(found) == 9
    assert all(len(day) == 3 for day in found.values())
