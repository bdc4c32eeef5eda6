-- One row per managed device of which an agent reported the hardware.
-- Grain: (rows_path, line_number), (hardware_id).
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
                'Id': 'VARCHAR',
                'Name': 'VARCHAR',
                'CPU': 'VARCHAR',
                'MemorySize': 'VARCHAR',
                'DiskSize': 'VARCHAR',
                'OS': 'VARCHAR',
                'Manufacturer': 'VARCHAR',
                'SerialNumber': 'VARCHAR',
                'StrMac': 'VARCHAR',
                'Created': 'VARCHAR',
                'IsWrittenOff': 'VARCHAR'
            }
        )
),

bare as (
    select
        line_number,
        rows_path,
        wire_value(id) as id_text,
        name as name_text,
        cpu as cpu_text,
        wire_value(memorysize) as memory_text,
        wire_value(disksize) as disk_text,
        os as os_text,
        manufacturer as manufacturer_text,
        serialnumber as serial_text,
        strmac as mac_text,
        wire_value(created) as created_text,
        wire_value(iswrittenoff) as written_off_text
    from wire
),

typed as (
    select
        *,
        try_cast(id_text as bigint) as hardware_id,
        try_cast(memory_text as bigint) as memory_mb,
        try_cast(disk_text as bigint) as disk_gb,
        wire_instant(created_text) as created_at,
        try_cast(written_off_text as boolean) as is_written_off
    from bare
)

select
    line_number,
    rows_path,
    case
        when hardware_id is null then 'Id'
        when memory_mb is null and memory_text is not null then 'MemorySize'
        when disk_gb is null and disk_text is not null then 'DiskSize'
        when created_at is null and created_text <> '' then 'Created'
        when is_written_off is null and written_off_text is not null then 'IsWrittenOff'
    end as wrong_field,
    hardware_id,
    nullif(nfc_normalize(name_text), '') as device_name,
    nfc_normalize(cpu_text) as cpu_name,
    memory_mb,
    disk_gb,
    nfc_normalize(os_text) as os_name,
    nfc_normalize(manufacturer_text) as manufacturer,
    nullif(trim(upper(nfc_normalize(serial_text))), '') as serial_number,
    nullif(trim(upper(replace(mac_text, '-', ':'))), '') as mac_address,
    created_at,
    coalesce(is_written_off, false) as is_written_off
from typed
