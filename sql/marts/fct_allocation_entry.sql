-- Every entry of the ledger of seats, with the document that decided it.
-- Grain: (entry_id).  Feeds: allocated counts, reconciliation.
select
    entry_id,
    entry_kind,
    from_unit_code,
    to_unit_code,
    seat_count,
    valid_from_date,
    valid_to_date,
    source_document,
    estate_code
from ref_allocation
order by estate_code, valid_from_date, entry_id
