-- Who attended which training, as the attendance lists say.
-- Grain: (obligation_code, unit_code, training_date).  Feeds: letters about training, BI.
select
    obligation_code,
    unit_code,
    training_date,
    is_present,
    source_document,
    estate_code
from ref_training
order by estate_code, training_date, obligation_code, unit_code
