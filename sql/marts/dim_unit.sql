-- One row per unit and version of it, as the registry has it.
-- Grain: (unit_code, valid_from_date).  Feeds: names and order of units in every report.
select
    unit_code,
    valid_from_date,
    estate_code,
    unit_name,
    unit_kind,
    official_code,
    name_prefix,
    parent_unit_code,
    list_order,
    valid_to_date,
    source_document
from ref_unit
order by estate_code, list_order, unit_code, valid_from_date
