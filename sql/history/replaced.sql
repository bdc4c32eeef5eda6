-- New endpoints of this load that take the place of one that is gone: their hardware tells.
-- Grain: (endpoint_id).  Feeds: apply_load.
with fresh as (
    select
        f.endpoint_id,
        f.mac_address,
        f.serial_number
    from load_facts as f
    anti join hist.cur as c
        on f.endpoint_id = c.endpoint_id and c.server_code = getvariable('server_code')
),

left_over as (
    select
        endpoint_id,
        gone_at,
        mac_address,
        serial_number
    from hist.gone
    where server_code = getvariable('server_code')
    union all
    select
        c.endpoint_id,
        getvariable('observed_at') as gone_at,
        c.mac_address,
        c.serial_number
    from hist.cur as c
    anti join load_facts as f on c.endpoint_id = f.endpoint_id
    where c.server_code = getvariable('server_code')
)

select
    f.endpoint_id,
    arg_max(l.endpoint_id, (l.gone_at, l.endpoint_id)) as replaces_endpoint_id
from fresh as f
inner join left_over as l
    on
        f.endpoint_id <> l.endpoint_id
        and (f.mac_address = l.mac_address or f.serial_number = l.serial_number)
group by f.endpoint_id
