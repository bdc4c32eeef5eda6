"""What tasks need is imported once by the process they are forked from, not by each of them.

Great Expectations alone costs three seconds of CPU and 300 MB, and two tasks of every hour need it;
so does pandas. Called from ``$AIRFLOW_HOME/config/airflow_local_settings.py``, which every Airflow
process reads.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

# Nothing that imports Airflow, and nothing that starts a thread or opens a file when imported.
MODULES = (
    "holidays.countries",
    "openpyxl",
    "pandas",  # DuckDB asks for it at the first parameter of a process
    "pyarrow.dataset",
    "ksc_ledger.alerts.policy",
    "ksc_ledger.alerts.rounds",
    "ksc_ledger.collection",
    "ksc_ledger.collection.witness",
    "ksc_ledger.quality.engine",
    "ksc_ledger.quality.gate",
    "ksc_ledger.quality.marts",
    "ksc_ledger.registry",
    "ksc_ledger.state.accounts",
    "ksc_ledger.warehouse",
)
# They also learn something when they are first used, and would learn it in each task again.
REHEARSED = ("ksc_ledger.quality.engine", "ksc_ledger.state.first_use")


def preload(words: Sequence[str] | None = None) -> bool:
    """Import them if this is a process that forks tasks; whether it is.

    ``words`` is the command line, this process's own by default. The LocalExecutor's workers are
    children of the scheduler, Celery's of its worker.
    """
    command = tuple(sys.argv[1:3] if words is None else words[1:3])
    if command[:1] != ("scheduler",) and command != ("celery", "worker"):
        return False
    for name in MODULES:
        import_module(name)
    for name in REHEARSED:
        import_module(name).rehearse()
    return True
