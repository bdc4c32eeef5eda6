"""The assets by which one DAG wakes another. Their event's ``extra`` carries ``as_of_at``."""

from __future__ import annotations

from airflow.sdk import Asset

LANDED = Asset(name="landed", uri="ksc-ledger://landing/landed", group="ksc_ledger")
STATE_CHANGED = Asset(
    name="state_changed", uri="ksc-ledger://state/state_changed", group="ksc_ledger"
)
REPORTS_ACCEPTED = Asset(
    name="reports_accepted", uri="ksc-ledger://inbox/reports_accepted", group="ksc_ledger"
)
REGISTRY_CHANGED = Asset(
    name="registry_changed", uri="ksc-ledger://registry/registry_changed", group="ksc_ledger"
)
MARTS_PUBLISHED = Asset(
    name="marts_published", uri="ksc-ledger://marts/marts_published", group="ksc_ledger"
)
