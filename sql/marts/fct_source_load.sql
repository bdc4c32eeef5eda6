-- Every attempt to read a server, and what became of it.
-- Grain: (load_id).  Feeds: the age of figures, the record of faults.
select
    load_id,
    server_code,
    observed_at,
    collected_at,
    status,
    rows_expected_count,
    rows_read_count,
    content_sha256,
    fault_code,
    fault_text,
    estate_code,
    as_of_at,
    gated_at,
    product_version,
    clock_skew_seconds,
    is_applied,
    refusal_code
from src_load
order by observed_at, load_id
