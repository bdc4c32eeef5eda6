-- Where the seats of a unit are: what kind of machine stands on each, and which stay empty.
-- Grain: (unit_code, snapshot_date, reason_code).  Feeds: the waterfall of a unit, letters.
select
    unit_code,
    snapshot_date,
    reason_code,
    machine_count
from stg_gap
order by unit_code, snapshot_date, reason_code
