"""What a process's first use of the database costs, paid ahead by the process it is forked from.

SQLAlchemy learns how a URL is read, a connection opened and a statement written when it first has to:
a quarter of what opening the database and taking a lease costs in each task.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import StaticPool

from ksc_ledger.state import leases
from ksc_ledger.state.database import REVISION_TABLE, is_at_head
from ksc_ledger.state.tables import LEASE

_NAME = "first use"


def rehearse() -> None:
    """Take and give back a lease in a database of its own, in memory; nothing is left open."""
    engine = create_engine(make_url("sqlite://"), poolclass=StaticPool)
    try:
        with engine.begin() as connection:
            connection.execute(text(f"create table {REVISION_TABLE} (version_num varchar)"))
            LEASE.create(connection)
        is_at_head(engine)
        now = datetime.now(UTC)
        if lease := leases.acquire(engine, _NAME, _NAME, 60, now):
            leases.release(engine, lease)
    finally:
        engine.dispose()
