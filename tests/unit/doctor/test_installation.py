"""What Airflow must have been given before anything runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ksc_ledger.doctor import Verdict
from ksc_ledger.doctor.installation import Installation, look_at_airflow

WELL = Installation(
    time_zone="Asia/Ho_Chi_Minh",
    pools={"default_pool": 128, "ksc_servers": 4, "warehouse_writer": 1},
    wanted_pools={"ksc_servers": 12, "warehouse_writer": 1},
    dags={"build_marts": False, "collect_endpoints": False, "theirs": True},
    wanted_dags=("build_marts", "collect_endpoints"),
)


def test_an_airflow_with_its_pools_and_dags_is_well() -> None:
    """Fewer servers at a time than usual is somebody's choice."""
    assert [one.verdict for one in look_at_airflow(WELL)] == [Verdict.OK, Verdict.OK]


@pytest.mark.parametrize(
    ("changes", "code", "verdict"),
    [
        ({"pools": {"warehouse_writer": 1}}, "pools_missing", Verdict.FAIL),
        ({"pools": {"ksc_servers": 12, "warehouse_writer": 2}}, "pool_too_wide", Verdict.WARN),
        ({"dags": {"build_marts": False}}, "dags_missing", Verdict.FAIL),
        (
            {"dags": {"build_marts": False, "collect_endpoints": True}},
            "dags_paused",
            Verdict.WARN,
        ),
    ],
)
def test_what_airflow_was_not_given_is_told(
    changes: dict[str, Any], code: str, verdict: Verdict
) -> None:
    (found,) = [one for one in look_at_airflow(replace(WELL, **changes)) if not one.is_well]
    assert (found.code, found.verdict) == (code, verdict)
    assert found.remedy
