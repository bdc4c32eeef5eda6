"""The floor of the gate: the same rules over the same files as one SQL statement of DuckDB.

Order: ``base``.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

from pathlib import Path  # noqa: E402

import duckdb  # noqa: E402

from bench import suite_sql  # noqa: E402
from bench.cases.prepare_province import settings_of  # noqa: E402
from ksc_ledger.landing import manifest  # noqa: E402
from ksc_ledger.landing.manifest import Load  # noqa: E402
from ksc_ledger.quality.suites import HOSTS, LOADS, Suite, load_suite  # noqa: E402
from ksc_ledger.settings import Places  # noqa: E402
from ksc_ledger.warehouse.engine import quoted  # noqa: E402


def main() -> None:
    asked = order()
    meter.imports_done()
    settings = settings_of(Path(asked["base"]))
    loads = list(manifest.read_all(settings.places))
    suites = [load_suite(settings.expectations, name) for name in (HOSTS, LOADS)]
    with meter.step("gate"):
        con = duckdb.connect(config={"threads": 1})
        con.execute("set TimeZone = 'UTC'")
        found = con.execute(_statement(loads, suites, settings.places))
        names = [column[0] for column in found.description or ()]
        answers = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    counts = {answer.pop("server_code"): answer for answer in answers}
    meter.report(counts=counts)


def _statement(loads: list[Load], suites: list[Suite], places: Places) -> str:
    files = ", ".join(quoted(str(load.parquet(places))) for load in loads)
    manifests = ", ".join(
        f"({quoted(str(load.parquet(places)))}, {quoted(load.server_code)},"
        f" timestamptz {quoted(load.observed_at.isoformat())}, {load.rows_expected_count}::double,"
        f" {load.rows_read_count}::double, {load.clock_skew_seconds}::double)"
        for load in loads
    )
    load = (
        f"(values {manifests}) as load (filename, server_code, reference_at, rows_expected_count,"
        " rows_read_count, clock_skew_seconds)"
    )
    landed = (
        f"select * from read_parquet([{files}], filename = true) inner join {load} using (filename)"
    )
    of_hosts = suite_sql.statement(
        suites[0], f"select *, {suite_sql.DERIVED_HOSTS} from ({landed})"
    )
    of_loads = suite_sql.statement(
        suites[1],
        "select server_code, any_value(rows_expected_count) as rows_expected_count,"
        " any_value(rows_read_count) as rows_read_count, count(*) as rows_landed_count,"
        " null::double as previous_rows_count, null::double as row_count_drop_ratio,"
        f" any_value(clock_skew_seconds) as clock_skew_seconds from ({landed}) group by server_code",
    )
    return f"select * from ({of_hosts}) inner join ({of_loads}) using (server_code)"


if __name__ == "__main__":
    main()
