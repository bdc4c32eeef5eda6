-- From which day on something of a kind was known of a server, beside its devices.
-- Grain: (server_code, kind).  Feeds: stg_extra_daily, stg_detection.
select
    server_code,
    kind,
    min(figure_day(observed_at)) as first_date
from src_extra_log
where is_applied
group by server_code, kind
