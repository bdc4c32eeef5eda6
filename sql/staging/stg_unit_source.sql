-- On which servers a unit's figures of a day rest, how complete and how old that is.
-- Grain: (unit_code, snapshot_date).  Feeds: fct_unit_coverage_daily.
with expected as (
    select
        u.unit_code,
        c.snapshot_date,
        u.server_code
    from ref_server_unit as u
    inner join stg_calendar as c
        on
            u.estate_code = c.estate_code
            and u.from_date <= c.snapshot_date
            and u.until_date > c.snapshot_date
),

judged as (
    select
        e.unit_code,
        e.snapshot_date,
        count(*) as servers_expected_count,
        count(*) filter (d.is_of_that_day) as servers_observed_count,
        count(d.load_id) > 0 as has_landed,
        min(d.observed_at) as oldest_observed_at,
        bool_and(d.has_passed_gate) filter (d.load_id is not null) as has_passed_gate
    from expected as e
    left join stg_server_day as d using (server_code, snapshot_date)
    group by e.unit_code, e.snapshot_date
),

-- Where two servers had one endpoint, the one's figure depends on the other's load as well.
bound_servers as (
    select
        a.server_code,
        b.server_code as other_code,
        min(figure_day(h.from_at)) as from_date
    from src_home as h
    inner join src_intervals as a on h.endpoint_id = a.endpoint_id
    inner join src_intervals as b
        on h.endpoint_id = b.endpoint_id and a.server_code <> b.server_code
    group by a.server_code, b.server_code
),

sources as (
    select
        unit_code,
        snapshot_date,
        server_code
    from expected
    union
    select
        e.unit_code,
        e.snapshot_date,
        b.other_code as server_code
    from expected as e
    inner join bound_servers as b
        on e.server_code = b.server_code and e.snapshot_date >= b.from_date
),

identified as (
    select
        s.unit_code,
        s.snapshot_date,
        max(d.observed_at) as newest_observed_at,
        string_agg(d.load_id, ',' order by d.load_id) as load_ids
    from sources as s
    inner join stg_server_day as d using (server_code, snapshot_date)
    group by s.unit_code, s.snapshot_date
)

select
    j.*,
    i.newest_observed_at,
    i.load_ids
from judged as j
left join identified as i using (unit_code, snapshot_date)
