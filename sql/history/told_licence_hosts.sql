-- Which devices of a load use which key now.
-- Grain: (endpoint_id, licence_serial).  Feeds: hist.licence_host.
-- A device that appeared between the two questions has no unit yet; the next reading brings it.
select distinct
    endpoint_id,
    licence_serial
from read_parquet(getvariable('extra_path'))
where
    is_current
    and endpoint_id in (select f.endpoint_id from load_facts as f)
