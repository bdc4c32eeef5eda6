-- What the gate said of each load.
-- Grain: (load_id, suite, expectation).  Feeds: the record of data quality.
select
    v.load_id,
    v.suite,
    v.expectation,
    min(v.severity) as severity, -- 'fail' sorts before 'warn'
    bool_and(v.is_success) as is_success,
    sum(v.unexpected_count)::bigint as unexpected_count,
    any_value(v.description) as description
from src_verdict as v
inner join src_load as l on v.load_id = l.load_id
group by v.load_id, v.suite, v.expectation
order by v.load_id, v.suite, v.expectation
