"""The operational database: what must outlive a run and be the same for every process.

Leases with fencing tokens, accounts held back after a refused login, registry versions seen.
SQLite by default, PostgreSQL in production; no statement here is for one of them only, save what
opening a SQLite file needs.
"""

from __future__ import annotations

from ksc_ledger.state.database import open_state, reading

__all__ = ["open_state", "reading"]
