-- The newest day of every unit beside what it must add up to, as the suite of the marts judges it.
-- Grain: (unit_code).  Feeds: the gate before publishing (suite marts.fct_unit_coverage_daily).
-- noqa: disable=RF02
-- Instants and ids are not in it, only whether they are there: a relation in which nothing else has
-- changed since the hour before is not judged again.
-- parts_…: the unit's own and those of the units directly below; pool_count: for the root of an
-- estate, the seats that came from outside and have not gone back.
with newest as (
    select c.*
    from marts.fct_unit_coverage_daily as c
    inner join ref_run as r on c.snapshot_date = r.as_of_date
),

units as (
    select
        u.unit_code,
        u.parent_unit_code
    from marts.dim_unit as u
    inner join ref_run as r
        on
            u.valid_from_date <= r.as_of_date
            and r.as_of_date <= coalesce(u.valid_to_date, date '9999-12-31')
),

below as (
    select
        u.parent_unit_code as unit_code,
        sum(n.allocated_count)::bigint as allocated_count,
        sum(n.installed_count)::bigint as installed_count,
        sum(n.correctly_named_count)::bigint as correctly_named_count
    from newest as n
    inner join units as u on n.unit_code = u.unit_code
    group by u.parent_unit_code
),

pools as (
    select
        a.estate_code,
        sum(
            if(a.from_unit_code is null, a.seat_count, 0)
            - if(a.to_unit_code is null, a.seat_count, 0)
        )::bigint as seat_count
    from marts.fct_allocation_entry as a
    inner join ref_run as r
        on
            a.valid_from_date <= r.as_of_date
            and r.as_of_date <= coalesce(a.valid_to_date, date '9999-12-31')
    group by a.estate_code
),

roots as (
    select
        u.unit_code,
        row_number() over (partition by n.estate_code order by u.unit_code) as place,
        count(*) over (partition by n.estate_code) as root_count
    from units as u
    inner join newest as n on u.unit_code = n.unit_code
    where u.parent_unit_code is null
)

select
    n.* exclude (snapshot_id, oldest_observed_at),
    n.snapshot_id is not null as has_snapshot_id,
    n.oldest_observed_at is not null as is_observed,
    o.seat_count + coalesce(b.allocated_count, 0) as parts_allocated_count,
    if(
        n.installed_count is null, null, o.installed_count + coalesce(b.installed_count, 0)
    ) as parts_installed_count,
    if(
        n.correctly_named_count is null,
        null,
        o.correctly_named_count + coalesce(b.correctly_named_count, 0)
    ) as parts_correctly_named_count,
    if(t.root_count = 1, coalesce(p.seat_count, 0), null) as pool_count
from newest as n
left join stg_own_daily as o
    on n.unit_code = o.unit_code and n.snapshot_date = o.snapshot_date
left join below as b on n.unit_code = b.unit_code
left join roots as t on n.unit_code = t.unit_code and t.place = 1
left join pools as p on n.estate_code = p.estate_code
order by n.unit_code
