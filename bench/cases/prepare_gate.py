"""Not a case: typed snapshots of one collection that wait for the gate, some rows of them wrong.

Orders: ``folder``, ``endpoints``, ``servers``, ``broken_one_in`` (0: every row is right).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from bench import estate
from bench.cases.prepare_province import schedule_of, settings_of
from bench.meter import Meter, order
from ksc_ledger.landing import manifest

# Each breaks a rule that warns: a refused load would spare the gate the others' work.
_BROKEN = """
    select * exclude (i) replace (
        case when {hit} and i % 5 = 0 then 9 else status_id end as status_id,
        case when {hit} and i % 5 = 1 then 77 else rtp_state end as rtp_state,
        case when {hit} and i % 5 = 2 then -1 else virus_count end as virus_count,
        case when {hit} and i % 5 = 3 then 'no-uuid-' || endpoint_id else endpoint_id end
            as endpoint_id,
        case when {hit} and i % 5 = 4 then last_visible_at + interval 1 day else last_visible_at end
            as last_visible_at
    )
    from (select row_number() over () as i, * from read_parquet($path))
"""


def main() -> None:
    asked = order()
    meter = Meter()
    meter.imports_done()
    settings = settings_of(Path(asked["folder"]))
    schedule = schedule_of(asked)
    province = estate.Province.of(schedule, 1)
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    with meter.step("prepare"):
        for load in schedule.loads(0):
            manifest.write(manifest.changed(load, gated_at=None), settings.places)
            path = province.write_snapshot(0, load, settings.places)
            if asked["broken_one_in"]:
                hit = f"hash(i) % {asked['broken_one_in']} = 0"
                con.execute(
                    f"create or replace table wrong as {_BROKEN.format(hit=hit)}",
                    {"path": str(path)},
                )
                con.execute(f"copy wrong to '{path}' (format parquet, compression zstd)")
    meter.report()


if __name__ == "__main__":
    main()
