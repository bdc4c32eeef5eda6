-- A placed sighting with its name judged and every flag as the figures count it.
-- Grain: (server_code, endpoint_id, from_at).  Feeds: all figures and lists.
with clipped as (
    select
        p.* exclude (until_at, is_duplicate),
        case when p.until_at <= r.cutoff_at then p.until_at else far_at() end as until_at,
        p.is_duplicate or not p.is_counted as is_duplicate,
        p.is_duplicate as is_duplicate_here
    from stg_flagged as p
    cross join ref_run as r
)

select
    c.estate_code,
    c.server_code,
    c.endpoint_id,
    c.from_at,
    c.until_at,
    c.unit_code,
    c.is_mapped,
    c.display_name,
    c.dns_name,
    c.group_path,
    c.is_unassigned,
    c.is_server_os,
    c.has_name_twin,
    c.is_counted,
    c.is_duplicate,
    c.is_duplicate_here,
    -- A duplicate is counted as a duplicate and as nothing else.
    c.is_named as is_installed,
    c.is_agent_only and not c.is_duplicate as is_agent_only,
    c.is_protected and c.is_named as is_protected,
    c.has_old_bases and c.is_named as has_old_bases,
    c.is_stale and not c.is_duplicate as is_stale,
    c.has_antivirus_conflict and not c.is_excused and not c.is_duplicate
        as has_antivirus_conflict,
    c.is_exempt,
    c.is_named and j.is_correct as is_correctly_named,
    c.is_named and j.is_exempt as is_name_exempt,
    c.status_id,
    c.rtp_state,
    c.antivirus_version,
    j.reason_code,
    j.reason_codes,
    j.suggested_name,
    c.context_key,
    c.rule_code
from clipped as c
left join judged_name as j
    on
        c.context_key = j.context_key
        and c.display_name is not distinct from j.display_name
        and c.dns_label is not distinct from j.dns_label
        and c.is_server_os = j.is_server_os
        and c.has_name_twin = j.has_name_twin
