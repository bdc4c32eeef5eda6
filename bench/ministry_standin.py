"""The stand-in for all servers of a ministry: one process, a port a server, a clock to be set.

``python -m bench.ministry_standin FOLDER RUN_DIR PROVINCES SERVERS HOSTS`` writes ``ports.json`` as
the simulator does and listens on 127.0.0.1 until it is ended. Which day a server tells of follows from the clock.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import threading
import time
from array import array
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from bench.ministry import Ministry, observed_at
from bench.standin import Day, certificate, talk

LOGIN = "bench"


class Clock:
    """The servers' common clock: stands still while it is driven, else runs on from where it was set."""

    def __init__(self) -> None:
        self._at, self._set, self._is_driven = observed_at(0), time.monotonic(), True

    def set(self, at: datetime, *, is_driven: bool) -> None:
        self._at, self._set, self._is_driven = at, time.monotonic(), is_driven

    def now(self) -> datetime:
        gone = 0.0 if self._is_driven else time.monotonic() - self._set
        return self._at + timedelta(seconds=gone)


class Part(Day):
    """One server's part of a day that is shared by all."""

    def __init__(self, whole: Day, first: int, end: int, clock: Clock) -> None:
        self.items, self.groups = whole.items, whole.groups
        self.offsets: array[int] = whole.offsets[first : end + 1]
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()


def serve(folder: Path, run_dir: Path, ministry: Ministry) -> None:
    """Listen until the process is ended."""
    context, sha256 = certificate(run_dir)
    clock = Clock()
    parts = _parts(folder, ministry, clock)
    listening = selectors.DefaultSelector()
    servers: dict[str, Any] = {}
    password_file = run_dir / "password"
    password_file.write_text("bench", "utf-8")
    for server, code in enumerate(ministry.codes):
        listener = socket.create_server(("127.0.0.1", 0))
        listening.register(listener, selectors.EVENT_READ, parts[server])
        servers[code] = {
            "port": listener.getsockname()[1],
            "login": LOGIN,
            "password_file": str(password_file),
            "sha256": sha256,
        }
    control = _control(clock)
    said = {"servers": servers, "control": {"port": control.server_port}}
    beside = run_dir / "ports.tmp"
    beside.write_text(json.dumps(said), "utf-8")
    beside.replace(run_dir / "ports.json")
    while True:
        for key, _ in listening.select():
            connection, _ = key.fileobj.accept()  # type: ignore[union-attr]
            day = min(max((clock.now() - observed_at(0)).days, 0), len(key.data) - 1)
            threading.Thread(
                target=talk, args=(connection, context, key.data[day]), daemon=True
            ).start()


def _parts(folder: Path, ministry: Ministry, clock: Clock) -> list[list[Part]]:
    """By server, its part of every day there is."""
    days = [
        Day(items, items.with_suffix(".offsets"), folder / "groups.json")
        for items in sorted(folder.glob("day*.items"))
    ]
    return [
        [
            Part(day, ministry.first_host(server), ministry.first_host(server + 1), clock)
            for day in days
        ]
        for server in range(ministry.servers)
    ]


def _control(clock: Clock) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            at = datetime.fromisoformat(body["at"]).astimezone(UTC)
            clock.set(at, is_driven=bool(body["is_driven"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    data, place, *counts = sys.argv[1:]
    serve(Path(data), Path(place), Ministry(*map(int, counts)))
