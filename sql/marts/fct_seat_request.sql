-- Seats that units asked for beyond what they have, and what became of it.
-- Grain: (request_id).  Feeds: reallocation, letters.
select
    request_id,
    unit_code,
    seat_count,
    requested_date,
    status,
    source_document,
    estate_code
from ref_seat_request
order by estate_code, requested_date, request_id
