-- The listed programs on the devices of a load.
-- Grain: (endpoint_id, product_name).  Feeds: hist.product.
select
    endpoint_id,
    product_name,
    listed_name,
    product_version,
    publisher,
    installed_date
from read_parquet(getvariable('extra_path'))
qualify
    row_number() over (
        partition by endpoint_id, product_name
        order by product_version desc nulls last, installed_date desc nulls last
    ) = 1
