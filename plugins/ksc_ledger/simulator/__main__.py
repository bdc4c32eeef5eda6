"""``python -m ksc_ledger.simulator SCENARIO…``: serve until Ctrl-C; with ``--check`` only check."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ksc_ledger.errors import LedgerError
from ksc_ledger.simulator.check import check_scenario, refuse_shared_codes
from ksc_ledger.simulator.scenario import read
from ksc_ledger.simulator.simulator import Simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the scenarios until SIGINT or SIGTERM; 1 when they have mistakes or cannot be served."""
    parser = argparse.ArgumentParser(prog="ksc_ledger.simulator", description=__doc__)
    parser.add_argument("scenarios", nargs="+", type=Path, metavar="SCENARIO")
    parser.add_argument("--port", type=int, default=13299, help="of the first server; 0 = any")
    parser.add_argument("--run-dir", type=Path, help="where ports.json and certificates lie")
    parser.add_argument("--clock", type=_instant, help="ISO instant; default: the scenarios' end")
    parser.add_argument(
        "--check", action="store_true", help="print every mistake and serve nothing"
    )
    given = parser.parse_args(arguments)
    if given.check:
        return _check(given.scenarios)
    if given.run_dir is None:
        parser.error("--run-dir is needed to serve")
    is_over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_over.set())
    try:
        simulator = Simulator(
            given.scenarios, given.run_dir, given.port, at=given.clock, is_driven=False
        )
    except LedgerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with simulator:
        sys.stdout.write(_table(simulator) + f"\nports.json: {given.run_dir / 'ports.json'}\n")
        sys.stdout.flush()
        while not is_over.wait(1):
            continue
    return 0


def _check(folders: Sequence[Path]) -> int:
    """Print the mistakes of all folders; 0 when there is none."""
    said = []
    for folder in folders:
        prefix = f"{folder.absolute().name}/" if len(folders) > 1 else ""
        said += [f"{prefix}{mistake}" for mistake in check_scenario(folder)]
    try:
        refuse_shared_codes(read(folder)[0] for folder in folders)
    except LedgerError as error:
        said.append(str(error))
    sys.stdout.write("".join(f"{line}\n" for line in said))
    sys.stdout.write(f"{len(said)} lỗi.\n" if said else "Không có lỗi.\n")
    return 1 if said else 0


def _table(simulator: Simulator) -> str:
    state = simulator.state()
    rows = [("Mã", "Tên", "Cổng", "Số thiết bị", "Tệp mật khẩu")]
    for code, server in simulator.ports["servers"].items():
        count = state["servers"][code]["host_count"]
        port = str(server["port"])
        rows.append((code, server["display_name"], port, str(count), server["password_file"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([f"Máy chủ KSC giả lập, đồng hồ {state['at']}", *lines])


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError("an offset is missing")
    return at


if __name__ == "__main__":
    sys.exit(main())
