-- Every key on every server and day: its limit, its users, its end.
-- Grain: (licence_serial, server_code, snapshot_date).  Feeds: the licence pages, reminders.
-- A key lies on several servers with the limit of the whole key: limits are never added up.
with servers as (
    select distinct
        server_code,
        estate_code
    from ref_server
)

select
    l.licence_serial,
    l.server_code,
    c.snapshot_date,
    l.product_name,
    l.seat_limit_count,
    l.used_count,
    l.expires_at,
    date_diff('day', c.snapshot_date, (l.expires_at at time zone 'Asia/Ho_Chi_Minh')::date)
        as days_left
from src_licence as l
inner join servers as s on l.server_code = s.server_code
inner join stg_calendar as c
    on
        s.estate_code = c.estate_code
        and c.snapshot_date >= figure_day(l.from_at)
        and c.snapshot_date < figure_day(l.until_at)
order by l.licence_serial, l.server_code, c.snapshot_date
