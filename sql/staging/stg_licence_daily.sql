-- How many records in a unit itself use a key at the end of each day, its children left out.
-- Grain: (unit_code, snapshot_date).  Feeds: rpt_licence_reconciliation.
-- Duplicates are counted: an old record eats a seat as long as it stands.
with marked as (
    select
        *,
        coalesce(
            from_at > max(until_at) over (
                partition by server_code, endpoint_id
                order by from_at, licence_serial
                rows between unbounded preceding and 1 preceding
            ),
            true
        ) as is_start
    from src_licence_host
),

numbered as (
    select
        *,
        sum(is_start::integer) over (
            partition by server_code, endpoint_id
            order by from_at, licence_serial
        ) as spell
    from marked
),

-- A machine with two keys, or with a new one after the old, is one machine.
held as (
    select
        server_code,
        endpoint_id,
        min(from_at) as from_at,
        max(until_at) as until_at
    from numbered
    group by server_code, endpoint_id, spell
),

used as (
    select
        p.unit_code,
        figure_day(greatest(h.from_at, p.from_at)) as from_date,
        figure_day(least(h.until_at, p.until_at)) as until_date
    from held as h
    inner join stg_piece as p
        on
            h.server_code = p.server_code
            and h.endpoint_id = p.endpoint_id
            and h.from_at < p.until_at
            and h.until_at > p.from_at
),

changes as (
    select
        unit_code,
        from_date as snapshot_date,
        1 as sign
    from used
    where from_date < until_date
    union all
    select
        unit_code,
        until_date as snapshot_date,
        -1 as sign
    from used
    where from_date < until_date and until_date < figure_day(far_at())
),

by_day as (
    select
        unit_code,
        snapshot_date,
        sum(sign) as amount
    from changes
    group by unit_code, snapshot_date
)

select
    o.unit_code,
    o.snapshot_date,
    sum(coalesce(b.amount, 0)) over (
        partition by o.unit_code
        order by o.snapshot_date
    )::bigint as licences_used_count
from stg_own_daily as o
left join by_day as b using (unit_code, snapshot_date)
