"""The road without Airflow: a simulated estate, a home, and the steps the tasks would take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import FixedClock, vietnamese_date
from ksc_ledger.collection import collect_under_lease
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.quality.gate import gate_loads
from ksc_ledger.registry import in_force
from ksc_ledger.rehearsal.home import gather_registry
from ksc_ledger.settings import Settings
from ksc_ledger.simulator import Simulator
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.state import open_state
from ksc_ledger.warehouse import build, publish, snapshot_arrow, type_loads
from ksc_ledger.warehouse.reader import query

BUDGET = Budget(
    connect_seconds=3, read_seconds=3, call_seconds=10, server_seconds=30, max_body_bytes=1 << 24
)


@dataclass
class Road:
    """One home and the estate it asks."""

    settings: Settings
    simulator: Simulator
    budget: Budget = BUDGET

    def endpoint(self, server_code: str, **changes: Any) -> Endpoint:
        described = self.simulator.ports["servers"][server_code]
        endpoint = Endpoint(
            server_code=server_code,
            host="127.0.0.1",
            port=described["port"],
            login=described["login"],
            password=self.simulator.password(server_code),
            certificate_sha256=(described["sha256"],),
        )
        return replace(endpoint, **changes)

    def collect(self, at: datetime, **endpoints: Endpoint) -> dict[str, Load]:
        """Ask every server that is active, and gate what was landed; loads by server."""
        self.simulator.set_clock(at)
        engine = open_state(self.settings.state_url)
        places = self.settings.places
        loads = {}
        for server in in_force(self.settings).registry.servers_on(vietnamese_date(at)):
            code = server.server_code
            loads[code] = collect_under_lease(
                engine,
                endpoints.get(code) or self.endpoint(code),
                estate_code=server.estate_code,
                places=places,
                budget=self.budget,
                chunk_size=100,
                as_of_at=at,
                clock=FixedClock(at),
                owner="test",
            )
        engine.dispose()
        complete = [load for load in loads.values() if load.status is LoadStatus.COMPLETE]
        gated = gate_loads(
            type_loads(complete, self.settings),
            places,
            self.settings,
            snapshot_reader=lambda load: snapshot_arrow(load.parquet(places)),
            now=at,
        )
        return loads | {load.server_code: load for load in gated}

    def publish(self, at: datetime) -> None:
        registry = in_force(self.settings).registry
        build(self.settings, registry, as_of_at=at, code_version="test")
        publish(self.settings, as_of_at=at, code_version="test", registry_sha256=registry.sha256)

    def collect_and_publish(self, at: datetime, **endpoints: Endpoint) -> dict[str, Load]:
        loads = self.collect(at, **endpoints)
        self.publish(at)
        return loads

    def figure(self, unit_code: str, day: date) -> dict[str, Any]:
        (row,) = self.query(
            "select * from marts.fct_unit_coverage_daily where unit_code = ? and snapshot_date = ?",
            [unit_code, day],
        )
        return row

    def query(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        return query(self.settings.places.marts_file, sql, parameters)


@contextmanager
def road(scenarios: list[Path], home: Path) -> Iterator[Road]:
    """A fresh home beside the simulated servers of some scenarios."""
    registry = gather_registry(scenarios, home / "registry")
    settings = settings_module.load(
        {"KSC_LEDGER_HOME": str(home), "KSC_LEDGER_REGISTRY": str(registry)}
    )
    with Simulator(scenarios, home / "simulator", port=0) as simulator:
        yield Road(settings, simulator)
