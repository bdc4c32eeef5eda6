"""Not a case: makes the files on which the cases of history, marts and readers begin.

Orders: ``folder``, ``endpoints``, ``steps``, ``servers``, ``fills`` (name of a home: steps of its
history), ``snapshots`` (steps whose typed snapshots are written below ``next``), ``full`` (steps of
full snapshots in ``full.duckdb``; 0: none).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import estate
from bench.meter import Meter, order
from ksc_ledger import settings as settings_module
from ksc_ledger.settings import Settings

COMPLIANCE = (
    "(date '2023-01-01' + d.step::integer) as snapshot_date, s.unit_code, s.endpoint_id, s.is_installed,"
    " s.is_installed and not s.is_renamed as is_correctly_named, s.is_protected"
)


def settings_of(home: Path) -> Settings:
    return settings_module.load({"KSC_LEDGER_HOME": str(home)})


def schedule_of(asked: Mapping[str, Any]) -> estate.Schedule:
    return estate.Schedule(asked["endpoints"], estate.SERVERS[: asked["servers"]])


def main() -> None:
    asked = order()
    meter = Meter()
    meter.imports_done()
    folder = Path(asked["folder"])
    with meter.step("prepare"):
        schedule = schedule_of(asked)
        province = estate.Province.of(schedule, asked["steps"])
        settings = settings_of(folder / "next")
        verdicts = estate.passed(settings)
        for name, steps in asked["fills"].items():
            province.fill_history(settings_of(folder / name), steps, verdicts)
        for step in asked["snapshots"]:
            for load in schedule.loads(step):
                province.write_snapshot(step, load, settings.places)
        if asked["full"]:
            province.write_full(folder / "full.duckdb", asked["full"], COMPLIANCE)
        changed = {step: province.changed(step) for step in asked["snapshots"]}
        province.close()
    meter.report(changed=changed)


if __name__ == "__main__":
    main()
