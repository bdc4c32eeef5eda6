-- When all the listed programs that a machine had were such as the registry excepts.
-- Grain: (server_code, endpoint_id, from_at).  Feeds: stg_flagged.
with exception as (
    select distinct
        s.server_code,
        lower(e.product_text) as product_text,
        start_of_day(e.valid_from_date) as from_at,
        coalesce(start_of_day(e.valid_to_date + 1), far_at()) as until_at
    from ref_antivirus_exception as e
    inner join ref_server as s on e.estate_code = s.estate_code
),

excepted as (
    select
        p.server_code,
        p.endpoint_id,
        p.product_name,
        greatest(p.from_at, e.from_at) as from_at,
        least(p.until_at, e.until_at) as until_at
    from src_product as p
    inner join exception as e
        on
            p.server_code = e.server_code
            and p.from_at < e.until_at
            and p.until_at > e.from_at
            and contains(
                lower(concat_ws(' ', p.product_name, p.listed_name, p.publisher)), e.product_text
            )
),

concerned as (
    select p.*
    from src_product as p
    semi join excepted as e
        on p.server_code = e.server_code and p.endpoint_id = e.endpoint_id
),

instants as (
    select
        server_code,
        endpoint_id,
        unnest([from_at, until_at]) as from_at
    from concerned
    union
    select
        server_code,
        endpoint_id,
        unnest([from_at, until_at]) as from_at
    from excepted
),

spans as (
    select
        *,
        lead(from_at) over (partition by server_code, endpoint_id order by from_at) as until_at
    from instants
),

-- Each program in each span, and whether some row of the registry excepts it there.
held as (
    select
        s.server_code,
        s.endpoint_id,
        s.from_at,
        s.until_at,
        c.product_name,
        bool_or(coalesce(e.product_name is not null, false)) as is_excepted
    from spans as s
    inner join concerned as c
        on
            s.server_code = c.server_code
            and s.endpoint_id = c.endpoint_id
            and s.from_at >= c.from_at
            and s.from_at < c.until_at
    left join excepted as e
        on
            c.server_code = e.server_code
            and c.endpoint_id = e.endpoint_id
            and c.product_name = e.product_name
            and s.from_at >= e.from_at
            and s.from_at < e.until_at
    group by all
)

select
    server_code,
    endpoint_id,
    from_at,
    until_at
from held
group by all
having bool_and(is_excepted)
