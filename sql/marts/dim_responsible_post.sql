-- The posts that answer for a matter in a unit; people stand in contacts.csv, outside the marts.
-- Grain: (unit_code, matter, valid_from_date).  Feeds: one-pagers, letters, BI.
select
    unit_code,
    matter,
    valid_from_date,
    valid_to_date,
    post_title,
    source_document,
    estate_code
from ref_responsible_post
order by estate_code, unit_code, matter, valid_from_date
