"""Reports through the real suite: what orchestration puts together from intake and quality."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from corpus.cases import FILES, directory
from ksc_ledger.intake.columns import COUNTS
from ksc_ledger.intake.inbox import sidecar_of
from ksc_ledger.intake.receive import GateFinding, receive
from ksc_ledger.quality.gate import judge
from ksc_ledger.settings import REPOSITORY, Places

NOW = datetime(2022, 11, 13, 2, 0, tzinfo=UTC)


def gate(rows: Sequence[Mapping[str, Any]]) -> list[GateFinding]:
    """All reports of a run in one batch, each verdict told row by row."""
    counts = dict.fromkeys([*(column.value for column in COUNTS), "report_age_days"], "float64")
    frame = pd.DataFrame(list(rows)).astype(counts)
    return [
        GateFinding(
            row=row,
            code=one.expectation,
            column=one.column,
            text=one.description,
            remedy=one.remedy,
            is_refusing=one.is_refusing,
        )
        for one in judge(frame, "reports.unit_reports", root=REPOSITORY / "expectations")
        for row in one.unexpected_rows
    ]


def test_reports_pass_the_suite_and_a_late_one_is_noted(tmp_path: Path) -> None:
    places = Places(tmp_path)
    folder = places.inbox / "dtp_872"
    folder.mkdir(parents=True)
    for name in ("C05_semicolon.csv", "C17_total_row.csv", "C22_fraction.csv"):
        path = folder / name
        path.write_bytes((FILES / name).read_bytes())
        day = 12 if name.startswith("C05") else 13
        at = datetime(2022, 11, day, 1, 0, tzinfo=UTC)
        sidecar_of(path).write_text(json.dumps({"received_at": at.isoformat()}), "utf-8")
    receipts = receive(places.inbox, places, directory(), now=NOW, gate=gate)
    assert [one.is_accepted for one in receipts] == [True, True, True]
    assert [len(one.findings) for one in receipts] == [0, 1, 1]  # on the 32nd day
    assert "nên cách ngày nhận báo cáo không quá 31 ngày" in receipts[1].text()
