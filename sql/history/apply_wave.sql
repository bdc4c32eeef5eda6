-- What the loads in temp table wave make of their servers (facts: load_facts, replaced).
-- Grain: statements, inside the wave's transaction.  Feeds: hist.closed, hist.gone; compared.
-- noqa: disable=RF02
-- (the columns left out by `exclude` belong to the table before the dot)
-- Only rows of the wave's servers may close. hist.cur itself is changed by put_current, which finds
-- a row again by its place; that stays for as long as the transaction.

create or replace temp view before_wave as
select
    *,
    rowid as place
from hist.cur
where server_code in (select w.server_code from wave as w);

-- What is there now and what was there before, side by side; a machine that is gone has no facts.
create or replace temp table compared as
select
    coalesce(f.server_code, b.server_code) as server_code,
    coalesce(f.endpoint_id, b.endpoint_id) as endpoint_id,
    f.endpoint_id is null as is_gone,
    b.valid_from_at as valid_before_at,
    b.place,
    -- One by one: made into rows, they cost half as much again.
    if(
        f.display_name is not distinct from b.display_name
        and f.netbios_name is not distinct from b.netbios_name
        and f.dns_name is not distinct from b.dns_name
        and f.group_path is not distinct from b.group_path
        and f.is_unassigned is not distinct from b.is_unassigned
        and f.is_installed is not distinct from b.is_installed
        and f.is_agent_only is not distinct from b.is_agent_only
        and f.is_protected is not distinct from b.is_protected
        and f.has_old_bases is not distinct from b.has_old_bases
        and f.is_stale is not distinct from b.is_stale
        and f.is_duplicate is not distinct from b.is_duplicate
        and f.has_name_twin is not distinct from b.has_name_twin
        and f.has_antivirus_conflict is not distinct from b.has_antivirus_conflict
        and f.status_id is not distinct from b.status_id
        and f.rtp_state is not distinct from b.rtp_state
        and f.antivirus_version is not distinct from b.antivirus_version
        and f.is_server_os is not distinct from b.is_server_os,
        b.valid_from_at,
        w.observed_at
    ) as valid_from_at,
    -- Not tracked, and as rare: whoever has them anew is written anew.
    if(
        f.created_at is not distinct from b.created_at
        and f.mac_address is not distinct from b.mac_address
        and f.serial_number is not distinct from b.serial_number,
        true,
        false
    ) as has_same_rest,
    f.last_visible_at,
    f.last_connected_at,
    f.bases_at,
    w.observed_at,
    w.load_id,
    coalesce(b.first_seen_at, g.first_seen_at, w.observed_at) as first_seen_at,
    coalesce(b.replaces_endpoint_id, r.replaces_endpoint_id) as replaces_endpoint_id
from load_facts as f
full outer join before_wave as b
    on f.endpoint_id = b.endpoint_id and f.server_code = b.server_code
inner join wave as w on coalesce(f.server_code, b.server_code) = w.server_code
left join hist.gone as g on f.endpoint_id = g.endpoint_id and f.server_code = g.server_code
left join replaced as r on f.endpoint_id = r.endpoint_id and f.server_code = r.server_code;

-- What ends now: it changed, or the server no longer has it.
create or replace temp table ended as
select
    b.* exclude (place),
    n.observed_at as valid_to_at,
    n.is_gone
from before_wave as b
inner join compared as n on b.place = n.place
where n.is_gone or n.valid_before_at <> n.valid_from_at;

-- An interval that began at this very instant is the same load read again: nothing stays of it.
insert into hist.closed by name
select
    * exclude (
        observed_at, load_id, first_seen_at, created_at, last_visible_at, last_connected_at,
        bases_at, mac_address, serial_number, replaces_endpoint_id, is_gone
    )
from ended
where valid_from_at < valid_to_at;

delete from hist.gone
where
    (server_code, endpoint_id) in (
        select (n.server_code, n.endpoint_id)
        from compared as n
        where n.valid_before_at is null
    );

insert into hist.gone by name
select
    server_code,
    endpoint_id,
    valid_to_at as gone_at,
    first_seen_at,
    mac_address,
    serial_number
from ended
where is_gone;
