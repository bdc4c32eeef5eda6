"""One container's share of a simulated estate: ``simulated_servers.py province|first|rest``.

Every container knows the whole scenario and answers for its share: the province's server, the first
district's, or all others. It leaves, for ``ksc-ledger init``, one connection file for each of its
servers. The province's container also knocks at the districts' containers, as a province's server hears
from its districts, and says of one that does not answer that its link is cut: so a container that is
taken off its network is lost in every way in which a district can be lost.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ksc_ledger.errors import LedgerError
from ksc_ledger.simulator import Simulator
from ksc_ledger.simulator.faults import FaultKind

FIRST_PORT = 13299
SHARES = ("province", "first", "rest")
EVERY_SECONDS = 2.0
KNOCK_SECONDS = 3.0


def main() -> int:
    """Serve until SIGTERM; 1 when the scenario cannot be served."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("share", choices=SHARES)
    parser.add_argument("--scenario", type=Path, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--connections", type=Path, required=True)
    parser.add_argument(
        "--hosts", nargs=3, required=True, metavar="HOST", help="of the three containers, in order"
    )
    given = parser.parse_args()
    hosts = dict(zip(SHARES, given.hosts, strict=True))
    is_over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_over.set())
    try:
        simulator = Simulator(
            [given.scenario],
            given.run_dir,
            FIRST_PORT,
            at=datetime.now(UTC),
            is_driven=False,
            address="0.0.0.0",  # noqa: S104 (the container's own network)
        )
    except LedgerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with simulator:
        shares = share_of_each(simulator)
        for code in (code for code, share in shares.items() if share == given.share):
            leave_connection(simulator, code, hosts[given.share], given.connections)
        sys.stdout.write(f"{given.share}: {', '.join(sorted(shares))}\n")
        sys.stdout.flush()
        districts = {
            code: hosts[share]
            for code, share in shares.items()
            if given.share == "province" and share != "province"
        }
        while not is_over.wait(EVERY_SECONDS):
            for code, host in districts.items():
                hear_from(simulator, code, host)
    return 0


def share_of_each(simulator: Simulator) -> dict[str, str]:
    """Which container answers for which server, in the order of the ports."""
    servers = simulator.ports["servers"]
    districts = [code for code, one in servers.items() if one["parent_server_code"]]
    return {
        code: "province" if code not in districts else "first" if code == districts[0] else "rest"
        for code in servers
    }


def leave_connection(simulator: Simulator, code: str, host: str, folder: Path) -> None:
    """Write the connection file that ``ksc-ledger init`` takes over; readable by us alone."""
    server = simulator.ports["servers"][code]
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    beside = folder / f".ksc_{code}.tmp"
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(
            {
                "description": f"Máy chủ KSC giả lập {server['display_name']}",
                "host": host,
                "port": server["port"],
                "login": server["login"],
                "password": simulator.password(code),
                "extra": {"certificate_sha256": server["sha256"]},
            },
            out,
            ensure_ascii=False,
        )
    beside.replace(folder / f"ksc_{code}.json")


def hear_from(simulator: Simulator, code: str, host: str) -> None:
    """Cut or mend the link of one district, by whether its container answers."""
    is_heard = False
    with suppress(OSError):
        address = (host, simulator.ports["servers"][code]["port"])
        socket.create_connection(address, timeout=KNOCK_SECONDS).close()
        is_heard = True
    is_up = simulator.state()["servers"][code]["is_link_up"]
    if is_up and not is_heard:
        simulator.fault(code, FaultKind.LINK_CUT)
    elif is_heard and not is_up:
        simulator.clear_faults(code)


if __name__ == "__main__":
    sys.exit(main())
