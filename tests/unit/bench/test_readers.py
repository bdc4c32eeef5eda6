"""How openings that got an old version are told from those that could not have known."""

from __future__ import annotations

import pytest
from bench.groups.readers import LATE_SECONDS, late_openings

PUBLISHED = [{"version": "v1", "at": 100.0}, {"version": "v2", "at": 110.0}]


@pytest.mark.parametrize(
    ("last_opened_at", "late"),
    [(109.0, 0), (110.0 + LATE_SECONDS, 0), (110.0 + LATE_SECONDS + 0.01, 1)],
)
def test_an_opening_is_late_a_second_after_the_next_version(
    last_opened_at: float, late: int
) -> None:
    seen = {"v1": {"last_opened_at": last_opened_at}, "v2": {"last_opened_at": 500.0}}
    assert late_openings(seen, PUBLISHED) == late
