-- Made in every published file: a past day's figures on the map of the day of the file.
-- Grain: (unit_code of the day of the file).  Feeds: BI, ksc-ledger as-of --map today.
-- noqa: disable=RF02
-- (d is the macro's parameter)

-- from marts.coverage_on_todays_map(date '2022-10-12'): each machine counts where it belongs now.
-- A unit that went into one other is counted there; of a unit that was split, a machine counts in
-- the part in which it is now, else in the main part. Seats follow the document of the split, and
-- all of a day's seats are shared out. Sums over the whole are those of the day's own map.
create or replace macro marts.coverage_on_todays_map(d) as table
    with recursive today as (
        select
            u.estate_code,
            u.unit_code,
            u.unit_name,
            u.parent_unit_code,
            u.list_order
        from marts.dim_unit as u
        cross join marts._published as p
        where
            (p.as_of_at at time zone 'Asia/Ho_Chi_Minh')::date
            between u.valid_from_date and coalesce(u.valid_to_date, date '9999-12-31')
    ),

    links as (
        select
            unit_code,
            unit_code as ancestor_code,
            0 as steps
        from today
        union all
        select
            l.unit_code,
            t.parent_unit_code as ancestor_code,
            l.steps + 1 as steps
        from links as l
        inner join today as t on l.ancestor_code = t.unit_code
        where t.parent_unit_code in (select unit_code from today)
    ),

    heir_count as (
        select
            unit_code,
            count(*) as heirs,
            any_value(heir_unit_code) filter (is_main) as main_code
        from marts.dim_unit_heir
        group by unit_code
    ),

    machines as (
        select
            case
                when h.heirs > 1 then coalesce(m.heir_unit_code, h.main_code)
                else h.main_code
            end as unit_code,
            s.is_installed,
            s.is_correctly_named,
            s.is_protected,
            s.is_agent_only,
            s.is_stale,
            s.has_old_bases,
            s.has_antivirus_conflict
        from marts.fct_endpoint_state as s
        inner join heir_count as h on s.unit_code = h.unit_code
        left join marts.dim_endpoint as e on s.endpoint_id = e.endpoint_id
        left join marts.dim_unit_heir as m
            on s.unit_code = m.unit_code and e.unit_code = m.heir_unit_code
        where
            s.valid_from_at <= (d + time '23:59:59') at time zone 'Asia/Ho_Chi_Minh'
            and coalesce(s.valid_to_at, timestamptz '9999-12-31 00:00:00+00')
            > (d + time '23:59:59') at time zone 'Asia/Ho_Chi_Minh'
    ),

    counted as (
        select
            unit_code,
            count(*) filter (is_installed) as installed_count,
            count(*) filter (is_correctly_named) as correctly_named_count,
            count(*) filter (is_protected) as protected_count,
            count(*) filter (is_agent_only) as agent_only_count,
            count(*) filter (is_stale) as stale_count,
            count(*) filter (has_old_bases) as old_bases_count,
            count(*) filter (has_antivirus_conflict) as antivirus_conflict_count
        from machines
        group by unit_code
    ),

    moved_seats as (
        select
            to_unit_code as unit_code,
            seat_count
        from marts.fct_allocation_entry
        where
            to_unit_code is not null
            and d between valid_from_date and coalesce(valid_to_date, date '9999-12-31')
        union all
        select
            from_unit_code as unit_code,
            -seat_count as seat_count
        from marts.fct_allocation_entry
        where
            from_unit_code is not null
            and d between valid_from_date and coalesce(valid_to_date, date '9999-12-31')
    ),

    own_seats as (
        select
            unit_code,
            sum(seat_count)::bigint as seat_count
        from moved_seats
        group by unit_code
        having sum(seat_count) <> 0
    ),

    -- To the last seat: what rounding down leaves over goes to the largest remainders.
    rounded as (
        select
            h.heir_unit_code as unit_code,
            o.seat_count,
            floor(o.seat_count * h.seat_share)::bigint as whole_count,
            sum(floor(o.seat_count * h.seat_share)) over (partition by o.unit_code)::bigint
                as given_count,
            row_number() over (
                partition by o.unit_code
                order by
                    o.seat_count * h.seat_share - floor(o.seat_count * h.seat_share) desc,
                    h.heir_unit_code
            ) as place
        from own_seats as o
        inner join marts.dim_unit_heir as h on o.unit_code = h.unit_code
    ),

    seats as (
        select
            unit_code,
            sum(
                whole_count + case when place <= seat_count - given_count then 1 else 0 end
            )::bigint as seat_count
        from rounded
        group by unit_code
    ),

    -- Whether anything was read of what a unit of today stands for, and the figures it comes from.
    before as (
        select
            h.heir_unit_code as unit_code,
            bool_or(c.installed_count is not null) as has_landed,
            bool_and(c.is_complete) filter (c.installed_count is not null) as is_complete,
            bool_or(c.is_provisional) as is_provisional,
            min(c.oldest_observed_at) as oldest_observed_at,
            list(c.snapshot_id order by c.snapshot_id) as snapshot_ids
        from marts.fct_unit_coverage_daily as c
        inner join marts.dim_unit_heir as h on c.unit_code = h.unit_code
        where c.snapshot_date = d
        group by h.heir_unit_code
    ),

    own as (
        select
            t.unit_code,
            coalesce(s.seat_count, 0) as seat_count,
            coalesce(c.installed_count, 0) as installed_count,
            coalesce(c.correctly_named_count, 0) as correctly_named_count,
            coalesce(c.protected_count, 0) as protected_count,
            coalesce(c.agent_only_count, 0) as agent_only_count,
            coalesce(c.stale_count, 0) as stale_count,
            coalesce(c.old_bases_count, 0) as old_bases_count,
            coalesce(c.antivirus_conflict_count, 0) as antivirus_conflict_count
        from today as t
        left join counted as c on t.unit_code = c.unit_code
        left join seats as s on t.unit_code = s.unit_code
    ),

    holder as (
        select
            l.unit_code,
            arg_min(l.ancestor_code, l.steps) as holder_code
        from links as l
        inner join own as o on l.ancestor_code = o.unit_code
        where o.seat_count > 0
        group by l.unit_code
    ),

    domains as (
        select
            coalesce(h.holder_code, o.unit_code) as unit_code,
            sum(
                case
                    when o.unit_code = coalesce(h.holder_code, o.unit_code) then o.seat_count
                    else 0
                end
            ) as seat_count,
            sum(o.installed_count) as installed_count
        from own as o
        left join holder as h on o.unit_code = h.unit_code
        group by coalesce(h.holder_code, o.unit_code)
    ),

    gaps as (
        select
            l.ancestor_code as unit_code,
            sum(greatest(g.seat_count - g.installed_count, 0))::bigint as gap_count,
            sum(greatest(g.installed_count - g.seat_count, 0))::bigint as over_count
        from domains as g
        inner join links as l on g.unit_code = l.unit_code
        group by l.ancestor_code
    ),

    summed as (
        select
            l.ancestor_code as unit_code,
            sum(o.seat_count)::bigint as allocated_count,
            sum(o.installed_count)::bigint as installed_count,
            sum(o.correctly_named_count)::bigint as correctly_named_count,
            sum(o.protected_count)::bigint as protected_count,
            sum(o.agent_only_count)::bigint as agent_only_count,
            sum(o.stale_count)::bigint as stale_count,
            sum(o.old_bases_count)::bigint as old_bases_count,
            sum(o.antivirus_conflict_count)::bigint as antivirus_conflict_count
        from own as o
        inner join links as l on o.unit_code = l.unit_code
        group by l.ancestor_code
    ),

    known as (
        select
            l.ancestor_code as unit_code,
            bool_or(b.has_landed) as has_landed,
            bool_and(b.is_complete) as is_complete,
            bool_or(b.is_provisional) as is_provisional,
            min(b.oldest_observed_at) as oldest_observed_at
        from before as b
        inner join links as l on b.unit_code = l.unit_code
        group by l.ancestor_code
    ),

    source_server as (
        select distinct
            l.ancestor_code as unit_code,
            v.server_code
        from marts.dim_unit_server as v
        inner join marts.dim_unit_heir as h on v.unit_code = h.unit_code
        inner join links as l on h.heir_unit_code = l.unit_code
        where d between v.valid_from_date and coalesce(v.valid_to_date, date '9999-12-31')
    ),

    sources as (
        select
            v.unit_code,
            list(
                {
                    'server_code': s.server_code,
                    'load_id': s.load_id,
                    'observed_at': s.observed_at,
                    'age_hours': round(
                        date_diff(
                            'second',
                            s.observed_at,
                            (d + interval 1 day) at time zone 'Asia/Ho_Chi_Minh'
                        ) / 3600.0,
                        1
                    )::double,
                    'is_of_that_day': s.is_of_that_day,
                    'has_passed_gate': s.has_passed_gate
                }
                order by s.server_code
            ) as sources,
            count(*) filter (s.is_of_that_day) as servers_observed_count
        from source_server as v
        inner join marts.fct_server_source_daily as s on v.server_code = s.server_code
        where s.snapshot_date = d
        group by v.unit_code
    ),

    expected as (
        select
            unit_code,
            count(*) as servers_expected_count
        from source_server
        group by unit_code
    )

    select
        t.unit_code,
        d::date as snapshot_date,
        t.estate_code,
        a.allocated_count,
        case when k.has_landed then a.installed_count end as installed_count,
        case when k.has_landed then a.correctly_named_count end as correctly_named_count,
        case when k.has_landed then a.protected_count end as protected_count,
        case when k.has_landed then a.agent_only_count end as agent_only_count,
        case when k.has_landed then a.stale_count end as stale_count,
        case when k.has_landed then a.old_bases_count end as old_bases_count,
        case when k.has_landed then a.antivirus_conflict_count end as antivirus_conflict_count,
        case when k.has_landed then g.gap_count end as gap_count,
        case when k.has_landed then g.over_count end as over_count,
        case when k.has_landed then a.allocated_count - a.installed_count end as net_gap_count,
        case
            when k.has_landed then a.installed_count / nullif(a.allocated_count, 0)
        end::double as installed_ratio,
        case
            when k.has_landed then a.correctly_named_count / nullif(a.installed_count, 0)
        end::double as correctly_named_ratio,
        coalesce(x.servers_expected_count, 0) as servers_expected_count,
        coalesce(s.servers_observed_count, 0) as servers_observed_count,
        coalesce(k.is_complete, false) as is_complete,
        k.is_provisional,
        k.oldest_observed_at,
        t.unit_name,
        t.parent_unit_code,
        s.sources,
        -- The printed figures of the day's own map that this one is made of.
        b.snapshot_ids
    from today as t
    inner join summed as a on t.unit_code = a.unit_code
    inner join known as k on t.unit_code = k.unit_code
    left join gaps as g on t.unit_code = g.unit_code
    left join sources as s on t.unit_code = s.unit_code
    left join expected as x on t.unit_code = x.unit_code
    left join before as b on t.unit_code = b.unit_code
    order by t.estate_code, t.parent_unit_code nulls first, t.list_order, t.unit_code;
