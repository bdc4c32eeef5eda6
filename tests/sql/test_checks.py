"""Each check of the marts stops a build whose figures do not agree with each other."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from unit.warehouse.builders import T0, House, a_host, a_small_estate
from unit.warehouse.extras import a_program, found, land_with, uses

PNV = {"group_path": "Phòng Nội vụ"}
LATER = T0 + timedelta(hours=1)


def a_house(home: Path) -> House:
    """Two offices with seats, one of them over, an unprotected machine, one on two servers."""
    estate = (
        a_small_estate()
        .unit("huyen2", "tinh")
        .server("huyen2")
        .grant("pnv", 1)
        .grant("ptp", 4)
        .server("cu", "tinh", valid_to_date=date(2022, 9, 2))
        .server("cu", "tinh", valid_from_date=date(2022, 9, 3), valid_to_date=date(2022, 9, 4))
    )
    house = House(home, estate.registry())
    land_with(
        house,
        T0,
        [
            a_host("n0", **PNV, status_mask=4096),
            a_host("n1", **PNV, display_name="SAI", rtp_state=1),
            a_host("t1", display_name="PTP-1", group_path="Phòng Tư pháp"),
            a_host("x", display_name="CHUNG", group_path="Phòng Tư pháp"),
        ],
        detections=[found(1, "n0", T0)],
        licence_hosts=[uses("n0")],
        products=[a_program("n0")],
    )
    house.land(LATER, [a_host("x", display_name="CHUNG", last_connected_at=None)], "huyen2")
    return house


def test_the_marts_as_they_are_pass(tmp_path: Path) -> None:
    a_house(tmp_path).build(LATER)


@pytest.mark.parametrize(
    ("model", "right", "wrong", "said"),
    [
        pytest.param(
            "staging/stg_unit_daily",
            "sum(o.protected_count)",
            "max(o.protected_count)",
            "khác tổng các đơn vị cấp dưới",
            id="a parent that is not the sum",
        ),
        pytest.param(
            "staging/stg_gap",
            "-over_count",
            "over_count",
            "không cộng lại bằng số bản quyền",
            id="a partition that does not sum",
        ),
        pytest.param(
            "marts/fct_unit_coverage_daily",
            "allocated_count - installed_count",
            "allocated_count - protected_count",
            "Số thiếu ròng",
            id="another net gap",
        ),
        pytest.param(
            "marts/fct_unit_coverage_daily",
            "correctly_named_count / nullif(installed_count, 0)",
            "2 * installed_count / nullif(installed_count, 0)",
            "tỷ lệ sai",
            id="a ratio out of range",
        ),
        pytest.param(
            "staging/stg_unit_change",
            "sum(if(is_protected, sign, 0))",
            "sum(if(is_installed, sign, 0))",
            "khác số đếm trực tiếp",
            id="figures that are not those of the machines",
        ),
        pytest.param(
            "staging/stg_placed",
            "where greatest(",
            "where s.endpoint_id <> 'n0' and greatest(",
            "Có máy không thuộc đơn vị nào",
            id="a machine that got lost",
        ),
        pytest.param(
            "marts/fct_endpoint_state",
            "where is_counted",
            "where true",
            "chồng lên nhau",
            id="states that overlap",
        ),
        pytest.param(
            "staging/stg_detection_daily",
            "count(*) as detection_count",
            "2 * count(*) as detection_count",
            "phát hiện mã độc theo ngày khác",
            id="detections counted twice",
        ),
        pytest.param(
            "staging/stg_licence_daily",
            "1 as sign",
            "2 as sign",
            "bản quyền đang dùng khác",
            id="licences counted twice",
        ),
        pytest.param(
            "marts/rpt_antivirus_conflict",
            "cross join ref_run as r",
            "cross join ref_run as r where c.product_name <> 'Bkav Pro'",
            "phần mềm diệt vi-rút khác không khớp",
            id="a conflict that is counted and not listed",
        ),
        pytest.param(
            "marts/rpt_licence_reconciliation",
            "coalesce(u.licences_used_count, 0) - c.installed_count",
            "coalesce(u.licences_used_count, 0)",
            "bản quyền không hợp lý",
            id="a difference that is none",
        ),
        pytest.param(
            "marts/dim_server",
            "where v.place = 1",
            "where true",
            "Bảng dim_server có hai dòng",
            id="two rows of one grain",
        ),
    ],
)
def test_a_wrong_model_is_found(
    tmp_path: Path, model: str, right: str, wrong: str, said: str
) -> None:
    house = a_house(tmp_path / "home")
    sql = tmp_path / "sql"
    shutil.copytree(house.settings.sql, sql)
    file = sql / f"{model}.sql"
    text = file.read_text("utf-8")
    assert right in text
    file.write_text(text.replace(right, wrong), "utf-8")
    house.build(LATER)
    before = house.ask("from marts.fct_unit_coverage_daily order by all")
    house.settings = replace(house.settings, sql=sql)
    with pytest.raises(LedgerError, match=said) as raised:
        house.build(LATER)
    assert raised.value.code == "marts_check_failed"
    assert house.ask("from marts.fct_unit_coverage_daily order by all") == before


def test_a_missing_table_is_found(tmp_path: Path) -> None:
    house = a_house(tmp_path / "home")
    sql = tmp_path / "sql"
    shutil.copytree(house.settings.sql, sql)
    (sql / "marts" / "rpt_source_age.sql").unlink()
    house.settings = replace(house.settings, sql=sql)
    with pytest.raises(LedgerError, match="Thiếu bảng rpt_source_age"):
        house.build(LATER)
