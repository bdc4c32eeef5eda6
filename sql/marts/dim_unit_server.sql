-- Through which servers a unit's machines (its children's included) are seen, and when.
-- Grain: (unit_code, server_code, valid_from_date).  Feeds: coverage_as_of, BI.
select
    unit_code,
    server_code,
    from_date as valid_from_date,
    nullif(until_date - 1, date '9999-12-30') as valid_to_date
from ref_server_unit
order by unit_code, server_code, valid_from_date
