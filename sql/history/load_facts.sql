-- One row per host of the loads in temp table wave, judged at the instant each was observed.
-- Grain: (server_code, endpoint_id).  Feeds: apply_wave.
-- noqa: disable=RF02
-- (the columns left out by `exclude` belong to the table before the dot)

-- What the server stamped is brought to our clock where its own is wrong by more than ten minutes,
-- and an instant that lies ahead of the reading all the same is unknown: it must never look fresh.
with told as (
    select
        w.server_code,
        s.* exclude (filename, mac_address, serial_number),
        -- The server keeps devices and hardware apart; a device's own word would come first.
        coalesce(s.mac_address, h.mac_address) as mac_address,
        coalesce(s.serial_number, h.serial_number) as serial_number,
        w.observed_at + interval 10 minutes as latest_at,
        w.clock_ahead as ahead,
        w.stale_before_at,
        w.old_bases_before_at
    from read_parquet(getvariable('snapshot_paths'), filename = true) as s
    inner join wave as w on s.filename = w.snapshot_path
    left join told_hardware as h
        on s.endpoint_id = h.endpoint_id and w.server_code = h.server_code
),

hosts as (
    select
        * exclude (latest_at, ahead) replace (
            if(last_connected_at - ahead <= latest_at, last_connected_at - ahead, null)
                as last_connected_at,
            if(last_visible_at - ahead <= latest_at, last_visible_at - ahead, null)
                as last_visible_at,
            if(bases_at <= latest_at, bases_at, null) as bases_at
        ),
        -- Few names have a suffix, and looking for one costs ten times as much as this sign.
        lower(
            if(
                contains(display_name, '~'),
                regexp_replace(trim(display_name), '~{1,2}[0-9]+$', ''),
                trim(display_name)
            )
        ) as name_key,
        contains(display_name, '~') and regexp_matches(trim(display_name), '~[0-9]+$')
            as has_suffix,
        status_bits & 4 <> 0 as has_agent,
        status_bits & 16 <> 0 as has_protection
    from told
),

-- Few names are borne twice; only those rows are laid side by side.
namesakes as (
    select *
    from hosts
    where
        (server_code, name_key) in (
            select
                h.server_code,
                h.name_key
            from hosts as h
            where h.name_key <> ''
            group by h.server_code, h.name_key
            having count(*) > 1
        )
),

-- The best record of a name comes first: it is the one that counts.
ranked as (
    select
        *,
        row_number() over by_name > 1 as has_better,
        coalesce(bool_or(has_suffix) over better_by_name, false) as has_better_with_suffix,
        mac_address is not null and row_number() over by_mac > 1 as has_better_with_mac,
        serial_number is not null and row_number() over by_serial > 1 as has_better_with_serial
    from namesakes
    window
        by_name as (
            partition by server_code, name_key
            order by
                last_connected_at desc nulls last, last_visible_at desc nulls last, endpoint_id asc
        ),
        better_by_name as (
            partition by server_code, name_key
            order by
                last_connected_at desc nulls last, last_visible_at desc nulls last, endpoint_id asc
            rows between unbounded preceding and 1 preceding
        ),
        by_mac as (
            partition by server_code, name_key, mac_address
            order by
                last_connected_at desc nulls last, last_visible_at desc nulls last, endpoint_id asc
        ),
        by_serial as (
            partition by server_code, name_key, serial_number
            order by
                last_connected_at desc nulls last, last_visible_at desc nulls last, endpoint_id asc
        )
),

duplicates as (
    select
        *,
        (has_suffix and has_better) or has_better_with_suffix
        or has_better_with_mac or has_better_with_serial as is_duplicate
    from ranked
),

-- Of live machines of one name, the one made first has the name; the others copied it.
twins as (
    select
        server_code,
        endpoint_id,
        row_number() over (
            partition by server_code, name_key order by created_at nulls last, endpoint_id
        ) > 1 as has_name_twin
    from duplicates
    where has_agent and has_protection and not is_duplicate
)

select
    h.server_code,
    h.endpoint_id,
    h.display_name,
    h.netbios_name,
    h.dns_name,
    h.group_path,
    h.is_unassigned,
    h.has_agent and h.has_protection as is_installed,
    h.has_agent and not h.has_protection as is_agent_only,
    h.has_agent and h.has_protection and coalesce(h.rtp_state between 4 and 8, false)
        as is_protected,
    h.has_agent and h.has_protection
    and (h.bases_at is null or h.bases_at < h.old_bases_before_at) as has_old_bases,
    h.has_agent
    and (h.last_connected_at is null or h.last_connected_at < h.stale_before_at)
        as is_stale,
    coalesce(d.is_duplicate, false) as is_duplicate,
    coalesce(t.has_name_twin, false) as has_name_twin,
    coalesce(h.status_mask & 4096 <> 0, false) as has_antivirus_conflict,
    h.status_id,
    h.rtp_state,
    h.antivirus_version,
    coalesce(h.computer_type_bits & 2 <> 0, h.os_name ilike '%server%', false) as is_server_os,
    h.created_at,
    h.last_visible_at,
    h.last_connected_at,
    h.bases_at,
    h.mac_address,
    h.serial_number
from hosts as h
left join duplicates as d on h.endpoint_id = d.endpoint_id and h.server_code = d.server_code
left join twins as t on h.endpoint_id = t.endpoint_id and h.server_code = t.server_code
