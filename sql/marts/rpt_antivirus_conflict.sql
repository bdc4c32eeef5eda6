-- Machines with a second antivirus, each of its programs, and for how long.
-- Grain: (endpoint_id, product_name).  Feeds: the conflict pages, the list that a unit gets.
select
    c.endpoint_id,
    c.product_name,
    c.unit_code,
    c.evidence,
    c.since_at,
    date_diff(
        'day',
        (c.since_at at time zone 'Asia/Ho_Chi_Minh')::date,
        r.as_of_date
    ) as age_days
from stg_conflict as c
cross join ref_run as r
order by c.unit_code, c.endpoint_id, c.product_name
