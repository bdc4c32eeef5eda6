-- The newest figures of every unit with all below it, to be looked up.
-- Grain: (unit_code).
-- Feeds: BI.
-- A unit's figures are in those of the units above it too: sums are taken from bi.coverage.
select
    c.unit_code,
    p.unit_name,
    p.level_name,
    p.main_unit_name,
    p.estate_name,
    p.list_place,
    c.snapshot_date,
    c.allocated_count,
    c.installed_count,
    c.installed_ratio,
    c.correctly_named_count,
    c.protected_count,
    c.gap_count,
    c.over_count,
    c.stale_count,
    c.old_bases_count,
    c.antivirus_conflict_count,
    c.is_provisional,
    c.oldest_observed_at at time zone 'Asia/Ho_Chi_Minh' as oldest_observed_local,
    c.estate_code
from marts.fct_unit_coverage_daily as c
inner join bi.unit_period as p
    on
        c.unit_code = p.unit_code
        and c.snapshot_date between p.valid_from_date and p.valid_to_date
qualify c.snapshot_date = max(c.snapshot_date) over (partition by c.estate_code)
