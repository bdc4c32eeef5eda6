-- Every object that was found on a machine, and what became of it as far as known.
-- Grain: (detection_id).  Feeds: the infection pages, BI.
select
    detection_id,
    server_code,
    endpoint_id,
    unit_code,
    threat_name,
    object_name,
    detected_at,
    registered_at,
    outcome
from stg_detection
order by registered_at, detection_id
