"""dlt's scd2 on the same days as Arrow tables that lie ready in memory, version included.

Orders: ``snapshots`` (a list of Parquet files a day), ``tracked`` (the columns that make a version).
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

from pathlib import Path  # noqa: E402

import dlt  # type: ignore[import-not-found]  # noqa: E402
import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402

SCD2 = {"disposition": "merge", "strategy": "scd2", "row_version_column_name": "row_version"}


def main() -> None:
    asked = order()
    meter.imports_done()
    home = Path(asked["home"])
    file = home / "dlt.duckdb"
    tracked = ", ".join(asked["tracked"])
    counts = []
    for place, paths in enumerate(asked["snapshots"]):
        files = ", ".join(f"'{path}'" for path in paths)
        con = duckdb.connect()
        con.execute("set TimeZone = 'UTC'")
        table: pa.Table = con.sql(
            f"select *, hash({tracked})::varchar as row_version from read_parquet([{files}])"
        ).to_arrow_table()
        (newest,) = con.execute(
            f"select max(last_visible_at) from read_parquet([{files}])"
        ).fetchall()[0]
        with meter.step(f"step {place}"):
            own = duckdb.connect(str(file), config={"threads": 1})
            pipeline = dlt.pipeline(
                "bench",
                pipelines_dir=str(home / "pipelines"),
                destination=dlt.destinations.duckdb(own),
                dataset_name="ksc",
            )
            resource = dlt.resource([table], name="hosts", write_disposition=SCD2)
            pipeline.run(resource, loader_file_format="parquet").raise_on_failed_jobs()
            own.close()
        with duckdb.connect(str(file), read_only=True) as read:
            (current, closed, stale) = read.execute(
                """
                select
                    count(*) filter (_dlt_valid_to is null),
                    count(*) filter (_dlt_valid_to is not null),
                    count(*) filter (
                        _dlt_valid_to is null and last_visible_at < $newest - interval 1 hour
                    )
                from ksc.hosts
                """,
                {"newest": newest},
            ).fetchall()[0]
        counts.append({"current": current, "closed": closed, "stale": stale})
    meter.report(counts=counts, file_bytes=file.stat().st_size)


if __name__ == "__main__":
    main()
