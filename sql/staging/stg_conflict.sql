-- The machines that have a second antivirus now, with each listed program as far as it is known.
-- Grain: (endpoint_id, product_name).  Feeds: rpt_antivirus_conflict.
with concerned as (
    select
        server_code,
        endpoint_id,
        unit_code,
        estate_code
    from stg_current
    where has_antivirus_conflict and is_counted
),

-- Since when the server has reported it without a break.
reported as (
    select
        p.*,
        coalesce(lag(p.until_at) over by_machine <> p.from_at, true) as is_start
    from stg_piece as p
    semi join concerned as c
        on p.server_code = c.server_code and p.endpoint_id = c.endpoint_id
    where p.has_antivirus_conflict
    window by_machine as (partition by p.server_code, p.endpoint_id order by p.from_at)
),

reported_since as (
    select
        server_code,
        endpoint_id,
        max(from_at) as since_at
    from reported
    where is_start
    group by server_code, endpoint_id
),

exceptions as (
    select
        e.estate_code,
        lower(e.product_text) as product_text
    from ref_antivirus_exception as e
    cross join ref_run as r
    where
        r.as_of_date >= e.valid_from_date
        and r.as_of_date <= coalesce(e.valid_to_date, date '9999-12-31')
),

-- A new version of a program is the same program.
spells as (
    select
        p.*,
        coalesce(lag(p.until_at) over by_program <> p.from_at, true) as is_start
    from src_product as p
    semi join concerned as c
        on p.server_code = c.server_code and p.endpoint_id = c.endpoint_id
    window by_program as (
        partition by p.server_code, p.endpoint_id, p.product_name
        order by p.from_at
    )
),

excepted as (
    select distinct
        s.server_code,
        s.endpoint_id,
        s.product_name
    from spells as s
    inner join concerned as c
        on s.server_code = c.server_code and s.endpoint_id = c.endpoint_id
    inner join exceptions as e
        on
            c.estate_code = e.estate_code
            and contains(
                lower(concat_ws(' ', s.product_name, s.listed_name, s.publisher)),
                e.product_text
            )
    where s.until_at = far_at()
),

programs as (
    select
        s.server_code,
        s.endpoint_id,
        s.product_name,
        max(s.from_at) filter (s.is_start) as since_at
    from spells as s
    anti join excepted as e
        on
            s.server_code = e.server_code
            and s.endpoint_id = e.endpoint_id
            and s.product_name = e.product_name
    group by s.server_code, s.endpoint_id, s.product_name
    having max(s.until_at) = far_at()
)

select
    c.endpoint_id,
    c.unit_code,
    coalesce(p.product_name, 'Chưa rõ sản phẩm') as product_name,
    if(p.product_name is null, 'status_bit', 'program_list') as evidence,
    coalesce(p.since_at, s.since_at) as since_at
from concerned as c
left join programs as p on c.server_code = p.server_code and c.endpoint_id = p.endpoint_id
left join reported_since as s on c.server_code = s.server_code and c.endpoint_id = s.endpoint_id
