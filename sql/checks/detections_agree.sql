-- What the highest units show for a day is every detection that servers registered on it.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Số phát hiện mã độc theo ngày khác số đếm trực tiếp
with shown as (
    select
        d.snapshot_date,
        sum(d.detection_count) as detection_count,
        sum(d.uncured_count) as uncured_count
    from marts.fct_detection_daily as d
    inner join marts.dim_unit as u
        on
            d.unit_code = u.unit_code
            and d.snapshot_date >= u.valid_from_date
            and d.snapshot_date <= coalesce(u.valid_to_date, date '9999-12-31')
    where u.parent_unit_code is null
    group by d.snapshot_date
),

counted as (
    select
        s.registered_date as snapshot_date,
        count(*) as detection_count,
        count(*) filter (s.is_uncured) as uncured_count
    from stg_detection as s
    semi join ref_unit_link as l
        on
            s.unit_code = l.unit_code
            and s.registered_date >= l.from_date
            and s.registered_date < l.until_date
    where s.registered_date = s.known_date
    group by s.registered_date
)

select
    s.snapshot_date,
    s.detection_count,
    c.detection_count as counted_count
from shown as s
left join counted as c using (snapshot_date)
where
    coalesce(s.detection_count, 0) <> coalesce(c.detection_count, 0)
    or coalesce(s.uncured_count, 0) <> coalesce(c.uncured_count, 0)
