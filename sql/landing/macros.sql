-- Small readings of the wire's values, used by ksc_hosts.sql.
-- Feeds: the typed snapshot.

-- A wrapped value ({"type": …, "value": …}) or the value itself, as text. Anything else that looks
-- like an object stays as it is, so that typing it fails and is told.
create or replace temp macro wire_value(content) as case
    when not starts_with(content, '{') then content
    when not json_valid(content) then content
    when json_exists(content, '$.value') then json_extract_string(content, '$.value')
    else content
end;

-- The wire knows one form of an instant, always UTC.
create or replace temp macro wire_instant(content) as
try_strptime(nullif(content, ''), '%Y-%m-%dT%H:%M:%SZ') at time zone 'UTC';

-- Both in one for an instant as nearly every server writes it; reading it as JSON costs three times
-- as much. An escape in it would make it another length.
create or replace temp macro wire_at(content) as case
    when strlen(content) = 50 and starts_with(content, '{"type":"datetime","value":"')
        then make_timestamptz(
            epoch_us(try_strptime(content, '{"type":"datetime","value":"%Y-%m-%dT%H:%M:%SZ"}'))
        )
    else wire_instant(wire_value(content))
end;

-- What the server said where that could not be typed; NULL where it could be.
create or replace temp macro untyped(typed, content) as
if(typed is null, wire_value(content), null);

-- A group's path without the root's name, which differs from console to console.
create or replace temp macro below_root(full_name) as
regexp_replace(trim(full_name, '/'), '^[^/]*/?', '');
