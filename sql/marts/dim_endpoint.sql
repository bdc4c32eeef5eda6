-- One row per endpoint that a server has now: the sighting that counts, judged at observed_at.
-- Grain: (endpoint_id).  Feeds: lists of machines, BI.
select
    endpoint_id,
    server_code,
    display_name,
    dns_name,
    unit_code,
    group_path,
    is_installed,
    is_agent_only,
    is_correctly_named,
    is_name_exempt,
    is_protected,
    has_old_bases,
    is_stale,
    is_duplicate,
    has_antivirus_conflict,
    is_exempt,
    status_id,
    rtp_state,
    antivirus_version,
    bases_at,
    last_visible_at,
    last_connected_at,
    first_seen_at,
    replaces_endpoint_id,
    false as is_fallback,
    observed_at,
    created_at,
    is_unassigned,
    is_server_os,
    has_name_twin,
    is_mapped
from stg_current
where is_counted
order by unit_code, endpoint_id
