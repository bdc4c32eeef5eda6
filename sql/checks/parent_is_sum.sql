-- A unit's count is its own plus those of the units directly below it, for every count.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Số của đơn vị cấp trên khác tổng các đơn vị cấp dưới
with own as (
    select
        unit_code,
        snapshot_date,
        unnest([
            'allocated', 'installed', 'correctly_named', 'protected', 'agent_only', 'stale',
            'duplicate', 'old_bases', 'antivirus_conflict', 'endpoint', 'exempt'
        ]) as measure,
        unnest([
            seat_count, installed_count, correctly_named_count, protected_count,
            agent_only_count, stale_count, duplicate_count, old_bases_count,
            antivirus_conflict_count, endpoint_count, exempt_count
        ]) as amount
    from stg_own_daily
),

shown as (
    select
        unit_code,
        snapshot_date,
        unnest([
            'allocated', 'installed', 'correctly_named', 'protected', 'agent_only', 'stale',
            'duplicate', 'old_bases', 'antivirus_conflict', 'endpoint', 'exempt'
        ]) as measure,
        unnest([
            allocated_count, installed_count, correctly_named_count, protected_count,
            agent_only_count, stale_count, duplicate_count, old_bases_count,
            antivirus_conflict_count, endpoint_count, exempt_count
        ]) as amount
    from marts.fct_unit_coverage_daily
),

below as (
    select
        u.parent_unit_code as unit_code,
        s.snapshot_date,
        s.measure,
        sum(s.amount) as amount
    from shown as s
    inner join marts.dim_unit as u
        on
            s.unit_code = u.unit_code
            and s.snapshot_date >= u.valid_from_date
            and s.snapshot_date <= coalesce(u.valid_to_date, date '9999-12-31')
    group by all
)

select
    s.unit_code,
    s.snapshot_date,
    s.measure,
    s.amount as shown_count,
    o.amount + coalesce(b.amount, 0) as summed_count
from shown as s
inner join own as o using (unit_code, snapshot_date, measure)
left join below as b using (unit_code, snapshot_date, measure)
where s.amount is not null and s.amount <> o.amount + coalesce(b.amount, 0)
