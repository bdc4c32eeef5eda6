-- One row per object found on a machine, with what became of it and the unit it was found in.
-- Grain: (detection_id).  Feeds: the marts of detections.
with events as (
    select
        *,
        concat_ws('-', server_code, strftime(stamped_at, '%Y%m%dT%H%M%SZ'), event_id)
            as detection_id,
        -- Without a link an event stands for itself.
        coalesce(link_id, event_id::varchar || '@' || strftime(stamped_at, '%Y%m%dT%H%M%SZ'))
            as link
    from src_detection_event
),

-- One finding may be told twice, by the engine and by the cloud.
found as (
    select *
    from events
    where is_detection
    qualify
        row_number() over (
            partition by server_code, endpoint_id, link
            order by stamped_at, event_id
        ) = 1
),

outcomes as (
    select
        server_code,
        endpoint_id,
        link,
        arg_max(outcome, (stamped_at, event_id)) as outcome
    from events
    where not is_detection and outcome is not null
    group by server_code, endpoint_id, link
),

-- Where a machine that counts lay, and from when on that is known.
places as (
    select
        endpoint_id,
        from_at,
        unit_code
    from stg_piece
    where is_counted
),

first_places as (
    select
        endpoint_id,
        arg_min(unit_code, from_at) as unit_code
    from places
    group by endpoint_id
),

servers as (
    select
        server_code,
        arg_max(unit_code, valid_from_date) as unit_code
    from ref_server
    group by server_code
),

placed as (
    select
        f.*,
        p.unit_code
    from found as f
    asof left join places as p
        on f.endpoint_id = p.endpoint_id and f.registered_at >= p.from_at
)

select
    f.detection_id,
    f.server_code,
    f.endpoint_id,
    coalesce(f.unit_code, a.unit_code, s.unit_code) as unit_code,
    f.threat_name,
    f.object_name,
    f.rise_at as detected_at,
    f.registered_at,
    o.outcome,
    coalesce(o.outcome in ('notcured', 'passed', 'reported'), false) as is_uncured,
    -- The log of a server counts from the day on which it was first read.
    greatest(figure_day(f.registered_at), e.first_date) as known_date,
    figure_day(f.registered_at) as registered_date
from placed as f
left join outcomes as o
    on
        f.server_code = o.server_code
        and f.endpoint_id is not distinct from o.endpoint_id
        and f.link = o.link
left join first_places as a on f.endpoint_id = a.endpoint_id
left join servers as s on f.server_code = s.server_code
left join stg_extra_since as e on f.server_code = e.server_code and e.kind = 'detections'
