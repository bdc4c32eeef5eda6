"""What Airflow's plugin loader finds: the package itself is hidden from it (.airflowignore)."""

from __future__ import annotations

from ksc_ledger.orchestration.data_docs_plugin import DataDocsPlugin

__all__ = ["DataDocsPlugin"]
