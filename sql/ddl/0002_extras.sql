-- What lands beside the devices: a log of detections, and states of keys, hardware and programs.
-- Grain: see each table.  Feeds: the marts of detections, licences, conflicts and weak hardware.
-- Never edited after release.  valid_to_at NULL: still so at the server's newest reading.

-- One row per (load_id, kind) of an applied load: what was read beside its devices, or why not.
create table hist.extra_log (
    load_id varchar not null,
    server_code varchar not null,
    observed_at timestamptz not null,
    kind varchar not null,
    is_applied boolean not null,
    row_count bigint,
    fault_code varchar,
    fault_text varchar
);

-- One row per (server_code, event_id, stamped_at): an event as the server stored it. Append-only.
-- stamped_at is the server's own stamp: a database that was made anew counts its events anew.
-- registered_at is the same instant by our clock. observed_at: the reading that brought it.
create table hist.detection_event (
    server_code varchar not null,
    event_id bigint not null,
    stamped_at timestamptz not null,
    is_detection boolean not null,
    outcome varchar,
    endpoint_id varchar,
    rise_at timestamptz,
    registered_at timestamptz not null,
    object_name varchar,
    threat_name varchar,
    threat_kind varchar,
    link_id varchar,
    load_id varchar not null,
    observed_at timestamptz not null
);

-- One row per (server_code, licence_serial, valid_from_at).
create table hist.licence (
    server_code varchar not null,
    licence_serial varchar not null,
    valid_from_at timestamptz not null,
    valid_to_at timestamptz,
    product_name varchar,
    key_type integer,
    seat_limit_count bigint,
    used_count bigint,
    created_at timestamptz,
    expires_at timestamptz
);

-- One row per (server_code, endpoint_id, licence_serial, valid_from_at): the device uses the key.
create table hist.licence_host (
    server_code varchar not null,
    endpoint_id varchar not null,
    licence_serial varchar not null,
    valid_from_at timestamptz not null,
    valid_to_at timestamptz
);

-- One row per (server_code, endpoint_id, valid_from_at).
create table hist.hardware (
    server_code varchar not null,
    endpoint_id varchar not null,
    valid_from_at timestamptz not null,
    valid_to_at timestamptz,
    memory_mb bigint,
    disk_gb bigint,
    cpu_name varchar,
    manufacturer varchar,
    mac_address varchar,
    serial_number varchar
);

-- One row per (server_code, endpoint_id, product_name, valid_from_at).
create table hist.product (
    server_code varchar not null,
    endpoint_id varchar not null,
    product_name varchar not null,
    valid_from_at timestamptz not null,
    valid_to_at timestamptz,
    listed_name varchar,
    product_version varchar,
    publisher varchar,
    installed_date date
);
