-- Add the events of loads that the log does not have yet.
-- Grain: statements, inside the wave's transaction.  Feeds: hist.detection_event.
-- The day of overlap that every reading repeats is known by the source's own id and stamp.
insert into hist.detection_event by name
select
    w.server_code,
    e.event_id,
    e.registered_at as stamped_at,
    e.is_detection,
    e.outcome,
    e.endpoint_id,
    e.rise_at,
    e.registered_at - w.clock_ahead as registered_at,
    e.object_name,
    e.threat_name,
    e.threat_kind,
    e.link_id,
    w.load_id,
    w.observed_at
from
    (
        select *
        from told_rows
        qualify
            row_number() over (
                partition by server_code, event_id, registered_at order by event_type
            ) = 1
    ) as e
inner join wave as w on e.server_code = w.server_code
anti join hist.detection_event as h
    on
        e.server_code = h.server_code
        and e.event_id = h.event_id
        and e.registered_at = h.stamped_at
order by w.place, e.registered_at, e.event_id;
