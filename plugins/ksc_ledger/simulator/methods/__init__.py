"""The methods of the protocol, one module for each family; importing this package registers all."""

from __future__ import annotations

from ksc_ledger.simulator.methods import (
    async_actions,
    gateways,
    groups_and_hosts,
    inventory,
    licences,
    reports,
    result_sets,
    server_hierarchy,
    session,
    stored_events,
    views,
)
from ksc_ledger.simulator.methods.registry import METHODS, Call, Method

__all__ = [
    "METHODS",
    "Call",
    "Method",
    "async_actions",
    "gateways",
    "groups_and_hosts",
    "inventory",
    "licences",
    "reports",
    "result_sets",
    "server_hierarchy",
    "session",
    "stored_events",
    "views",
]
