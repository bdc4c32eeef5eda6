-- The hardware that a load tells of, found again among its devices: the source has no id of them.
-- Grain: (endpoint_id).  Feeds: hist.hardware, and with it load_facts.
--
-- By name and instant of creation, where both sides have the pair once; else by a name that both
-- sides have once. What fits nobody, or more than one, is left out: a wrong machine is worse.
with told as (
    select
        *,
        lower(device_name) as name_key
    from read_parquet(getvariable('extra_path'))
    where not is_written_off
),

devices as (
    select
        endpoint_id,
        lower(display_name) as name_key,
        created_at
    from read_parquet(getvariable('snapshot_path'))
),

exact as (
    select
        d.endpoint_id,
        t.hardware_id
    from devices as d
    inner join told as t on d.name_key = t.name_key and d.created_at = t.created_at
    qualify
        count(*) over (partition by d.endpoint_id) = 1
        and count(*) over (partition by t.hardware_id) = 1
),

by_name as (
    select
        d.endpoint_id,
        t.hardware_id
    from devices as d
    inner join told as t on d.name_key = t.name_key
    qualify
        count(*) over (partition by d.endpoint_id) = 1
        and count(*) over (partition by t.hardware_id) = 1
),

found as (
    select * from exact
    union all
    select b.*
    from by_name as b
    anti join exact as e on b.endpoint_id = e.endpoint_id or b.hardware_id = e.hardware_id
)

select
    f.endpoint_id,
    t.memory_mb,
    t.disk_gb,
    t.cpu_name,
    t.manufacturer,
    -- A number that three machines bear is a maker's filler or a shared adapter, and tells nothing.
    if(count(*) over (partition by t.mac_address) > 2, null, t.mac_address) as mac_address,
    if(count(*) over (partition by t.serial_number) > 2, null, t.serial_number) as serial_number
from found as f
inner join told as t on f.hardware_id = t.hardware_id
