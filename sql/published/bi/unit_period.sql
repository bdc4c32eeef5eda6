-- Where each unit stood and when, and of which unit below the province it is part.
-- Grain: (unit_code, valid_from_date).
-- Feeds: the other views of this folder, BI.
-- A block (unit_kind nhom) is a heading; what stands below the province or below a heading is a
-- main unit, and everything below a main unit is part of it.
with recursive reached as (
    select
        u.unit_code,
        u.unit_name,
        u.unit_kind,
        u.unit_code as root_unit_code,
        u.unit_name as estate_name,
        null::varchar as block_name,
        null::varchar as main_unit_code,
        null::varchar as main_unit_name,
        [u.list_order] as path,
        u.estate_code,
        u.valid_from_date,
        coalesce(u.valid_to_date, date '9999-12-31') as valid_to_date
    from marts.dim_unit as u
    where u.parent_unit_code is null
    union all
    select
        u.unit_code,
        u.unit_name,
        u.unit_kind,
        r.root_unit_code,
        r.estate_name,
        case
            when r.main_unit_code is null and u.unit_kind = 'nhom' then u.unit_name
            else r.block_name
        end as block_name,
        coalesce(
            r.main_unit_code,
            case when u.unit_kind = 'nhom' then null else u.unit_code end
        ) as main_unit_code,
        coalesce(
            r.main_unit_name,
            case when u.unit_kind = 'nhom' then null else u.unit_name end
        ) as main_unit_name,
        list_append(r.path, u.list_order) as path,
        u.estate_code,
        greatest(u.valid_from_date, r.valid_from_date) as valid_from_date,
        least(coalesce(u.valid_to_date, date '9999-12-31'), r.valid_to_date) as valid_to_date
    from reached as r
    inner join marts.dim_unit as u
        on
            r.unit_code = u.parent_unit_code
            and r.valid_to_date >= u.valid_from_date
            and r.valid_from_date <= coalesce(u.valid_to_date, date '9999-12-31')
)

select
    r.unit_code,
    r.valid_from_date,
    r.valid_to_date,
    r.unit_name,
    case
        when r.unit_code = r.root_unit_code then 'Toàn tỉnh'
        when r.main_unit_code is null then 'Khối'
        when r.unit_code = r.main_unit_code then 'Đơn vị trực thuộc tỉnh'
        else 'Đơn vị cấp dưới'
    end as level_name,
    r.estate_name,
    r.block_name,
    coalesce(r.main_unit_name, r.unit_name) as main_unit_name,
    r.main_unit_code,
    r.root_unit_code,
    r.estate_code,
    dense_rank() over (order by r.estate_code, r.path, r.unit_code) as list_place
from reached as r
