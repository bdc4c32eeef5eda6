"""The same marts with many more loads before them: what a longer record of loads costs every build.

Orders: ``base`` (a home whose last build is done), ``registry``, ``hours``. So many hours of loads are added to the
history's record before its first one, each with the verdicts of the first; nothing else changes.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import shutil  # noqa: E402
from datetime import datetime  # noqa: E402
from pathlib import Path  # noqa: E402

from ksc_ledger import settings as settings_module  # noqa: E402
from ksc_ledger.registry import in_force  # noqa: E402
from ksc_ledger.warehouse import build, publish  # noqa: E402
from ksc_ledger.warehouse.engine import one  # noqa: E402
from ksc_ledger.warehouse.writer import writer  # noqa: E402

_OLDER = """
    create temp table older as
    select l.*, h.n
    from hist.load_log as l, range(1, $hours + 1) as h (n)
    where l.observed_at = (select min(observed_at) from hist.load_log)
"""
_LOADS = """
    insert into hist.load_log by name
    select * exclude (n) replace (
        load_id || '-' || n as load_id,
        as_of_at - to_hours(n) as as_of_at,
        observed_at - to_hours(n) as observed_at,
        collected_at - to_hours(n) as collected_at,
        gated_at - to_hours(n) as gated_at
    )
    from older order by n desc
"""
_VERDICTS = """
    insert into hist.verdict by name
    select v.* replace (v.load_id || '-' || o.n as load_id)
    from older as o inner join hist.verdict as v on o.load_id = v.load_id order by o.n desc
"""


def main() -> None:
    asked = order()
    home, base = Path(asked["home"]) / "ledger", Path(asked["base"])
    for name in ("warehouse", "state"):
        shutil.copytree(base / name, home / name)
    settings = settings_module.load(
        {"KSC_LEDGER_HOME": str(home), "KSC_LEDGER_REGISTRY": asked["registry"]}
    )
    registry = in_force(settings).registry
    meter.imports_done()
    with meter.step("add"), writer(settings) as con:
        if asked["hours"]:
            con.execute(_OLDER, {"hours": asked["hours"]})
            con.execute(_LOADS)
            con.execute(_VERDICTS)
        (loads, newest) = one(con, "select count(*), max(as_of_at) from hist.load_log")
    if not isinstance(newest, datetime):
        raise TypeError("no load is there")
    with meter.step("build"):
        build(settings, registry, as_of_at=newest, code_version="bench", loads=[])
    with meter.step("publish"):
        publish(settings, now=newest)
    meter.report(
        loads=loads,
        warehouse_bytes=settings.places.warehouse_file.stat().st_size,
        published_bytes=settings.places.named_marts_file.stat().st_size,
    )


if __name__ == "__main__":
    main()
