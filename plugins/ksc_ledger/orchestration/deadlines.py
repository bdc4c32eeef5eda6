"""What the task of ``watch_deadlines`` does."""

from __future__ import annotations

import logging
import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import vietnamese_date
from ksc_ledger.orchestration.assets import STATE_CHANGED
from ksc_ledger.orchestration.building import instant_of_build
from ksc_ledger.orchestration.process import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksc_ledger.obligations.evidence import Filed
    from ksc_ledger.registry import Registry
    from ksc_ledger.settings import Places

log = logging.getLogger(__name__)

LEASE_SECONDS = 600


def watch_deadlines() -> bool:
    """Judge the obligations of every estate; wake the marts only when a status is another one.

    The marts wake this watch and this watch wakes the marts: the second time nothing is different,
    so the task is skipped, emits nothing, and the circle ends.
    """
    from ksc_ledger.obligations import watch
    from ksc_ledger.registry import in_force
    from ksc_ledger.rules.malware_notices import Limits
    from ksc_ledger.state import leases, open_state
    from ksc_ledger.state.outbox import MailIdentity

    die_with_parent()
    context = get_current_context()
    settings = settings_module.load()
    now = instant_of_build()
    registry = in_force(settings).registry
    engine = open_state(settings.state_url)
    day = vietnamese_date(now)
    owner = f"{socket.gethostname()}:{os.getpid()}:{context['run_id']}"
    identity = MailIdentity(
        domain=settings.mail_domain, is_rehearsal=settings.places.rehearsal_mark.exists()
    )
    changed_at: list[datetime] = []
    for estate in registry.estates:
        code = estate.estate_code
        if not any(unit.estate_code == code for unit in registry.units_on(day)):
            continue  # an estate that begins later
        lease = leases.acquire(engine, f"deadlines:{code}", owner, LEASE_SECONDS, datetime.now(UTC))
        if lease is None:
            log.warning("%s: một lượt xét thời hạn khác đang chạy", code)
            continue
        try:
            watched = watch(
                engine,
                lease,
                registry,
                code,
                settings.places.marts_file,
                identity,
                now,
                _filed(registry, code, settings.places),
                limits=Limits(
                    uncured_count=settings.uncured_limit,
                    outbreak_endpoints=settings.outbreak_limit,
                    two_products_days=settings.two_products_days,
                ),
                purchase_days=settings.licence_purchase_days,
            )
        finally:
            leases.release(engine, lease)
        for change in watched.changes:
            log.info("%s: %s", code, change)
        log.info("%s: %d nghĩa vụ, %d thư", code, len(watched.judged), len(watched.message_ids))
        if watched.has_changed:
            changed_at.append(watched.at)
    if not changed_at:
        raise AirflowSkipException("Không có nghĩa vụ nào đổi tình trạng.")
    context["outlet_events"][STATE_CHANGED].extra = {"as_of_at": max(changed_at).isoformat()}
    return True


def _filed(registry: Registry, estate_code: str, places: Places) -> Iterator[Filed]:
    """The reports that came in through the inbox."""
    from ksc_ledger.intake.examining import Content
    from ksc_ledger.intake.store import receipts_of
    from ksc_ledger.obligations.evidence import Filed

    codes = {unit.unit_code for unit in registry.units if unit.estate_code == estate_code}
    for code in sorted(codes):
        for stored in receipts_of(code, places):
            receipt = stored.receipt
            if receipt.content is Content.DEVICES:
                continue  # a list of machines is no report
            yield Filed(
                unit_code=code,
                received_at=receipt.received_at,
                document=f"tệp {receipt.file_name}",
                is_accepted=receipt.is_accepted,
            )
