-- Every unit there ever was, where it stands on the day of the file or stood last.
-- Grain: (unit_code).
-- Feeds: the other views of this folder, BI.
select
    p.unit_code,
    p.unit_name,
    p.level_name,
    p.estate_name,
    p.block_name,
    p.main_unit_name,
    p.main_unit_code,
    p.root_unit_code,
    p.estate_code,
    p.list_place,
    (v.as_of_at at time zone 'Asia/Ho_Chi_Minh')::date
    between p.valid_from_date and p.valid_to_date as is_in_force
from bi.unit_period as p
cross join marts._published as v
qualify
    row_number() over (
        partition by p.unit_code
        order by is_in_force desc, p.valid_from_date desc
    ) = 1
