-- The keys that a load tells of.
-- Grain: (licence_serial).  Feeds: hist.licence.
select
    licence_serial,
    product_name,
    key_type,
    seat_limit_count,
    used_count,
    created_at,
    expires_at
from read_parquet(getvariable('extra_path'))
qualify row_number() over (partition by licence_serial order by expires_at desc nulls last) = 1
