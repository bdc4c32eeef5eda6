"""The control endpoint: plain HTTP on 127.0.0.1, for the rehearsal's driver and for people.

GET /state · GET /log · PUT /clock {"at", "is_driven"} · POST /faults {"server_code", "kind",
"value"?, "count"?, "method"?} · DELETE /faults[/server_code]
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from ksc_ledger.errors import LedgerError

if TYPE_CHECKING:
    from ksc_ledger.simulator.simulator import Simulator

MAX_BODY: Final = 65_536

_log = logging.getLogger(__name__)


class ControlServer:
    """Serves the control endpoint of one simulator until it is stopped."""

    def __init__(self, simulator: Simulator) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.simulator = simulator
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ksc-control", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            # A connection of our own ends the wait at once; nothing polls meanwhile.
            socket.create_connection(("127.0.0.1", self.port)).close()
            self._thread.join()
        self._server.server_close()

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._server.handle_request()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    simulator: Simulator

    def handle_error(self, request: object, client_address: object) -> None:
        """A peer that leaves in the middle is no mistake of ours; anything else is one."""
        is_theirs = isinstance(sys.exception(), OSError)
        level = logging.DEBUG if is_theirs else logging.ERROR
        _log.log(level, "control: request of %s failed", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # one request a connection: nothing is left open at the end
    timeout = 10
    server: _Server

    def do_GET(self) -> None:
        simulator = self.server.simulator
        if self.path == "/state":
            self._send(simulator.state())
        elif self.path == "/log":
            self._send(simulator.log())
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "")

    def do_PUT(self) -> None:
        self._change("/clock", self._set_clock)

    def do_POST(self) -> None:
        self._change("/faults", self._add_fault)

    def do_DELETE(self) -> None:
        root, _, code = self.path.removeprefix("/").partition("/")
        if root != "faults" or (code and code not in self.server.simulator.ports["servers"]):
            self._refuse(HTTPStatus.NOT_FOUND, "")
            return
        self.server.simulator.clear_faults(code or None)
        self._send({})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: the state and the log are what there is to see."""

    def _change(self, path: str, change: Any) -> None:
        if self.path != path:
            self._refuse(HTTPStatus.NOT_FOUND, "")
            return
        try:
            length = int(self.headers.get("Content-Length", "0"))
            given = json.loads(self.rfile.read(min(length, MAX_BODY)))
            change(**given)
        except LedgerError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (TypeError, ValueError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"Yêu cầu không đúng dạng: {error}")
        else:
            self._send({})

    def _set_clock(self, at: str, is_driven: bool = True) -> None:
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is None or not isinstance(is_driven, bool):
            raise ValueError("at phải có múi giờ, is_driven phải là true hoặc false")
        self.server.simulator.set_clock(instant, is_driven=is_driven)

    def _add_fault(
        self,
        server_code: str,
        kind: str,
        value: str | int | float | None = None,
        count: int | None = None,
        method: str | None = None,
    ) -> None:
        self.server.simulator.fault(server_code, kind, value, count, method)

    def _send(self, content: Any) -> None:
        self._write(HTTPStatus.OK, json.dumps(content, ensure_ascii=False).encode())

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._write(status, json.dumps({"error": text}, ensure_ascii=False).encode())

    def _write(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
