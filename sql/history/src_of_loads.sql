-- The history as a chosen set of loads (temp table chosen_load) left it; wh is attached.
-- Grain: statements.  Feeds: the replay of one figure.
create or replace temp view src_intervals as
with intervals as (
    select * from wh.hist.closed
    union all by name
    select
        * exclude (
            observed_at, load_id, first_seen_at, created_at, last_visible_at, last_connected_at,
            bases_at, mac_address, serial_number, replaces_endpoint_id
        )
    from wh.hist.cur
)

select
    i.* exclude (valid_from_at, valid_to_at),
    c.observed_at as valid_from_at,
    null::timestamptz as valid_to_at
from intervals as i
inner join chosen_load as c on i.server_code = c.server_code
where
    i.valid_from_at <= c.observed_at
    and (i.valid_to_at is null or i.valid_to_at > c.observed_at);

create or replace temp view src_product as
select
    p.server_code,
    p.endpoint_id,
    p.product_name,
    p.listed_name,
    p.publisher,
    c.observed_at as from_at,
    far_at() as until_at
from wh.hist.product as p
inner join chosen_load as c on p.server_code = c.server_code
where
    p.valid_from_at <= c.observed_at
    and (p.valid_to_at is null or p.valid_to_at > c.observed_at);

create or replace temp view src_home as
select * from wh.hist.home
where from_at <= (select max(c.observed_at) from chosen_load as c);

create or replace temp view src_verdict as from wh.hist.verdict;

create or replace temp view src_complete_load as
select
    c.*,
    row_number() over (order by c.observed_at, c.collected_at, c.load_id) as load_order,
    not exists (
        from src_verdict as v
        where
            v.load_id = c.load_id
            and not v.is_success
            and v.suite in ('landing.ksc_hosts', 'landing.ksc_loads')
    ) as has_passed_gate
from chosen_load as c;
