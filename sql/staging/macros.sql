-- Readings of time that every model shares.
-- Feeds: staging and marts.

-- The Vietnamese day whose figure an instant is the first to enter: a day's figure is what held at
-- 23:59:59 of that day, so what happens within its last second belongs to the next day.
create or replace temp macro figure_day(instant) as
((instant at time zone 'Asia/Ho_Chi_Minh') + interval 999999 microseconds)::date;

-- The last instant of a Vietnamese day's figure.
create or replace temp macro end_of_day(day) as
(day + time '23:59:59') at time zone 'Asia/Ho_Chi_Minh';

-- The first instant of a Vietnamese day.
create or replace temp macro start_of_day(day) as
day::timestamp at time zone 'Asia/Ho_Chi_Minh';

-- Instead of "still so", where an instant is needed to compare with.
create or replace temp macro far_at() as timestamptz '9999-12-31 00:00:00+00';
