"""The warehouse anew from landing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.warehouse import rebuild as rebuild_module
from ksc_ledger.warehouse.rebuild import rebuild
from unit.warehouse.builders import DAY, T0, House, a_host, a_small_estate

TABLES = (
    "hist.intervals",
    "hist.home",
    "marts.fct_unit_coverage_daily",
    "marts.fct_endpoint_state",
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    estate = a_small_estate().unit("huyen2", "tinh").server("huyen2").grant("pnv", 3)
    house = House(tmp_path, estate.registry())
    house.land(T0, [a_host("m1"), a_host("m2", display_name="SAI")])
    house.build(T0)
    house.land(T0 + DAY, [a_host("m1", rtp_state=1)])
    house.land(T0 + DAY, [a_host("m1", last_connected_at=T0 + DAY)], "huyen2")
    house.land(T0 + DAY, status=LoadStatus.FAILED, fault_code="unreachable", fault_text="x")
    house.build(T0 + DAY)
    return house


def everything(house: House) -> dict[str, object]:
    return {table: house.ask(f"from {table} order by all") for table in TABLES}


def test_a_rebuild_gives_the_same_history_and_marts(house: House) -> None:
    before = everything(house)
    report = rebuild(house.settings, house.registry, code_version="1.2.3")
    assert everything(house) == before
    assert (len(report.applied), len(report.recorded), report.refused) == (3, 1, ())
    assert report.as_of_at == T0 + DAY


def test_a_rebuild_takes_in_what_came_too_late(house: House) -> None:
    late = house.land(T0 + timedelta(hours=1), [a_host("m1"), a_host("m3", display_name="PNV-3")])
    assert house.build(T0 + DAY).refused == (late.load_id,)
    assert house.counts("huyen", "2022-10-12", "installed") == (2,)
    report = rebuild(house.settings, house.registry, code_version="1.2.3")
    assert late.load_id in report.applied
    assert house.intervals("m3") == [("2022-10-12T09:00", "2022-10-13T08:00")]
    assert house.intervals("m2")[0][1] == "2022-10-12T09:00"


def test_ages_are_judged_as_they_were_when_the_load_was_first_applied(house: House) -> None:
    before = everything(house)
    estate = house.registry.estates[0].model_copy(update={"old_bases_days": 0})
    stricter = house.registry.model_copy(update={"estates": (estate,)})
    rebuild(house.settings, stricter, code_version="1.2.3")
    assert everything(house) == before


def test_a_damaged_warehouse_is_rebuilt_by_the_registry_in_force(house: House) -> None:
    before = everything(house)
    file = house.settings.places.warehouse_file
    file.write_bytes(b"hong" * 5000)
    rebuild(house.settings, house.registry, code_version="1.2.3", as_of_at=T0 + DAY)
    assert everything(house) == before


def test_a_lost_warehouse_is_made_again_by_the_next_build(house: House) -> None:
    before = everything(house)
    house.settings.places.warehouse_file.unlink()
    house.build(T0 + DAY)
    assert everything(house) == before


def test_the_old_file_stays_in_place_when_a_rebuild_fails(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(house)

    def fail(*_: object, **__: object) -> None:
        raise LedgerError("thu", "hỏng giữa chừng")

    monkeypatch.setattr(rebuild_module, "build_in", fail)
    with pytest.raises(LedgerError, match="hỏng giữa chừng"):
        rebuild(house.settings, house.registry, code_version="1.2.3")
    assert everything(house) == before
    assert not house.settings.places.warehouse_file.with_name("ledger.rebuild.duckdb").exists()


def test_the_old_file_is_kept_beside_the_new_one(house: House) -> None:
    folder = house.settings.places.warehouse_file.parent
    rebuild(house.settings, house.registry, code_version="1.2.3")
    assert (folder / "ledger.before_rebuild.duckdb").is_file()
    assert list(folder.glob("*.wal")) == []


def test_an_empty_landing_is_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    with pytest.raises(LedgerError) as raised:
        rebuild(house.settings, house.registry, code_version="1.2.3")
    assert raised.value.code == "nothing_landed"
