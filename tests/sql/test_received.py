"""What units reported beside what was observed; what was quarantined; what the gate said of files."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.warehouse import builder, received
from ksc_ledger.warehouse.rebuild import rebuild
from unit.warehouse.builders import DAY, T0, House, a_host, a_small_estate, at

PNV = {"group_path": "Phòng Nội vụ"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    """The office ``pnv`` with 5 seats and 3 machines on 12/10/2022."""
    built = House(tmp_path, a_small_estate().grant("pnv", 5).registry())
    built.land(T0, [a_host(str(n), **PNV, display_name=f"PNV-{n}") for n in range(3)])
    return built


def report(
    house: House,
    installed: int | None,
    *,
    unit: str = "pnv",
    sender: str = "",
    day: str = "2022-10-12",
    received: str = "2022-10-12T10:00",
) -> str:
    sender = sender or unit
    receipt = f"{sender}-{received}"
    folder = house.settings.places.reports / sender / receipt
    folder.mkdir(parents=True, exist_ok=True)
    row = {
        "receipt_id": receipt,
        "sender_unit_code": sender,
        "unit_code": unit,
        "report_date": day,
        "received_at": at(received).isoformat(),
        "file_sha256": f"sha of {receipt}",
        "is_total": False,
        "allocated_count": None,
        "installed_count": installed,
        "difficulties": 'Máy cũ, có dấu " và xuống\ndòng',
    }
    with (folder / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return receipt


def quarantined(house: House, name: str, **facts: Any) -> None:
    row = {
        "quarantine_id": "q1",
        "source": "landing.ksc_hosts:huyen",
        "reason_code": "status_bits.known",
        "reason_text": "Trạng thái lạ.",
        "sample": "status_bits=1024",
        "first_seen_at": T0.isoformat(),
    } | facts
    folder = house.settings.places.quarantine
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", "utf-8")


def compared(house: House) -> list[tuple[Any, ...]]:
    return [
        tuple(row.values())
        for row in house.ask(
            "select unit_code, report_date::varchar as day, reported_count, observed_count,"
            " allocated_count, difference_count from marts.rpt_reported_vs_observed"
            " order by unit_code, report_date"
        )
    ]


def test_a_report_stands_beside_what_was_observed_that_day(house: House) -> None:
    house.build(T0)  # nothing was ever received
    assert compared(house) == []
    assert house.ask("from marts.rpt_quarantine") == []
    report(house, 5)
    report(house, None, unit="ptp")  # a row without installed machines reports none
    house.build(T0 + timedelta(hours=3))
    assert compared(house) == [("pnv", "2022-10-12", 5, 3, 5, 2)]
    (row,) = house.ask("from marts.rpt_reported_vs_observed")
    assert row["received_at"] == at("2022-10-12T10:00")
    assert row["file_sha256"] == "sha of pnv-2022-10-12T10:00"
    assert row["has_passed_gate"] is True
    assert "-pnv-" in row["snapshot_id"]


def test_a_day_without_a_reading_has_the_last_figures(house: House) -> None:
    report(house, 2, day="2022-10-14", received="2022-10-15T08:00")
    house.build(T0 + 3 * DAY)
    assert compared(house) == [("pnv", "2022-10-14", 2, 3, 5, -1)]


def test_what_was_never_observed_is_unknown_and_not_zero(house: House) -> None:
    report(house, 2, day="2022-10-01")
    report(house, 4, unit="tinh", received="2022-10-12T09:00")
    house.build(T0 + timedelta(hours=3))
    assert ("pnv", "2022-10-01", 2, None) in [row[:4] for row in compared(house)]


@pytest.mark.parametrize("is_own_first", [True, False])
def test_the_units_own_report_comes_before_its_superiors(house: House, is_own_first: bool) -> None:
    hours = ("09:00", "10:00") if is_own_first else ("10:00", "09:00")
    report(house, 5, received=f"2022-10-12T{hours[0]}")
    report(house, 1, sender="huyen", received=f"2022-10-12T{hours[1]}")
    house.build(T0 + timedelta(hours=3))
    assert compared(house)[0][2] == 5


def test_of_two_reports_of_one_sender_the_later_counts(house: House) -> None:
    report(house, 5, received="2022-10-12T09:00")
    report(house, 4, received="2022-10-12T09:01")
    house.build(T0 + timedelta(hours=3))
    assert compared(house)[0][2] == 4


def test_what_came_after_the_builds_instant_is_not_looked_at(house: House) -> None:
    report(house, 5, received="2022-10-12T09:00")
    report(house, 4, received="2022-10-12T11:01")
    house.build(at("2022-10-12T11:00"))
    assert compared(house)[0][2] == 5
    house.build(at("2022-10-12T11:01"))
    assert compared(house)[0][2] == 4


def test_a_device_that_is_put_aside_again_is_one_row_first_seen_then(house: House) -> None:
    quarantined(house, "later", first_seen_at=(T0 + DAY).isoformat(), sample="status_bits=2048")
    quarantined(house, "first")
    quarantined(house, "file", quarantine_id="q2", source="unit_reports:ptp", sample="Ô B7")
    house.build(T0 + 2 * DAY)
    rows = house.ask("from marts.rpt_quarantine order by quarantine_id")
    assert [(row["quarantine_id"], row["unit_code"], row["first_seen_at"]) for row in rows] == [
        ("q1", "huyen", T0),
        ("q2", "ptp", T0),
    ]
    assert rows[0]["sample"] == "status_bits=1024"


def test_of_a_file_that_was_judged_twice_the_later_verdict_counts(house: House) -> None:
    places = house.settings.places
    places.verdicts.mkdir(parents=True)
    verdict = {
        "load_id": "pnv-r1",
        "suite": "reports.unit_reports",
        "expectation": "unit_code.form",
        "severity": "fail",
        "description": "Mã đơn vị.",
    }
    for hour, is_success in ((1, False), (2, True), (9, False)):
        line = {
            **verdict,
            "is_success": is_success,
            "unexpected_count": int(not is_success),
            "judged_at": (T0 + timedelta(hours=hour)).isoformat(),
        }
        (places.verdicts / f"{hour}.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    house.build(T0 + timedelta(hours=3))
    rows = house.ask("from marts.fct_data_quality where load_id = 'pnv-r1'")
    assert [(row["is_success"], row["unexpected_count"]) for row in rows] == [(True, 0)]


def test_a_build_reads_new_files_only_and_forgets_those_that_are_gone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[str]] = []
    original = received._read

    def counted(con: Any, kind: Any, files: list[str]) -> None:
        read.append([Path(file).name for file in files])
        original(con, kind, files)

    monkeypatch.setattr(received, "_read", counted)
    quarantined(house, "a", quarantine_id="qa")
    quarantined(house, "b", quarantine_id="qb")
    report(house, 5)
    house.build(T0 + 2 * DAY)
    assert sorted(name for names in read for name in names) == ["a.jsonl", "b.jsonl", "rows.jsonl"]
    read.clear()
    quarantined(house, "c", quarantine_id="qc")
    quarantined(house, "b", quarantine_id="qb", sample="changed, as an erasure does")
    (house.settings.places.quarantine / "a.jsonl").unlink()
    house.build(T0 + 2 * DAY)
    assert sorted(name for names in read for name in names) == ["b.jsonl", "c.jsonl"]
    rows = house.ask("select quarantine_id, sample from marts.rpt_quarantine order by 1")
    assert [tuple(row.values()) for row in rows] == [
        ("qb", "changed, as an erasure does"),
        ("qc", "status_bits=1024"),
    ]
    assert compared(house)[0][2] == 5  # what was read before is still there
    # A rebuild, which reads them all, finds the same.
    before = house.ask("from marts.rpt_quarantine")
    rebuild(house.settings, house.registry, code_version="1.2.3")
    assert house.ask("from marts.rpt_quarantine") == before


def test_files_of_a_build_that_was_refused_are_read_by_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.build(T0)
    quarantined(house, "a")
    with monkeypatch.context() as patch:
        patch.setattr(builder, "check_models", refuse)
        with pytest.raises(LedgerError):
            house.build(T0 + DAY)
    assert house.ask("from marts.rpt_quarantine") == []
    house.build(T0 + DAY)
    assert len(house.ask("from marts.rpt_quarantine")) == 1


def refuse(*_: object) -> None:
    raise LedgerError("marts_check_failed", "thử")
