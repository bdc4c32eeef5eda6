-- Which version of the figures this is, in Vietnamese time.
-- Grain: (version_id).
-- Feeds: BI.
select
    v.version_id,
    v.published_at at time zone 'Asia/Ho_Chi_Minh' as published_local,
    v.as_of_at at time zone 'Asia/Ho_Chi_Minh' as as_of_local,
    (select max(a.age_hours) from marts.rpt_source_age as a) as oldest_age_hours,
    v.code_version,
    v.rules_version
from marts._published as v
