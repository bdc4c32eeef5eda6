-- The days of an estate: from its first complete load to the day of the build.
-- Grain: (estate_code, snapshot_date).  Feeds: everything daily.
with first_day as (
    select
        l.estate_code,
        min(figure_day(l.observed_at)) as first_date
    from src_complete_load as l
    group by l.estate_code
)

select
    f.estate_code,
    unnest(range(f.first_date::timestamp, r.as_of_date + interval 1 day, interval 1 day))::date
        as snapshot_date
from first_day as f
cross join ref_run as r
