-- Who could give seats to whom, and the transfers that officers have approved.
-- Grain: (from_unit_code, to_unit_code).  Feeds: the officers who decide, BI.
select
    from_unit_code,
    to_unit_code,
    proposed_count,
    reason,
    status,
    documents,
    effective_date,
    estate_code
from proposed_reallocation
order by estate_code, from_unit_code, to_unit_code
