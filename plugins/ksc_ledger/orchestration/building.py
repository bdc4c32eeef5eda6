"""What the tasks of ``build_marts`` do."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context

from ksc_ledger import __version__
from ksc_ledger import settings as settings_module
from ksc_ledger.clock import clock_of
from ksc_ledger.orchestration.assets import MARTS_PUBLISHED
from ksc_ledger.orchestration.instants import as_of_at, aware, is_driven, newest_as_of_at
from ksc_ledger.orchestration.links import shows_checks
from ksc_ledger.orchestration.process import die_with_parent

if TYPE_CHECKING:
    import pyarrow as pa

    from ksc_ledger.settings import Settings
    from ksc_ledger.warehouse.judged import Judge

log = logging.getLogger(__name__)


def instant_of_build() -> datetime:
    """The newest instant among the events that woke this run, else its conf, else now.

    All landed loads that are not yet in the history are applied in the order they were observed,
    so several events waiting together lose nothing.
    """
    context = get_current_context()
    extras = [
        dict(event.extra or {})
        for events in (context.get("triggering_asset_events") or {}).values()
        for event in events
    ]
    newest = newest_as_of_at(extras)
    if newest is not None:
        return newest
    return as_of_at(context["dag_run"].conf, clock_of(settings_module.load().places))


def build_history_and_marts() -> dict[str, Any]:
    """Apply what was landed to the history and build the marts inside the warehouse."""
    from ksc_ledger.registry import in_force
    from ksc_ledger.warehouse import build

    die_with_parent()
    settings = settings_module.load()
    at = instant_of_build()
    current = in_force(settings)
    for mistake in current.mistakes:
        log.error("Danh mục có lỗi, đang dùng bản tốt gần nhất: %s", mistake)
    report = build(
        settings,
        current.registry,
        as_of_at=at,
        code_version=__version__,
        judge=_judge_of(settings, at),
    )
    log.info("%s", report)
    return {"as_of_at": at.isoformat(), "registry_sha256": current.registry.sha256}


def _judge_of(settings: Settings, at: datetime) -> Judge:
    """The suites of the marts; what they say is shown in Data Docs, also where it refuses."""

    def judge(tables: Mapping[str, pa.Table]) -> Sequence[Mapping[str, Any]]:
        from ksc_ledger.quality import data_docs
        from ksc_ledger.quality.marts import judge_marts

        verdicts, is_news = judge_marts(tables, root=settings.expectations, places=settings.places)
        if is_news:
            shown = [
                {**one, "load_id": f"marts-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"} for one in verdicts
            ]
            page = data_docs.record(data_docs.Kind.MARTS, shown, settings.places, at)
            shows_checks(get_current_context(), page)
        return verdicts

    return judge


def check_and_publish(built: dict[str, Any]) -> str:
    """Check the built marts and publish them whole; returns the version's id.

    Then each unit's own file, where its rows have changed.
    """
    from ksc_ledger.orchestration import metrics
    from ksc_ledger.warehouse import publish
    from ksc_ledger.warehouse.unit_files import publish_units

    die_with_parent()
    settings = settings_module.load()
    version = publish(
        settings,
        as_of_at=aware(built["as_of_at"]),
        code_version=__version__,
        registry_sha256=built["registry_sha256"],
    )
    log.info("Đã xuất bản %s", version)
    metrics.emit(settings, lambda: metrics.published_age(settings, datetime.now(UTC)))
    if not is_driven(clock_of(settings.places)):
        # While a rehearsal is driven from instant to instant, the units' files wait for keep_house.
        log.info("%s", publish_units(settings))
    events = get_current_context()["outlet_events"]
    events[MARTS_PUBLISHED].extra = {"as_of_at": built["as_of_at"]}
    return str(version)
