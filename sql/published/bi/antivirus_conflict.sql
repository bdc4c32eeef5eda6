-- Machines with a second antivirus, with their place, in Vietnamese time and words.
-- Grain: (endpoint_id, product_name).
-- Feeds: BI.
select
    a.endpoint_id,
    a.product_name,
    e.display_name,
    u.estate_name,
    u.main_unit_name,
    u.unit_name,
    coalesce(w.word, a.evidence) as evidence_name,
    a.since_at at time zone 'Asia/Ho_Chi_Minh' as since_local,
    a.age_days,
    u.estate_code
from marts.rpt_antivirus_conflict as a
left join marts.dim_endpoint as e on a.endpoint_id = e.endpoint_id
left join bi.unit as u on a.unit_code = u.unit_code
left join bi.word as w on w.kind = 'conflict_evidence' and a.evidence = w.code
