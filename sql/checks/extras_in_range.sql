-- No count of detections or licences is negative, and no part is larger than its whole.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Số phát hiện mã độc hoặc số bản quyền không hợp lý
select
    unit_code,
    snapshot_date,
    'detection' as measure,
    detection_count as amount
from marts.fct_detection_daily
where
    least(detection_count, uncured_count, infected_endpoint_count) < 0
    or uncured_count > detection_count
    or infected_endpoint_count > detection_count
union all
select
    unit_code,
    snapshot_date,
    'licence' as measure,
    licences_used_count as amount
from marts.rpt_licence_reconciliation
where
    licences_used_count < 0
    or difference_count is distinct from licences_used_count - installed_count
