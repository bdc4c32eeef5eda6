-- One row per host of a load, typed from what the server said.
-- Grain: (rows_path, line_number), (endpoint_id).
-- Feeds: the typed snapshot, hence the gate and the history.
--
-- noqa: disable=CP02
-- (the attributes' own names are upper case)
--
-- Every attribute is read as text and typed here, because a server may send a number as text, wrap
-- a value or not, or leave it out. `wrong_field` names the first attribute that cannot be typed.
with wire as (
    select
        row_number() over () as line_number,
        *
    from
        read_json(
            getvariable('rows_paths'),
            format = 'newline_delimited',
            filename = 'rows_path',
            maximum_object_size = 16777216,
            columns = {
                'KLHST_WKS_HOSTNAME': 'VARCHAR',
                'KLHST_WKS_DN': 'VARCHAR',
                'KLHST_WKS_WINHOSTNAME': 'VARCHAR',
                'KLHST_WKS_DNSNAME': 'VARCHAR',
                'KLHST_WKS_FQDN': 'VARCHAR',
                'KLHST_WKS_GROUPID': 'VARCHAR',
                'grp_full_name': 'VARCHAR',
                'KLHST_WKS_FROM_UNASSIGNED': 'VARCHAR',
                'KLHST_WKS_STATUS': 'VARCHAR',
                'KLHST_WKS_STATUS_ID': 'VARCHAR',
                'KLHST_WKS_STATUS_MASK': 'VARCHAR',
                'KLHST_WKS_RTP_STATE': 'VARCHAR',
                'KLHST_WKS_RTP_AV_VERSION': 'VARCHAR',
                'KLHST_WKS_RTP_AV_BASES_TIME': 'VARCHAR',
                'KLHST_WKS_NAG_VERSION': 'VARCHAR',
                'KLHST_WKS_LAST_VISIBLE': 'VARCHAR',
                'KLHST_WKS_LAST_NAGENT_CONNECTED': 'VARCHAR',
                'KLHST_WKS_LAST_FULLSCAN': 'VARCHAR',
                'KLHST_WKS_CREATED': 'VARCHAR',
                'KLHST_WKS_OS_NAME': 'VARCHAR',
                'KLHST_WKS_CTYPE': 'VARCHAR',
                'KLHST_WKS_IP_LONG': 'VARCHAR',
                'KLHST_WKS_VIRUS_COUNT': 'VARCHAR',
                'KLHST_WKS_UNCURED_COUNT': 'VARCHAR'
            }
        )
),

bare as (
    select
        line_number,
        rows_path,
        KLHST_WKS_HOSTNAME as hostname_text,
        KLHST_WKS_DN as display_text,
        KLHST_WKS_WINHOSTNAME as netbios_text,
        KLHST_WKS_DNSNAME as dns_text,
        KLHST_WKS_FQDN as fqdn_text,
        grp_full_name as group_text,
        KLHST_WKS_RTP_AV_VERSION as antivirus_text,
        KLHST_WKS_NAG_VERSION as agent_text,
        KLHST_WKS_OS_NAME as os_text,
        wire_value(KLHST_WKS_GROUPID) as group_id_text,
        wire_value(KLHST_WKS_FROM_UNASSIGNED) as unassigned_text,
        wire_value(KLHST_WKS_STATUS) as status_text,
        wire_value(KLHST_WKS_STATUS_ID) as status_id_text,
        wire_value(KLHST_WKS_STATUS_MASK) as status_mask_text,
        wire_value(KLHST_WKS_RTP_STATE) as rtp_text,
        KLHST_WKS_RTP_AV_BASES_TIME as bases_text,
        KLHST_WKS_LAST_VISIBLE as visible_text,
        KLHST_WKS_LAST_NAGENT_CONNECTED as connected_text,
        KLHST_WKS_LAST_FULLSCAN as full_scan_text,
        KLHST_WKS_CREATED as created_text,
        wire_value(KLHST_WKS_CTYPE) as computer_type_text,
        wire_value(KLHST_WKS_IP_LONG) as ip_text,
        wire_value(KLHST_WKS_VIRUS_COUNT) as virus_text,
        wire_value(KLHST_WKS_UNCURED_COUNT) as uncured_text
    from wire
),

typed as (
    select
        *,
        try_cast(group_id_text as integer) as group_id,
        try_cast(unassigned_text as boolean) as is_from_unassigned,
        try_cast(status_text as integer) as status_bits,
        try_cast(status_id_text as integer) as status_id,
        try_cast(status_mask_text as integer) as status_mask,
        try_cast(rtp_text as integer) as rtp_state,
        wire_at(bases_text) as bases_at,
        wire_at(visible_text) as last_visible_at,
        wire_at(connected_text) as last_connected_at,
        wire_at(full_scan_text) as last_full_scan_at,
        wire_at(created_text) as created_at,
        try_cast(computer_type_text as integer) as computer_type_bits,
        try_cast(ip_text as bigint) as ip_number,
        try_cast(virus_text as bigint) as virus_count,
        try_cast(uncured_text as bigint) as uncured_count
    from bare
),

-- A few groups bear the text of all hosts: it is put into its form once a group.
named as (
    select
        grp_full_name,
        below_root(nfc_normalize(grp_full_name)) as group_path
    from landed_groups
    group by grp_full_name
)

select
    t.line_number,
    t.rows_path,
    case
        when coalesce(t.hostname_text, '') = '' then 'KLHST_WKS_HOSTNAME'
        when t.status_bits is null then 'KLHST_WKS_STATUS'
        when t.group_id is null and t.group_id_text is not null then 'KLHST_WKS_GROUPID'
        when t.is_from_unassigned is null and t.unassigned_text is not null
            then 'KLHST_WKS_FROM_UNASSIGNED'
        when t.status_id is null and t.status_id_text is not null then 'KLHST_WKS_STATUS_ID'
        when t.status_mask is null and t.status_mask_text is not null then 'KLHST_WKS_STATUS_MASK'
        when t.rtp_state is null and t.rtp_text is not null then 'KLHST_WKS_RTP_STATE'
        when untyped(t.bases_at, t.bases_text) <> '' then 'KLHST_WKS_RTP_AV_BASES_TIME'
        when untyped(t.last_visible_at, t.visible_text) <> '' then 'KLHST_WKS_LAST_VISIBLE'
        when untyped(t.last_connected_at, t.connected_text) <> ''
            then 'KLHST_WKS_LAST_NAGENT_CONNECTED'
        when untyped(t.last_full_scan_at, t.full_scan_text) <> '' then 'KLHST_WKS_LAST_FULLSCAN'
        when untyped(t.created_at, t.created_text) <> '' then 'KLHST_WKS_CREATED'
        when t.computer_type_bits is null and t.computer_type_text is not null
            then 'KLHST_WKS_CTYPE'
        when t.ip_number is null and t.ip_text is not null then 'KLHST_WKS_IP_LONG'
        when t.virus_count is null and t.virus_text is not null then 'KLHST_WKS_VIRUS_COUNT'
        when t.uncured_count is null and t.uncured_text is not null then 'KLHST_WKS_UNCURED_COUNT'
    end as wrong_field,
    nfc_normalize(t.hostname_text) as endpoint_id,
    nfc_normalize(t.display_text) as display_name,
    nfc_normalize(t.netbios_text) as netbios_name,
    nfc_normalize(t.dns_text) as dns_name,
    nfc_normalize(t.fqdn_text) as fqdn,
    t.group_id,
    case
        when coalesce(t.is_from_unassigned, false) then null
        else coalesce(
            n.group_path, below_root(nfc_normalize(coalesce(t.group_text, g.grp_full_name)))
        )
    end as group_path,
    coalesce(t.is_from_unassigned, false) as is_unassigned,
    t.status_bits,
    t.status_id,
    t.status_mask,
    t.rtp_state,
    nfc_normalize(t.antivirus_text) as antivirus_version,
    nfc_normalize(t.agent_text) as agent_version,
    t.bases_at,
    t.last_visible_at,
    t.last_connected_at,
    t.last_full_scan_at,
    t.created_at,
    nfc_normalize(t.os_text) as os_name,
    t.computer_type_bits,
    t.ip_number,
    t.virus_count,
    t.uncured_count,
    null::varchar as mac_address,
    null::varchar as serial_number
from typed as t
left join landed_groups as g on t.group_id = g.id and t.rows_path = g.rows_path
left join named as n on coalesce(t.group_text, g.grp_full_name) = n.grp_full_name
