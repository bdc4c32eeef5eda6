-- One row per stored event of a load: an object was found, or something became of it.
-- Grain: (rows_path, line_number), (event_id).
-- Feeds: the typed snapshot, hence the gate and the history.
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
                'event_db_id': 'VARCHAR',
                'event_type': 'VARCHAR',
                'hostname': 'VARCHAR',
                'rise_time': 'VARCHAR',
                'registration_time': 'VARCHAR',
                'GNRL_EA_PARAM_2': 'VARCHAR',
                'GNRL_EA_PARAM_5': 'VARCHAR',
                'GNRL_EA_PARAM_6': 'VARCHAR',
                'GNRL_EA_PARAM_8': 'VARCHAR'
            }
        )
),

typed as (
    select
        line_number,
        rows_path,
        try_cast(wire_value(event_db_id) as bigint) as event_id,
        event_type,
        hostname,
        wire_value(rise_time) as rise_text,
        wire_value(registration_time) as registered_text,
        wire_instant(rise_text) as rise_at,
        wire_instant(registered_text) as registered_at,
        gnrl_ea_param_2 as object_text,
        gnrl_ea_param_5 as threat_text,
        gnrl_ea_param_6 as link_text,
        gnrl_ea_param_8 as threat_kind_text
    from wire
)

select
    line_number,
    rows_path,
    case
        when event_id is null then 'event_db_id'
        when coalesce(event_type, '') = '' then 'event_type'
        when registered_at is null then 'registration_time'
        when rise_at is null and rise_text <> '' then 'rise_time'
    end as wrong_field,
    event_id,
    event_type,
    event_type like '%_FOUND' or event_type like '%_FOUND_BY_KSN' as is_detection,
    case
        when event_type like 'GNRL_EV_OBJECT_%'
            then lower(event_type[length('GNRL_EV_OBJECT_') + 1:])
    end as outcome,
    nullif(nfc_normalize(hostname), '') as endpoint_id,
    rise_at,
    registered_at,
    nullif(nfc_normalize(object_text), '') as object_name,
    nullif(nfc_normalize(threat_text), '') as threat_name,
    nullif(link_text, '') as link_id,
    nullif(threat_kind_text, '') as threat_kind
from typed
