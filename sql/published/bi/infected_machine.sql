-- Machines on which something was ever found, with their place, in Vietnamese time.
-- Grain: (endpoint_id).
-- Feeds: BI.
select
    i.endpoint_id,
    coalesce(e.display_name, 'Máy không còn trên máy chủ') as display_name,
    u.estate_name,
    u.main_unit_name,
    u.unit_name,
    i.uncured_count,
    i.repeat_count,
    i.first_detected_at at time zone 'Asia/Ho_Chi_Minh' as first_detected_local,
    i.last_detected_at at time zone 'Asia/Ho_Chi_Minh' as last_detected_local,
    u.estate_code
from marts.rpt_infected_endpoint as i
left join marts.dim_endpoint as e on i.endpoint_id = e.endpoint_id
left join bi.unit as u on i.unit_code = u.unit_code
