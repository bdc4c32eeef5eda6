-- Seconds of each day on which a server's link was up, lost or not known, as far as watched.
-- Grain: (server_code, snapshot_date).  Feeds: monthly availability, BI.  A day that is still open
-- ends at the build's instant; time that nobody watched is in none of the three.
with watched as (
    select
        l.server_code,
        l.started_at,
        least(coalesce(l.ended_at, r.as_of_at), r.as_of_at) as ended_at,
        l.state in ('unknown', 'new') as is_unknown
    from marts.fct_server_link as l
    cross join ref_run as r
),

lost as (
    select
        o.server_code,
        o.started_at,
        least(coalesce(o.ended_at, r.as_of_at), r.as_of_at) as ended_at
    from marts.fct_server_outage as o
    cross join ref_run as r
),

-- Where a loss and a time without evidence meet, the time is unknown.
lost_and_unknown as (
    select
        d.server_code,
        greatest(d.started_at, w.started_at) as started_at,
        least(d.ended_at, w.ended_at) as ended_at
    from lost as d
    inner join watched as w
        on
            d.server_code = w.server_code
            and w.is_unknown
            and d.started_at < w.ended_at
            and d.ended_at > w.started_at
),

pieces as (
    select
        server_code,
        started_at,
        ended_at,
        1 as watched,
        is_unknown::integer as unknown,
        0 as lost
    from watched
    union all
    select
        server_code,
        started_at,
        ended_at,
        0 as watched,
        0 as unknown,
        1 as lost
    from lost
    union all
    select
        server_code,
        started_at,
        ended_at,
        0 as watched,
        0 as unknown,
        -1 as lost
    from lost_and_unknown
),

days as (
    select
        p.*,
        unnest(
            range(
                (p.started_at at time zone 'Asia/Ho_Chi_Minh')::date::timestamp,
                (p.ended_at at time zone 'Asia/Ho_Chi_Minh')::date::timestamp + interval 1 day,
                interval 1 day
            )
        )::date as snapshot_date
    from pieces as p
    where p.started_at < p.ended_at
),

seconds as (
    select
        d.server_code,
        d.snapshot_date,
        d.watched,
        d.unknown,
        d.lost,
        date_diff(
            'second',
            greatest(d.started_at, d.snapshot_date::timestamp at time zone 'Asia/Ho_Chi_Minh'),
            least(
                d.ended_at,
                (d.snapshot_date::timestamp + interval 1 day) at time zone 'Asia/Ho_Chi_Minh'
            )
        ) as n
    from days as d
),

totals as (
    select
        server_code,
        snapshot_date,
        sum(n * watched)::bigint as watched_seconds,
        sum(n * unknown)::bigint as unknown_seconds,
        sum(n * lost)::bigint as down_seconds
    from seconds
    where n > 0
    group by server_code, snapshot_date
),

starts as (
    select
        server_code,
        (started_at at time zone 'Asia/Ho_Chi_Minh')::date as snapshot_date,
        count(*) as outage_count
    from marts.fct_server_outage
    group by server_code, snapshot_date
)

select
    t.server_code,
    t.snapshot_date,
    t.watched_seconds - t.unknown_seconds - t.down_seconds as up_seconds,
    t.down_seconds,
    t.unknown_seconds,
    coalesce(s.outage_count, 0) as outage_count
from totals as t
left join starts as s using (server_code, snapshot_date)
order by t.server_code, t.snapshot_date
