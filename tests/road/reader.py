"""A reader that never stops: opens the published marts in a loop and notes what it sees.

usage: reader.py MARTS_FILE REPORT STOP_FILE UNIT_CODE DAY
A process of its own, as a BI tool is. Each read opens the file anew, read-only, and asks for facts that
agree only within one whole version.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

QUESTION = """
select
    p.version_id, p.as_of_at::varchar as as_of_at,
    c.allocated_count, c.installed_count, c.correctly_named_count,
    (select count(*) from marts.dim_endpoint) as endpoints,
    (select sum(machine_count) from marts.rpt_coverage_gap
     where unit_code = $unit and snapshot_date = $day::date) as partition_sum,
    (select count(distinct registry_sha256) from marts._published) as registries
from marts._published as p, marts.fct_unit_coverage_daily as c
where c.unit_code = $unit and c.snapshot_date = $day::date
"""


def main() -> None:
    file, report, stop, unit, day = sys.argv[1:]
    reads = 0
    failed: list[str] = []
    torn: list[str] = []
    versions: dict[str, dict[str, object]] = {}
    while not Path(stop).exists():
        if not Path(file).exists():  # nothing was published yet
            if versions:
                failed.append("the published file was gone")
            time.sleep(0.05)
            continue
        try:
            with duckdb.connect(file, read_only=True) as con:
                found = con.execute(QUESTION, {"unit": unit, "day": day})
                names = [column[0] for column in found.description]
                rows = found.fetchall()
        except duckdb.Error as error:
            failed.append(repr(error))
            continue
        reads += 1
        if len(rows) != 1:
            torn.append(f"{len(rows)} rows")
            continue
        row = dict(zip(names, rows[0], strict=True))
        if row["partition_sum"] != row["allocated_count"] or row["registries"] != 1:
            torn.append(repr(row))
        versions[str(row["version_id"])] = {
            name: value if isinstance(value, int | str) else int(value)
            for name, value in row.items()
        }
        time.sleep(0.02)
    Path(report).write_text(
        json.dumps({"reads": reads, "failed": failed, "torn": torn, "versions": versions})
    )


main()
