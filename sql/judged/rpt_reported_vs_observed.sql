-- What units reported beside what was observed, as the suite of the marts judges it.
-- Grain: (unit_code, report_date).  Feeds: the gate before publishing.
select
    unit_code,
    report_date,
    reported_count,
    observed_count,
    allocated_count,
    difference_count,
    received_at,
    file_sha256,
    if(observed_count is null, null, reported_count - observed_count) as expected_difference_count
from marts.rpt_reported_vs_observed
order by unit_code, report_date
