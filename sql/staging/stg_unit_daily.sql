-- A unit's counts at the end of each day: its own and those of all units below it that day.
-- Grain: (unit_code, snapshot_date), for units in force that day.  Feeds: fct_unit_coverage_daily.
select
    l.ancestor_code as unit_code,
    o.snapshot_date,
    any_value(o.estate_code) as estate_code,
    sum(o.seat_count)::bigint as allocated_count,
    sum(o.exempt_count)::bigint as exempt_count,
    sum(o.endpoint_count)::bigint as endpoint_count,
    sum(o.installed_count)::bigint as installed_count,
    sum(o.correctly_named_count)::bigint as correctly_named_count,
    sum(o.protected_count)::bigint as protected_count,
    sum(o.agent_only_count)::bigint as agent_only_count,
    sum(o.stale_count)::bigint as stale_count,
    sum(o.duplicate_count)::bigint as duplicate_count,
    sum(o.old_bases_count)::bigint as old_bases_count,
    sum(o.antivirus_conflict_count)::bigint as antivirus_conflict_count
from stg_own_daily as o
inner join ref_unit_link as l
    on
        o.unit_code = l.unit_code
        and o.snapshot_date >= l.from_date
        and o.snapshot_date < l.until_date
group by l.ancestor_code, o.snapshot_date
