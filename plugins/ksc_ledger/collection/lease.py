"""Collection by one process at a time, and never twice with a password that was refused.

A pool of the scheduler does not keep a forgotten attempt from running on; the lease does, and
its token (the fence) keeps such an attempt from recording anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ksc_ledger.clock import Clock
from ksc_ledger.collection.collect import collect_server, failed_load, last_complete
from ksc_ledger.collection.extras import ALL_KINDS
from ksc_ledger.errors import FaultCode, LedgerError, SourceFault
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import ExtraKind, Load
from ksc_ledger.settings import Places
from ksc_ledger.sources.endpoint import Budget, Endpoint

if TYPE_CHECKING:
    from sqlalchemy import Engine

_HELD_AFTER = (FaultCode.CREDENTIALS.value, FaultCode.SECOND_FACTOR.value)
_LEASE_MARGIN_SECONDS = 60  # beyond the server's budget: goodbyes, closing files, recording
# Airflow gives a task up a minute after its last word and tries again half a minute later. A dead
# attempt's lease is over by then, so that the new one need not burn its tries waiting.
_LEASE_SECONDS = 75
_RENEWED_AFTER_SECONDS = 15.0


def _real_now() -> datetime:
    return datetime.now(UTC)


def collect_under_lease(
    engine: Engine,
    endpoint: Endpoint,
    *,
    estate_code: str,
    places: Places,
    budget: Budget,
    chunk_size: int,
    as_of_at: datetime,
    clock: Clock,
    owner: str,
    real_now: Callable[[], datetime] = _real_now,
    sleep: Callable[[float], None] = time.sleep,
    kinds: Collection[ExtraKind] = ALL_KINDS,
) -> Load:
    """``collect_server`` under the lease ``ksc:<server_code>``, compared with the last load.

    ``owner`` names one attempt of one process. An account that was refused before is not tried:
    the Load then fails with CREDENTIALS. Raises LedgerError when another attempt holds the
    lease, state.leases.LeaseLost when it was lost meanwhile (nothing is recorded then).
    """
    # SQLAlchemy takes its time to import, and only a collecting task needs it.
    from ksc_ledger.state import accounts, leases

    lease = leases.acquire(
        engine,
        f"ksc:{endpoint.server_code}",
        owner,
        _LEASE_SECONDS,
        real_now(),
    )
    if lease is None:
        raise LedgerError(
            "collection_already_running",
            f"Một lượt thu thập khác đang hỏi máy chủ {endpoint.label}.",
            "Chờ lượt đó xong; nếu nó đã chết, quyền thu thập tự hết hạn sau "
            f"{_LEASE_SECONDS} giây.",
        )

    def land(load: Load, places: Places) -> None:
        refusal = _refusal(load)
        if refusal is not None:
            # First of all, and under a lost lease too: the next attempt must not repeat it.
            accounts.hold(engine, endpoint.server_code, endpoint.fingerprint, refusal, clock.now())
        with engine.begin() as connection:
            leases.guard(connection, lease)
            manifest.write(load, places)

    try:
        if accounts.held_of(engine, {endpoint.server_code: endpoint}):
            load = failed_load(
                endpoint,
                _held(endpoint),
                estate_code=estate_code,
                as_of_at=as_of_at,
                clock=clock,
                fence=lease.token,
            )
            land(load, places)
            return load
        beat = leases.Beat(
            ttl_seconds=_LEASE_SECONDS,
            every_seconds=_RENEWED_AFTER_SECONDS,
            at_most_seconds=budget.server_seconds + _LEASE_MARGIN_SECONDS,
        )
        with leases.kept(engine, lease, beat, real_now):
            return collect_server(
                endpoint,
                estate_code=estate_code,
                places=places,
                budget=budget,
                chunk_size=chunk_size,
                as_of_at=as_of_at,
                clock=clock,
                fence=lease.token,
                previous=last_complete(places, endpoint.server_code, clock.now()),
                land=land,
                sleep=sleep,
                kinds=kinds,
            )
    finally:
        leases.release(engine, lease)


def _refusal(load: Load) -> str | None:
    """Why the account must not be tried again, be it that the load itself is complete."""
    if load.fault_code in _HELD_AFTER:
        return load.fault_text or load.fault_code
    return next(
        (fault.text for fault in load.extra_faults.values() if fault.code in _HELD_AFTER), None
    )


def _held(endpoint: Endpoint) -> SourceFault:
    return SourceFault(
        FaultCode.CREDENTIALS,
        f"Tài khoản thu thập của máy chủ {endpoint.label} đã bị từ chối ở lần trước nên không thử "
        "lại, để tránh khóa tài khoản.",
        f"Cập nhật mật khẩu trong kết nối ksc_{endpoint.server_code} (hệ thống tự thử lại ngay), "
        f"hoặc nếu mật khẩu vẫn đúng thì chạy: ksc-ledger accounts resume {endpoint.server_code}.",
    )
