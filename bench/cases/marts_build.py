"""The product builds all marts from a year of history and publishes them; nothing new is applied.

Orders: ``base``, ``fill`` (the home to begin with), ``days``, ``endpoints``, ``servers``,
``keep`` (where the published file with names is left for other cases).
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import shutil  # noqa: E402
from pathlib import Path  # noqa: E402

from bench import estate  # noqa: E402
from bench.cases.prepare_province import schedule_of, settings_of  # noqa: E402
from ksc_ledger.warehouse import build, publish  # noqa: E402


def main() -> None:
    asked = order()
    meter.imports_done()
    home = Path(asked["home"]) / "ledger"
    shutil.copytree(Path(asked["base"]) / asked["fill"], home)
    settings = settings_of(home)
    schedule = schedule_of(asked)
    registry = estate.registry(schedule.endpoints)
    as_of_at = schedule.at(asked["days"] - 1, schedule.servers[-1])
    with meter.step("build"):
        report = build(settings, registry, as_of_at=as_of_at, code_version="bench", loads=[])
    with meter.step("publish"):
        publish(settings, now=as_of_at)
    named = settings.places.named_marts_file
    shutil.copyfile(named.resolve(), asked["keep"])
    meter.report(
        rows=report.rows,
        warehouse_bytes=settings.places.warehouse_file.stat().st_size,
        published_bytes=named.stat().st_size,
    )


if __name__ == "__main__":
    main()
