-- Whether the single load of temp table wave comes too late for an endpoint that is shared.
-- Grain: one row.  Feeds: the refusal of a load that is out of order.
-- Too late: another server has told of it, or it was decided about, at a later instant.
with elsewhere as (
    select
        c.endpoint_id,
        c.observed_at as at_instant
    from hist.cur as c
    where c.server_code not in (select w.server_code from wave as w)
    union all
    select
        h.endpoint_id,
        h.from_at as at_instant
    from hist.home as h
)

select count(*) > 0
from elsewhere
where
    endpoint_id in (select s.endpoint_id from shared_endpoint as s)
    and at_instant > (select w.observed_at from wave as w)
