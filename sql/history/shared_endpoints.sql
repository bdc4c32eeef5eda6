-- Endpoints of the wave's servers that two servers have, or that once had to be decided.
-- Grain: (server_code, endpoint_id), server_code being one of the wave's, before or after its load.
-- Feeds: resolve_home, one load after the other.
with fresh as (
    select
        f.server_code,
        f.endpoint_id
    from load_facts as f
    anti join hist.cur as c on f.endpoint_id = c.endpoint_id and f.server_code = c.server_code
),

everywhere as (
    select
        server_code,
        endpoint_id
    from hist.cur
    union all
    select * from fresh
),

shared as (
    select endpoint_id
    from everywhere
    group by endpoint_id
    having count(*) > 1
    union
    select endpoint_id from hist.home
)

select
    e.server_code,
    e.endpoint_id
from everywhere as e
where
    e.server_code in (select w.server_code from wave as w)
    and e.endpoint_id in (select s.endpoint_id from shared as s)
