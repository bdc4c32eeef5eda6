-- Small readings of the wire's values, used by ksc_hosts.sql.
-- Feeds: the typed snapshot.

-- A wrapped value ({"type": …, "value": …}) or the value itself, as text. Anything else that looks
-- like an object stays as it is, so that typing it fails and is told.
create or replace temp macro wire_value(content) as case
    when content[1] <> '{' then content
    when not json_valid(content) then content
    when json_exists(content, '$.value') then json_extract_string(content, '$.value')
    else content
end;

-- The wire knows one form of an instant, always UTC.
create or replace temp macro wire_instant(content) as
try_strptime(nullif(content, ''), '%Y-%m-%dT%H:%M:%SZ') at time zone 'UTC';

-- A group's path without the root's name, which differs from console to console.
create or replace temp macro below_root(full_name) as
regexp_replace(trim(full_name, '/'), '^[^/]*/?', '');
