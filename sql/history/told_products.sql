-- The listed programs on the devices of loads.
-- Grain: (server_code, endpoint_id, product_name).  Feeds: hist.product.
select
    server_code,
    endpoint_id,
    product_name,
    listed_name,
    product_version,
    publisher,
    installed_date
from told_rows
qualify
    row_number() over (
        partition by server_code, endpoint_id, product_name
        order by product_version desc nulls last, installed_date desc nulls last
    ) = 1
