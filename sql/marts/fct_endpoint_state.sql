-- An endpoint's flags as intervals; neighbours that say the same are one row.
-- Grain: (endpoint_id, valid_from_at).  Feeds: spells, as-of questions about single machines.
with counted as (
    select
        *,
        (
            server_code, unit_code, is_installed, is_agent_only, is_correctly_named,
            is_name_exempt, is_protected, has_old_bases, is_stale, is_duplicate,
            has_antivirus_conflict, is_exempt, status_id, rtp_state, antivirus_version, reason_code
        ) as state
    from stg_piece
    where is_counted
),

marked as (
    select
        *,
        coalesce(
            lag(until_at) over by_endpoint = from_at
            and lag(state) over by_endpoint is not distinct from state,
            false
        ) as is_same
    from counted
    window by_endpoint as (partition by endpoint_id order by from_at)
),

numbered as (
    select
        *,
        sum(if(is_same, 0, 1)) over (
            partition by endpoint_id
            order by from_at
            rows between unbounded preceding and current row
        ) as spell
    from marked
)

select
    endpoint_id,
    min(from_at) as valid_from_at,
    nullif(max(until_at), far_at()) as valid_to_at,
    any_value(server_code) as server_code,
    any_value(unit_code) as unit_code,
    any_value(is_installed) as is_installed,
    any_value(is_agent_only) as is_agent_only,
    any_value(is_correctly_named) as is_correctly_named,
    any_value(is_name_exempt) as is_name_exempt,
    any_value(is_protected) as is_protected,
    any_value(has_old_bases) as has_old_bases,
    any_value(is_stale) as is_stale,
    any_value(is_duplicate) as is_duplicate,
    any_value(has_antivirus_conflict) as has_antivirus_conflict,
    any_value(is_exempt) as is_exempt,
    any_value(status_id) as status_id,
    any_value(rtp_state) as rtp_state,
    any_value(antivirus_version) as antivirus_version,
    any_value(reason_code) as reason_code
from numbered
group by endpoint_id, spell
order by endpoint_id, valid_from_at
