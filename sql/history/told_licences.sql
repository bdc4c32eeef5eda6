-- The keys that loads tell of.
-- Grain: (server_code, licence_serial).  Feeds: hist.licence.
select
    server_code,
    licence_serial,
    product_name,
    key_type,
    seat_limit_count,
    used_count,
    created_at,
    expires_at
from told_rows
qualify
    row_number() over (
        partition by server_code, licence_serial order by expires_at desc nulls last
    ) = 1
