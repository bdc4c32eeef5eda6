"""The scenarios' inboxes through the real intake: what each file says is what was planned."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import pytest
from scenarios.generator.inbox import INBOXES, SCENARIOS, expected_of

from ksc_ledger.intake import store
from ksc_ledger.intake.examining import Directory
from ksc_ledger.intake.inbox import sidecar_of
from ksc_ledger.intake.receipts import Receipt
from ksc_ledger.intake.receive import receive
from ksc_ledger.registry import load
from ksc_ledger.settings import Places

ENDS_AT = datetime.fromisoformat("2024-01-16T08:00:00+07:00")


def received(name: str, home: Path) -> list[Receipt]:
    places, folder = Places(home), SCENARIOS / name / "inbox"
    with (folder / "inbox.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        source = folder / row["file"]
        target = places.inbox / row["unit_code"] / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        sidecar_of(target).write_text(json.dumps({"received_at": row["received_at"]}), "utf-8")
    registry = load(SCENARIOS / name / "registry")
    directory = Directory.of(registry.units, registry.unit_aliases)
    return receive(places.inbox, places, directory, now=ENDS_AT)


@pytest.mark.parametrize("name", sorted(INBOXES))
def test_each_file_ends_as_it_was_planned(name: str, tmp_path: Path) -> None:
    receipts = received(name, tmp_path)
    planned = INBOXES[name]
    assert [one.received_at.isoformat() for one in receipts] == [
        datetime.fromisoformat(one.received_at)
        .astimezone(tz=receipts[0].received_at.tzinfo)
        .isoformat()
        for one in planned
    ]
    said = {one.receipt_id: one.text() for one in receipts}
    for receipt, sent in zip(receipts, planned, strict=True):
        is_letter = sent.file.endswith(".docx")
        counts = sent.says.reported_count is not None and not is_letter
        assert receipt.is_accepted is counts, said[receipt.receipt_id]
    rows = {
        (row["unit_code"], row["report_date"]): row["installed_count"]
        for row in store.accepted_rows(Places(tmp_path))
    }
    assert rows == {
        (unit, day): figures["reported_count"] for unit, day, figures in expected_of(name)
    }


def test_the_same_file_sent_again_is_told_so_and_the_old_font_is_not_guessed(
    tmp_path: Path,
) -> None:
    receipts = received("dong_thap", tmp_path)
    assert [one.same_as is not None for one in receipts].count(True) == 1
    reasons = {one.reason_code for one in receipts}
    assert reasons == {"", "legacy_font", "document_not_form"}
