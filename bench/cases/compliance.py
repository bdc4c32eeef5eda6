"""Compliance per unit per day of a year: one question, asked of one file in one of three ways.

Orders: ``file``, ``way``.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import hashlib  # noqa: E402

import duckdb  # noqa: E402

# Vietnam's clock is seven hours ahead all year; looking that up for each instant costs as much as
# all the rest of the question.
_DAY = "make_timestamp(epoch_us({}) + 25200000000)::date"
_COUNTS = """
    {sign} count(*) filter (is_installed) as installed,
    {sign} count(*) filter (is_correctly_named) as correctly_named,
    {sign} count(*) filter (is_protected) as protected
    from marts.fct_endpoint_state
"""

# An interval adds its machine on the day it begins and takes it away on the day it ends; a running
# sum over the days gives each day's count.
INTERVALS = f"""
    with change as (
        select unit_code, {_DAY.format("valid_from_at")} as snapshot_date, {_COUNTS.format(sign="")}
        group by all
        union all
        select unit_code, {_DAY.format("valid_to_at")} as snapshot_date, {_COUNTS.format(sign="-")}
        where valid_to_at is not null
        group by all
    ),

    summed as (
        select
            unit_code, snapshot_date, sum(installed) as installed,
            sum(correctly_named) as correctly_named, sum(protected) as protected
        from change
        group by all
    ),

    grid as (
        select u.unit_code, d.day::date as snapshot_date
        from (select distinct unit_code from marts.fct_endpoint_state) as u,
            range({{first}}, {{last}} + 1, interval 1 day) as d (day)
    )

    select
        unit_code, snapshot_date,
        coalesce(sum(s.installed) over so_far, 0)::bigint as installed_count,
        coalesce(sum(s.correctly_named) over so_far, 0)::bigint as correctly_named_count,
        coalesce(sum(s.protected) over so_far, 0)::bigint as protected_count
    from grid as g
    left join summed as s using (unit_code, snapshot_date)
    window so_far as (partition by unit_code order by snapshot_date)
    order by unit_code, snapshot_date
"""
FULL = """
    select
        unit_code, snapshot_date,
        count(*) filter (is_installed) as installed_count,
        count(*) filter (is_correctly_named) as correctly_named_count,
        count(*) filter (is_protected) as protected_count
    from full_snapshot
    where snapshot_date between {first} and {last}
    group by unit_code, snapshot_date
    order by unit_code, snapshot_date
"""
MART = """
    select unit_code, snapshot_date, installed_count, correctly_named_count, protected_count
    from marts.fct_unit_coverage_daily
    where
        snapshot_date between {first} and {last}
        and unit_code not in (select parent_unit_code from marts.dim_unit
            where parent_unit_code is not null)
    order by unit_code, snapshot_date
"""
WAYS = {"intervals": INTERVALS, "full": FULL, "mart": MART}


def main() -> None:
    asked = order()
    meter.imports_done()
    # In the text, because the first parameter of a process makes DuckDB import pandas.
    days = {name: f"date '{asked[name]}'" for name in ("first", "last")}
    question = WAYS[asked["way"]].format(**days)
    with duckdb.connect(asked["file"], read_only=True, config={"threads": 1}) as con:
        con.execute("set TimeZone = 'UTC'")
        with meter.step("ask"):
            con.execute(f"create temp table answer as {question}")
        # Handing the rows to Python costs the same whatever the question cost.
        rows = con.execute("from answer order by unit_code, snapshot_date").fetchall()
    answer = hashlib.sha256(repr(rows).encode()).hexdigest()
    meter.report(rows=len(rows), answer=answer)


if __name__ == "__main__":
    main()
