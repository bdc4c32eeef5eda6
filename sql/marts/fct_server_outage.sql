-- Every confirmed loss of a server's link, from its first bad evidence to its first good one.
-- Grain: (incident_id).  Feeds: link board, letters, BI.
select
    o.incident_id,
    o.server_code,
    o.started_at,
    o.confirmed_at,
    o.ended_at,
    o.duration_seconds,
    o.cause,
    o.inhibited_by,
    o.notified_at,
    o.recovered_notified_at,
    o.is_in_maintenance
from src_outage as o
cross join ref_run as r
where o.confirmed_at <= r.as_of_at
order by o.started_at, o.server_code
