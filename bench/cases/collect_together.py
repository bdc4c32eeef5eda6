"""A province's servers asked together, as many at a time as the pool has slots; who was landed when.

Threads of one process stand for the tasks: what the bad servers take from the others is then only
what the product itself makes them wait for.

Orders: ``servers`` (code, port, sha256, login, password_file), ``faults`` and ``control`` (the port at
which they are ordered), ``at``, ``slots``, ``server_seconds``.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import dataclasses  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
import urllib.request  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from datetime import datetime  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from ksc_ledger import settings as settings_module  # noqa: E402
from ksc_ledger.clock import FixedClock  # noqa: E402
from ksc_ledger.collection import collect_under_lease  # noqa: E402
from ksc_ledger.sources.endpoint import Budget, Endpoint  # noqa: E402
from ksc_ledger.state import open_state  # noqa: E402


def main() -> None:
    asked = order()
    settings = settings_module.load({"KSC_LEDGER_HOME": str(Path(asked["home"]) / "ledger")})
    engine = open_state(settings.state_url)
    budget = dataclasses.replace(Budget.of(settings), server_seconds=asked["server_seconds"])
    at = datetime.fromisoformat(asked["at"])
    endpoints = [_endpoint(server) for server in asked["servers"]]
    for fault in asked["faults"]:
        _order_fault(asked["control"], fault)
    meter.imports_done()
    began = time.perf_counter()

    def collect(endpoint: Endpoint) -> dict[str, Any]:
        load = collect_under_lease(
            engine,
            endpoint,
            estate_code="bench",
            places=settings.places,
            budget=budget,
            chunk_size=settings.chunk_size,
            as_of_at=at,
            clock=FixedClock(at),
            owner="bench",
        )
        return {
            "seconds": time.perf_counter() - began,
            "rows": load.rows_read_count,
            "status": load.status.value,
            "fault": load.fault_code,
        }

    with meter.step("together"), ThreadPoolExecutor(asked["slots"]) as pool:
        found = list(pool.map(collect, endpoints))
    meter.report(landed={one.server_code: said for one, said in zip(endpoints, found, strict=True)})


def _endpoint(server: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        server_code=server["code"],
        host="127.0.0.1",
        port=server["port"],
        login=server["login"],
        password=Path(server["password_file"]).read_text("ascii").strip(),
        certificate_sha256=(server["sha256"],),
    )


def _order_fault(control: int, fault: Mapping[str, Any]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{control}/faults", method="POST", data=json.dumps(fault).encode()
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(request, timeout=30).close()


if __name__ == "__main__":
    main()
