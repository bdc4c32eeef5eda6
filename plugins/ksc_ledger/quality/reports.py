"""The gate over units' own reports: every row of a run in one batch, and a verdict for each file."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ksc_ledger.quality import data_docs
from ksc_ledger.quality.gate import Verdict, judge
from ksc_ledger.quality.suites import REPORTS
from ksc_ledger.settings import Places

RECEIPT = "receipt_id"


def judge_reports(rows: Sequence[Mapping[str, Any]], *, root: Path) -> list[Verdict]:
    """Judge rows of reports, each naming its ``receipt_id``; raise BrokenExpectation."""
    import pandas as pd

    frame = pd.DataFrame([dict(row) for row in rows])
    counts = [name for name in frame.columns if name.endswith(("_count", "_days"))]
    return judge(frame.astype(dict.fromkeys(counts, "float64")), REPORTS, root=root)


def judge_and_record(
    rows: Sequence[Mapping[str, Any]],
    *,
    root: Path,
    places: Places,
    now: datetime,
    shown: Callable[[Path | None], None] | None = None,
) -> list[Verdict]:
    """Judge a batch, and keep what was said of each report for the marts and the Data Docs.

    ``shown`` is called with the page of what was said.
    """
    verdicts = judge_reports(rows, root=root)
    by_report = verdicts_by_report(rows, verdicts)
    keep(by_report, places, now)
    page = data_docs.record(data_docs.Kind.REPORTS, by_report, places, now)
    if shown is not None:
        shown(page)
    return verdicts


def verdicts_by_report(
    rows: Sequence[Mapping[str, Any]], verdicts: Iterable[Verdict]
) -> list[dict[str, Any]]:
    """What each rule says of each report of a batch, as ``keep`` writes it down."""
    receipts = list(dict.fromkeys(str(row[RECEIPT]) for row in rows))
    found = []
    for verdict in verdicts:
        counts = Counter(str(rows[at][RECEIPT]) for at in verdict.unexpected_rows)
        found += [
            {
                "load_id": receipt,
                **verdict.to_json(),
                "is_success": counts[receipt] == 0,
                "unexpected_count": counts[receipt],
            }
            for receipt in receipts
        ]
    return found


def keep(verdicts: Sequence[Mapping[str, Any]], places: Places, now: datetime) -> Path:
    """Write the verdicts of one batch below ``landing/verdicts``, whole.

    The same batch judged again at the same instant lies in the same file; of a report judged
    twice the later verdict counts. Read by the marts, so a rebuild finds them again.
    """
    stamp = now.astimezone(UTC)
    lines = [
        json.dumps({**one, "judged_at": stamp.isoformat()}, ensure_ascii=False) for one in verdicts
    ]
    text = "".join(f"{line}\n" for line in lines)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = places.verdicts
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stamp:%Y%m%dT%H%M%SZ}-{digest}.jsonl"
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return path
