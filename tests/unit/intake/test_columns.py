from __future__ import annotations

import pytest

from ksc_ledger.intake.columns import HEADINGS, Column, column_of
from ksc_ledger.intake.device_list import DeviceColumn, device_column_of


@pytest.mark.parametrize(("column", "heading"), HEADINGS.items())
def test_the_forms_own_headings_are_known(column: Column, heading: str) -> None:
    assert column_of(heading) is column
    assert column_of(heading.upper()) is column
    assert column_of(f" {heading} (1)") is column
    assert column_of(column.value) is column


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("TT", Column.NUMBER),
        ("Tên cơ quan, đơn vị", Column.UNIT_NAME),
        ("Đơn vị", Column.UNIT_NAME),
        ("Số lượng bản quyền được phân bổ", Column.ALLOCATED),
        ("Số lượng Lisence phân bổ", Column.ALLOCATED),
        ("Số máy được phân bổ", Column.ALLOCATED),
        ("Tổng số máy tính", Column.COMPUTERS),
        ("Số máy tính đang sử dụng", Column.COMPUTERS),
        ("Số máy đã cài", Column.INSTALLED),
        ("Số lượng máy tính đã được cài đặt phần mềm", Column.INSTALLED),
        ("Đã cài đặt phần mềm phòng, chống mã độc tập trung", Column.INSTALLED),
        ("Tỉ lệ cài đặt (%)", Column.RATIO),
        ("Số máy đặt tên đúng theo hướng dẫn", Column.NAMED),
        ("Máy không đáp ứng cấu hình", Column.WEAK),
        ("Đề nghị bổ sung bản quyền", Column.REQUESTED),
        ("Khó khăn, vướng mắc, kiến nghị", Column.DIFFICULTIES),
        ("Ghi chú:", Column.NOTE),
    ],
)
def test_other_headings_of_the_same_meaning(heading: str, column: Column) -> None:
    assert column_of(heading) is column


@pytest.mark.parametrize(
    "heading",
    [
        "",
        "Số máy chưa cài đặt",
        "Số máy không cài đặt được",
        "Số máy đã cài đặt phần mềm khác",
        "Số máy đã gỡ cài đặt",
        "Số máy đặt tên chưa đúng",
        "Số máy sai tên",
        "Tổng số",
        "Số điện thoại",
        "Tên đơn vị" * 30,
    ],
)
def test_a_heading_of_another_meaning_is_none_of_them(heading: str) -> None:
    assert column_of(heading) is None


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("Device", DeviceColumn.NAME),
        ("Tên máy tính", DeviceColumn.NAME),
        ("Имя устройства", DeviceColumn.NAME),
        ("computer_name", DeviceColumn.NAME),
        ("Nhóm quản trị", DeviceColumn.GROUP),
        ("Last connected to Administration Server", DeviceColumn.CONNECTED),
        ("Số máy đã cài đặt", None),
        ("", None),
    ],
)
def test_headings_of_a_console(heading: str, column: DeviceColumn | None) -> None:
    assert device_column_of(heading) is column
