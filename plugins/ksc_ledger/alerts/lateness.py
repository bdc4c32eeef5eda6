"""A run of a DAG that is late is told to the engineers: once, and again when it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ksc_ledger.alerts.registry_watch import engineers_unit
from ksc_ledger.rules.links import incident_id_of
from ksc_ledger.state import outbox

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ksc_ledger.registry import Registry

KIND = "run_late"
ROLE = "engineers"
# Runs of one DAG that are late one after the other are one lateness; after this it is told again.
QUIET = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRun:
    """``waited``: since the run was queued, in real time. ``state`` is Airflow's word for it."""

    dag_id: str
    dag_name: str
    run_id: str
    state: str
    waited: timedelta
    allowed: timedelta


def note_late_run(
    engine: Engine, registry: Registry, late: LateRun, identity: outbox.MailIdentity, now: datetime
) -> str | None:
    """The Message-ID of the mail; None when this lateness was told before.

    It goes to the engineers of the first estate, as mistakes outside any estate do. The same run
    told twice (Airflow calls again after a crash) is one mail.
    """
    estate = registry.estates[0].estate_code
    mail = outbox.NewMail(
        kind=KIND,
        incident_id=incident_id_of("late", late.dag_id, late.run_id),
        role=ROLE,
        estate_code=estate,
        unit_code=engineers_unit(registry, estate, now),
        channel=outbox.Channel.ENGINEERS,
        created_at=now,
        facts={
            "place": late.dag_name,
            "dag_id": late.dag_id,
            "run_id": late.run_id,
            "has_failed": late.state == "failed",
            "queued_at": (now - late.waited).isoformat(),
            "waited_seconds": int(late.waited.total_seconds()),
            "allowed_seconds": int(late.allowed.total_seconds()),
        },
    )
    with engine.begin() as connection:
        told = outbox.facts_since(connection, KIND, now - QUIET)
        if any(facts.get("dag_id") == late.dag_id for facts in told):
            return None
        return next(iter(outbox.enqueue_missing(connection, [mail], identity)), None)
