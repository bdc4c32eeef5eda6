-- How old each server's figures are, in Vietnamese time and words.
-- Grain: (server_code).
-- Feeds: BI.
select
    a.server_code,
    a.server_name,
    u.estate_name,
    u.main_unit_name,
    a.newest_observed_at at time zone 'Asia/Ho_Chi_Minh' as observed_local,
    a.age_hours,
    case when a.is_failing then 'Lần hỏi gần nhất không thành' else 'Bình thường' end as state_name,
    case when a.is_failing then a.last_fault_text end as fault_text,
    s.list_order as list_place,
    s.estate_code
from marts.rpt_source_age as a
inner join marts.dim_server as s on a.server_code = s.server_code
left join bi.unit as u on a.unit_code = u.unit_code
