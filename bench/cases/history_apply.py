"""The product applies the days that follow to a history of a given length.

Orders: ``base`` (folder of prepare_province), ``fill`` (the home to begin with; '' for an empty
one), ``steps`` (a step of the case each), ``endpoints``, ``servers``.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import shutil  # noqa: E402
from pathlib import Path  # noqa: E402

from bench import estate  # noqa: E402
from bench.cases.prepare_province import schedule_of, settings_of  # noqa: E402
from ksc_ledger.warehouse.history import apply_loads  # noqa: E402
from ksc_ledger.warehouse.writer import writer  # noqa: E402


def main() -> None:
    asked = order()
    meter.imports_done()
    base, home = Path(asked["base"]), Path(asked["home"]) / "ledger"
    if asked["fill"]:
        shutil.copytree(base / asked["fill"], home)
    settings = settings_of(home)
    verdicts = estate.passed(settings)
    schedule = schedule_of(asked)
    landed = settings_of(base / "next").places
    counts = []
    for step in asked["steps"]:
        loads = schedule.loads(step, verdicts)
        with meter.step(f"step {step}"), writer(settings) as con:
            outcome = apply_loads(
                con,
                loads,
                places=landed,
                sql=settings.sql,
                cutoffs_of=estate.cutoffs_of,
                server_order=schedule.server_order,
            )
        if len(outcome.applied) != len(loads):
            raise ValueError(f"not all loads were applied: {outcome}")
        with writer(settings) as con:
            (current, closed, stale) = con.execute(
                """
                select
                    (select count(*) from hist.cur),
                    (select count(*) from hist.closed where valid_to_at >= $first),
                    (select count(*) from hist.cur where last_visible_at < $first - interval 1 hour)
                """,
                {"first": loads[0].observed_at},
            ).fetchall()[0]
        counts.append({"current": current, "closed": closed, "stale": stale})
    meter.report(counts=counts, file_bytes=settings.places.warehouse_file.stat().st_size)


if __name__ == "__main__":
    main()
