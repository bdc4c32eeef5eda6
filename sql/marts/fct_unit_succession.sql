-- What became of a unit: merged, split, renamed, or only its official code passed on.
-- Grain: (from_unit_code, to_unit_code, effective_date).  Feeds: dim_unit_heir, BI.
select
    from_unit_code,
    to_unit_code,
    effective_date,
    succession_kind,
    seat_count,
    source_document,
    estate_code
from ref_succession
order by estate_code, effective_date, place
