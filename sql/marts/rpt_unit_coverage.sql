-- The newest day of every unit in force, in the words of the letters.
-- Grain: (unit_code).  Feeds: the table of a letter, spreadsheets, BI.
-- noqa: disable=RF05,RF06
-- (an official reads these column names)
with newest as (
    select c.*
    from marts.fct_unit_coverage_daily as c
    inner join ref_run as r on c.snapshot_date = r.as_of_date
)

select
    u.list_order as "STT",
    u.unit_name as "Tên đơn vị",
    n.allocated_count as "Số bản quyền được phân bổ",
    n.installed_count as "Số máy đã cài đặt",
    -- Half up at one decimal, as the letters round.
    ((2000 * n.installed_count + n.allocated_count) // nullif(2 * n.allocated_count, 0) / 10)
    ::decimal(9, 1) as "Tỷ lệ (%)",
    n.correctly_named_count as "Số máy đặt đúng tên",
    ((2000 * n.correctly_named_count + n.installed_count) // nullif(2 * n.installed_count, 0) / 10)
    ::decimal(9, 1) as "Tỷ lệ đặt đúng tên (%)",
    n.gap_count as "Số bản quyền chưa cài đặt",
    n.over_count as "Số máy vượt phân bổ",
    n.agent_only_count as "Số máy chỉ có tác tử",
    n.protected_count as "Số máy đang được bảo vệ",
    n.stale_count as "Số máy lâu không kết nối",
    n.old_bases_count as "Số máy có cơ sở dữ liệu cũ",
    n.duplicate_count as "Số bản ghi trùng",
    n.antivirus_conflict_count as "Số máy có phần mềm xung đột",
    n.snapshot_date as "Ngày số liệu",
    n.is_complete as "Đủ máy chủ trong ngày",
    n.has_passed_gate as "Qua kiểm tra chất lượng",
    n.oldest_observed_at as "Số liệu cũ nhất lúc",
    n.snapshot_id as "Mã số liệu",
    n.unit_code,
    u.parent_unit_code,
    n.estate_code
from newest as n
inner join ref_unit as u
    on
        n.unit_code = u.unit_code
        and n.snapshot_date >= u.valid_from_date
        and n.snapshot_date <= coalesce(u.valid_to_date, date '9999-12-31')
order by n.estate_code, u.parent_unit_code nulls first, u.list_order, n.unit_code
