"""The product rebuilds history and marts from landed snapshots alone, as after the loss of its file.

Orders: ``base`` (folder of prepare_province), ``days``, ``endpoints``, ``servers``, ``keep`` (where the
rebuilt warehouse is left for other cases).
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import os  # noqa: E402
import shutil  # noqa: E402
from pathlib import Path  # noqa: E402

from bench import estate  # noqa: E402
from bench.cases.prepare_province import schedule_of, settings_of  # noqa: E402
from ksc_ledger.landing import manifest  # noqa: E402
from ksc_ledger.warehouse.engine import attach, connect  # noqa: E402
from ksc_ledger.warehouse.rebuild import rebuild  # noqa: E402


def main() -> None:
    asked = order()
    meter.imports_done()
    home = Path(asked["home"]) / "ledger"
    settings = settings_of(home)
    schedule = schedule_of(asked)
    landed = settings_of(Path(asked["base"]) / "next").places.snapshot
    shutil.copytree(landed, settings.places.snapshot, copy_function=os.link)
    verdicts = estate.passed(settings)
    for step in range(asked["days"]):
        for load in schedule.loads(step, verdicts):
            manifest.write(load, settings.places)
    registry = estate.registry(schedule.endpoints)
    with meter.step("rebuild"):
        report = rebuild(settings, registry, code_version="bench")
    con = connect(settings)
    attach(con, settings.places.warehouse_file, "wh", read_only=True)
    (current, closed) = con.execute(
        "select (select count(*) from wh.hist.cur), (select count(*) from wh.hist.closed)"
    ).fetchall()[0]
    con.close()
    shutil.copyfile(settings.places.warehouse_file, asked["keep"])
    meter.report(
        loads=len(report.applied),
        current=current,
        closed=closed,
        landed_bytes=sum(file.stat().st_size for file in landed.rglob("*.parquet")),
        warehouse_bytes=settings.places.warehouse_file.stat().st_size,
    )


if __name__ == "__main__":
    main()
