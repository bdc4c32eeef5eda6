"""A writer of a shared warehouse in a process of its own: takes in what landed, hour by hour.

usage: writer_child.py HOME URL HOURS WAIT_SECONDS; prints what became of the loads as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ksc_ledger.warehouse import lake
from ksc_ledger.warehouse.builder import cutoffs_by_registry, new_loads, server_order
from ksc_ledger.warehouse.history import apply_loads
from ksc_ledger.warehouse.writer import writer
from lake.estate import REGISTRY
from unit.warehouse.builders import T0, settings_for


def main() -> int:
    home, url, hours, wait = sys.argv[1:]
    lake.TURN_SECONDS = float(wait)
    settings = replace(settings_for(Path(home)), warehouse_url=url)
    became = {"applied": 0, "recorded": 0, "refused": 0, "conflicts": 0}
    for hour in range(int(hours)):
        with writer(settings) as con:
            outcome = apply_loads(
                con,
                [
                    load
                    for load in new_loads(con, settings.places)
                    if load.observed_at <= T0 + timedelta(hours=hour)
                ],
                places=settings.places,
                sql=settings.sql,
                cutoffs_of=cutoffs_by_registry(REGISTRY),
                server_order=server_order(REGISTRY),
            )
        became["applied"] += len(outcome.applied)
        became["recorded"] += len(outcome.recorded)
        became["refused"] += len(outcome.refused)
        became["conflicts"] += outcome.conflicts
    sys.stdout.write(json.dumps(became) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
