-- The listed programs on the devices of loads.
-- Grain: (server_code, endpoint_id, product_name).  Feeds: hist.product.
select
    e.server_code,
    t.endpoint_id,
    t.product_name,
    t.listed_name,
    t.product_version,
    t.publisher,
    t.installed_date
from read_parquet(getvariable('extra_paths'), filename = true) as t
inner join told_by as e on t.filename = e.path
qualify
    row_number() over (
        partition by e.server_code, t.endpoint_id, t.product_name
        order by t.product_version desc nulls last, t.installed_date desc nulls last
    ) = 1
