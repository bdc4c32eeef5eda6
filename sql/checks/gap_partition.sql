-- Where seats are held, and above, the reasons sum to the allocated count and gap to net gap.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Các phần phân tích không cộng lại bằng số bản quyền được phân bổ
with below_holder as (
    select distinct
        h.unit_code,
        c.snapshot_date
    from ref_holder as h
    inner join stg_calendar as c
        on h.from_date <= c.snapshot_date and h.until_date > c.snapshot_date
    where h.unit_code <> h.holder_code
),

parts as (
    select
        unit_code,
        snapshot_date,
        sum(machine_count) as amount
    from marts.rpt_coverage_gap
    group by unit_code, snapshot_date
)

select
    c.unit_code,
    c.snapshot_date,
    c.allocated_count,
    p.amount as parts_count,
    c.gap_count,
    c.over_count,
    c.net_gap_count
from marts.fct_unit_coverage_daily as c
anti join below_holder as b
    on c.unit_code = b.unit_code and c.snapshot_date = b.snapshot_date
left join parts as p on c.unit_code = p.unit_code and c.snapshot_date = p.snapshot_date
where
    c.allocated_count <> coalesce(p.amount, 0)
    or c.gap_count - c.over_count <> c.net_gap_count
