"""What Airflow calls when a run is late, as its triggerer calls it."""

from __future__ import annotations

import asyncio
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import RehearsalClock
from ksc_ledger.settings import REPOSITORY, Settings
from ksc_ledger.state import open_state, outbox

pytestmark = pytest.mark.airflow

SCENARIO = REPOSITORY / "scenarios" / "dong_thap"
REAL_NOW = datetime(2026, 1, 10, 3, 0, tzinfo=UTC)


def a_run(**changes: Any) -> dict[str, Any]:
    """As Airflow describes one (``DAGRunResponse`` in JSON)."""
    return {
        "dag_id": "collect_endpoints",
        "dag_run_id": "scheduled__2026-01-10T02:00:00+00:00",
        "dag_display_name": "Thu thập trạng thái máy trạm",
        "queued_at": "2026-01-10T02:10:00Z",
        "run_type": "scheduled",
        "state": "running",
    } | changes


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KSC_LEDGER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KSC_LEDGER_REGISTRY", str(SCENARIO / "registry"))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    return settings_module.load()


@pytest.fixture
def lateness(home: Settings) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, at import
        from ksc_ledger.orchestration import lateness

        return lateness


def kinds(home: Settings) -> list[str]:
    engine = open_state(home.state_url)
    try:
        return [mail.mail_kind for mail in outbox.mails(engine)]
    finally:
        engine.dispose()


def test_a_late_run_is_a_mail_to_the_engineers(lateness: Any, home: Settings) -> None:
    said = lateness.note(a_run(), timedelta(minutes=45), REAL_NOW)
    assert said.startswith("collect_endpoints scheduled__2026-01-10T02:00:00+00:00: <")
    assert kinds(home) == ["run_late"]
    assert "đã báo" in lateness.note(a_run(dag_run_id="next"), timedelta(minutes=45), REAL_NOW)
    assert kinds(home) == ["run_late"]


def test_a_backfill_mails_nobody(lateness: Any, home: Settings) -> None:
    lateness.note(a_run(run_type="backfill"), timedelta(minutes=45), REAL_NOW)
    assert kinds(home) == []


@pytest.mark.parametrize(("is_driven", "told"), [(True, []), (False, ["run_late"])])
def test_while_a_rehearsal_is_driven_nobody_is_told(
    lateness: Any, home: Settings, is_driven: bool, told: list[str]
) -> None:
    home.places.home.mkdir(parents=True)
    home.places.rehearsal_mark.touch()
    RehearsalClock(home.places.clock_file).set(
        datetime(2024, 1, 10, 3, 0, tzinfo=UTC), is_driven=is_driven
    )
    lateness.note(a_run(), timedelta(minutes=45), REAL_NOW)
    assert kinds(home) == told


def test_airflows_triggerer_can_call_it(lateness: Any, home: Settings) -> None:
    """The alert of a DAG, through Airflow's own trigger, with the context that the scheduler adds."""
    from airflow.triggers.callback import CallbackTrigger

    alert = lateness.late_after(45)
    kwargs = {**alert.callback.kwargs, "context": {"dag_run": a_run(), "deadline": {"id": "x"}}}
    trigger = CallbackTrigger(callback_path=alert.callback.path, callback_kwargs=kwargs)

    async def events() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    last = asyncio.run(events())[-1]
    assert last["state"] == "success", last
    assert kinds(home) == ["run_late"]
