-- What is so at the instant of the build, one row a sighting, with the volatile facts.
-- Grain: (server_code, endpoint_id).  Feeds: dim_endpoint, rpt_wrong_name, fct_endpoint_sighting.
with newest as (
    select
        server_code,
        max(observed_at) as observed_at
    from stg_server_day
    group by server_code
)

select
    p.*,
    c.created_at,
    c.first_seen_at,
    c.replaces_endpoint_id,
    -- The newest load may be newer than the instant of this build; its ages are then not ours.
    if(c.observed_at <= r.cutoff_at, c.bases_at, null) as bases_at,
    if(c.observed_at <= r.cutoff_at, c.last_visible_at, null) as last_visible_at,
    if(c.observed_at <= r.cutoff_at, c.last_connected_at, null) as last_connected_at,
    n.observed_at
from stg_piece as p
cross join ref_run as r
left join src_cur as c on p.server_code = c.server_code and p.endpoint_id = c.endpoint_id
left join newest as n on p.server_code = n.server_code
where p.until_at = far_at()
