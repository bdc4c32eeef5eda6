"""Run by the crash tests in a process of its own: land, build, publish, and die where it is told.

    python crash_child.py HOME ROUNDS [POINT | BYTES]

At POINT, ``module:function:before|after`` of the warehouse, the process kills itself with SIGKILL. No
file may grow beyond BYTES: for a writer that is what a full disk is. Round ``n`` lands load ``n`` of a fixed series if it is not there, builds, publishes.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "plugins")]

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from ksc_ledger.landing import manifest  # noqa: E402
from ksc_ledger.landing.manifest import Load, LoadStatus  # noqa: E402
from ksc_ledger.warehouse import build, publish  # noqa: E402
from ksc_ledger.warehouse.unit_files import publish_units  # noqa: E402
from unit.warehouse.builders import SNAPSHOT, T0, House, a_host  # noqa: E402

SERVERS = ("huyen", "huyen2")


def a_registry() -> Any:
    from unit.warehouse.builders import a_small_estate

    return a_small_estate().unit("huyen2", "tinh").server("huyen2").grant("pnv", 9).registry()


def land(house: House, number: int) -> None:
    """Load ``number``: what it says depends on its number alone, so every run lands the same."""
    server = SERVERS[number % 2]
    at = T0 + timedelta(hours=number)
    load = Load(
        load_id=f"{server}-{number:04d}",
        estate_code="tinh",
        server_code=server,
        as_of_at=at,
        observed_at=at,
        collected_at=at,
        gated_at=at,
        status=LoadStatus.COMPLETE,
        rows_expected_count=4,
        rows_read_count=4,
    )
    places = house.settings.places
    if load.path(places).exists():
        return
    hosts = [
        a_host(
            f"{server}-m{machine}",
            display_name=f"PNV-{machine}" if (number + machine) % 3 else f"SAI {number}",
            rtp_state=4 if (number + machine) % 4 else 1,
            group_path="Phòng Nội vụ" if server == "huyen" else "",
        )
        for machine in range(number % 5, number % 5 + 4)
    ]
    target = load.parquet(places)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".tmp")
    pq.write_table(pa.Table.from_pylist([asdict(host) for host in hosts], SNAPSHOT), beside)
    beside.replace(target)
    manifest.write(load, places)


def turn(house: House, number: int) -> None:
    """One round."""
    land(house, number)
    at = T0 + timedelta(hours=number)
    build(house.settings, house.registry, as_of_at=at, code_version="1.2.3")
    publish(house.settings, now=at)
    publish_units(house.settings)


def die_at(point: str) -> None:
    """Let this process kill itself at a point."""
    module_name, name, when = point.split(":")
    module = importlib.import_module(f"ksc_ledger.warehouse.{module_name}")
    original: Callable[..., Any] = getattr(module, name)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if name == "transaction":

        @contextmanager
        def wrapped(con: Any) -> Iterator[None]:
            with original(con):
                yield
                if when == "before":  # everything is done and nothing is committed
                    die()
            die()

        setattr(module, name, wrapped)
        return

    def patched(*given: Any, **named: Any) -> Any:
        if when == "before":
            die()
        result = original(*given, **named)
        if when == "after":
            die()
        return result

    setattr(module, name, patched)


def main() -> None:
    home, rounds, *trouble = sys.argv[1:]
    if trouble and trouble[0].isdigit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(trouble[0]), int(trouble[0])))
    elif trouble:
        die_at(trouble[0])
    house = House(Path(home), a_registry())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for number in range(int(rounds)):
        turn(house, number)


if __name__ == "__main__":
    main()
