-- One row per key that a server knows.
-- Grain: (rows_path, line_number), (licence_serial).
-- Feeds: the typed snapshot, the gate and the history.
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
                'KLLIC_SERIAL': 'VARCHAR',
                'KLLIC_PROD_NAME': 'VARCHAR',
                'KLLIC_KEY_TYPE': 'VARCHAR',
                'KLLIC_LIC_COUNT': 'VARCHAR',
                'KLLIC_NHOSTS_ASCURRENT': 'VARCHAR',
                'KLLIC_CREATION_DATE': 'VARCHAR',
                'KLLIC_LIMIT_DATE': 'VARCHAR'
            }
        )
),

bare as (
    select
        line_number,
        rows_path,
        kllic_serial as serial_text,
        kllic_prod_name as product_text,
        wire_value(kllic_key_type) as key_type_text,
        wire_value(kllic_lic_count) as limit_text,
        wire_value(kllic_nhosts_ascurrent) as used_text,
        wire_value(kllic_creation_date) as created_text,
        wire_value(kllic_limit_date) as expires_text
    from wire
),

typed as (
    select
        *,
        try_cast(key_type_text as integer) as key_type,
        try_cast(limit_text as bigint) as seat_limit_count,
        try_cast(used_text as bigint) as used_count,
        wire_instant(created_text) as created_at,
        wire_instant(expires_text) as expires_at
    from bare
)

select
    line_number,
    rows_path,
    case
        when coalesce(serial_text, '') = '' then 'KLLIC_SERIAL'
        when key_type is null and key_type_text is not null then 'KLLIC_KEY_TYPE'
        when seat_limit_count is null and limit_text is not null then 'KLLIC_LIC_COUNT'
        when used_count is null and used_text is not null then 'KLLIC_NHOSTS_ASCURRENT'
        when created_at is null and created_text <> '' then 'KLLIC_CREATION_DATE'
        when expires_at is null and expires_text <> '' then 'KLLIC_LIMIT_DATE'
    end as wrong_field,
    nfc_normalize(serial_text) as licence_serial,
    nfc_normalize(product_text) as product_name,
    key_type,
    seat_limit_count,
    used_count,
    created_at,
    expires_at
from typed
