-- By how much a unit's own machine counts change with a day's figure.
-- Grain: (unit_code, snapshot_date).  Feeds: stg_own_daily.
with lasting as (
    select
        *,
        figure_day(from_at) as from_date,
        figure_day(until_at) as until_date
    from stg_piece
    where figure_day(from_at) < figure_day(until_at)
),

events as (
    select
        * exclude (from_date, until_date),
        from_date as snapshot_date,
        1 as sign
    from lasting
    union all by name
    select
        * exclude (from_date, until_date),
        until_date as snapshot_date,
        -1 as sign
    from lasting
    where until_at < far_at()
)

select
    unit_code,
    snapshot_date,
    sum(if(is_duplicate, 0, sign))::bigint as endpoint_count,
    sum(if(is_installed, sign, 0))::bigint as installed_count,
    sum(if(is_correctly_named, sign, 0))::bigint as correctly_named_count,
    sum(if(is_protected, sign, 0))::bigint as protected_count,
    sum(if(is_agent_only, sign, 0))::bigint as agent_only_count,
    sum(if(is_stale, sign, 0))::bigint as stale_count,
    sum(if(is_duplicate, sign, 0))::bigint as duplicate_count,
    sum(if(has_old_bases, sign, 0))::bigint as old_bases_count,
    sum(if(has_antivirus_conflict, sign, 0))::bigint as antivirus_conflict_count,
    sum(if(is_agent_only and is_exempt, sign, 0))::bigint as exempt_agent_only_count,
    -- The partition of the installed: the first that applies.
    sum(if(is_installed and not is_correctly_named, sign, 0))::bigint as part_wrong_name,
    sum(if(is_correctly_named and not is_protected, sign, 0))::bigint as part_not_protected,
    sum(if(is_correctly_named and is_protected and is_stale, sign, 0))::bigint as part_stale,
    sum(if(is_correctly_named and is_protected and not is_stale, sign, 0))::bigint as part_ok
from events
group by unit_code, snapshot_date
