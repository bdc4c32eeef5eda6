-- Of which units something of a kind was known by the end of a day: through any of their servers.
-- Grain: (unit_code, snapshot_date, kind).  Feeds: daily marts, which are NULL where this is not.
select distinct
    u.unit_code,
    c.snapshot_date,
    e.kind
from ref_server_unit as u
inner join stg_calendar as c
    on
        u.estate_code = c.estate_code
        and u.from_date <= c.snapshot_date
        and u.until_date > c.snapshot_date
inner join stg_extra_since as e
    on u.server_code = e.server_code and c.snapshot_date >= e.first_date
