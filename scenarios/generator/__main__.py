"""`python -m scenarios.generator` writes every scenario; `--into DIR` writes them elsewhere."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from scenarios.generator import all_scenarios

REPOSITORY = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scenarios.generator", description=__doc__)
    parser.add_argument("--into", type=Path, default=REPOSITORY, help="the folder to write below")
    into: Path = parser.parse_args(arguments).into
    for place, scenario in all_scenarios().items():
        folder = into / place
        for part in ("registry", "estate"):
            if (folder / part).exists():
                shutil.rmtree(folder / part)
        scenario.write(folder)
        sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
