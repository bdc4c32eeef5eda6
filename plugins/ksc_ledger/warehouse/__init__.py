"""The only room that opens DuckDB: typing, history, marts, checks, publishing, as-of, rebuild.

docs/warehouse.md lists the tables; docs/adr/0004 says why history holds facts only.
"""

from __future__ import annotations

from ksc_ledger.warehouse.builder import BuildReport, build
from ksc_ledger.warehouse.extra_snapshots import extra_arrow
from ksc_ledger.warehouse.publisher import publish
from ksc_ledger.warehouse.snapshots import snapshot_arrow, type_hosts, type_loads

__all__ = [
    "BuildReport",
    "build",
    "extra_arrow",
    "publish",
    "snapshot_arrow",
    "type_hosts",
    "type_loads",
]
