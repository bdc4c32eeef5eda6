-- An endpoint's name and what was wrong with it, as intervals; like neighbours are one row.
-- Grain: (endpoint_id, valid_from_at).  Feeds: the ops page's list of machines on a past day.
with counted as (
    select
        endpoint_id,
        from_at,
        until_at,
        unit_code,
        display_name,
        if(is_installed and not is_correctly_named, reason_code, null) as reason_code,
        if(is_installed and not is_correctly_named, reason_codes, null) as reason_codes,
        if(is_installed and not is_correctly_named, suggested_name, null) as suggested_name,
        rule_code
    from stg_piece
    where is_counted
),

marked as (
    select
        *,
        coalesce(
            lag(until_at) over by_endpoint = from_at
            and lag(
                (unit_code, display_name, reason_codes, suggested_name, rule_code)
            ) over by_endpoint
            is not distinct from (
                unit_code, display_name, reason_codes, suggested_name, rule_code
            ),
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
    any_value(unit_code) as unit_code,
    any_value(display_name) as display_name,
    any_value(reason_code) as reason_code,
    any_value(reason_codes) as reason_codes,
    any_value(suggested_name) as suggested_name,
    any_value(rule_code) as rule_code
from numbered
group by endpoint_id, spell
order by endpoint_id, valid_from_at
