"""The page "Tình hình" on a published year: first view, a day a year back, many readers at once.

Orders: ``file`` (the published file with names), ``root`` (a unit), ``past`` (dd/MM/yyyy),
``readers``, ``versions``. The application is asked in this process: what is measured is its own
work, without Airflow's sign-in and without a network.
"""

from __future__ import annotations

from bench.meter import Meter, cpu_seconds, order

meter = Meter()

import asyncio  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import httpx  # noqa: E402

from bench.cases.prepare_province import settings_of  # noqa: E402
from ksc_ledger.ops_room.page import Gate, create_app  # noqa: E402
from ksc_ledger.settings import Settings  # noqa: E402
from ksc_ledger.state import open_state  # noqa: E402

AGAIN = 7


def _signed_in() -> str:
    return "bench"


def _publish(settings: Settings, file: Path, number: int) -> None:
    """The same content as a new version, linked as the publisher links it."""
    link = settings.places.named_marts_file
    link.parent.mkdir(parents=True, exist_ok=True)
    version = link.with_name(f"{link.stem}.{number:04d}.duckdb")
    os.link(file, version)
    beside = link.with_name(".lnk")
    beside.symlink_to(version.name)
    beside.replace(link)


async def _ask(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    cpu, wall = cpu_seconds(), time.perf_counter()
    answer = await client.get(path)
    return {
        "status": answer.status_code,
        "bytes": len(answer.content),
        "cpu_ms": (cpu_seconds() - cpu) * 1e3,
        "wall_ms": (time.perf_counter() - wall) * 1e3,
    }


def _middle(asked: list[dict[str, Any]], name: str) -> float:
    return statistics.median(one[name] for one in asked)


async def _all(settings: Settings, asked: dict[str, Any]) -> dict[str, Any]:
    app = create_app(settings, Gate(signed_in=_signed_in, may_act=_signed_in))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        first = await _ask(client, "/")
        again = [await _ask(client, "/") for _ in range(AGAIN)]
        past = [await _ask(client, f"/?ngay={asked['past']}") for _ in range(AGAIN)]
        unit = [await _ask(client, f"/don-vi/{asked['root']}?may=1") for _ in range(AGAIN)]
        static = [await _ask(client, f"/static/{name}") for name in ("room.css", "room.js")]
        many = []
        for number in range(1, asked["versions"] + 1):
            _publish(settings, Path(asked["file"]), number)
            many += await asyncio.gather(*(_ask(client, "/") for _ in range(asked["readers"])))
    return {
        "first_ms": first["cpu_ms"],
        "first_wall_ms": first["wall_ms"],
        "again_ms": _middle(again, "cpu_ms"),
        "past_ms": _middle(past, "cpu_ms"),
        "past_first_ms": past[0]["cpu_ms"],
        "past_wall_ms": _middle(past, "wall_ms"),
        "unit_ms": _middle(unit, "cpu_ms"),
        "bytes": first["bytes"] + sum(one["bytes"] for one in static),
        "asked": len(many),
        "failed": sum(
            one["status"] != 200 for one in [first, *again, *past, *unit, *static, *many]
        ),
    }


def main() -> None:
    asked = order()
    meter.imports_done()
    settings = settings_of(Path(asked["home"]) / "ledger")
    settings.home.mkdir(parents=True)
    settings.page_users.write_text("user_name,role,unit_code\nbench,ops,\n", "utf-8")
    _publish(settings, Path(asked["file"]), 0)
    open_state(settings.state_url).dispose()  # a home that runs has its database already
    with meter.step("ask"):
        facts = asyncio.run(_all(settings, asked))
    meter.report(**facts)


if __name__ == "__main__":
    main()
