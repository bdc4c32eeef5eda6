"""A run that is late, on a real Airflow: scheduler, triggerer, our callback, our outbox."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.rehearsal.airflow_api import AirflowApi
from ksc_ledger.rehearsal.airflow_process import Airflow, environment, free_port
from ksc_ledger.rehearsal.home import make_secrets
from ksc_ledger.settings import REPOSITORY, Places
from ksc_ledger.settings import load as load_settings
from ksc_ledger.state import open_state, outbox

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

PATIENCE_SECONDS = 120
# Two DAGs with our own callback, one after a second, one after an hour: the second one is in time.
SLOW = """
from datetime import datetime, timedelta, timezone
import time
from airflow.sdk import DeadlineAlert, DeadlineReference, dag, task
from ksc_ledger.orchestration.lateness import late_after

for name, seconds in (("slow", 1), ("in_time", 3600)):
    @dag(
        dag_id=name, schedule=None, start_date=datetime(2022, 1, 1, tzinfo=timezone.utc),
        dag_display_name="Luồng thử",
        deadline=DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(seconds=seconds),
            callback=late_after(1).callback,
        ),
    )
    def one():
        @task
        def rest():
            time.sleep(3)
        rest()
    one()
"""


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[AirflowApi]:
    """Live, not a rehearsal: with the registry of a scenario and nobody who delivers mail."""
    places = Places(tmp_path / "home")
    places.airflow.mkdir(parents=True)
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "slow.py").write_text(SLOW, "utf-8")
    made = make_secrets(places)
    registry = REPOSITORY / "scenarios" / "dong_thap" / "registry"
    port = free_port(0)
    env = environment(places, registry, made, port, dict(os.environ))
    running = Airflow(places, env | {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)})
    running.migrate()
    running.start()
    api = AirflowApi(f"http://127.0.0.1:{port}", "quantri", made.passwords["quantri"])
    try:
        until(lambda: len(api.get("/api/v2/dags")["dags"]) == 2, running)
        until(lambda: api.health()["triggerer"]["status"] == "healthy", running)
        yield api
    finally:
        running.stop()


def until(is_so: Callable[[], bool], running: Airflow | None = None) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if running is not None:
            running.check_alive()
        with contextlib.suppress(OSError, LedgerError, KeyError):
            if is_so():
                return
        time.sleep(0.5)
    raise AssertionError("it did not come to that in time")


def test_a_late_run_is_one_mail_in_the_outbox(airflow: AirflowApi, tmp_path: Path) -> None:
    settings = load_settings({"KSC_LEDGER_HOME": str(tmp_path / "home")})
    for name in ("slow", "in_time"):
        airflow.unpause(name)
    runs = {name: airflow.trigger(name, {}, "") for name in ("in_time", "slow")}

    def told() -> list[outbox.MailRow]:
        engine = open_state(settings.state_url)
        try:
            return outbox.mails(engine)
        finally:
            engine.dispose()

    until(lambda: told() != [])
    until(lambda: airflow.run_state("slow", runs["slow"]) == "success")
    until(lambda: airflow.run_state("in_time", runs["in_time"]) == "success")
    again = airflow.trigger("slow", {}, "")
    until(lambda: airflow.run_state("slow", again) == "success")
    time.sleep(5)  # as long as a second mail would need
    (mail,) = told()
    assert (mail.mail_kind, mail.recipient_role, mail.status) == (
        "run_late",
        "engineers",
        "pending",
    )
    # The alert makes no new version of a DAG at every parse.
    for name in ("slow", "in_time"):
        assert airflow.get(f"/api/v2/dags/{name}/dagVersions")["total_entries"] == 1
