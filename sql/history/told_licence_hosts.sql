-- Which devices of loads use which key now.
-- Grain: (server_code, endpoint_id, licence_serial).  Feeds: hist.licence_host.
-- A device that appeared between the two questions has no unit yet; the next reading brings it.
select distinct
    e.server_code,
    t.endpoint_id,
    t.licence_serial
from read_parquet(getvariable('extra_paths'), filename = true) as t
inner join told_by as e on t.filename = e.path
semi join load_facts as f on t.endpoint_id = f.endpoint_id and e.server_code = f.server_code
where t.is_current
