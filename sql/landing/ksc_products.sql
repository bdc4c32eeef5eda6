-- One row per program on a device that the vendor's list calls incompatible.
-- Grain: (rows_path, line_number).
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
                'endpoint_id': 'VARCHAR',
                'DisplayName': 'VARCHAR',
                'DisplayVersion': 'VARCHAR',
                'Publisher': 'VARCHAR',
                'InstallDate': 'VARCHAR',
                'CleanerProductName': 'VARCHAR'
            }
        )
)

select
    line_number,
    rows_path,
    case
        when coalesce(endpoint_id, '') = '' then 'endpoint_id'
        when coalesce(cleanerproductname, '') = '' then 'CleanerProductName'
    end as wrong_field,
    nfc_normalize(endpoint_id) as endpoint_id,
    nfc_normalize(coalesce(nullif(trim(displayname), ''), cleanerproductname)) as product_name,
    nullif(nfc_normalize(trim(displayversion)), '') as product_version,
    nullif(nfc_normalize(trim(publisher)), '') as publisher,
    nfc_normalize(cleanerproductname) as listed_name,
    -- Written by the program's own installer: often absent, sometimes nonsense, never relied upon.
    try_strptime(installdate, '%Y%m%d')::date as installed_date
from wire
