-- Every detection with its place and what became of it, in Vietnamese time and words.
-- Grain: (detection_id).
-- Feeds: BI.
select
    d.detection_id,
    u.estate_name,
    u.main_unit_name,
    u.unit_name,
    d.threat_name,
    d.registered_at at time zone 'Asia/Ho_Chi_Minh' as registered_local,
    (d.registered_at at time zone 'Asia/Ho_Chi_Minh')::date as registered_date,
    coalesce(w.word, d.outcome, 'Chưa biết') as outcome_name,
    case
        when d.outcome in ('cured', 'deleted', 'quarantined', 'blocked') then 0
        else 1
    end as open_count,
    d.endpoint_id,
    u.estate_code
from marts.fct_detection as d
left join bi.unit as u on d.unit_code = u.unit_code
left join bi.word as w on w.kind = 'outcome' and d.outcome = w.code
