-- One row per unit and day: machines protected against seats allotted, children included.
-- Grain: (unit_code, snapshot_date).  Feeds: letters, reports, deadlines, BI.
with gaps as (
    select
        unit_code,
        snapshot_date,
        sum(machine_count) filter (
            reason_code in ('agent_only', 'exempt_hardware', 'not_installed', 'not_observed')
        ) as gap_count,
        -sum(machine_count) filter (reason_code = 'over_allocated') as over_count
    from stg_gap
    group by unit_code, snapshot_date
),

joined as (
    select
        d.*,
        coalesce(g.gap_count, 0) as all_gap_count,
        coalesce(g.over_count, 0) as all_over_count,
        coalesce(s.servers_expected_count, 0) as servers_expected_count,
        coalesce(s.servers_observed_count, 0) as servers_observed_count,
        coalesce(s.has_landed, false) as has_landed,
        s.oldest_observed_at,
        s.newest_observed_at,
        s.has_passed_gate,
        s.load_ids,
        r.registry_sha256,
        r.rules_version,
        d.snapshot_date = r.as_of_date and r.as_of_at < end_of_day(r.as_of_date) as is_provisional
    from stg_unit_daily as d
    left join gaps as g using (unit_code, snapshot_date)
    left join stg_unit_source as s using (unit_code, snapshot_date)
    cross join ref_run as r
)

select
    unit_code,
    snapshot_date,
    estate_code,
    allocated_count,
    if(has_landed, installed_count, null) as installed_count,
    if(has_landed, correctly_named_count, null) as correctly_named_count,
    if(has_landed, protected_count, null) as protected_count,
    if(has_landed, agent_only_count, null) as agent_only_count,
    if(has_landed, stale_count, null) as stale_count,
    if(has_landed, duplicate_count, null) as duplicate_count,
    exempt_count,
    if(has_landed, old_bases_count, null) as old_bases_count,
    if(has_landed, antivirus_conflict_count, null) as antivirus_conflict_count,
    if(has_landed, all_gap_count, null)::bigint as gap_count,
    if(has_landed, all_over_count, null)::bigint as over_count,
    if(has_landed, allocated_count - installed_count, null) as net_gap_count,
    if(has_landed, installed_count / nullif(allocated_count, 0), null)::double as installed_ratio,
    if(has_landed, correctly_named_count / nullif(installed_count, 0), null)::double
        as correctly_named_ratio,
    servers_expected_count,
    servers_observed_count,
    servers_expected_count > 0 and servers_observed_count = servers_expected_count as is_complete,
    is_provisional,
    oldest_observed_at,
    concat_ws(
        '-',
        coalesce(strftime(newest_observed_at at time zone 'UTC', '%Y%m%dT%H%M%SZ'), 'none'),
        unit_code,
        registry_sha256[1:8],
        strftime(snapshot_date, '%Y%m%d') || if(is_provisional, 'p', ''),
        sha256(
            concat_ws(
                '|',
                coalesce(load_ids, ''),
                registry_sha256,
                rules_version,
                strftime(snapshot_date, '%Y%m%d')
            )
        )[1:12]
    ) as snapshot_id,
    if(has_landed, endpoint_count, null) as endpoint_count,
    has_passed_gate
from joined
order by estate_code, unit_code, snapshot_date
