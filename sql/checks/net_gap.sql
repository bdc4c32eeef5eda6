-- The net gap is what was allocated minus what is installed.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Số thiếu ròng khác số được phân bổ trừ số đã cài đặt
select
    unit_code,
    snapshot_date,
    allocated_count,
    installed_count,
    net_gap_count
from marts.fct_unit_coverage_daily
where net_gap_count is distinct from allocated_count - installed_count
