-- What a unit reported for a day beside what its servers said of that day.
-- Grain: (unit_code, report_date).  Feeds: letters, talks with units, BI.
-- A unit's own report comes before its superior's, then the latest received.
with received as (
    select
        r.unit_code,
        r.report_date,
        r.installed_count as reported_count,
        r.received_at,
        r.file_sha256,
        r.sender_unit_code,
        r.receipt_id
    from src_report_row as r
    inner join ref_run as n on r.received_at <= n.cutoff_at
    where r.installed_count is not null
    qualify
        row_number() over (
            partition by r.unit_code, r.report_date
            order by r.sender_unit_code = r.unit_code desc, r.received_at desc, r.receipt_id desc
        ) = 1
)

select
    r.unit_code,
    r.report_date,
    r.reported_count,
    c.installed_count as observed_count,
    c.allocated_count,
    r.reported_count - c.installed_count as difference_count,
    r.received_at,
    r.file_sha256,
    r.sender_unit_code,
    r.receipt_id,
    c.oldest_observed_at,
    c.snapshot_id,
    c.has_passed_gate
from received as r
asof left join marts.fct_unit_coverage_daily as c
    on r.unit_code = c.unit_code and r.report_date >= c.snapshot_date
order by r.unit_code, r.report_date
