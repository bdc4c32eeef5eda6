-- What the servers registered on a day, in each unit and all below it.
-- Grain: (unit_code, snapshot_date), only days with something.  Feeds: fct_detection_daily.
with counted as (
    select
        *,
        -- A machine that moved within the day is one machine, in the unit it came to.
        last_value(unit_code) over (
            partition by endpoint_id, registered_date
            order by registered_at, detection_id
            rows between unbounded preceding and unbounded following
        ) as last_unit_code,
        endpoint_id is not null
        and row_number() over (
            partition by endpoint_id, registered_date
            order by registered_at, detection_id
        ) = 1 as is_first_of_endpoint
    from stg_detection
    where registered_date = known_date
)

select
    l.ancestor_code as unit_code,
    c.registered_date as snapshot_date,
    count(*) as detection_count,
    count(*) filter (c.is_uncured) as uncured_count,
    count(*) filter (c.is_first_of_endpoint) as infected_endpoint_count
from counted as c
inner join ref_unit_link as l
    on
        c.last_unit_code = l.unit_code
        and c.registered_date >= l.from_date
        and c.registered_date < l.until_date
group by l.ancestor_code, c.registered_date
