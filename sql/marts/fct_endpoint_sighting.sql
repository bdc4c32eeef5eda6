-- Every sighting of an endpoint that is a duplicate or has one on another server.
-- Grain: (endpoint_id, server_code).  Feeds: the list of duplicates.
with shared as (
    select endpoint_id from stg_current
    group by endpoint_id
    having count(*) > 1
)

select
    c.endpoint_id,
    c.server_code,
    c.unit_code,
    c.display_name,
    c.is_counted and not c.is_duplicate_here as is_counted,
    c.is_duplicate,
    case
        when not c.is_counted then 'other_server'
        when c.is_duplicate_here then 'same_server'
    end as duplicate_kind,
    c.last_connected_at,
    c.last_visible_at,
    c.observed_at
from stg_current as c
left join shared as s on c.endpoint_id = s.endpoint_id
where c.is_duplicate or s.endpoint_id is not null
order by c.endpoint_id, c.server_code
