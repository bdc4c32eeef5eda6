from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ksc_ledger.landing.manifest import Load
from ksc_ledger.quality import quarantine
from ksc_ledger.quality.quarantine import Reason, sample_of
from ksc_ledger.settings import Places
from unit.quality.landed import AT, a_load, endpoint_id

SUITE = "landing.ksc_hosts"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def lines_of(load: Load, places: Places) -> list[dict[str, Any]]:
    text = quarantine.path_of(load, places).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def reason(*rows: dict[str, Any], code: str = "a.b") -> Reason:
    return Reason(code, "Lý do.", rows)


def test_the_file_is_for_owner_and_group_only(places: Places) -> None:
    load = a_load()
    before = os.umask(0)
    try:
        quarantine.write(load, SUITE, [reason({"endpoint_id": endpoint_id(1)})], places)
    finally:
        os.umask(before)
    path = quarantine.path_of(load, places)
    assert path == places.quarantine / f"{load.load_id}.jsonl"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_device_keeps_its_id_while_its_values_change(places: Places) -> None:
    first, second = a_load(), a_load(observed_at=AT + timedelta(hours=1))
    for load, ahead in ((first, 700.0), (second, 4300.0)):
        row = {"endpoint_id": endpoint_id(1), "bases_ahead_seconds": ahead}
        quarantine.write(load, SUITE, [reason(row)], places)
    [one], [two] = lines_of(first, places), lines_of(second, places)
    assert one["quarantine_id"] == two["quarantine_id"]
    assert one["sample"] != two["sample"]
    assert (one["first_seen_at"], two["first_seen_at"]) == (
        AT.isoformat(),
        (AT + timedelta(hours=1)).isoformat(),
    )


def test_another_reason_server_or_device_is_another_id(places: Places) -> None:
    here, there = a_load("dtp_872"), a_load("dtp_873")
    rows = [{"endpoint_id": endpoint_id(number)} for number in (1, 2)]
    reasons = [reason(*rows, code="a.b"), reason(*rows, code="a.c")]
    for load in (here, there):
        assert quarantine.write(load, SUITE, reasons, places) == 4
    ids = {line["quarantine_id"] for load in (here, there) for line in lines_of(load, places)}
    assert len(ids) == 8


def test_one_device_with_one_reason_is_one_line(places: Places) -> None:
    row = {"endpoint_id": endpoint_id(1)}
    assert quarantine.write(a_load(), SUITE, [reason(row, row)], places) == 1


def test_devices_without_an_id_are_told_apart_by_their_values(places: Places) -> None:
    rows = [{"endpoint_id": None, "status_bits": bits} for bits in (1, 2)]
    assert quarantine.write(a_load(), SUITE, [reason(*rows)], places) == 2


def test_a_load_without_bad_rows_leaves_no_file_behind(places: Places) -> None:
    load = a_load()
    quarantine.write(load, SUITE, [reason({"endpoint_id": endpoint_id(1)})], places)
    assert quarantine.write(load, SUITE, [], places) == 0
    assert not quarantine.path_of(load, places).exists()


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("endpoint_id", endpoint_id(1), endpoint_id(1)),
        ("endpoint_id", "TM-PHUONG-01", "xx-xxxxxx-99"),
        ("endpoint_id", None, "(trống)"),
        ("display_name", "Máy Phượng 2", "xxx xxxxxx 9"),
        ("display_name", "A\u200bB\u202e\r\n=1+1", "x?x???=9+9"),
        ("display_name", "x" * 41, "x" * 40 + "… (41 ký tự)"),
        ("status_bits", -1.0, "-1"),
        ("status_bits", float("nan"), "(trống)"),
        ("row_count_drop_ratio", 0.35, "0.35"),
        ("last_visible_at", pd.NaT, "(trống)"),
        ("last_visible_at", pd.Timestamp(AT), AT.isoformat()),
        ("has_agent_bit", True, "True"),
        ("antivirus_version", "12.2.0.462", "12.2.0.462"),
        ("ip_number", 173278741, "(ẩn)"),
    ],
)
def test_a_sample_shows_the_trouble_and_no_name(name: str, value: Any, shown: str) -> None:
    assert sample_of({name: value}) == f"{name}={shown}"
