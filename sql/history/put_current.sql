-- What the servers of temp table turn have now becomes the current state.
-- Grain: statements, inside the wave's transaction, after apply_wave.  Feeds: hist.cur.

-- Of most endpoints only what every reading brings has changed; their rows are not written anew.
update hist.cur as c
set
    observed_at = n.observed_at,
    load_id = n.load_id,
    last_visible_at = n.last_visible_at,
    last_connected_at = n.last_connected_at,
    bases_at = n.bases_at
from compared as n
where
    n.valid_from_at < n.observed_at
    and n.has_same_rest
    and c.rowid = n.place
    and n.server_code in (select t.server_code from turn as t);

delete from hist.cur as c
using wave as w
where
    c.server_code = w.server_code
    and c.load_id <> w.load_id
    and w.server_code in (select t.server_code from turn as t);

insert into hist.cur by name
select
    f.*,
    n.valid_from_at,
    n.observed_at,
    n.load_id,
    n.first_seen_at,
    n.replaces_endpoint_id
from load_facts as f
inner join compared as n on f.endpoint_id = n.endpoint_id and f.server_code = n.server_code
where
    (n.valid_from_at = n.observed_at or not n.has_same_rest)
    and n.server_code in (select t.server_code from turn as t);
