-- The load on which a server's figures of a day rest: its last complete one by the end of that day.
-- Grain: (server_code, snapshot_date).  Feeds: stg_unit_source, fct_server_source_daily.
with newest as (
    select
        estate_code,
        server_code,
        figure_day(observed_at) as snapshot_date,
        arg_max(
            { 'load_id': load_id, 'observed_at': observed_at, 'has_passed_gate': has_passed_gate },
            load_order
        ) as load
    from src_complete_load
    group by estate_code, server_code, snapshot_date
),

servers as (
    select distinct
        estate_code,
        server_code
    from src_complete_load
),

filled as (
    select
        s.server_code,
        c.snapshot_date,
        last_value(n.load ignore nulls) over (
            partition by s.server_code
            order by c.snapshot_date
            rows between unbounded preceding and current row
        ) as load
    from stg_calendar as c
    inner join servers as s on c.estate_code = s.estate_code
    left join newest as n
        on s.server_code = n.server_code and c.snapshot_date = n.snapshot_date
)

select
    filled.server_code,
    filled.snapshot_date,
    load.load_id,
    load.observed_at,
    load.has_passed_gate,
    figure_day(load.observed_at) = filled.snapshot_date as is_of_that_day
from filled
where filled.load is not null
