"""Files that units send in a scenario: put into the home's inbox when their instant has come."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ksc_ledger.errors import LedgerError
from ksc_ledger.intake.inbox import sidecar_of
from ksc_ledger.settings import Places

LIST = "inbox.csv"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file of a scenario's inbox."""

    source: Path
    unit_code: str
    received_at: datetime


def deliveries(scenarios: list[Path]) -> list[Delivery]:
    """Every file that units send in some scenarios, by its instant. Raises LedgerError."""
    found: list[Delivery] = []
    for scenario in scenarios:
        listed = scenario / "inbox" / LIST
        if not listed.is_file():
            continue
        try:
            with listed.open(encoding="utf-8-sig", newline="") as lines:
                found += [
                    Delivery(
                        scenario / "inbox" / row["file"],
                        row["unit_code"],
                        datetime.fromisoformat(row["received_at"]),
                    )
                    for row in csv.DictReader(lines)
                ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LedgerError(
                "scenario_inbox_unreadable",
                f"Không đọc được {listed}: {error}",
                "Xem docs/scenarios.md; chạy ksc-ledger simulator check để thấy từng lỗi.",
            ) from error
    return sorted(found, key=lambda one: (one.received_at, one.source))


def deliver(due: list[Delivery], places: Places) -> None:
    """Put files into the inbox as a mailbox would: with the instant at which they were received."""
    for one in due:
        folder = places.inbox / one.unit_code
        folder.mkdir(parents=True, exist_ok=True)
        target = _free(folder, one.source.name)
        sidecar = {"received_at": one.received_at.isoformat(), "message_id": None}
        sidecar_of(target).write_text(json.dumps(sidecar), "utf-8")
        beside = target.with_name(f".{target.name}")
        beside.write_bytes(one.source.read_bytes())
        beside.rename(target)


def _free(folder: Path, name: str) -> Path:
    target, number = folder / name, 2
    while target.exists():
        target, number = folder / f"{number}-{name}", number + 1
    return target
