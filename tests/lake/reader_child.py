"""A reader of a shared warehouse in a process of its own: looks until told to stop.

usage: reader_child.py HOME URL STOP_FILE; prints its looks, the torn ones, and the versions seen.
A load is seen whole or not at all: every machine of a server bears the number of its newest load,
and each load before it left one interval a machine.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from ksc_ledger.warehouse.writer import locked_reader, writer
from lake.estate import MACHINES
from unit.warehouse.builders import settings_for

_LOOK = """
with cur as (
    select
        server_code,
        count(*) as machines,
        count(distinct load_id) as loads,
        count(distinct split_part(display_name, '-', 2)) as numbers,
        max(load_id) as load_id
    from wh.hist.cur
    group by server_code
),

intervals as (
    select server_code, count(*) as intervals from wh.hist.intervals group by server_code
),

applied as (
    select server_code, count(*) as applied, arg_max(load_id, observed_at) as load_id
    from wh.hist.load_log
    where is_applied
    group by server_code
)

select
    coalesce(sum(a.applied), 0) as applied,
    count(*) filter (
        c.machines is distinct from $machines
        or c.loads <> 1 or c.numbers <> 1
        or c.load_id is distinct from a.load_id
        or i.intervals is distinct from a.applied * $machines
    ) as torn
from applied as a
full join cur as c using (server_code)
full join intervals as i using (server_code)
"""


def main() -> int:
    home, url, stop = sys.argv[1:]
    settings = replace(settings_for(Path(home)), warehouse_url=url)
    with writer(settings):
        pass  # make the installation's own file
    looks, torn, seen = 0, 0, set()
    while not Path(stop).exists():
        with locked_reader(settings) as con:
            rows = con.execute(_LOOK, {"machines": MACHINES}).fetchall()
        looks += 1
        torn += rows[0][1]
        seen.add(int(rows[0][0]))
    sys.stdout.write(json.dumps({"looks": looks, "torn": torn, "seen": sorted(seen)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
