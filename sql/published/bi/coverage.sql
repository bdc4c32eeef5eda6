-- The newest day of bi.coverage_daily: every seat and machine in one row only.
-- Grain: (part_code).
-- Feeds: BI.
select
    c.part_code,
    c.main_unit_name,
    c.estate_name,
    c.block_name,
    c.list_place,
    c.snapshot_date,
    c.allocated_count,
    c.installed_count,
    c.correctly_named_count,
    c.protected_count,
    c.agent_only_count,
    c.stale_count,
    c.old_bases_count,
    c.antivirus_conflict_count,
    c.gap_count,
    c.over_count,
    c.is_provisional,
    c.oldest_observed_local,
    c.estate_code
from bi.coverage_daily as c
qualify c.snapshot_date = max(c.snapshot_date) over (partition by c.estate_code)
