-- What the loads in temp table wave make of their servers (facts: load_facts, replaced).
-- Grain: statements, inside the wave's transaction.  Feeds: hist.closed, hist.gone; next_cur.
-- noqa: disable=RF02
-- (the columns left out by `exclude` belong to the table before the dot)
-- Only rows of the wave's servers may close. hist.cur itself is changed by put_current.

create or replace temp view before_wave as
select *
from hist.cur
where server_code in (select w.server_code from wave as w);

create or replace temp table next_cur as
with facts as (
    select
        *,
        row(
            display_name, netbios_name, dns_name, group_path, is_unassigned, is_installed,
            is_agent_only, is_protected, has_old_bases, is_stale, is_duplicate, has_name_twin,
            has_antivirus_conflict, status_id, rtp_state, antivirus_version, is_server_os
        ) as state
    from load_facts
),

before as (
    select
        *,
        row(
            display_name, netbios_name, dns_name, group_path, is_unassigned, is_installed,
            is_agent_only, is_protected, has_old_bases, is_stale, is_duplicate, has_name_twin,
            has_antivirus_conflict, status_id, rtp_state, antivirus_version, is_server_os
        ) as state
    from before_wave
)

select
    f.server_code,
    f.endpoint_id,
    if(f.state is not distinct from b.state, b.valid_from_at, w.observed_at) as valid_from_at,
    f.* exclude (server_code, endpoint_id, state),
    w.observed_at,
    w.load_id,
    coalesce(b.first_seen_at, g.first_seen_at, w.observed_at) as first_seen_at,
    coalesce(b.replaces_endpoint_id, r.replaces_endpoint_id) as replaces_endpoint_id
from facts as f
inner join wave as w on f.server_code = w.server_code
left join before as b on f.endpoint_id = b.endpoint_id and f.server_code = b.server_code
left join hist.gone as g on f.endpoint_id = g.endpoint_id and f.server_code = g.server_code
left join replaced as r on f.endpoint_id = r.endpoint_id and f.server_code = r.server_code;

-- What ends now: it changed, or the server no longer has it. An interval that began at this very
-- instant is the same load read again and leaves nothing behind.
insert into hist.closed by name
select
    b.* exclude (
        observed_at, load_id, first_seen_at, created_at, last_visible_at, last_connected_at,
        bases_at, mac_address, serial_number, replaces_endpoint_id
    ),
    w.observed_at as valid_to_at
from before_wave as b
inner join wave as w on b.server_code = w.server_code
left join next_cur as n on b.endpoint_id = n.endpoint_id and b.server_code = n.server_code
where
    b.valid_from_at < w.observed_at
    and b.valid_from_at is distinct from n.valid_from_at;

delete from hist.gone
where (server_code, endpoint_id) in (select (n.server_code, n.endpoint_id) from next_cur as n);

insert into hist.gone by name
select
    b.server_code,
    b.endpoint_id,
    w.observed_at as gone_at,
    b.first_seen_at,
    b.mac_address,
    b.serial_number
from before_wave as b
inner join wave as w on b.server_code = w.server_code
anti join next_cur as n on b.endpoint_id = n.endpoint_id and b.server_code = n.server_code;
