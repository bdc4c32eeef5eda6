-- One row per administration server: its row of the registry and what it last said of itself.
-- Grain: (server_code).  Feeds: rpt_source_age, BI.
with versions as (
    select
        s.*,
        s.valid_from_date <= r.as_of_date
        and coalesce(s.valid_to_date, date '9999-12-31') >= r.as_of_date as is_active,
        row_number() over (
            partition by s.server_code
            order by s.valid_from_date <= r.as_of_date desc, s.valid_from_date desc
        ) as place
    from ref_server as s
    cross join ref_run as r
),

said as (
    select
        server_code,
        arg_max(product_version, load_order) filter (product_version is not null)
            as product_version
    from src_complete_load
    group by server_code
)

select
    v.server_code,
    v.estate_code,
    v.server_name,
    v.server_role,
    v.unit_code,
    s.product_version,
    v.is_active,
    v.list_order,
    v.valid_from_date,
    v.valid_to_date,
    v.source_document
from versions as v
left join said as s on v.server_code = s.server_code
where v.place = 1
order by v.estate_code, v.list_order, v.server_code
