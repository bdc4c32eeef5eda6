-- Where the seats are on the newest day, every seat in one row only. Sums of rows are right.
-- Grain: (part_code, reason_code).
-- Feeds: BI.
with placed as (
    select
        g.unit_code,
        g.reason_code,
        g.machine_count,
        p.unit_name,
        p.estate_name,
        p.block_name,
        p.root_unit_code,
        p.list_place,
        g.snapshot_date,
        p.estate_code,
        p.unit_code = p.root_unit_code as is_root
    from marts.rpt_coverage_gap as g
    inner join bi.unit_period as p
        on
            g.unit_code = p.unit_code
            and g.snapshot_date between p.valid_from_date and p.valid_to_date
    where p.unit_code = p.main_unit_code or p.unit_code = p.root_unit_code
    qualify g.snapshot_date = max(g.snapshot_date) over (partition by p.estate_code)
),

mains as (
    select
        root_unit_code,
        reason_code,
        sum(machine_count) as machine_count
    from placed
    where not is_root
    group by root_unit_code, reason_code
),

parts as (
    select
        unit_code as part_code,
        reason_code,
        unit_name as main_unit_name,
        estate_name,
        block_name,
        list_place,
        snapshot_date,
        machine_count,
        estate_code
    from placed
    where not is_root
    union all
    select
        r.unit_code as part_code,
        r.reason_code,
        r.unit_name || ' (chưa giao đơn vị)' as main_unit_name,
        r.estate_name,
        r.block_name,
        r.list_place,
        r.snapshot_date,
        (r.machine_count - coalesce(m.machine_count, 0))::bigint as machine_count,
        r.estate_code
    from placed as r
    left join mains as m
        on r.root_unit_code = m.root_unit_code and r.reason_code = m.reason_code
    where r.is_root
)

select
    s.part_code,
    s.reason_code,
    coalesce(w.word, s.reason_code) as reason_name,
    w.place as reason_place,
    s.main_unit_name,
    s.estate_name,
    s.block_name,
    s.list_place,
    s.snapshot_date,
    s.machine_count,
    s.estate_code
from parts as s
left join bi.word as w on w.kind = 'gap_reason' and s.reason_code = w.code
where s.machine_count <> 0
