"""One part of a ministry's hour, as the task of that name does it, in a process of its own.

What a process of Airflow's has imported before a task begins (``orchestration.preload``) is counted as
imports here too. Orders: ``part``, ``folder`` (the home), ``registry``, ``ports`` (where the servers listen), ``at``.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import json  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from datetime import datetime  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from ksc_ledger import settings as settings_module  # noqa: E402
from ksc_ledger.orchestration.preload import MODULES  # noqa: E402

if TYPE_CHECKING:
    from ksc_ledger.settings import Settings

_COLLECTING = ("ksc_ledger.collection", "ksc_ledger.registry", "ksc_ledger.state.accounts")


def main() -> None:
    asked = order()
    # A collecting task is held against what it needs itself, not against Great Expectations.
    for name in _COLLECTING if asked["part"] == "ask" else MODULES:
        import_module(name)
    settings = settings_module.load(
        {"KSC_LEDGER_HOME": asked["folder"], "KSC_LEDGER_REGISTRY": asked["registry"]}
    )
    at = datetime.fromisoformat(asked["at"])
    meter.imports_done()
    with meter.step(asked["part"]):
        facts = PARTS[asked["part"]](settings, at, asked)
    meter.report(**facts)


def ask(settings: Settings, at: datetime, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Every server, one after the other, each under its lease."""
    from ksc_ledger.clock import FixedClock
    from ksc_ledger.collection import collect_under_lease
    from ksc_ledger.registry import in_force
    from ksc_ledger.sources.endpoint import Budget, Endpoint
    from ksc_ledger.state import open_state

    servers = json.loads(Path(asked["ports"]).read_text("utf-8"))["servers"]
    engine = open_state(settings.state_url)
    said: Counter[str] = Counter()
    rows = 0
    for server in in_force(settings).registry.servers_on(at.date()):
        known = servers[server.server_code]
        load = collect_under_lease(
            engine,
            Endpoint(
                server_code=server.server_code,
                host="127.0.0.1",
                port=known["port"],
                login=known["login"],
                password=known["login"],
                certificate_sha256=(known["sha256"],),
            ),
            estate_code=server.estate_code,
            places=settings.places,
            budget=Budget.of(settings),
            chunk_size=settings.chunk_size,
            as_of_at=at,
            clock=FixedClock(at),
            owner="bench",
        )
        said[load.fault_text or str(load.status)] += 1
        rows += load.rows_read_count
    return {"said": said, "rows": rows}


def judge(settings: Settings, at: datetime, _: Mapping[str, Any]) -> dict[str, Any]:
    """What was landed and not judged yet, typed and gated in one go."""
    from ksc_ledger.landing import manifest
    from ksc_ledger.quality.gate import gate_loads
    from ksc_ledger.warehouse import extra_arrow, snapshot_arrow, type_loads

    places = settings.places
    loads = [one for one in manifest.read_all(places) if one.as_of_at == at]
    gated = gate_loads(
        type_loads(loads, settings),
        places,
        settings,
        snapshot_reader=lambda load: snapshot_arrow(load.parquet(places)),
        extra_reader=lambda load, kind: extra_arrow(load.extra_parquet(places, kind)),
        now=at,
    )
    return {"said": Counter(str(one.status) for one in gated)}


def build(settings: Settings, at: datetime, _: Mapping[str, Any]) -> dict[str, Any]:
    """The history, the marts and the suites on them."""
    from ksc_ledger.quality.marts import judge_marts
    from ksc_ledger.registry import in_force
    from ksc_ledger.warehouse import build as build_all

    report = build_all(
        settings,
        in_force(settings).registry,
        as_of_at=at,
        code_version="bench",
        judge=lambda tables: judge_marts(
            tables, root=settings.expectations, places=settings.places
        )[0],
    )
    return {"applied": len(report.applied), "rows": report.rows}


def publish(settings: Settings, at: datetime, _: Mapping[str, Any]) -> dict[str, Any]:
    """Both editions, Parquet and workbooks."""
    from ksc_ledger.warehouse import publish as publish_all

    publish_all(settings, now=at)
    return {}


def units(settings: Settings, _: datetime, __: Mapping[str, Any]) -> dict[str, Any]:
    """Each unit's own file."""
    from ksc_ledger.warehouse.unit_files import publish_units

    done = publish_units(settings)
    return {"made": len(done.made), "unchanged": len(done.unchanged)}


PARTS: Mapping[str, Callable[[Settings, datetime, Mapping[str, Any]], dict[str, Any]]] = {
    "ask": ask,
    "judge": judge,
    "build": build,
    "publish": publish,
    "units": units,
}


if __name__ == "__main__":
    main()
