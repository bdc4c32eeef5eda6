-- Decide which server's sighting counts, for the endpoints in temp table shared_endpoint_of_load.
-- Grain: statements, inside the wave's transaction, after each put_current.  Feeds: hist.home.

create or replace temp table home_before as
select
    endpoint_id,
    arg_max(server_code, from_at) as server_code
from hist.home
where endpoint_id in (select s.endpoint_id from shared_endpoint_of_load as s)
group by endpoint_id;

create or replace temp table home_after as
with sightings as (
    select
        c.endpoint_id,
        c.server_code,
        count(*) over (partition by c.endpoint_id) as sightings_count,
        row_number() over (
            partition by c.endpoint_id
            order by
                c.last_connected_at desc nulls last,
                c.last_visible_at desc nulls last,
                coalesce(o.list_order, 2147483647),
                c.server_code asc
        ) as place
    from hist.cur as c
    left join server_order as o on c.server_code = o.server_code
    where c.endpoint_id in (select e.endpoint_id from shared_endpoint_of_load as e)
)

select
    s.endpoint_id,
    s.server_code
from sightings as s
left join home_before as h on s.endpoint_id = h.endpoint_id
where
    s.place = 1
    and (s.sightings_count > 1 or h.endpoint_id is not null)
    and s.server_code is distinct from h.server_code;

delete from hist.home
where
    from_at = getvariable('observed_at')
    and endpoint_id in (select a.endpoint_id from home_after as a);

insert into hist.home by name
select
    endpoint_id,
    getvariable('observed_at') as from_at,
    server_code
from home_after;
