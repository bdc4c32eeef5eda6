-- The whole is the sum of its estates, an estate's figure of what lies in its units one by one.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Số toàn bộ khác tổng các địa bàn, hoặc số của địa bàn khác tổng các đơn vị
with shown as (
    select
        estate_code,
        snapshot_date,
        is_whole,
        unnest([
            'allocated', 'installed', 'correctly_named', 'protected', 'estates', 'servers_expected',
            'servers_observed', 'servers_connected', 'servers_lost', 'open_breach'
        ]) as measure,
        unnest([
            allocated_count, installed_count, correctly_named_count, protected_count,
            estates_count, servers_expected_count, servers_observed_count,
            servers_connected_count, servers_lost_count, open_breach_count
        ]) as amount
    from marts.rpt_national_coverage_daily
),

of_units as (
    select
        o.estate_code,
        o.snapshot_date,
        unnest(['allocated', 'installed', 'correctly_named', 'protected']) as measure,
        unnest([
            sum(o.seat_count), sum(o.installed_count), sum(o.correctly_named_count),
            sum(o.protected_count)
        ]) as amount
    from stg_own_daily as o
    inner join marts.fct_unit_coverage_daily as f -- units in force that day
        on o.unit_code = f.unit_code and o.snapshot_date = f.snapshot_date
    group by o.estate_code, o.snapshot_date
),

wanted as (
    select
        '*' as estate_code,
        snapshot_date,
        measure,
        sum(amount) as amount
    from shown
    where not is_whole
    group by snapshot_date, measure
    union all
    select
        estate_code,
        snapshot_date,
        measure,
        amount
    from of_units
)

select
    w.estate_code,
    w.snapshot_date,
    w.measure,
    s.amount as shown_count,
    w.amount as summed_count
from wanted as w
left join shown as s using (estate_code, snapshot_date, measure)
-- Before a server of the estate was read whole nothing is shown, and nothing lies in its units.
where
    s.amount is distinct from w.amount
    and not (s.amount is null and coalesce(w.amount, 0) = 0)
