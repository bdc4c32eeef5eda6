"""What one collecting task does, in a process that already holds what an empty task holds.

Everything up to ``imports_done`` is in any task of Airflow, be it empty. After that come the
modules that ``collecting.ask_server`` imports, the lease, and the server read whole.

Orders: ``port``, ``sha256``, ``chunk_size``.
"""

from __future__ import annotations

import importlib

from bench.meter import Meter, order

meter = Meter()

from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from ksc_ledger.landing.manifest import Load


def main() -> None:
    asked = order()
    importlib.import_module("airflow.sdk.execution_time.task_runner")
    importlib.import_module("ksc_ledger.orchestration.collecting")
    meter.imports_done()
    with meter.step("task"):
        load = _collected(asked)
    meter.report(rows=load.rows_read_count, status=load.status.value, fault=load.fault_text)


def _collected(asked: dict[str, Any]) -> Load:
    # As late as the task itself imports them: they are part of what it costs.
    importlib.import_module("ksc_ledger.orchestration.hook")
    from bench import rows
    from ksc_ledger import settings as settings_module
    from ksc_ledger.clock import FixedClock
    from ksc_ledger.collection import collect_under_lease
    from ksc_ledger.sources.endpoint import Budget, Endpoint
    from ksc_ledger.state import open_state

    settings = settings_module.load(
        {
            "KSC_LEDGER_HOME": str(Path(asked["home"]) / "ledger"),
            "KSC_LEDGER_CHUNK_SIZE": str(asked["chunk_size"]),
        }
    )
    at = rows.observed_at(0)
    return collect_under_lease(
        open_state(settings.state_url),
        Endpoint(
            server_code="bench",
            host="127.0.0.1",
            port=asked["port"],
            login="bench",
            password="bench",  # noqa: S106 - the stand-in takes any
            certificate_sha256=(asked["sha256"],),
        ),
        estate_code="bench",
        places=settings.places,
        budget=Budget.of(settings),
        chunk_size=settings.chunk_size,
        as_of_at=at,
        clock=FixedClock(at),
        owner="bench",
    )


if __name__ == "__main__":
    main()
