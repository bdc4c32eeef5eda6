-- One row per interval in which a server said the same of an endpoint, and which counts or not.
-- Grain: (server_code, endpoint_id, from_at).  Feeds: stg_placed.
-- noqa: disable=RF02
-- (the columns left out by `exclude` belong to the table before the dot)
with clipped as (
    select
        i.* exclude (valid_from_at, valid_to_at),
        i.valid_from_at as from_at,
        case when i.valid_to_at <= r.cutoff_at then i.valid_to_at else far_at() end as until_at
    from src_intervals as i
    cross join ref_run as r
    where i.valid_from_at <= r.cutoff_at
),

alone as (
    select
        c.*,
        true as is_counted
    from clipped as c
    anti join stg_home as h on c.endpoint_id = h.endpoint_id
),

shared as (
    select
        c.* exclude (from_at, until_at),
        greatest(c.from_at, h.from_at) as from_at,
        least(c.until_at, h.until_at) as until_at,
        h.server_code is null or h.server_code = c.server_code as is_counted
    from clipped as c
    inner join stg_home as h
        on c.endpoint_id = h.endpoint_id and c.from_at < h.until_at and c.until_at > h.from_at
)

select * from alone
union all by name
select * from shared
