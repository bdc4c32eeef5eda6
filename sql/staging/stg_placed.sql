-- A sighting in the unit to which its group belongs, cut where the registry changes that.
-- Grain: (server_code, endpoint_id, from_at).  Feeds: the judging of names, stg_piece.
select
    s.* exclude (from_at, until_at),
    g.estate_code,
    g.unit_code,
    g.is_mapped,
    -- Only the names of machines that count are judged.
    s.is_installed and s.is_counted and not s.is_duplicate as is_named,
    if(is_named, n.context_key, null) as context_key,
    n.rule_code,
    split_part(s.dns_name, '.', 1) as dns_label,
    greatest(s.from_at, g.from_at, n.from_at) as from_at,
    least(s.until_at, g.until_at, n.until_at) as until_at
from stg_sighting as s
inner join ref_group_unit as g
    on
        s.server_code = g.server_code
        and s.group_path is not distinct from g.group_path
        and s.from_at < g.until_at
        and s.until_at > g.from_at
inner join ref_name_context as n
    on
        g.unit_code = n.unit_code
        and greatest(s.from_at, g.from_at) < n.until_at
        and n.from_at < least(s.until_at, g.until_at)
cross join ref_run as r
where greatest(s.from_at, g.from_at, n.from_at) <= r.cutoff_at
