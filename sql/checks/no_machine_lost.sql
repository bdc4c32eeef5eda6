-- Every machine that an active server has lies in exactly one unit, and its name was judged.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Có máy không thuộc đơn vị nào, hoặc chưa được xét tên
with active as (
    select distinct server_code from marts.dim_server
    where is_active
),

placed as (
    select
        server_code,
        endpoint_id,
        count(*) as places_count
    from stg_current
    group by server_code, endpoint_id
)

select
    s.server_code,
    s.endpoint_id,
    coalesce(p.places_count, 0) as places_count
from stg_sighting as s
inner join active as a on s.server_code = a.server_code
left join placed as p on s.server_code = p.server_code and s.endpoint_id = p.endpoint_id
where s.until_at = far_at() and coalesce(p.places_count, 0) <> 1
union all
select
    server_code,
    endpoint_id,
    null as places_count
from stg_current
where is_installed and is_correctly_named is null
