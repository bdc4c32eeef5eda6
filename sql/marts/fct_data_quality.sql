-- What the gate said of each load, and of each unit's file.
-- Grain: (load_id, suite, expectation).  Feeds: the record of data quality.
-- (The verdicts on the marts themselves are added when they are judged: warehouse.judged.)
with said as (
    select
        v.load_id,
        v.suite,
        v.expectation,
        v.severity,
        v.is_success,
        v.unexpected_count,
        v.description
    from src_verdict as v
    inner join src_load as l on v.load_id = l.load_id
    union all
    select
        v.load_id,
        v.suite,
        v.expectation,
        v.severity,
        v.is_success,
        v.unexpected_count,
        v.description
    from src_report_verdict as v
    inner join ref_run as n on v.judged_at <= n.cutoff_at
    qualify
        row_number() over (
            partition by v.load_id, v.suite, v.expectation
            order by v.judged_at desc
        ) = 1
)

select
    load_id,
    suite,
    expectation,
    min(severity) as severity, -- 'fail' sorts before 'warn'
    bool_and(is_success) as is_success,
    sum(unexpected_count)::bigint as unexpected_count,
    any_value(description) as description
from said
group by load_id, suite, expectation
order by load_id, suite, expectation
