"""A figure again: by its day, and by the id it was printed with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import in_force
from ksc_ledger.warehouse import asof, marts, publish
from ksc_ledger.warehouse.rebuild import rebuild
from unit.warehouse.builders import DAY, T0, House, a_host

FILES = {
    "estate.yml": """\
estate_code: tinh
estate_name: Tỉnh thử
old_bases_days: 15
stale_working_days: 7
""",
    "units.csv": """\
unit_code,unit_name,unit_kind,official_code,name_prefix,parent_unit_code,list_order,valid_from_date,valid_to_date,source_document
tinh,Tỉnh thử,tinh,,,,0,2022-09-01,,thử
huyen,Huyện thử,huyen_tp,,,tinh,1,2022-09-01,,thử
huyen2,Huyện hai,huyen_tp,,,tinh,2,2022-09-01,,thử
pnv,Phòng Nội vụ,phong,,PNV,huyen,1,2022-09-01,,thử
ptp,Phòng Tư pháp,phong,,PTP,huyen,2,2022-09-01,,thử
""",
    "servers.csv": """\
server_code,server_name,server_role,unit_code,list_order,valid_from_date,valid_to_date,source_document
huyen,Máy chủ huyện,district,huyen,1,2022-09-01,,thử
huyen2,Máy chủ huyện hai,district,huyen2,2,2022-09-01,,thử
tinh,Máy chủ tỉnh,province,tinh,0,2022-09-01,,thử
""",
    "server_groups.csv": """\
server_code,group_path,unit_code,valid_from_date,valid_to_date,source_document
huyen,Phòng Nội vụ,pnv,2022-09-01,2022-10-13,thử
huyen,Phòng Nội vụ,ptp,2022-10-14,,thử
""",
    "allocations.csv": """\
entry_id,entry_kind,from_unit_code,to_unit_code,seat_count,valid_from_date,valid_to_date,source_document
e1,grant,,pnv,4,2022-09-01,,thử
e2,grant,,huyen2,3,2022-10-13,,thử
""",
}


def write_registry(folder: Path, **changed: str) -> None:
    estate = folder / "tinh"
    estate.mkdir(parents=True, exist_ok=True)
    for name, text in (
        FILES | {key.replace("_csv", ".csv"): v for key, v in changed.items()}
    ).items():
        (estate / name).write_text(text, "utf-8")


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Four days: a change, a silent day, a machine seen on two servers, one server never read."""
    house = House(tmp_path / "home")
    house.settings = replace(house.settings, registry=tmp_path / "registry")
    write_registry(house.settings.registry)
    house.registry = in_force(house.settings).registry
    office = {"group_path": "Phòng Nội vụ"}
    first = [a_host("m1", **office), a_host("m2", display_name="SAI", **office), a_host("m3")]
    house.land(T0, first)
    house.land(T0 + timedelta(hours=3), first[:2])
    house.land(T0 + 2 * DAY, [*first[:2], a_host("m4", last_connected_at=T0)])
    house.land(
        T0 + 2 * DAY + timedelta(hours=1), [a_host("m4", last_connected_at=T0 + DAY)], "huyen2"
    )
    return house


def figures(house: House, days: range) -> list[dict[str, Any]]:
    return [
        figure
        for number in days
        for figure in asof.coverage_as_of(house.settings, date(2022, 10, number))
    ]


def as_json(figure: dict[str, Any]) -> str:
    return json.dumps(figure, ensure_ascii=False, sort_keys=False)


def test_every_published_figure_is_repeated_byte_for_byte(house: House) -> None:
    house.build(T0 + 3 * DAY)
    publish(house.settings, now=T0)
    published = figures(house, range(12, 16))
    assert len(published) == 20
    assert {figure["is_provisional"] for figure in published[::2]} == {True, False}
    assert None in {figure["installed_count"] for figure in published[::2]}
    for figure in published[::2]:
        again = asof.replay(house.settings, figure["snapshot_id"])
        assert as_json(again) == as_json(figure)
    ids = {figure["snapshot_id"] for figure in published}
    assert len(ids) == len(published)


def test_a_figure_of_an_open_day_is_repeated_after_the_day_went_on(house: House) -> None:
    house.build(T0 + 2 * DAY)
    publish(house.settings, now=T0)
    (printed,) = asof.coverage_as_of(house.settings, date(2022, 10, 14), "tinh")
    assert printed["is_provisional"]
    later = T0 + 2 * DAY + timedelta(hours=5)
    house.land(later, [])
    house.build(later + DAY)
    publish(house.settings, now=T0)
    (now,) = asof.coverage_as_of(house.settings, date(2022, 10, 14), "tinh")
    assert now["installed_count"] != printed["installed_count"]
    assert as_json(asof.replay(house.settings, printed["snapshot_id"])) == as_json(printed)
    assert as_json(asof.replay(house.settings, now["snapshot_id"])) == as_json(now)


def test_a_printed_figure_outlives_an_edit_of_the_registry_and_a_rebuild(house: House) -> None:
    house.build(T0 + 3 * DAY)
    publish(house.settings, now=T0)
    (printed,) = asof.coverage_as_of(house.settings, date(2022, 10, 12), "pnv")
    write_registry(
        house.settings.registry,
        allocations_csv=FILES["allocations.csv"].replace(",pnv,4,", ",pnv,9,"),
    )
    edited = in_force(house.settings).registry
    rebuild(house.settings, edited, code_version="1.2.3")
    publish(house.settings, now=T0)
    (now,) = asof.coverage_as_of(house.settings, date(2022, 10, 12), "pnv")
    assert (printed["allocated_count"], now["allocated_count"]) == (4, 9)
    assert as_json(asof.replay(house.settings, printed["snapshot_id"])) == as_json(printed)


def test_a_load_that_was_gated_late_does_not_change_what_was_printed(house: House) -> None:
    middle = T0 + timedelta(hours=1)
    house.land(T0 + timedelta(hours=2), [], "huyen2")
    house.build(T0 + timedelta(hours=4))
    publish(house.settings, now=T0)
    (printed,) = asof.coverage_as_of(house.settings, date(2022, 10, 12), "tinh")
    house.land(middle, [a_host("t1")], "tinh", gated_at=T0 + timedelta(hours=9))
    house.build(T0 + DAY)
    publish(house.settings, now=T0)
    (now,) = asof.coverage_as_of(house.settings, date(2022, 10, 12), "tinh")
    assert now["installed_count"] == printed["installed_count"] + 1
    assert as_json(asof.replay(house.settings, printed["snapshot_id"])) == as_json(printed)


class TestRefusals:
    @pytest.fixture
    def printed(self, house: House) -> dict[str, Any]:
        house.build(T0 + 3 * DAY)
        publish(house.settings, now=T0)
        (figure,) = asof.coverage_as_of(house.settings, date(2022, 10, 12), "pnv")
        return figure

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            (lambda text: text[:-1], "snapshot_id_malformed"),
            (lambda text: text + "0", "snapshot_id_malformed"),
            (lambda _: "xin chào", "snapshot_id_malformed"),
            (
                lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
                "snapshot_not_reproducible",
            ),
            (lambda text: text.replace("-pnv-", "-khong_co-"), "snapshot_not_reproducible"),
        ],
    )
    def test_an_id_that_stands_for_no_figure(
        self, house: House, printed: dict[str, Any], change: Callable[[str], str], code: str
    ) -> None:
        with pytest.raises(LedgerError) as raised:
            asof.replay(house.settings, change(printed["snapshot_id"]))
        assert raised.value.code == code

    def test_an_id_of_other_rules(
        self, house: House, printed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(marts, "RULES_VERSION", "999")
        with pytest.raises(LedgerError) as raised:
            asof.replay(house.settings, printed["snapshot_id"])
        assert raised.value.code == "snapshot_not_reproducible"

    def test_a_registry_version_that_is_gone(self, house: House, printed: dict[str, Any]) -> None:
        for folder in house.settings.places.registry_versions.iterdir():
            if folder.is_dir():
                folder.rename(folder.with_name("f" * 64))
        with pytest.raises(LedgerError) as raised:
            asof.replay(house.settings, printed["snapshot_id"])
        assert raised.value.code == "registry_version_missing"

    def test_a_day_or_unit_without_figures(self, house: House, printed: dict[str, Any]) -> None:
        assert printed
        for day, unit in ((date(2022, 10, 11), None), (date(2022, 10, 12), "khong_co")):
            with pytest.raises(LedgerError) as raised:
                asof.coverage_as_of(house.settings, day, unit)
            assert raised.value.code == "no_figure"


def test_the_text_is_what_an_official_reads(house: House) -> None:
    house.build(T0 + 3 * DAY)
    publish(house.settings, now=T0)
    pnv = asof.coverage_as_of(house.settings, date(2022, 10, 12), "pnv")
    tinh = asof.coverage_as_of(house.settings, date(2022, 10, 12), "huyen2")
    lines = asof.as_text([*pnv, *tinh])
    assert lines[0] == "Phòng Nội vụ (pnv), ngày 12/10/2022, đã chốt:"
    assert lines[1] == "  phân bổ 4, đã cài 2 (50,0 %), đúng tên 1, chưa cài 2, vượt 0"
    assert lines[2] == "  máy chủ đọc đủ trong ngày 1/1; nguồn: huyen lúc 11:00 12/10/2022"
    assert lines[5].startswith("  phân bổ 0, đã cài chưa có (chưa có)")
    assert lines[6] == "  máy chủ đọc đủ trong ngày 0/1; nguồn: chưa đọc được"
