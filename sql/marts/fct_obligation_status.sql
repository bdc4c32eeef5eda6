-- What had become of each obligation of each unit when it was last judged, and on what that rests.
-- Grain: (obligation_code, unit_code).  Feeds: the page of deadlines, the breach list, BI.
select
    obligation_code,
    unit_code,
    directive_code,
    document_number,
    obligation_kind,
    wording,
    due_at,
    status,
    met_at,
    overdue_days,
    evidence,
    changed_at,
    estate_code
from src_obligation_status
order by estate_code, obligation_code, unit_code
