-- What was put aside, of servers' answers and of units' files, and what to look for.
-- Grain: (quarantine_id).  Feeds: whoever mends sources; BI.
-- The same device with the same reason keeps its id over all loads: it is one row, first seen then.
with first_seen as (
    select
        q.quarantine_id,
        q.source,
        q.reason_code,
        q.reason_text,
        q.sample,
        q.first_seen_at,
        split_part(q.source, ':', 2) as sender_code
    from src_quarantined as q
    inner join ref_run as n on q.first_seen_at <= n.cutoff_at
    qualify row_number() over (partition by q.quarantine_id order by q.first_seen_at, q.sample) = 1
),

servers as (
    select
        server_code,
        max_by(unit_code, valid_from_date) as unit_code
    from ref_server
    group by server_code
)

select
    f.quarantine_id,
    f.source,
    f.reason_code,
    f.reason_text,
    f.sample,
    f.first_seen_at,
    coalesce(s.unit_code, f.sender_code) as unit_code
from first_seen as f
left join servers as s
    on f.sender_code = s.server_code and not starts_with(f.source, 'unit_reports:')
order by f.first_seen_at, f.quarantine_id
