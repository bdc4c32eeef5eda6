"""The product applies a day, builds and publishes, again and again, while others read.

Orders: ``base``, ``ledger`` (the home to publish in; it stays), ``fill`` (its history's days),
``versions``, ``endpoints``, ``servers``. The home is copied and published once before "ready" is
said; a line on standard input starts the rest.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import shutil  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

from bench import estate  # noqa: E402
from bench.cases.prepare_province import schedule_of, settings_of  # noqa: E402
from ksc_ledger.settings import Settings  # noqa: E402
from ksc_ledger.warehouse import build, publish  # noqa: E402


def main() -> None:
    asked = order()
    meter.imports_done()
    home = Path(asked["ledger"])
    shutil.copytree(Path(asked["base"]) / str(asked["fill"]), home)
    shutil.copytree(Path(asked["base"]) / "next" / "landing", home / "landing")
    settings = settings_of(home)
    published = [_publish(settings, asked, asked["fill"])]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for step in range(asked["fill"] + 1, asked["fill"] + asked["versions"] + 1):
        with meter.step("versions"):
            published.append(_publish(settings, asked, step))
    meter.report(published=published)


def _publish(settings: Settings, asked: dict[str, int], step: int) -> dict[str, object]:
    """Apply one day and publish it; its version and when it was there, on the machine's clock."""
    schedule = schedule_of(asked)
    loads = schedule.loads(step, estate.passed(settings))
    build(
        settings,
        estate.registry(schedule.endpoints),
        as_of_at=schedule.at(step, schedule.servers[-1]),
        code_version="bench",
        loads=loads,
    )
    version = publish(settings, now=schedule.at(step, schedule.servers[-1]))
    return {"version": version, "at": time.time()}


if __name__ == "__main__":
    main()
