-- No server is up, lost and unknown for more than the seconds of a day, or for less than none.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Thời gian kết nối trong ngày không hợp lý
select
    server_code,
    snapshot_date,
    up_seconds,
    down_seconds,
    unknown_seconds
from marts.fct_server_availability_daily
where
    least(up_seconds, down_seconds, unknown_seconds) < 0
    or up_seconds + down_seconds + unknown_seconds > 86400
