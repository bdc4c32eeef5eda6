"""One server's load, end to end, without Airflow: ask, keep, record.

``collect`` makes a Load of one attempt, ``lease`` does so for one process at a time and never
with a password that was refused before, ``knock`` only looks whether the door is there.
"""

from __future__ import annotations

from ksc_ledger.collection.collect import PreviousLoad, collect_server, last_complete
from ksc_ledger.collection.knock import Knock, KnockOutcome, knock
from ksc_ledger.collection.lease import collect_under_lease

__all__ = [
    "Knock",
    "KnockOutcome",
    "PreviousLoad",
    "collect_server",
    "collect_under_lease",
    "knock",
    "last_complete",
]
