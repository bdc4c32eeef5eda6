"""The product's gate over the landed loads of one collection: all servers in one batch.

The import of Great Expectations is paid once a run and shown apart. Order: ``base``.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import shutil  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402

from bench.cases.prepare_province import settings_of  # noqa: E402
from bench.estate import FIRST_AT  # noqa: E402
from ksc_ledger.landing import manifest  # noqa: E402
from ksc_ledger.quality import engine, frames, gate  # noqa: E402, F401 - the import is paid here
from ksc_ledger.quality.suites import HOSTS  # noqa: E402
from ksc_ledger.warehouse import snapshot_arrow  # noqa: E402


def main() -> None:
    asked = order()
    meter.imports_done()
    home = Path(asked["home"]) / "ledger"
    shutil.copytree(asked["base"], home)
    settings = settings_of(home)
    places = settings.places
    loads = list(manifest.read_all(places))
    with meter.step("gate"):
        judged = gate.gate_loads(
            loads,
            places,
            settings,
            snapshot_reader=lambda load: snapshot_arrow(load.parquet(places)),
            now=FIRST_AT,
        )
    counts = {
        load.server_code: {one["expectation"]: one["unexpected_count"] for one in load.verdicts}
        for load in judged
    }
    rows = sum(load.rows_read_count for load in judged)
    columns = len(
        frames.with_derived(
            HOSTS,
            frames.hosts_frame(
                [frames.Landed(judged[0], snapshot_arrow(judged[0].parquet(places)), None)]
            ),
        ).columns
    )
    meter.report(counts=counts, rows=rows, columns=columns, engine=version("great-expectations"))


if __name__ == "__main__":
    main()
