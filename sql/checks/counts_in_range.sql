-- No count is negative, no part is larger than its whole, ratios are those of the counts.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Có số âm, phần lớn hơn tổng, hoặc tỷ lệ sai
select
    unit_code,
    snapshot_date,
    allocated_count,
    installed_count,
    correctly_named_count
from marts.fct_unit_coverage_daily
where
    least(
        allocated_count, installed_count, correctly_named_count, protected_count,
        agent_only_count, stale_count, duplicate_count, old_bases_count,
        antivirus_conflict_count, gap_count, over_count, endpoint_count
    ) < 0
    or correctly_named_count > installed_count
    or protected_count > installed_count
    or old_bases_count > installed_count
    or installed_count + agent_only_count > endpoint_count
    or servers_observed_count > servers_expected_count
    or not correctly_named_ratio between 0 and 1
    or installed_ratio < 0
    or (installed_ratio is null and allocated_count > 0 and installed_count is not null)
