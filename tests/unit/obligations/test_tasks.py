"""The tasks as Airflow calls them: which instant they take, when they wake the marts, when not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.airflow

SCENARIO = Path(__file__).resolve().parents[3] / "scenarios" / "dong_thap"
Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the task of ``watch_deadlines``; the extra of its event, None where it was skipped."""
    from airflow.sdk.exceptions import AirflowSkipException

    from ksc_ledger.orchestration import building, deadlines
    from ksc_ledger.orchestration.assets import STATE_CHANGED

    shutil.copytree(SCENARIO / "registry", tmp_path / "registry")
    monkeypatch.setenv("KSC_LEDGER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KSC_LEDGER_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setattr(deadlines, "die_with_parent", lambda: None)

    def once(*, conf: str = "", woken_by: str = "") -> Any:
        event = SimpleNamespace(extra=None)
        extras = [SimpleNamespace(extra={"as_of_at": woken_by})] if woken_by else []
        context = {
            "dag_run": SimpleNamespace(conf={"as_of_at": conf} if conf else {}),
            "run_id": "test",
            "triggering_asset_events": {"marts_published": extras},
            "outlet_events": {STATE_CHANGED: event},
        }
        for module in (deadlines, building):
            monkeypatch.setattr(module, "get_current_context", lambda: context)
        try:
            assert deadlines.watch_deadlines() is True
        except AirflowSkipException:
            assert event.extra is None
            return None
        return event.extra

    return once


def test_the_circle_of_marts_and_deadlines_ends_after_one_turn(run: Run) -> None:
    """A build wakes the watch, the watch wakes a build, and the second time all is quiet."""
    built = "2022-10-20T10:00:00+00:00"
    woken = run(woken_by=built)
    assert woken == {"as_of_at": built}
    assert run(woken_by=woken["as_of_at"]) is None
    assert run(woken_by=woken["as_of_at"]) is None


def test_the_daily_run_takes_the_instant_of_its_conf(run: Run) -> None:
    assert run(conf="2022-10-13T07:30:00+07:00") == {"as_of_at": "2022-10-13T00:30:00+00:00"}
    assert run(conf="2022-10-13T08:30:00+07:00") is None
    assert run(conf="2022-10-14T07:30:00+07:00") == {"as_of_at": "2022-10-14T00:30:00+00:00"}


def test_an_estate_that_has_not_begun_is_left_alone(run: Run) -> None:
    assert run(conf="2022-08-31T07:30:00+07:00") is None
