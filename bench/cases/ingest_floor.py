"""The floor: download and throw away, decode what lies in memory, append a ready Arrow table.

Three parts measured apart and added up. Nothing joins them (the decoded hosts are not turned into
the Arrow table inside a step), so no design that does the work can reach it.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

from pathlib import Path  # noqa: E402

import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402

from bench import fast_decode  # noqa: E402
from bench.digest import digest  # noqa: E402
from bench.wire_client import bodies, over_urllib3  # noqa: E402


def main() -> None:
    asked = order()
    meter.imports_done()
    file = Path(asked["home"]) / "floor.duckdb"
    landed = []
    for day, step in enumerate(("first", "second")):
        with meter.step(step):
            for _ in bodies(
                over_urllib3(asked["ports"][day], asked["ca_file"]), asked["chunk_size"]
            ):
                pass
        kept = list(
            bodies(over_urllib3(asked["ports"][day], asked["ca_file"]), asked["chunk_size"])
        )
        with meter.step(step):
            for body in kept:
                fast_decode.decode(body)
        table = pa.concat_tables(fast_decode.to_arrow(fast_decode.decode(body)) for body in kept)
        with meter.step(step), duckdb.connect(str(file), config={"threads": 1}) as con:
            con.register("given", table)
            con.execute(f"create table day{day} as from given")
            con.execute("checkpoint")
        with duckdb.connect(str(file), read_only=True) as con:
            landed.append(digest(con, f"day{day}", {}))
    meter.report(landed=landed)


if __name__ == "__main__":
    main()
