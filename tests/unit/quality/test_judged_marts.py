"""The marts before they are published, by the suites of the product itself."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.quality import marts
from ksc_ledger.quality.marts import judge_marts
from ksc_ledger.quality.suites import BrokenExpectation
from ksc_ledger.warehouse import build
from ksc_ledger.warehouse.judged import Judge
from unit.quality.landed import ROOT
from unit.warehouse.builders import T0, House, a_host, a_small_estate

PNV = {"group_path": "Phòng Nội vụ"}
Verdicts = dict[str, dict[str, Any]]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """The office ``pnv`` with 5 seats and 3 machines."""
    built = House(tmp_path, a_small_estate().grant("pnv", 5).registry())
    built.land(T0, [a_host(str(n), **PNV, display_name=f"PNV-{n}") for n in range(3)])
    return built


def judge_of(house: House, root: Path = ROOT, **changes: Any) -> Judge:
    """The real judge, before whom columns of the coverage may be changed."""

    def judge(tables: Mapping[str, pa.Table]) -> list[dict[str, Any]]:
        given = dict(tables)
        for column, value in changes.items():
            table = given["fct_unit_coverage_daily"]
            at = table.column_names.index(column)
            values = pa.array([value] * table.num_rows, table.schema.field(column).type)
            given["fct_unit_coverage_daily"] = table.set_column(at, column, values)
        return judge_marts(given, root=root, places=house.settings.places)[0]

    return judge


def built(house: House, judge: Judge) -> Verdicts:
    build(house.settings, house.registry, as_of_at=T0, code_version="1", judge=judge)
    rows = house.ask("from marts.fct_data_quality where load_id = 'marts-20221012T010000Z'")
    return {f"{row['suite'].split('.')[1]}:{row['expectation']}": row for row in rows}


def test_sound_marts_are_kept_with_their_verdicts_and_unsound_ones_are_not(house: House) -> None:
    before = built(house, judge_of(house))
    assert len(before) > 40
    assert [name for name, row in before.items() if not row["is_success"]] == []
    with pytest.raises(LedgerError) as told:
        build(
            house.settings,
            house.registry,
            as_of_at=T0,
            code_version="2",
            judge=judge_of(house, parts_installed_count=2),
        )
    assert told.value.code == "marts_refused"
    assert "cộng các đơn vị trực thuộc" in told.value.text
    assert house.ask("select code_version from meta.build") == [{"code_version": "1"}]
    assert len(house.ask("from marts.fct_data_quality")) == len(before)


def test_a_pool_that_differs_is_shown_and_published(house: House) -> None:
    found = built(house, judge_of(house, pool_count=7))
    pool = found["fct_unit_coverage_daily:allocated_count.equals_pool"]
    assert (pool["is_success"], pool["severity"]) == (False, "warn")
    assert pool["unexpected_count"] > 0


def test_more_machines_than_seats_and_a_missing_server_are_warnings(tmp_path: Path) -> None:
    estate = a_small_estate().grant("pnv", 2).server("tinh")
    house = House(tmp_path, estate.registry())
    house.land(T0, [a_host(str(n), **PNV, display_name=f"PNV-{n}") for n in range(3)])
    found = built(house, judge_of(house))
    wrong = {name.split(":")[1] for name, row in found.items() if not row["is_success"]}
    assert wrong == {"installed_count.at_most_allocated", "servers_observed_count.all_expected"}


def test_the_same_marts_are_not_judged_twice(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(house, judge_of(house))
    with monkeypatch.context() as patched:
        patched.setattr(marts, "judge", lambda *_, **__: pytest.fail("they were judged already"))
        again = built(house, judge_of(house))
    assert again == first
    asked = []
    monkeypatch.setattr(marts, "judge", lambda *_, **__: asked.append(1) or [])
    built(house, judge_of(house, pool_count=6))
    assert len(asked) == 1  # the suite whose relation is another one now


def test_figures_that_only_got_older_are_not_judged_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = built(house, judge_of(house))
    hour = timedelta(hours=1)
    house.land(T0 + hour, [a_host(str(n), **PNV, display_name=f"PNV-{n}") for n in range(3)])
    monkeypatch.setattr(marts, "judge", lambda *_, **__: pytest.fail("nothing else has changed"))
    build(
        house.settings,
        house.registry,
        as_of_at=T0 + hour,
        code_version="1",
        judge=judge_of(house),
    )
    rows = house.ask("from marts.fct_data_quality where load_id = 'marts-20221012T020000Z'")
    assert len(rows) == len(first)


def test_a_line_without_its_snapshot_or_its_count_is_refused(house: House) -> None:
    for changes, said in (
        ({"has_snapshot_id": False}, "mã bản số liệu"),
        ({"is_observed": True, "installed_count": None}, "phải có số máy đã cài đặt"),
    ):
        with pytest.raises(LedgerError, match=said):
            built(house, judge_of(house, **changes))


def test_a_rule_that_cannot_be_evaluated_is_an_error_of_ours(house: House, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(ROOT, rules)
    suite = rules / "marts" / "fct_unit_coverage_daily.json"
    suite.write_text(suite.read_text("utf-8").replace('"pool_count"', '"pool"'), "utf-8")
    with pytest.raises(BrokenExpectation):
        built(house, judge_of(house, rules))


def test_a_suite_without_its_relation_is_noticed(house: House, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(ROOT, rules)
    (rules / "marts" / "rpt_reported_vs_observed.json").unlink()
    with pytest.raises(KeyError):
        built(house, judge_of(house, rules))


def test_before_anything_landed_there_is_nothing_to_judge(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert built(house, lambda _: pytest.fail("nothing has landed")) == {}
