-- An endpoint's states follow each other and never overlap.
-- Grain: rows that must not exist.  Feeds: publishing.
-- vi: Các khoảng thời gian của một máy chồng lên nhau
select
    endpoint_id,
    valid_from_at,
    valid_to_at
from marts.fct_endpoint_state
qualify
    valid_to_at <= valid_from_at
    or coalesce(valid_to_at, far_at())
    > lead(valid_from_at) over (partition by endpoint_id order by valid_from_at)
