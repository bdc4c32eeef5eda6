-- What was read beside the devices of each load, or why it was not.
-- Grain: (load_id, kind).  Feeds: the health page, BI.
select
    load_id,
    kind,
    server_code,
    observed_at,
    is_applied,
    row_count,
    fault_code,
    fault_text
from src_extra_log
order by observed_at, load_id, kind
