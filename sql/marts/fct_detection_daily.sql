-- Detections of every unit and day, the units below it included.
-- Grain: (unit_code, snapshot_date).  Feeds: the infection pages, BI.
-- NULL until the log of any of the unit's servers was read.
select
    u.unit_code,
    u.snapshot_date,
    if(e.kind is null, null, coalesce(d.detection_count, 0)) as detection_count,
    if(e.kind is null, null, coalesce(d.uncured_count, 0)) as uncured_count,
    if(e.kind is null, null, coalesce(d.infected_endpoint_count, 0)) as infected_endpoint_count
from stg_unit_daily as u
left join stg_extra_daily as e
    on
        u.unit_code = e.unit_code
        and u.snapshot_date = e.snapshot_date
        and e.kind = 'detections'
left join stg_detection_daily as d
    on u.unit_code = d.unit_code and u.snapshot_date = d.snapshot_date
order by u.estate_code, u.unit_code, u.snapshot_date
