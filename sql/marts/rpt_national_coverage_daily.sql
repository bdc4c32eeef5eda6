-- Every estate of the installation on every day, and the whole of them: what a ministry looks at.
-- Grain: (estate_code, snapshot_date); estate_code '*' is the whole.  Feeds: the page, BI.
with root_units as (
    select
        f.*,
        u.unit_name
    from marts.fct_unit_coverage_daily as f
    inner join marts.dim_unit as u
        on
            f.unit_code = u.unit_code
            and u.parent_unit_code is null
            and f.snapshot_date >= u.valid_from_date
            and f.snapshot_date <= coalesce(u.valid_to_date, date '9999-12-31')
),

covered as (
    select
        estate_code,
        snapshot_date,
        any_value(unit_name order by unit_code) as estate_name,
        sum(allocated_count)::bigint as allocated_count,
        sum(installed_count)::bigint as installed_count,
        sum(correctly_named_count)::bigint as correctly_named_count,
        sum(protected_count)::bigint as protected_count,
        sum(servers_expected_count)::bigint as servers_expected_count,
        sum(servers_observed_count)::bigint as servers_observed_count,
        bool_or(is_provisional) as is_provisional,
        min(oldest_observed_at) as oldest_observed_at
    from root_units
    group by estate_code, snapshot_date
),

-- What held at the end of a day; on an open day: at the build.
instants as (
    select
        c.estate_code,
        c.snapshot_date,
        least(end_of_day(c.snapshot_date), r.as_of_at) as at
    from stg_calendar as c
    cross join ref_run as r
),

served as (
    select
        i.estate_code,
        i.snapshot_date,
        i.at,
        s.server_code
    from instants as i
    inner join ref_server as s
        on
            i.estate_code = s.estate_code
            and i.snapshot_date >= s.valid_from_date
            and i.snapshot_date <= coalesce(s.valid_to_date, date '9999-12-31')
),

lost as (
    select distinct
        s.estate_code,
        s.snapshot_date,
        s.server_code
    from served as s
    inner join marts.fct_server_outage as o
        on
            s.server_code = o.server_code
            and s.at >= o.started_at
            and s.at < coalesce(o.ended_at, far_at())
),

linked as (
    select
        s.estate_code,
        s.snapshot_date,
        s.server_code,
        if(s.at < coalesce(l.ended_at, far_at()), l.state, null) as state
    from served as s
    asof left join marts.fct_server_link as l
        on s.server_code = l.server_code and s.at >= l.started_at
),

connected as (
    select
        l.estate_code,
        l.snapshot_date,
        count(l.state) > 0 as is_watched,
        count(*) filter (l.state in ('up', 'suspect') and d.server_code is null)
            as servers_connected_count,
        count(d.server_code) as servers_lost_count
    from linked as l
    left join lost as d using (estate_code, snapshot_date, server_code)
    group by l.estate_code, l.snapshot_date
),

-- A breach is open from the instant after it was due until it is met, be it late.
breached as (
    select
        i.estate_code,
        i.snapshot_date,
        count(o.obligation_code) filter (
            o.status in ('breached', 'met_late')
            and o.due_at < i.at
            and (o.met_at is null or o.met_at > i.at)
        ) as open_breach_count
    from instants as i
    inner join marts.fct_obligation_status as o on i.estate_code = o.estate_code
    group by i.estate_code, i.snapshot_date
),

parts as (
    select
        c.*,
        if(coalesce(l.is_watched, false), l.servers_connected_count, null)
            as servers_connected_count,
        if(coalesce(l.is_watched, false), l.servers_lost_count, null) as servers_lost_count,
        b.open_breach_count
    from covered as c
    left join connected as l using (estate_code, snapshot_date)
    left join breached as b using (estate_code, snapshot_date)
),

summed as (
    select
        if(grouping(estate_code) = 1, '*', estate_code) as estate_code,
        snapshot_date,
        grouping(estate_code) = 1 as is_whole,
        if(grouping(estate_code) = 1, 'Toàn bộ', any_value(estate_name)) as estate_name,
        count(*)::bigint as estates_count,
        count(installed_count)::bigint as estates_landed_count,
        sum(allocated_count)::bigint as allocated_count,
        sum(installed_count)::bigint as installed_count,
        sum(correctly_named_count)::bigint as correctly_named_count,
        sum(protected_count)::bigint as protected_count,
        sum(servers_expected_count)::bigint as servers_expected_count,
        sum(servers_observed_count)::bigint as servers_observed_count,
        sum(servers_connected_count)::bigint as servers_connected_count,
        sum(servers_lost_count)::bigint as servers_lost_count,
        sum(open_breach_count)::bigint as open_breach_count,
        bool_or(is_provisional) as is_provisional,
        min(oldest_observed_at) as oldest_observed_at
    from parts
    group by grouping sets ((estate_code, snapshot_date), (snapshot_date))
)

select
    estate_code,
    snapshot_date,
    is_whole,
    estate_name,
    estates_count,
    estates_landed_count,
    allocated_count,
    installed_count,
    correctly_named_count,
    protected_count,
    (installed_count / nullif(allocated_count, 0))::double as installed_ratio,
    (correctly_named_count / nullif(installed_count, 0))::double as correctly_named_ratio,
    servers_expected_count,
    servers_observed_count,
    servers_connected_count,
    servers_lost_count,
    open_breach_count,
    servers_expected_count > 0 and servers_observed_count = servers_expected_count as is_complete,
    is_provisional,
    oldest_observed_at
from summed
order by snapshot_date, estate_code -- '*' sorts before every code
