-- What units sent and what was quarantined, copied so that a build reads new files only.
-- Grain: see each table.  Feeds: rpt_reported_vs_observed, fct_data_quality, rpt_quarantine.
-- The home's files are the truth: rows of a file that changed or went are replaced or taken out at
-- the next build.

create schema received;

-- One row per (kind, path): which files the rows below come from, as they were when read.
create table received.file (
    kind varchar not null,
    path varchar not null,
    file_bytes bigint not null,
    modified_ns bigint not null
);

create table received.report_row (
    path varchar not null,
    receipt_id varchar,
    sender_unit_code varchar,
    unit_code varchar,
    report_date date,
    received_at timestamptz,
    file_sha256 varchar,
    installed_count bigint
);

create table received.report_verdict (
    path varchar not null,
    load_id varchar,
    suite varchar,
    expectation varchar,
    severity varchar,
    is_success boolean,
    unexpected_count bigint,
    description varchar,
    judged_at timestamptz
);

create table received.quarantined (
    path varchar not null,
    quarantine_id varchar,
    source varchar,
    reason_code varchar,
    reason_text varchar,
    sample varchar,
    first_seen_at timestamptz
);
