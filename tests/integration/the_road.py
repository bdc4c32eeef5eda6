"""The road without Airflow: a simulated estate, a home, and the steps the tasks would take."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import Clock, FixedClock, vietnamese_date
from ksc_ledger.collection import collect_under_lease
from ksc_ledger.collection.extras import ALL_KINDS
from ksc_ledger.landing.manifest import ExtraKind, Load, LoadStatus
from ksc_ledger.quality.gate import gate_loads
from ksc_ledger.registry import in_force
from ksc_ledger.rehearsal.home import gather_registry
from ksc_ledger.settings import Settings
from ksc_ledger.simulator import Simulator
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.state import open_state
from ksc_ledger.warehouse import (
    BuildReport,
    build,
    extra_arrow,
    publish,
    snapshot_arrow,
    type_loads,
)
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.writer import locked_reader

BUDGET = Budget(
    connect_seconds=3, read_seconds=3, call_seconds=10, server_seconds=30, max_body_bytes=1 << 24
)


def _real_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Road:
    """One home and the estate it asks."""

    settings: Settings
    simulator: Simulator
    budget: Budget = BUDGET
    chunk_size: int = 100
    kinds: Collection[ExtraKind] = ALL_KINDS  # what is asked beside the devices
    _estates: dict[str, str] = field(default_factory=dict)

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
        codes = self.servers(at)
        loads = {code: self.collect_one(at, code, endpoint=endpoints.get(code)) for code in codes}
        return loads | self.gate(loads.values(), at)

    def servers(self, at: datetime) -> list[str]:
        """The servers that are active on the day of an instant, in the registry's order."""
        servers = in_force(self.settings).registry.servers_on(vietnamese_date(at))
        return [server.server_code for server in servers]

    def collect_one(
        self,
        at: datetime,
        server_code: str,
        *,
        endpoint: Endpoint | None = None,
        budget: Budget | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        real_now: Callable[[], datetime] = _real_now,
    ) -> Load:
        """Ask one server at an instant, without moving the simulator's clock or gating."""
        if server_code not in self._estates:
            servers = in_force(self.settings).registry.servers
            self._estates |= {server.server_code: server.estate_code for server in servers}
        engine = open_state(self.settings.state_url)
        try:
            return collect_under_lease(
                engine,
                endpoint or self.endpoint(server_code),
                estate_code=self._estates[server_code],
                places=self.settings.places,
                budget=budget or self.budget,
                chunk_size=self.chunk_size,
                as_of_at=at,
                clock=clock or FixedClock(at),
                owner="test",
                real_now=real_now,
                sleep=sleep,
                kinds=self.kinds,
            )
        finally:
            engine.dispose()

    def gate(self, loads: Iterable[Load], at: datetime) -> dict[str, Load]:
        """Type and judge the complete ones among some loads of different servers; by server."""
        places = self.settings.places
        complete = [load for load in loads if load.status is LoadStatus.COMPLETE]
        typed = type_loads(complete, self.settings)
        gated = gate_loads(
            typed,
            places,
            self.settings,
            snapshot_reader=lambda load: snapshot_arrow(load.parquet(places)),
            extra_reader=lambda load, kind: extra_arrow(load.extra_parquet(places, kind)),
            now=at,
        )
        return {load.server_code: load for load in [*typed, *gated]}

    def build(self, at: datetime) -> BuildReport:
        registry = in_force(self.settings).registry
        return build(self.settings, registry, as_of_at=at, code_version="test")

    def publish(self, at: datetime) -> None:
        report = self.build(at)
        publish(
            self.settings,
            as_of_at=at,
            code_version="test",
            registry_sha256=report.registry_sha256,
        )

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

    def built(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The same from the warehouse as the last build left it, published or not."""
        with locked_reader(self.settings) as con:
            con.execute("use wh")
            found = con.execute(sql, list(parameters))
            names = [column[0] for column in found.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
            con.execute("use memory")
            return rows

    def named(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """The same from the file for the few, where machines have their names."""
        return query(self.settings.places.named_marts_file, sql, parameters)


def settings_of(home: Path, registry: Path) -> Settings:
    """The settings of a home in a test."""
    return settings_module.load(
        {"KSC_LEDGER_HOME": str(home), "KSC_LEDGER_REGISTRY": str(registry)}
    )


@contextmanager
def road(scenarios: list[Path], home: Path) -> Iterator[Road]:
    """A fresh home beside the simulated servers of some scenarios."""
    settings = settings_of(home, gather_registry(scenarios, home / "registry"))
    with Simulator(scenarios, home / "simulator", port=0) as simulator:
        yield Road(settings, simulator)
