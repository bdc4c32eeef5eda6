-- Which units of today's map stand for a unit that ever was; every unit has at least one.
-- Grain: (unit_code, heir_unit_code).  Feeds: coverage_on_todays_map.
with recursive units_now as (
    select
        u.estate_code,
        u.unit_code,
        u.parent_unit_code,
        u.list_order
    from ref_unit as u
    cross join ref_run as r
    where
        r.as_of_date >= u.valid_from_date
        and r.as_of_date <= coalesce(u.valid_to_date, date '9999-12-31')
),

root as (
    select
        estate_code,
        arg_min(unit_code, (list_order, unit_code)) as unit_code
    from units_now
    where parent_unit_code is null
    group by estate_code
),

-- The last version of each unit that has begun.
last_version as (
    select
        u.estate_code,
        u.unit_code,
        u.parent_unit_code,
        u.valid_to_date
    from ref_unit as u
    cross join ref_run as r
    where u.valid_from_date <= r.as_of_date
    qualify row_number() over (partition by u.unit_code order by u.valid_from_date desc) = 1
),

told as (
    select
        s.from_unit_code,
        s.to_unit_code,
        s.effective_date,
        case
            when sum(s.seat_count) over parts > 0
                then s.seat_count / sum(s.seat_count) over parts
            else if(s.place = min(s.place) over parts, 1, 0)
        end::double as share
    from ref_succession as s
    cross join ref_run as r
    where s.succession_kind in ('merge', 'split') and s.effective_date <= r.as_of_date
    window parts as (partition by s.from_unit_code, s.effective_date)
),

-- Nobody is told to have taken over: then the unit above and who took that over, at last the
-- estate's root. One day earlier than what is told, because both may happen on the same day.
untold as (
    select
        v.unit_code as from_unit_code,
        coalesce(v.parent_unit_code, root.unit_code) as to_unit_code,
        v.valid_to_date as effective_date,
        1::double as share
    from last_version as v
    inner join root on v.estate_code = root.estate_code
    anti join told as t on v.unit_code = t.from_unit_code
    anti join units_now as n on v.unit_code = n.unit_code
),

steps as (
    select * from told
    union all
    select * from untold
),

walk as (
    select
        unit_code,
        unit_code as heir_unit_code,
        1::double as share,
        date '0001-01-01' as since_date
    from last_version
    union all
    select
        w.unit_code,
        s.to_unit_code as heir_unit_code,
        w.share * s.share as share,
        s.effective_date as since_date
    from walk as w
    inner join steps as s
        on w.heir_unit_code = s.from_unit_code and w.since_date < s.effective_date
),

heirs as (
    select
        w.unit_code,
        w.heir_unit_code,
        -- A unit that goes on after a part was taken from it keeps its seats.
        if(
            bool_or(w.unit_code = n.unit_code) over (partition by w.unit_code),
            if(w.unit_code = n.unit_code, 1, 0),
            w.share
        ) as share
    from walk as w
    inner join units_now as n on w.heir_unit_code = n.unit_code
)

select
    unit_code,
    heir_unit_code,
    sum(share)::double as seat_share,
    row_number() over (partition by unit_code order by sum(share) desc, heir_unit_code)
    = 1 as is_main
from heirs
group by unit_code, heir_unit_code
order by unit_code, heir_unit_code
