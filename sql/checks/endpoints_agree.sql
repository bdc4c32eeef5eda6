-- The figures of the newest day, made from changes, equal a count over the machines themselves.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Số liệu ngày mới nhất khác số đếm trực tiếp trên danh sách máy
with counted as (
    select
        unit_code,
        count(*) filter (is_installed) as installed_count,
        count(*) filter (is_correctly_named) as correctly_named_count,
        count(*) filter (is_agent_only) as agent_only_count,
        count(*) filter (is_protected) as protected_count,
        count(*) filter (is_duplicate) as duplicate_count
    from stg_current
    group by unit_code
)

select
    o.unit_code,
    o.installed_count,
    c.installed_count as machines_installed_count
from stg_own_daily as o
inner join ref_run as r on o.snapshot_date = r.as_of_date
left join counted as c on o.unit_code = c.unit_code
where
    o.installed_count <> coalesce(c.installed_count, 0)
    or o.correctly_named_count <> coalesce(c.correctly_named_count, 0)
    or o.agent_only_count <> coalesce(c.agent_only_count, 0)
    or o.protected_count <> coalesce(c.protected_count, 0)
    or o.duplicate_count <> coalesce(c.duplicate_count, 0)
