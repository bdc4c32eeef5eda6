-- New endpoints of the wave that take the place of one that is gone: their hardware tells.
-- Grain: (server_code, endpoint_id).  Feeds: apply_wave.
with fresh as (
    select
        f.server_code,
        f.endpoint_id,
        f.mac_address,
        f.serial_number
    from load_facts as f
    anti join hist.cur as c on f.endpoint_id = c.endpoint_id and f.server_code = c.server_code
),

left_over as (
    select
        g.server_code,
        g.endpoint_id,
        g.gone_at,
        g.mac_address,
        g.serial_number
    from hist.gone as g
    where g.server_code in (select w.server_code from wave as w)
    union all
    select
        c.server_code,
        c.endpoint_id,
        w.observed_at as gone_at,
        c.mac_address,
        c.serial_number
    from hist.cur as c
    inner join wave as w on c.server_code = w.server_code
    anti join load_facts as f on c.endpoint_id = f.endpoint_id and c.server_code = f.server_code
)

select
    f.server_code,
    f.endpoint_id,
    arg_max(l.endpoint_id, (l.gone_at, l.endpoint_id)) as replaces_endpoint_id
from fresh as f
inner join left_over as l
    on
        f.server_code = l.server_code
        and f.endpoint_id <> l.endpoint_id
        and (f.mac_address = l.mac_address or f.serial_number = l.serial_number)
group by f.server_code, f.endpoint_id
