-- Machines on which something was ever found, those with objects not dealt with first.
-- Grain: (endpoint_id).  Feeds: the infection pages, the list that a unit gets.
with machines as (
    select
        endpoint_id,
        count(*) filter (is_uncured) as uncured_count,
        min(coalesce(detected_at, registered_at)) as first_detected_at,
        max(coalesce(detected_at, registered_at)) as last_detected_at,
        count(distinct registered_date) - 1 as repeat_count,
        arg_max(unit_code, (registered_at, detection_id)) as last_unit_code
    from stg_detection
    where endpoint_id is not null
    group by endpoint_id
),

now as (
    select
        endpoint_id,
        unit_code
    from stg_current
    where is_counted
)

select
    m.endpoint_id,
    coalesce(n.unit_code, m.last_unit_code) as unit_code,
    m.uncured_count,
    m.first_detected_at,
    m.last_detected_at,
    m.repeat_count
from machines as m
left join now as n on m.endpoint_id = n.endpoint_id
order by m.uncured_count desc, m.last_detected_at desc, m.endpoint_id asc
