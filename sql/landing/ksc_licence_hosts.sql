-- One row per device and key that it uses.
-- Grain: (rows_path, line_number), (licence_serial, endpoint_id).
-- Feeds: the typed snapshot, the history.
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
                'licence_serial': 'VARCHAR',
                'KLLICSRV_HOSTNAME': 'VARCHAR',
                'KLLICSRV_HOST_CURRENT': 'VARCHAR',
                'KLLICSRV_INSTALL_TIME': 'VARCHAR'
            }
        )
),

typed as (
    select
        line_number,
        rows_path,
        licence_serial as serial_text,
        kllicsrv_hostname as hostname_text,
        wire_value(kllicsrv_host_current) as current_text,
        wire_value(kllicsrv_install_time) as installed_text,
        try_cast(current_text as boolean) as is_current,
        wire_instant(installed_text) as installed_at
    from wire
)

select
    line_number,
    rows_path,
    case
        when coalesce(serial_text, '') = '' then 'licence_serial'
        when coalesce(hostname_text, '') = '' then 'KLLICSRV_HOSTNAME'
        when is_current is null and current_text is not null then 'KLLICSRV_HOST_CURRENT'
        when installed_at is null and installed_text <> '' then 'KLLICSRV_INSTALL_TIME'
    end as wrong_field,
    nfc_normalize(serial_text) as licence_serial,
    nfc_normalize(hostname_text) as endpoint_id,
    -- A server that does not say which key is the one in use has told us of those in use only.
    coalesce(is_current, true) as is_current,
    installed_at
from typed
