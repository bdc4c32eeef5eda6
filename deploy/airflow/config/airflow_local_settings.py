"""Read by every Airflow process; only the scheduler then imports what its tasks need (ADR 0015)."""

from __future__ import annotations

from ksc_ledger.orchestration.preload import preload

__all__ = ()

preload()
