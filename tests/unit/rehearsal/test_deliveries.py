"""A scenario's files come into the inbox with the instant at which they were received."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.intake.inbox import sidecar_of, waiting
from ksc_ledger.rehearsal.deliveries import deliver, deliveries
from ksc_ledger.rehearsal.timeline import expected_reports
from ksc_ledger.settings import REPOSITORY, Places

SCENARIOS = [REPOSITORY / "scenarios" / name for name in ("kon_tum", "dong_thap")]
HEADER = "file,unit_code,received_at\n"


def scenario(folder: Path, *rows: str) -> Path:
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "inbox.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows), "utf-8")
    for row in rows:
        path = inbox / row.split(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row.encode())
    return folder


def test_files_of_all_scenarios_come_by_their_instants() -> None:
    found = deliveries(SCENARIOS)
    instants = [one.received_at for one in found]
    assert instants == sorted(instants)
    assert {one.unit_code[:3] for one in found} == {"dtp", "ktm"}
    assert all(one.source.is_file() for one in found)
    assert deliveries([REPOSITORY / "tests" / "road" / "scenario"]) == []


def test_two_files_of_one_name_are_two_and_keep_their_instants(tmp_path: Path) -> None:
    places = Places(tmp_path / "home")
    made = scenario(
        tmp_path / "s",
        "a/bc.csv,pnv,2022-10-19T23:59:00+07:00",
        "b/bc.csv,pnv,2022-10-20T00:01:00+07:00",
    )
    deliver(deliveries([made]), places)
    folder = places.inbox / "pnv"
    assert json.loads(sidecar_of(folder / "2-bc.csv").read_text("utf-8"))["received_at"] == (
        "2022-10-20T00:01:00+07:00"
    )
    now = datetime.fromisoformat("2022-10-20T17:00:00+07:00")
    found = waiting(places.inbox, now, lambda: pytest.fail("they are whole at the first look"))
    assert [one.path.name for one in found] == ["bc.csv", "2-bc.csv"]
    assert found[0].received_at == datetime.fromisoformat("2022-10-19T23:59:00+07:00")


def test_a_list_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    made = scenario(tmp_path / "s", "a.csv,pnv,yesterday")
    with pytest.raises(LedgerError) as told:
        deliveries([made])
    assert told.value.code == "scenario_inbox_unreadable"


def test_what_is_expected_of_reports_is_read() -> None:
    found = {(one.unit_code, one.report_date): one.counts for one in expected_reports(SCENARIOS)}
    assert found["dtp_872_ptp", date(2022, 10, 14)] == {
        "reported_count": 8,
        "observed_count": 7,
        "allocated_count": 8,
        "difference_count": 1,
    }
    assert len(found) == 9
