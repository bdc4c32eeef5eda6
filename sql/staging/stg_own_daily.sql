-- What lies in a unit itself at the end of each day, its children left out.
-- Grain: (unit_code, snapshot_date).  Feeds: stg_unit_daily, stg_holder_daily.
with units as (
    select distinct
        estate_code,
        unit_code
    from ref_unit
),

grid as (
    select
        c.estate_code,
        u.unit_code,
        c.snapshot_date
    from stg_calendar as c
    inner join units as u on c.estate_code = u.estate_code
),

seats as (
    select
        g.unit_code,
        g.snapshot_date,
        sum(s.seat_count)::bigint as seat_count
    from grid as g
    inner join ref_seat as s
        on
            g.unit_code = s.unit_code
            and g.snapshot_date >= s.from_date
            and g.snapshot_date < s.until_date
    group by g.unit_code, g.snapshot_date
),

returned as (
    select
        g.unit_code,
        g.snapshot_date,
        sum(r.machine_count)::bigint as machine_count
    from grid as g
    inner join ref_hardware_return as r
        on
            g.unit_code = r.unit_code
            and g.snapshot_date >= r.valid_from_date
            and g.snapshot_date <= coalesce(r.valid_to_date, date '9999-12-31')
    group by g.unit_code, g.snapshot_date
)

select
    g.estate_code,
    g.unit_code,
    g.snapshot_date,
    coalesce(s.seat_count, 0) as seat_count,
    coalesce(r.machine_count, 0) as exempt_count,
    sum(coalesce(c.endpoint_count, 0)) over so_far::bigint as endpoint_count,
    sum(coalesce(c.installed_count, 0)) over so_far::bigint as installed_count,
    sum(coalesce(c.correctly_named_count, 0)) over so_far::bigint as correctly_named_count,
    sum(coalesce(c.protected_count, 0)) over so_far::bigint as protected_count,
    sum(coalesce(c.agent_only_count, 0)) over so_far::bigint as agent_only_count,
    sum(coalesce(c.stale_count, 0)) over so_far::bigint as stale_count,
    sum(coalesce(c.duplicate_count, 0)) over so_far::bigint as duplicate_count,
    sum(coalesce(c.old_bases_count, 0)) over so_far::bigint as old_bases_count,
    sum(coalesce(c.antivirus_conflict_count, 0)) over so_far::bigint as antivirus_conflict_count,
    sum(coalesce(c.exempt_agent_only_count, 0)) over so_far::bigint as exempt_agent_only_count,
    sum(coalesce(c.part_wrong_name, 0)) over so_far::bigint as part_wrong_name,
    sum(coalesce(c.part_not_protected, 0)) over so_far::bigint as part_not_protected,
    sum(coalesce(c.part_stale, 0)) over so_far::bigint as part_stale,
    sum(coalesce(c.part_ok, 0)) over so_far::bigint as part_ok
from grid as g
left join stg_unit_change as c using (unit_code, snapshot_date)
left join seats as s using (unit_code, snapshot_date)
left join returned as r using (unit_code, snapshot_date)
window so_far as (partition by g.unit_code order by g.snapshot_date)
