-- The keys that loads tell of.
-- Grain: (server_code, licence_serial).  Feeds: hist.licence.
select
    e.server_code,
    t.licence_serial,
    t.product_name,
    t.key_type,
    t.seat_limit_count,
    t.used_count,
    t.created_at,
    t.expires_at
from read_parquet(getvariable('extra_paths'), filename = true) as t
inner join told_by as e on t.filename = e.path
qualify
    row_number() over (
        partition by e.server_code, t.licence_serial order by t.expires_at desc nulls last
    ) = 1
