-- The partition of a holder's seats, rolled up to every unit above it.
-- Grain: (unit_code, snapshot_date, reason_code); zero counts left out.  Feeds: rpt_coverage_gap.
with capped as (
    select
        *,
        if(has_landed, least(agent_only_count, gap_count), 0) as part_agent_only,
        if(has_landed, least(exempt_count, gap_count - part_agent_only), 0) as part_exempt
    from stg_holder_daily
),

parted as (
    select
        unit_code,
        snapshot_date,
        'wrong_name' as reason_code,
        part_wrong_name as machine_count
    from capped
    union all
    select
        unit_code,
        snapshot_date,
        'not_protected' as reason_code,
        part_not_protected as machine_count
    from capped
    union all
    select
        unit_code,
        snapshot_date,
        'stale' as reason_code,
        part_stale as machine_count
    from capped
    union all
    select
        unit_code,
        snapshot_date,
        'ok' as reason_code,
        part_ok as machine_count
    from capped
    union all
    select
        unit_code,
        snapshot_date,
        'agent_only' as reason_code,
        part_agent_only as machine_count
    from capped
    union all
    select
        unit_code,
        snapshot_date,
        'exempt_hardware' as reason_code,
        part_exempt as machine_count
    from capped
    union all
    select
        unit_code,
        snapshot_date,
        'not_installed' as reason_code,
        gap_count - part_agent_only - part_exempt as machine_count
    from capped
    where has_landed
    union all
    select
        unit_code,
        snapshot_date,
        'not_observed' as reason_code,
        gap_count as machine_count
    from capped
    where not has_landed
    union all
    select
        unit_code,
        snapshot_date,
        'over_allocated' as reason_code,
        -over_count as machine_count
    from capped
)

select
    l.ancestor_code as unit_code,
    p.snapshot_date,
    p.reason_code,
    sum(p.machine_count)::bigint as machine_count
from parted as p
inner join ref_unit_link as l
    on
        p.unit_code = l.unit_code
        and p.snapshot_date >= l.from_date
        and p.snapshot_date < l.until_date
where p.machine_count <> 0
group by l.ancestor_code, p.snapshot_date, p.reason_code
