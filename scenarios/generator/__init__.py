"""Writes the scenario folders that come with the product, always the same bytes.

`python -m scenarios.generator` writes them where they are committed. Every figure of a letter
comes from `source/demo_units.csv`; everything else is invented from fixed seeds. Each server draws
from its own streams of random numbers, so that a change in one district leaves the others as they
are.
"""

from __future__ import annotations

from scenarios.generator import dong_thap, kon_tum, road
from scenarios.generator.estate import Scenario


def all_scenarios() -> dict[str, Scenario]:
    """Every scenario by the folder, below the repository, in which it is committed."""
    return {
        "scenarios/dong_thap": dong_thap.build(),
        "scenarios/kon_tum": kon_tum.build(),
        "tests/road/scenario": road.build(),
    }
