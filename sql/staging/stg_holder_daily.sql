-- Seats against machines where seats are held: a holder and all below it that hold none.
-- Grain: (unit_code, snapshot_date).  Feeds: stg_gap.  A unit with machines and no holder at or
-- above it stands for itself with no seats, so that its machines are all over.
with domains as (
    select
        coalesce(h.holder_code, o.unit_code) as unit_code,
        o.snapshot_date,
        sum(if(o.unit_code = coalesce(h.holder_code, o.unit_code), o.seat_count, 0))::bigint
            as seat_count,
        sum(o.installed_count)::bigint as installed_count,
        sum(o.agent_only_count)::bigint as agent_only_count,
        -- A machine with an agent that a document names stands among those with an agent already.
        greatest(sum(o.exempt_count) - sum(o.exempt_agent_only_count), 0)::bigint
            as exempt_count,
        sum(o.part_wrong_name)::bigint as part_wrong_name,
        sum(o.part_not_protected)::bigint as part_not_protected,
        sum(o.part_stale)::bigint as part_stale,
        sum(o.part_ok)::bigint as part_ok
    from stg_own_daily as o
    left join ref_holder as h
        on
            o.unit_code = h.unit_code
            and o.snapshot_date >= h.from_date
            and o.snapshot_date < h.until_date
    group by all
    having seat_count <> 0 or installed_count <> 0
)

select
    d.*,
    greatest(d.seat_count - d.installed_count, 0) as gap_count,
    greatest(d.installed_count - d.seat_count, 0) as over_count,
    coalesce(s.has_landed, false) as has_landed
from domains as d
left join stg_unit_source as s using (unit_code, snapshot_date)
