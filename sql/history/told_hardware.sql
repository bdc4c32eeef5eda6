-- The hardware that loads tell of, found again among their devices: the source has no id of them.
-- Grain: (server_code, endpoint_id).  Feeds: hist.hardware, and with it load_facts.
--
-- By name and instant of creation, where both sides have the pair once; else by a name that both
-- sides have once. What fits nobody, or more than one, is left out: a wrong machine is worse.
with told as (
    select
        *,
        lower(device_name) as name_key
    from told_rows
    where not is_written_off
),

devices as (
    select
        w.server_code,
        s.endpoint_id,
        lower(s.display_name) as name_key,
        s.created_at
    from read_parquet(getvariable('snapshot_paths'), filename = true) as s
    inner join wave as w on s.filename = w.snapshot_path
),

exact as (
    select
        d.server_code,
        d.endpoint_id,
        t.hardware_id
    from devices as d
    inner join told as t
        on
            d.server_code = t.server_code
            and d.name_key = t.name_key
            and d.created_at = t.created_at
    qualify
        count(*) over (partition by d.server_code, d.endpoint_id) = 1
        and count(*) over (partition by d.server_code, t.hardware_id) = 1
),

by_name as (
    select
        d.server_code,
        d.endpoint_id,
        t.hardware_id
    from devices as d
    inner join told as t on d.server_code = t.server_code and d.name_key = t.name_key
    qualify
        count(*) over (partition by d.server_code, d.endpoint_id) = 1
        and count(*) over (partition by d.server_code, t.hardware_id) = 1
),

found as (
    select * from exact
    union all
    select b.*
    from by_name as b
    anti join exact as e
        on
            b.server_code = e.server_code
            and (b.endpoint_id = e.endpoint_id or b.hardware_id = e.hardware_id)
)

select
    f.server_code,
    f.endpoint_id,
    t.memory_mb,
    t.disk_gb,
    t.cpu_name,
    t.manufacturer,
    -- A number that three machines bear is a maker's filler or a shared adapter, and tells nothing.
    if(count(*) over (partition by f.server_code, t.mac_address) > 2, null, t.mac_address)
        as mac_address,
    if(count(*) over (partition by f.server_code, t.serial_number) > 2, null, t.serial_number)
        as serial_number
from found as f
inner join told as t on f.server_code = t.server_code and f.hardware_id = t.hardware_id
