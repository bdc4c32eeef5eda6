"""One attempt to collect one server, as a task of its own makes it: `python -m contract.one_task ORDER`.

Prints the load's fault code. The order is JSON: ``home``, ``server_code``, ``port``, ``sha256``,
``login``, ``password``, ``at``.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from typing import Any

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import FixedClock
from ksc_ledger.collection import collect_under_lease
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.state import open_state


def attempt(order: dict[str, Any]) -> str | None:
    settings = settings_module.load({"KSC_LEDGER_HOME": order["home"]})
    at = datetime.fromisoformat(order["at"])
    load = collect_under_lease(
        open_state(settings.state_url),
        Endpoint(
            server_code=order["server_code"],
            host="127.0.0.1",
            port=order["port"],
            login=order["login"],
            password=order["password"],
            certificate_sha256=(order["sha256"],),
        ),
        estate_code="mau",
        places=settings.places,
        budget=Budget(),
        chunk_size=settings.chunk_size,
        as_of_at=at,
        clock=FixedClock(at),
        owner=f"process {os.getpid()}",
        kinds=(),
    )
    return load.fault_code


if __name__ == "__main__":
    sys.stdout.write(f"{attempt(json.loads(sys.argv[1]))}\n")
