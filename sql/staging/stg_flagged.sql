-- A placed sighting, cut where the registry begins or ceases to excuse its programs or hardware.
-- Grain: (server_code, endpoint_id, from_at).  Feeds: stg_piece.  Few machines are concerned.
-- noqa: disable=RF02
-- (the columns left out by `exclude` belong to the table before the dot)
with exempt as (
    select distinct
        s.server_code,
        r.endpoint_id,
        start_of_day(r.valid_from_date) as from_at,
        coalesce(start_of_day(r.valid_to_date + 1), far_at()) as until_at
    from ref_hardware_return as r
    inner join ref_server as s on r.estate_code = s.estate_code
    where r.endpoint_id is not null
),

marked as (
    select
        *,
        true as is_excused,
        false as is_exempt
    from stg_excused
    union all by name
    select
        *,
        false as is_excused,
        true as is_exempt
    from exempt
),

instants as (
    select
        p.server_code,
        p.endpoint_id,
        p.from_at as piece_at,
        p.until_at as piece_until_at,
        p.from_at
    from stg_placed as p
    semi join marked as m on p.server_code = m.server_code and p.endpoint_id = m.endpoint_id
    union
    select
        p.server_code,
        p.endpoint_id,
        p.from_at as piece_at,
        p.until_at as piece_until_at,
        unnest([m.from_at, m.until_at]) as from_at
    from stg_placed as p
    inner join marked as m on p.server_code = m.server_code and p.endpoint_id = m.endpoint_id
),

spans as (
    select
        *,
        coalesce(
            lead(from_at) over (
                partition by server_code, endpoint_id, piece_at
                order by from_at
            ),
            piece_until_at
        ) as until_at
    from instants
    where from_at >= piece_at and from_at < piece_until_at
),

judged as (
    select
        s.server_code,
        s.endpoint_id,
        s.piece_at,
        s.from_at,
        s.until_at,
        coalesce(bool_or(m.is_excused), false) as is_excused,
        coalesce(bool_or(m.is_exempt), false) as is_exempt
    from spans as s
    left join marked as m
        on
            s.server_code = m.server_code
            and s.endpoint_id = m.endpoint_id
            and s.from_at >= m.from_at
            and s.from_at < m.until_at
    group by all
)

select
    p.*,
    false as is_excused,
    false as is_exempt
from stg_placed as p
anti join marked as m on p.server_code = m.server_code and p.endpoint_id = m.endpoint_id
union all by name
select
    p.* exclude (from_at, until_at),
    j.from_at,
    j.until_at,
    j.is_excused,
    j.is_exempt
from judged as j
inner join stg_placed as p
    on j.server_code = p.server_code and j.endpoint_id = p.endpoint_id and j.piece_at = p.from_at
cross join ref_run as r
where j.from_at <= r.cutoff_at
