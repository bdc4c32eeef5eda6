-- Made in every published file, for people who ask it directly, and for as-of and replay.
-- Feeds: BI, letters, ksc-ledger as-of.
-- noqa: disable=RF02
-- (d is the macro's parameter)

-- from marts.coverage_as_of(date '2022-10-12'): that day's figures with the loads they rest on.
create or replace macro marts.coverage_as_of(d) as table
    select
        c.*,
        n.unit_name,
        (
            select
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
                )
            from marts.dim_unit_server as u
            inner join marts.fct_server_source_daily as s
                on u.server_code = s.server_code
            where
                u.unit_code = c.unit_code
                and s.snapshot_date = c.snapshot_date
                and c.snapshot_date >= u.valid_from_date
                and c.snapshot_date <= coalesce(u.valid_to_date, date '9999-12-31')
        ) as sources
    from marts.fct_unit_coverage_daily as c
    inner join marts.dim_unit as n
        on
            c.unit_code = n.unit_code
            and c.snapshot_date >= n.valid_from_date
            and c.snapshot_date <= coalesce(n.valid_to_date, date '9999-12-31')
    where c.snapshot_date = d
    order by c.estate_code, n.parent_unit_code nulls first, n.list_order, c.unit_code;
