-- Which devices of loads use which key now.
-- Grain: (server_code, endpoint_id, licence_serial).  Feeds: hist.licence_host.
-- A device that appeared between the two questions has no unit yet; the next reading brings it.
select distinct
    t.server_code,
    t.endpoint_id,
    t.licence_serial
from told_rows as t
semi join load_facts as f on t.endpoint_id = f.endpoint_id and t.server_code = f.server_code
where t.is_current
