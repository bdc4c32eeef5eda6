-- How each server's link was shown, from one change to the next; the newest interval is open.
-- Grain: (server_code, started_at).  Feeds: link board, availability, BI.
select
    i.server_code,
    i.started_at,
    i.state,
    i.cause,
    i.ended_at,
    i.is_maintenance
from src_link_interval as i
cross join ref_run as r
where i.started_at <= r.as_of_at
order by i.server_code, i.started_at
