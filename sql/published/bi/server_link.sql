-- The link of every server by interval in Vietnamese time; the open one ends with the file.
-- Grain: (server_code, started_local).
-- Feeds: BI.
select
    l.server_code,
    l.started_at at time zone 'Asia/Ho_Chi_Minh' as started_local,
    greatest(coalesce(l.ended_at, v.published_at), l.started_at)
    at time zone 'Asia/Ho_Chi_Minh' as ended_local,
    s.server_name,
    regexp_replace(s.server_name, '^Máy chủ KSC ', '') as server_label,
    u.estate_name,
    u.main_unit_name,
    l.state,
    coalesce(w.word, l.state) as state_name,
    coalesce(c.word, l.cause) as cause_name,
    case when l.is_maintenance then 'Có' else 'Không' end as maintenance_name,
    l.ended_at is null as is_current,
    coalesce(l.ended_at, v.published_at) >= v.published_at - interval 30 day as is_recent,
    s.list_order as list_place,
    s.estate_code
from marts.fct_server_link as l
inner join marts.dim_server as s on l.server_code = s.server_code
left join bi.unit as u on s.unit_code = u.unit_code
left join bi.word as w on w.kind = 'link_state' and l.state = w.code
left join bi.word as c on c.kind = 'cause' and l.cause = c.code
cross join marts._published as v
