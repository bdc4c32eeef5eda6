-- How old each active server's figures are, and why its newest attempt failed, if it did.
-- Grain: (server_code).  Feeds: the health page, BI.
with newest as (
    select
        server_code,
        load_id,
        observed_at
    from stg_server_day
    qualify row_number() over (partition by server_code order by snapshot_date desc) = 1
),

failures as (
    select
        l.server_code,
        max(l.observed_at) as last_failed_at,
        arg_max(l.fault_code, (l.observed_at, l.load_id)) as last_fault_code,
        arg_max(l.fault_text, (l.observed_at, l.load_id)) as last_fault_text
    from src_load as l
    where l.status <> 'complete'
    group by l.server_code
)

select
    s.server_code,
    s.server_name,
    s.unit_code,
    n.load_id as newest_load_id,
    n.observed_at as newest_observed_at,
    round(date_diff('second', n.observed_at, r.as_of_at) / 3600.0, 1)::double as age_hours,
    f.last_failed_at,
    f.last_fault_code,
    f.last_fault_text,
    coalesce(f.last_failed_at > n.observed_at, f.last_failed_at is not null) as is_failing
from marts.dim_server as s
cross join ref_run as r
left join newest as n on s.server_code = n.server_code
left join failures as f on s.server_code = f.server_code
where s.is_active
order by s.estate_code, s.list_order, s.server_code
