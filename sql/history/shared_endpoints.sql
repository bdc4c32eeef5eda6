-- Endpoints of this server, before or after the load, that another server has (or once had) too.
-- Grain: (endpoint_id).  Feeds: resolve_home; is_newer_elsewhere: the load comes too late for it.
with touched as (
    select endpoint_id from load_facts
    union
    select endpoint_id from hist.cur
    where server_code = getvariable('server_code')
),

elsewhere as (
    select
        endpoint_id,
        observed_at as at_instant
    from hist.cur
    where server_code <> getvariable('server_code')
    union all
    select
        endpoint_id,
        from_at as at_instant
    from hist.home
)

select
    endpoint_id,
    max(at_instant) > getvariable('observed_at') as is_newer_elsewhere
from elsewhere
where endpoint_id in (select t.endpoint_id from touched as t)
group by endpoint_id
