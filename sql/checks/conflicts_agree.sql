-- As many machines are listed with a second antivirus as the newest day counts.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Số máy có phần mềm diệt vi-rút khác không khớp với danh sách máy
with listed as (
    select
        unit_code,
        count(distinct endpoint_id) as machines_count
    from marts.rpt_antivirus_conflict
    group by unit_code
)

select
    o.unit_code,
    o.antivirus_conflict_count,
    l.machines_count
from stg_own_daily as o
inner join ref_run as r on o.snapshot_date = r.as_of_date
left join listed as l on o.unit_code = l.unit_code
where o.antivirus_conflict_count <> coalesce(l.machines_count, 0)
