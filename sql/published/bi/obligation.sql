-- What became of each obligation of each unit, in Vietnamese time and words.
-- Grain: (obligation_code, unit_code).
-- Feeds: BI.
select
    o.obligation_code,
    o.unit_code,
    u.estate_name,
    u.main_unit_name,
    u.unit_name,
    o.document_number,
    coalesce(k.word, o.obligation_kind) as kind_name,
    o.wording,
    o.due_at at time zone 'Asia/Ho_Chi_Minh' as due_local,
    o.status,
    coalesce(w.word, o.status) as status_name,
    w.place as status_place,
    o.met_at at time zone 'Asia/Ho_Chi_Minh' as met_local,
    o.overdue_days,
    o.evidence,
    u.list_place,
    o.estate_code
from marts.fct_obligation_status as o
left join bi.unit as u on o.unit_code = u.unit_code
left join bi.word as w on w.kind = 'obligation_status' and o.status = w.code
left join bi.word as k on k.kind = 'obligation_kind' and o.obligation_kind = k.code
