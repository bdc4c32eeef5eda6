"""``python -m bench [--quick] [GROUP …]``: measure, print, judge, write the page."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import groups, machine
from bench.groups import Plan
from bench.process import ROOT, CaseFailed
from bench.report import Section, as_markdown, failed, is_good, write_page
from ksc_ledger.errors import LedgerError

# One module a group, each with ``run(plan) -> list[Section]``.
GROUPS = tuple(found.name for found in pkgutil.iter_modules(groups.__path__))
PAGE = ROOT / "docs" / "performance.md"
REPS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing was refused and no judged target was missed, else 1."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    work = asked.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        work=work,
        reps=1 if asked.quick else asked.reps,
        is_full_size=not asked.quick,
        say=_say,
    )
    names = asked.groups or GROUPS
    if unknown := set(names) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    load = machine.load()
    sections: list[Section] = []
    for name in names:
        load_before = machine.load()
        try:
            found = importlib.import_module(f"bench.groups.{name}").run(plan)
        except (CaseFailed, LedgerError, OSError, subprocess.SubprocessError) as error:
            # The other groups are still worth knowing; the exit status says that one is missing.
            _say(str(error))
            found = [failed(name, str(error))]
        found[-1].lines.append(f"load average before {load_before}, after {machine.load()}")
        sections += found
    head = (
        f"Run of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        f" ({'a tenth of the size, ' if asked.quick else ''}{plan.reps} turns a case,"
        f" {(time.monotonic() - began) / 60:.0f} minutes) on {machine.described()}, DuckDB"
        f" {version('duckdb')}. Load average before {load}, after {machine.load()}."
    )
    result = as_markdown([head], sections)
    sys.stdout.write(result)
    if asked.quick or asked.groups:
        _say("docs/performance.md is written by a whole run only")
    else:
        write_page(PAGE, result)
    return 0 if is_good(sections) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, one turn")
    parser.add_argument("--reps", type=int, default=REPS, help="turns of each case")
    parser.add_argument("--work", type=Path, default=ROOT / ".bench", help="scratch folder")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    return parser


def _say(text: str) -> None:
    sys.stderr.write(f"… {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
