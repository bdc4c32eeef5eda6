"""A run over an inbox: sandbox, recognition, matching, the gate, receipts. Order: ``base``."""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import shutil  # noqa: E402
from collections.abc import Mapping, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from datetime import UTC, date, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from ksc_ledger.intake.examining import Directory  # noqa: E402
from ksc_ledger.intake.receive import GateFinding, gate_findings, receive  # noqa: E402
from ksc_ledger.quality import engine, reports  # noqa: E402, F401 - the import is paid here
from ksc_ledger.settings import REPOSITORY, Places  # noqa: E402

SENDER = "dtp_872"
DAY = date(2022, 10, 12)
SENT_AT = datetime(2022, 10, 13, 1, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Unit:
    unit_code: str
    unit_name: str
    parent_unit_code: str | None
    valid_from_date: date = date(2022, 1, 1)
    valid_to_date: date | None = None


UNITS = (
    Unit(SENDER, "Huyện Tháp Mười", None),
    *(Unit(f"dtp_872_u{number:02}", f"Xã Mẫu Số {number}", SENDER) for number in range(27)),
)


def main() -> None:
    asked = order()
    meter.imports_done()
    home = Path(asked["home"]) / "ledger"
    shutil.copytree(asked["base"], home)
    places = Places(home)
    now = SENT_AT + timedelta(days=1)

    def gate(rows: Sequence[Mapping[str, Any]]) -> list[GateFinding]:
        root = REPOSITORY / "expectations"
        return gate_findings(reports.judge_and_record(rows, root=root, places=places, now=now))

    with meter.step("receive"):
        receipts = receive(
            places.inbox, places, Directory.of(UNITS), now=now, gate=gate, pause=lambda: None
        )
    meter.report(
        files=len(receipts),
        accepted=sum(one.is_accepted for one in receipts),
        rows=sum(one.units_count for one in receipts),
    )


if __name__ == "__main__":
    main()
