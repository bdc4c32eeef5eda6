"""What Airflow's plugin loader finds: the package itself is hidden from it (.airflowignore)."""

from __future__ import annotations

from ksc_ledger.orchestration.ops_plugin import KscLedgerPlugin

__all__ = ["KscLedgerPlugin"]
