-- Seats allotted, machines installed and licences in use, of every unit and day.
-- Grain: (unit_code, snapshot_date).  Feeds: the licence pages, letters.
-- NULL until any of the unit's servers told who uses its keys.
with used as (
    select
        l.ancestor_code as unit_code,
        o.snapshot_date,
        sum(o.licences_used_count)::bigint as licences_used_count
    from stg_licence_daily as o
    inner join ref_unit_link as l
        on
            o.unit_code = l.unit_code
            and o.snapshot_date >= l.from_date
            and o.snapshot_date < l.until_date
    group by l.ancestor_code, o.snapshot_date
)

select
    c.unit_code,
    c.snapshot_date,
    c.allocated_count,
    c.installed_count,
    if(e.kind is null, null, coalesce(u.licences_used_count, 0)) as licences_used_count,
    if(e.kind is null, null, coalesce(u.licences_used_count, 0) - c.installed_count)
        as difference_count
from marts.fct_unit_coverage_daily as c
left join stg_extra_daily as e
    on
        c.unit_code = e.unit_code
        and c.snapshot_date = e.snapshot_date
        and e.kind = 'licence_hosts'
left join used as u on c.unit_code = u.unit_code and c.snapshot_date = u.snapshot_date
order by c.estate_code, c.unit_code, c.snapshot_date
