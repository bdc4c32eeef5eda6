-- Coverage by day, every seat and machine in one row only, so that sums of rows are right.
-- Grain: (part_code, snapshot_date).
-- Feeds: bi.coverage, BI.
-- A part is a unit below the province, or what of the province is in none of them.
with placed as (
    select
        c.*,
        p.unit_name,
        p.estate_name,
        p.block_name,
        p.root_unit_code,
        p.list_place,
        p.unit_code = p.root_unit_code as is_root
    from marts.fct_unit_coverage_daily as c
    inner join bi.unit_period as p
        on
            c.unit_code = p.unit_code
            and c.snapshot_date between p.valid_from_date and p.valid_to_date
    where p.unit_code = p.main_unit_code or p.unit_code = p.root_unit_code
),

mains as (
    select
        root_unit_code,
        snapshot_date,
        sum(allocated_count) as allocated_count,
        sum(installed_count) as installed_count,
        sum(correctly_named_count) as correctly_named_count,
        sum(protected_count) as protected_count,
        sum(agent_only_count) as agent_only_count,
        sum(stale_count) as stale_count,
        sum(old_bases_count) as old_bases_count,
        sum(antivirus_conflict_count) as antivirus_conflict_count,
        sum(gap_count) as gap_count,
        sum(over_count) as over_count
    from placed
    where not is_root
    group by root_unit_code, snapshot_date
),

rest as (
    select
        r.unit_code as part_code,
        r.snapshot_date,
        r.unit_name || ' (chưa giao đơn vị)' as main_unit_name,
        r.estate_name,
        r.block_name,
        r.list_place,
        (r.allocated_count - coalesce(m.allocated_count, 0))::bigint as allocated_count,
        (r.installed_count - coalesce(m.installed_count, 0))::bigint as installed_count,
        (r.correctly_named_count - coalesce(m.correctly_named_count, 0))::bigint
            as correctly_named_count,
        (r.protected_count - coalesce(m.protected_count, 0))::bigint as protected_count,
        (r.agent_only_count - coalesce(m.agent_only_count, 0))::bigint as agent_only_count,
        (r.stale_count - coalesce(m.stale_count, 0))::bigint as stale_count,
        (r.old_bases_count - coalesce(m.old_bases_count, 0))::bigint as old_bases_count,
        (r.antivirus_conflict_count - coalesce(m.antivirus_conflict_count, 0))::bigint
            as antivirus_conflict_count,
        (r.gap_count - coalesce(m.gap_count, 0))::bigint as gap_count,
        (r.over_count - coalesce(m.over_count, 0))::bigint as over_count,
        r.is_provisional,
        r.oldest_observed_at,
        r.estate_code
    from placed as r
    left join mains as m
        on r.root_unit_code = m.root_unit_code and r.snapshot_date = m.snapshot_date
    where r.is_root
)

select
    unit_code as part_code,
    snapshot_date,
    unit_name as main_unit_name,
    estate_name,
    block_name,
    list_place,
    allocated_count,
    installed_count,
    correctly_named_count,
    protected_count,
    agent_only_count,
    stale_count,
    old_bases_count,
    antivirus_conflict_count,
    gap_count,
    over_count,
    is_provisional,
    oldest_observed_at at time zone 'Asia/Ho_Chi_Minh' as oldest_observed_local,
    estate_code
from placed
where not is_root
union all
select
    part_code,
    snapshot_date,
    main_unit_name,
    estate_name,
    block_name,
    list_place,
    allocated_count,
    installed_count,
    correctly_named_count,
    protected_count,
    agent_only_count,
    stale_count,
    old_bases_count,
    antivirus_conflict_count,
    gap_count,
    over_count,
    is_provisional,
    oldest_observed_at at time zone 'Asia/Ho_Chi_Minh' as oldest_observed_local,
    estate_code
from rest
where
    allocated_count <> 0
    or installed_count <> 0
    or agent_only_count <> 0
    or antivirus_conflict_count <> 0
    or gap_count <> 0
    or over_count <> 0
