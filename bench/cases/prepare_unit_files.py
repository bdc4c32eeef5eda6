"""An inbox of units' files: the system's own form of a district with 27 units, filled in.

Order: ``base`` (the home), ``files``.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import json  # noqa: E402
import shutil  # noqa: E402
from datetime import timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

from bench.cases.unit_files import DAY, SENDER, SENT_AT, UNITS  # noqa: E402
from ksc_ledger.intake.inbox import sidecar_of  # noqa: E402
from ksc_ledger.intake.prefilled_form import FormLine, make_form  # noqa: E402
from ksc_ledger.settings import Places  # noqa: E402


def main() -> None:
    asked = order()
    meter.imports_done()
    places = Places(Path(asked["base"]))
    folder = places.inbox / SENDER
    folder.mkdir(parents=True)
    with meter.step("files"):
        for number in range(asked["files"]):
            lines = [
                FormLine(
                    unit_code=unit.unit_code,
                    unit_name=unit.unit_name,
                    allocated_count=20,
                    installed_count=(number + at) % 21,  # so that no two files are the same
                    correctly_named_count=0,
                )
                for at, unit in enumerate(UNITS[1:])
            ]
            made = make_form(SENDER, UNITS[0].unit_name, lines, DAY, places.home / "made")
            path = folder / f"bao-cao-{number:04}.xlsx"
            shutil.move(made, path)
            at = SENT_AT + timedelta(seconds=number)
            sidecar_of(path).write_text(json.dumps({"received_at": at.isoformat()}), "utf-8")
    meter.report(files=asked["files"])


if __name__ == "__main__":
    main()
