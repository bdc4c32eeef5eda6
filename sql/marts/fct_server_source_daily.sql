-- The load on which a server's figures of a day rest.
-- Grain: (server_code, snapshot_date).  Feeds: coverage_as_of, the sources printed in a letter.
select
    server_code,
    snapshot_date,
    load_id,
    observed_at,
    is_of_that_day,
    has_passed_gate
from stg_server_day
order by server_code, snapshot_date
