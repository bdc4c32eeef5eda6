-- Which server's sighting of an endpoint counts, and when; only endpoints that two servers had.
-- Grain: (endpoint_id, from_at).  Feeds: stg_sighting.  server_code NULL: not yet shared.
select
    endpoint_id,
    server_code,
    from_at,
    coalesce(lead(from_at) over (partition by endpoint_id order by from_at), far_at()) as until_at
from src_home
union all
select
    endpoint_id,
    null as server_code,
    timestamptz '1970-01-01 00:00:00+00' as from_at,
    min(from_at) as until_at
from src_home
group by endpoint_id
