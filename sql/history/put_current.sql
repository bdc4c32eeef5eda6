-- What the servers of temp table turn have now becomes the current state.
-- Grain: statements, inside the wave's transaction, after apply_wave.  Feeds: hist.cur.
delete from hist.cur
where server_code in (select t.server_code from turn as t);

insert into hist.cur by name
select *
from next_cur
where server_code in (select t.server_code from turn as t);
