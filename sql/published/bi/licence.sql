-- Every key of an estate on its newest day: one row a key, with what all servers use of it.
-- Grain: (estate_code, licence_serial).
-- Feeds: BI.
with newest as (
    select
        l.licence_serial,
        l.product_name,
        l.seat_limit_count,
        l.used_count,
        l.expires_at,
        l.days_left,
        l.snapshot_date,
        s.estate_code
    from marts.fct_licence_daily as l
    inner join marts.dim_server as s on l.server_code = s.server_code
    qualify l.snapshot_date = max(l.snapshot_date) over (partition by s.estate_code)
),

estate as (
    select
        estate_code,
        any_value(unit_name order by unit_code) as estate_name
    from bi.unit
    where level_name = 'Toàn tỉnh' and is_in_force
    group by estate_code
)

select
    n.estate_code,
    n.licence_serial,
    e.estate_name,
    any_value(n.product_name) as product_name,
    max(n.seat_limit_count) as seat_limit_count,
    sum(n.used_count)::bigint as used_count,
    max(n.expires_at) at time zone 'Asia/Ho_Chi_Minh' as expires_local,
    max(n.days_left) as days_left,
    case when max(n.days_left) < 0 then 'Đã hết hạn' else 'Còn hạn' end as state_name,
    count(*) as server_count
from newest as n
left join estate as e on n.estate_code = e.estate_code
group by n.estate_code, n.licence_serial, e.estate_name
