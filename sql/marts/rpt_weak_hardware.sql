-- Machines that have less than the registry asks for, and those that a document exempts.
-- Grain: (endpoint_id).  Feeds: the hardware pages, the list that a unit gets.
with limits as (
    select
        l.estate_code,
        l.memory_mb,
        l.disk_gb,
        l.source_document
    from ref_hardware_limit as l
    cross join ref_run as r
    where
        r.as_of_date >= l.valid_from_date
        and r.as_of_date <= coalesce(l.valid_to_date, date '9999-12-31')
),

exemptions as (
    select
        e.estate_code,
        e.endpoint_id,
        min(e.source_document) as source_document
    from ref_hardware_return as e
    cross join ref_run as r
    where
        e.endpoint_id is not null
        and r.as_of_date >= e.valid_from_date
        and r.as_of_date <= coalesce(e.valid_to_date, date '9999-12-31')
    group by e.estate_code, e.endpoint_id
),

told as (
    select
        server_code,
        endpoint_id,
        memory_mb,
        disk_gb
    from src_hardware
    where until_at = far_at()
),

judged as (
    select
        c.endpoint_id,
        c.unit_code,
        h.memory_mb,
        h.disk_gb,
        coalesce(h.memory_mb < l.memory_mb, false) as has_little_memory,
        coalesce(h.disk_gb < l.disk_gb, false) as has_small_disk,
        e.endpoint_id is not null as is_exempt,
        coalesce(e.source_document, l.source_document) as source_document
    from stg_current as c
    left join told as h on c.server_code = h.server_code and c.endpoint_id = h.endpoint_id
    left join limits as l on c.estate_code = l.estate_code
    left join exemptions as e
        on c.estate_code = e.estate_code and c.endpoint_id = e.endpoint_id
    where c.is_counted and not c.is_duplicate
)

select
    endpoint_id,
    unit_code,
    memory_mb,
    disk_gb,
    case
        when has_little_memory and has_small_disk then 'memory_and_disk'
        when has_little_memory then 'memory'
        when has_small_disk then 'disk'
        else 'document'
    end as reason,
    is_exempt,
    source_document
from judged
where has_little_memory or has_small_disk or is_exempt
order by unit_code, endpoint_id
