-- Every confirmed loss of a server's link, in Vietnamese time and words.
-- Grain: (incident_id).
-- Feeds: BI.
select
    o.incident_id,
    s.server_name,
    u.estate_name,
    u.main_unit_name,
    coalesce(c.word, o.cause) as cause_name,
    o.started_at at time zone 'Asia/Ho_Chi_Minh' as started_local,
    o.confirmed_at at time zone 'Asia/Ho_Chi_Minh' as confirmed_local,
    o.ended_at at time zone 'Asia/Ho_Chi_Minh' as ended_local,
    o.notified_at at time zone 'Asia/Ho_Chi_Minh' as notified_local,
    round(
        coalesce(o.duration_seconds, date_diff('second', o.started_at, v.published_at)) / 3600.0, 1
    )::double as duration_hours,
    case when o.ended_at is null then 'Còn mất kết nối' else 'Đã khôi phục' end as state_name,
    s.server_code,
    s.estate_code
from marts.fct_server_outage as o
inner join marts.dim_server as s on o.server_code = s.server_code
left join bi.unit as u on s.unit_code = u.unit_code
left join bi.word as c on c.kind = 'cause' and o.cause = c.code
cross join marts._published as v
