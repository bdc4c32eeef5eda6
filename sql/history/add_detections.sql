-- Add the events of a load that the log does not have yet.
-- Grain: statements, inside the load's transaction.  Feeds: hist.detection_event.
-- The day of overlap that every reading repeats is known by the source's own id and stamp.
insert into hist.detection_event by name
select
    getvariable('server_code') as server_code,
    e.event_id,
    e.registered_at as stamped_at,
    e.is_detection,
    e.outcome,
    e.endpoint_id,
    e.rise_at,
    e.registered_at - getvariable('clock_ahead') as registered_at,
    e.object_name,
    e.threat_name,
    e.threat_kind,
    e.link_id,
    getvariable('load_id') as load_id,
    getvariable('observed_at') as observed_at
from
    (
        select * from read_parquet(getvariable('extra_path'))
        qualify row_number() over (partition by event_id, registered_at order by event_type) = 1
    ) as e
anti join hist.detection_event as h
    on
        h.server_code = getvariable('server_code')
        and e.event_id = h.event_id
        and e.registered_at = h.stamped_at
order by e.registered_at, e.event_id;
