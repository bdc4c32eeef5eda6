-- Bring the history of one server to the load in temp table load_facts (and table replaced).
-- Grain: statements, one transaction.  Feeds: hist.*.  Only rows of this server may close.
-- noqa: disable=RF02
-- (the columns left out by `exclude` belong to the table before the dot)

create or replace temp view before_load as
select *
from hist.cur
where server_code = getvariable('server_code');

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
    from before_load
)

select
    getvariable('server_code') as server_code,
    f.endpoint_id,
    if(f.state is not distinct from b.state, b.valid_from_at, getvariable('observed_at'))
        as valid_from_at,
    f.* exclude (endpoint_id, state),
    getvariable('observed_at') as observed_at,
    getvariable('load_id') as load_id,
    coalesce(b.first_seen_at, g.first_seen_at, getvariable('observed_at')) as first_seen_at,
    coalesce(b.replaces_endpoint_id, r.replaces_endpoint_id) as replaces_endpoint_id
from facts as f
left join before as b on f.endpoint_id = b.endpoint_id
left join hist.gone as g
    on f.endpoint_id = g.endpoint_id and g.server_code = getvariable('server_code')
left join replaced as r on f.endpoint_id = r.endpoint_id;

-- What ends now: it changed, or the server no longer has it. An interval that began at this very
-- instant is the same load read again and leaves nothing behind.
insert into hist.closed by name
select
    b.* exclude (
        observed_at, load_id, first_seen_at, created_at, last_visible_at, last_connected_at,
        bases_at, mac_address, serial_number, replaces_endpoint_id
    ),
    getvariable('observed_at') as valid_to_at
from before_load as b
left join next_cur as n on b.endpoint_id = n.endpoint_id
where
    b.valid_from_at < getvariable('observed_at')
    and b.valid_from_at is distinct from n.valid_from_at;

delete from hist.gone
where
    server_code = getvariable('server_code')
    and endpoint_id in (select endpoint_id from next_cur);

insert into hist.gone by name
select
    b.server_code,
    b.endpoint_id,
    getvariable('observed_at') as gone_at,
    b.first_seen_at,
    b.mac_address,
    b.serial_number
from before_load as b
anti join next_cur as n on b.endpoint_id = n.endpoint_id;

delete from hist.cur
where server_code = getvariable('server_code');

insert into hist.cur by name select * from next_cur;
