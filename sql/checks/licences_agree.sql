-- The licences in use on the newest day, made from changes, equal a count over the machines.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Số bản quyền đang dùng khác số đếm trực tiếp trên danh sách máy
with users as (
    select distinct
        server_code,
        endpoint_id
    from src_licence_host
    where until_at = far_at()
),

counted as (
    select
        c.unit_code,
        count(*) as machines_count
    from stg_current as c
    semi join users as u on c.server_code = u.server_code and c.endpoint_id = u.endpoint_id
    group by c.unit_code
)

select
    o.unit_code,
    o.licences_used_count,
    c.machines_count
from stg_licence_daily as o
inner join ref_run as r on o.snapshot_date = r.as_of_date
left join counted as c on o.unit_code = c.unit_code
where o.licences_used_count <> coalesce(c.machines_count, 0)
