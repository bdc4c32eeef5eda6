-- The history: what each server said about each endpoint, as intervals, and what was loaded.
-- Grain: see each table.  Feeds: every mart, as-of, replay.  Never edited after release.

create schema hist;

-- One row per (server_code, endpoint_id) that the server's newest complete load contains. The
-- columns down to is_server_os are tracked: a change closes the interval. The rest is volatile and
-- only as new as the newest load.
create table hist.cur (
    server_code varchar not null,
    endpoint_id varchar not null,
    valid_from_at timestamptz not null,
    display_name varchar,
    netbios_name varchar,
    dns_name varchar,
    group_path varchar,
    is_unassigned boolean not null,
    is_installed boolean not null,
    is_agent_only boolean not null,
    is_protected boolean not null,
    has_old_bases boolean not null,
    is_stale boolean not null,
    is_duplicate boolean not null,
    has_name_twin boolean not null,
    has_antivirus_conflict boolean not null,
    status_id integer,
    rtp_state integer,
    antivirus_version varchar,
    is_server_os boolean not null,
    observed_at timestamptz not null,
    load_id varchar not null,
    first_seen_at timestamptz not null,
    created_at timestamptz,
    last_visible_at timestamptz,
    last_connected_at timestamptz,
    bases_at timestamptz,
    mac_address varchar,
    serial_number varchar,
    replaces_endpoint_id varchar
);

-- One row per (server_code, endpoint_id, valid_from_at): an interval that has ended. Append-only.
create table hist.closed (
    server_code varchar not null,
    endpoint_id varchar not null,
    valid_from_at timestamptz not null,
    valid_to_at timestamptz not null,
    display_name varchar,
    netbios_name varchar,
    dns_name varchar,
    group_path varchar,
    is_unassigned boolean not null,
    is_installed boolean not null,
    is_agent_only boolean not null,
    is_protected boolean not null,
    has_old_bases boolean not null,
    is_stale boolean not null,
    is_duplicate boolean not null,
    has_name_twin boolean not null,
    has_antivirus_conflict boolean not null,
    status_id integer,
    rtp_state integer,
    antivirus_version varchar,
    is_server_os boolean not null
);

-- One row per (server_code, endpoint_id) that was there and is not in the newest load.
create table hist.gone (
    server_code varchar not null,
    endpoint_id varchar not null,
    gone_at timestamptz not null,
    first_seen_at timestamptz not null,
    mac_address varchar,
    serial_number varchar
);

-- One row per (endpoint_id, from_at), only for endpoints that two servers have had at one time:
-- from then on the sighting of this server counts, and every other one is a duplicate.
create table hist.home (
    endpoint_id varchar not null,
    from_at timestamptz not null,
    server_code varchar not null
);

-- One row per load that was landed, whatever became of it. is_applied: its rows are in the
-- history. refusal_code: why a complete load is not (out_of_order: only a rebuild takes it in).
create table hist.load_log (
    load_id varchar not null,
    estate_code varchar not null,
    server_code varchar not null,
    as_of_at timestamptz not null,
    observed_at timestamptz not null,
    collected_at timestamptz not null,
    gated_at timestamptz,
    status varchar not null,
    rows_expected_count bigint,
    rows_read_count bigint not null,
    content_sha256 varchar,
    fault_code varchar,
    fault_text varchar,
    product_version varchar,
    clock_skew_seconds bigint,
    is_applied boolean not null,
    refusal_code varchar,
    stale_before_at timestamptz,
    old_bases_before_at timestamptz
);

-- One row per (load_id, suite, expectation): what the gate said.
create table hist.verdict (
    load_id varchar not null,
    suite varchar not null,
    expectation varchar not null,
    severity varchar not null,
    is_success boolean not null,
    unexpected_count bigint,
    description varchar
);

-- One row per (server_code, endpoint_id, valid_from_at): closed and open intervals together.
create view hist.intervals as
select * from hist.closed
union all by name
select
    * exclude (
        observed_at, load_id, first_seen_at, created_at, last_visible_at, last_connected_at,
        bases_at, mac_address, serial_number, replaces_endpoint_id
    )
from hist.cur;

create schema judged;

-- One row per (context_key, display_name, dns_label, is_server_os, has_name_twin): the verdict of
-- the naming rule. A cache: it may be emptied at any time.
create table judged.computer_name (
    context_key varchar not null,
    display_name varchar,
    dns_label varchar,
    is_server_os boolean not null,
    has_name_twin boolean not null,
    is_correct boolean not null,
    is_exempt boolean not null,
    reason_code varchar,
    reason_codes varchar,
    suggested_name varchar
);

create schema meta;

-- One row: what the marts of this file were built from.
create table meta.build (
    as_of_at timestamptz not null,
    code_version varchar not null,
    registry_sha256 varchar not null,
    rules_version varchar not null,
    cutoff_at timestamptz not null
);

create schema marts;
