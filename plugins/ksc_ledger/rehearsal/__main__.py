"""``python -m ksc_ledger.rehearsal [--once] [--port N] SCENARIO…`` — what `make demo` runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from ksc_ledger import settings as settings_module
from ksc_ledger.errors import LedgerError
from ksc_ledger.rehearsal.driver import Rehearsal


def main() -> int:
    """Exit status: 0 all figures held, 1 some did not, 2 it could not be run."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="Diễn tập trên dữ liệu kịch bản."
    )
    parser.add_argument("scenarios", nargs="+", type=Path, metavar="SCENARIO")
    parser.add_argument("--once", action="store_true", help="kết thúc ngay sau bảng tổng hợp")
    parser.add_argument("--port", type=int, default=8080, help="cổng giao diện Airflow")
    words = parser.parse_args()
    console = Console()
    try:
        rehearsal = Rehearsal(
            [path.resolve() for path in words.scenarios],
            settings_module.load().home,
            words.port,
            console,
        )
        return rehearsal.run(once=words.once)
    except LedgerError as error:
        console.print(f"[bold red]{error.text}[/]\nCách khắc phục: {error.remedy}", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("Đã dừng theo yêu cầu.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
