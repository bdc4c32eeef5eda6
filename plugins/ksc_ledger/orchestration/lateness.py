"""Runs that are late: Airflow's own deadline alerts, told to the engineers through our outbox.

``late_after`` stands in every DAG that a schedule or an asset starts. A run that has not ended well
that long after it was queued makes Airflow call ``tell`` in the triggerer, not in a worker: a run is
late exactly when workers are stuck, and of the executors only the LocalExecutor takes callbacks.
Where the triggerer is dead as well, the watchdog outside Airflow speaks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

log = logging.getLogger(__name__)


def late_after(minutes: int) -> DeadlineAlert:
    """The alert of a DAG whose runs end well within so many minutes of being queued."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(minutes=minutes),
        callback=AsyncCallback(tell, kwargs={"allowed_minutes": minutes}),
    )


async def tell(context: Mapping[str, Any], allowed_minutes: int) -> str:
    """What Airflow calls, in its triggerer: everything that waits is done in a thread."""
    said = await asyncio.to_thread(
        note, context["dag_run"], timedelta(minutes=allowed_minutes), datetime.now(UTC)
    )
    log.info("%s", said)
    return said


def note(run: Mapping[str, Any], allowed: timedelta, real_now: datetime) -> str:
    """Put the mail into the outbox, once a lateness; what was done, for the log.

    ``run`` is Airflow's own description of the run. A backfill mails nobody; while a rehearsal is
    driven, its driver waits for every run and nobody else is told.
    """
    from ksc_ledger import settings as settings_module
    from ksc_ledger.alerts.lateness import LateRun, note_late_run
    from ksc_ledger.clock import clock_of
    from ksc_ledger.orchestration.instants import is_driven
    from ksc_ledger.registry import in_force
    from ksc_ledger.state import open_state
    from ksc_ledger.state.outbox import MailIdentity

    name = f"{run['dag_id']} {run['dag_run_id']}"
    settings = settings_module.load()
    clock = clock_of(settings.places)
    if run["run_type"] == "backfill":
        return f"{name}: lượt chạy bù, không báo"
    if is_driven(clock):
        return f"{name}: đang diễn tập, không báo"
    engine = open_state(settings.state_url)
    try:
        message_id = note_late_run(
            engine,
            in_force(settings).registry,
            LateRun(
                dag_id=str(run["dag_id"]),
                dag_name=str(run["dag_display_name"]),
                run_id=str(run["dag_run_id"]),
                state=str(run["state"]),
                waited=real_now - datetime.fromisoformat(str(run["queued_at"])),
                allowed=allowed,
            ),
            MailIdentity(
                domain=settings.mail_domain, is_rehearsal=settings.places.rehearsal_mark.exists()
            ),
            clock.now(),
        )
    finally:
        engine.dispose()
    return f"{name}: {message_id or 'đã báo trong sáu giờ qua'}"
