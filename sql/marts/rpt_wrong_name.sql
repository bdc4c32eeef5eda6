-- The installed machines whose names the rule in force does not accept.
-- Grain: (endpoint_id).  Feeds: the list that a unit gets to rename its machines.
select
    c.endpoint_id,
    c.unit_code,
    c.display_name,
    c.reason_code,
    c.reason_codes,
    f.suggested_name,
    c.rule_code,
    c.server_code
from stg_current as c
left join free_suggestion as f
    on c.server_code = f.server_code and c.endpoint_id = f.endpoint_id
where c.is_installed and not c.is_correctly_named
order by c.unit_code, c.endpoint_id
