"""A reader as a BI tool is one: opens the published link, asks, closes; until it is told to stop.

Orders: ``file``, ``threads`` (each opens for itself, in this one process), ``stop`` (a file that
ends it when it appears).
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import threading  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import duckdb  # noqa: E402

# Twelve readers that never rest would leave the publisher no processor to publish with.
PAUSE_SECONDS = 0.1

# Figures of three tables that agree in every whole version, and the sum of all of one table.
QUESTION = """
    select
        (select version_id from marts._published) as version_id,
        (select count(*) from marts.dim_endpoint where is_installed) as endpoints,
        (select count(*) from marts.fct_endpoint_state where is_installed and valid_to_at is null)
            as states,
        (
            select installed_count from marts.fct_unit_coverage_daily
            where unit_code = $root
            order by snapshot_date desc limit 1
        ) as figure,
        (select bit_xor(hash(f)) from marts.fct_unit_coverage_daily as f)::varchar as content
"""


class Reader:
    """What one thread saw. ``seen``: for each version its content and the last opening that got it."""

    def __init__(self, file: str, root: str) -> None:
        self._file = file
        self._root = root
        self.queries = 0
        self.failed: list[str] = []
        self.torn: list[str] = []
        self.seen: dict[str, dict[str, Any]] = {}

    def loop(self, stop: Path) -> None:
        while not stop.exists():
            opened_at = time.time()
            try:
                with duckdb.connect(self._file, read_only=True, config={"threads": 1}) as con:
                    row = con.execute(QUESTION, {"root": self._root}).fetchall()[0]
            except Exception as error:  # a reader that cannot read is what we are looking for
                self.failed.append(f"{type(error).__name__}: {error}")
                continue
            self.queries += 1
            version, endpoints, states, figure, content = row
            if not endpoints == states == figure:
                self.torn.append(f"{version}: {endpoints}, {states}, {figure}")
            before = self.seen.setdefault(version, {"content": content, "last_opened_at": 0.0})
            if before["content"] != content:
                self.torn.append(f"{version}: its content changed")
            before["last_opened_at"] = opened_at
            time.sleep(PAUSE_SECONDS)


def main() -> None:
    asked = order()
    meter.imports_done()
    readers = [Reader(asked["file"], asked["root"]) for _ in range(asked["threads"])]
    stop = Path(asked["stop"])
    threads = [threading.Thread(target=reader.loop, args=(stop,)) for reader in readers]
    with meter.step("read"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    meter.report(
        readers=[
            {
                "queries": reader.queries,
                "failed": reader.failed,
                "torn": reader.torn,
                "seen": reader.seen,
            }
            for reader in readers
        ]
    )


if __name__ == "__main__":
    main()
