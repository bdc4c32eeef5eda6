"""One TCP connection to one server: TLS, one request after the other, and what is to go wrong."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import struct
import threading
from http import HTTPStatus
from typing import Any, BinaryIO, Final, cast

from ksc_ledger.simulator import faulty_answers, wire
from ksc_ledger.simulator.arguments import Arguments
from ksc_ledger.simulator.estate import Estate
from ksc_ledger.simulator.faults import Fault, FaultKind
from ksc_ledger.simulator.http_message import (
    JSON,
    HttpError,
    Request,
    Response,
    compressed,
    head,
    read_request,
)
from ksc_ledger.simulator.login import log_in
from ksc_ledger.simulator.methods import METHODS, Call
from ksc_ledger.simulator.pxg import BusinessError, Symbol
from ksc_ledger.simulator.request_log import RequestLog
from ksc_ledger.simulator.server import SimulatedServer
from ksc_ledger.simulator.sessions import Session

API: Final = "/api/v1.0/"
HANDSHAKE_SECONDS: Final = 15.0
IDLE_SECONDS: Final = 600.0

_log = logging.getLogger(__name__)


class _Hangup(Exception):  # noqa: N818 - not an error: the connection is to be dropped
    pass


class Connection:
    """Serves one accepted socket until either side is done; it owns and closes the socket."""

    def __init__(
        self,
        accepted: socket.socket,
        context: ssl.SSLContext | None,
        server: SimulatedServer,
        estate: Estate,
        log: RequestLog,
    ) -> None:
        self._socket = accepted
        self._context = context
        self._server = server
        self._estate = estate
        self._log = log
        self._login: Session | None = None  # of a connection that logged in as a whole
        self._is_over = threading.Event()

    def serve(self) -> None:
        try:
            self._serve()
        except (OSError, ssl.SSLError, _Hangup) as reason:
            # Peers leave, refuse our certificate, or are cut off on purpose: no mistake of ours.
            _log.debug("%s: connection over: %r", self._server.code, reason)
        finally:
            self._is_over.set()
            self._socket.close()

    def abort(self) -> None:
        """Cut the connection off from another thread; the peer sees a reset."""
        self._is_over.set()
        try:
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            # Not SSLSocket's own: it would turn a running call of the serving thread to plain text.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError as reason:
            _log.debug("%s: already closed: %r", self._server.code, reason)

    def _serve(self) -> None:
        self._socket.settimeout(HANDSHAKE_SECONDS)
        if self._fault(FaultKind.SILENT_HANDSHAKE):
            self._is_over.wait(IDLE_SECONDS)
            return
        if self._context is not None:
            self._socket = self._context.wrap_socket(self._socket, server_side=True)
        self._socket.settimeout(IDLE_SECONDS)
        with self._socket.makefile("rb", buffering=65_536) as stream:
            while not self._is_over.is_set() and self._one(cast("BinaryIO", stream)):
                continue

    def _one(self, stream: BinaryIO) -> bool:
        """Answer one request; False when the connection is to be closed."""
        try:
            request = read_request(stream)
        except HttpError as error:
            self._log.add(
                self._server.code, self._estate.clock.now(), "(no HTTP)", had_authorization=False
            )
            self._send(_refusal(error), keeps_alive=False)
            return False
        if request is None:
            return False
        method = _method_of(request)
        entry = self._log.add(
            self._server.code,
            self._estate.clock.now(),
            method,
            had_authorization="Authorization" in request.headers,
        )
        try:
            response = self._answer(request, method)
        except HttpError as error:
            response = _refusal(error)
        entry.status = response.status
        return self._deliver(request, method, response)

    # -- what is answered --------------------------------------------------------------------

    def _answer(self, request: Request, method: str) -> Response:
        slow = self._take(FaultKind.SLOW, method)
        if slow:
            self._is_over.wait(slow.number)
        if self._take(FaultKind.DROPPED_CONNECTION, method):
            self.abort()
            raise _Hangup
        for kind in faulty_answers.INSTEAD:
            fault = self._take(kind, method)
            response = faulty_answers.instead(fault) if fault else None
            if response is not None:
                return response
        if request.verb == "GET":
            return self._file(request)
        if request.verb != "POST":
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED)
        if not request.path.startswith(API):
            raise HttpError(HTTPStatus.NOT_FOUND)
        content_type = request.header("Content-Type").partition(";")[0].strip().lower()
        if content_type not in ("", "application/json"):
            raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        arguments = _arguments(request.body)
        if method == "login":
            self._login = log_in(request, self._server, self._estate, method)
            # The connection is the session: no id is given out, and it ends with the connection.
            self._server.sessions.end(self._login.id)
            return Response(HTTPStatus.OK, b"{}")
        if method == "Session.StartSession":
            session = log_in(request, self._server, self._estate, method)
            return Response(HTTPStatus.OK, wire.encode_answer(wire.Answer(session.id)))
        return Response(HTTPStatus.OK, self._call(request, method, arguments))

    def _call(self, request: Request, method: str, arguments: dict[str, Any]) -> bytes:
        session = self._session(request)
        known = METHODS.get(method)
        if known is None:
            raise HttpError(HTTPStatus.NOT_FOUND, "Unknown method")
        self._lose_session(session, method, arguments)
        try:
            self._check_gateway(session)
            if self._take(FaultKind.ACCESS_DENIED, method):
                raise BusinessError(Symbol.NOACCESS, "Access denied")
            call = Call(
                method,
                Arguments(arguments, known.argument_names),
                self._server,
                session.target,
                session,
                self._estate,
            )
            return wire.encode_answer(known.handler(call))
        except BusinessError as error:
            return wire.encode_answer(error.answer())
        except HttpError:
            raise
        except Exception as error:
            _log.exception("%s: %s failed", self._server.code, method)
            raise HttpError(HTTPStatus.INTERNAL_SERVER_ERROR) from error

    def _session(self, request: Request) -> Session:
        session_id = request.header("X-KSC-Session")
        if session_id:
            session = self._server.sessions.use(session_id)
            if session is None:
                raise HttpError(HTTPStatus.FORBIDDEN)
            return session
        if self._login is not None:
            return self._login
        raise HttpError(HTTPStatus.UNAUTHORIZED, "Authentication required")

    def _lose_session(self, session: Session, method: str, arguments: dict[str, Any]) -> None:
        """End the session in the middle of a read, as an administrator or a restart does."""
        fault = self._fault(FaultKind.SESSION_LOST, method)
        found = session.sets.get(str(arguments.get("strAccessor")))
        if fault and found is not None and found.chunks_read >= fault.number:
            self._take(FaultKind.SESSION_LOST, method)
            self._server.sessions.end(session.id)
            self._login = None
            raise HttpError(HTTPStatus.FORBIDDEN)

    def _check_gateway(self, session: Session) -> None:
        if session.target is not self._server and not self._estate.link(session.target.code).is_up:
            raise BusinessError(Symbol.UNAVAIL, "The secondary server is not reachable")

    def _file(self, request: Request) -> Response:
        """A result file of this session, or the part of it that was asked for."""
        content = self._session(request).files.get(request.path)
        if content is None:
            raise HttpError(HTTPStatus.NOT_FOUND)
        wanted = request.header("Range")
        if not wanted:
            return Response(HTTPStatus.OK, content, "application/octet-stream")
        first_text = wanted.removeprefix("bytes=").partition("-")[0]
        first = int(first_text) if first_text.isdigit() else len(content)
        if first >= len(content):
            raise HttpError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        part = content[first : first + 1024 * 1024]
        return Response(
            HTTPStatus.PARTIAL_CONTENT,
            part,
            "application/octet-stream",
            {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"},
        )

    # -- how it is sent ----------------------------------------------------------------------

    def _deliver(self, request: Request, method: str, response: Response) -> bool:
        if response.status == HTTPStatus.OK and request.verb == "POST":
            for kind, rewrite in faulty_answers.REWRITES.items():
                fault = self._take(kind, method)
                if fault:
                    response.body = rewrite(response.body, fault)
                    if kind is FaultKind.TRUNCATED_JSON:
                        return self._send_until_closed(response)
            if self._send_wrongly(method, response):
                return False
        if response.content_type == JSON:
            response = compressed(response, request.header("Accept-Encoding"))
        self._send(response, keeps_alive=request.keeps_alive)
        return request.keeps_alive

    def _send(self, response: Response, *, keeps_alive: bool) -> None:
        now = self._server.now()
        start = head(response, now, length=len(response.body), keeps_alive=keeps_alive)
        if len(response.body) < 16_384:
            self._socket.sendall(start + response.body)
        else:
            self._socket.sendall(start)
            self._socket.sendall(response.body)

    def _send_until_closed(self, response: Response) -> bool:
        self._socket.sendall(head(response, self._server.now(), length=None) + response.body)
        return False

    def _send_wrongly(self, method: str, response: Response) -> bool:
        """Send the body with wrong bytes or at a wrong pace; False when nothing of that is on."""
        now = self._server.now()
        fault = self._take(FaultKind.TRUNCATED_BODY, method)
        if fault:
            start = head(response, now, length=len(response.body), keeps_alive=False)
            self._socket.sendall(start + response.body[: len(response.body) // 2])
            return True
        fault = self._take(FaultKind.SLOW_LORIS, method)
        if fault:
            self._socket.sendall(head(response, now, length=len(response.body)))
            for position in range(len(response.body)):
                if self._is_over.wait(fault.number):
                    break
                self._socket.sendall(response.body[position : position + 1])
            return True
        fault = self._take(FaultKind.GZIP_BOMB, method)
        if fault:
            body = faulty_answers.bomb(int(fault.number))
            bomb = Response(HTTPStatus.OK, body, headers={"Content-Encoding": "gzip"})
            self._send(bomb, keeps_alive=False)
            return True
        fault = self._take(FaultKind.HUGE_BODY, method)
        if fault:
            mebibytes = max(2, int(fault.number))
            self._socket.sendall(head(response, now, length=mebibytes * 1024 * 1024))
            for block in faulty_answers.huge(mebibytes):
                self._socket.sendall(block)
            return True
        return False

    def _fault(self, kind: FaultKind, method: str | None = None) -> Fault | None:
        return self._estate.faults.find(self._server.code, kind, self._estate.clock.now(), method)

    def _take(self, kind: FaultKind, method: str) -> Fault | None:
        return self._estate.faults.take(self._server.code, kind, self._estate.clock.now(), method)


def _method_of(request: Request) -> str:
    """``Class.Method`` of a path, an instance in front of it left out."""
    if request.verb != "POST" or not request.path.startswith(API):
        return f"{request.verb} {request.path}"
    name = request.path.removeprefix(API)
    parts = name.split(".")
    return ".".join(parts[1:]) if len(parts) == 3 else name


def _arguments(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, "The body is no JSON") from error
    if not isinstance(given, dict):
        raise HttpError(HTTPStatus.BAD_REQUEST, "The body is no JSON object")
    return given


def _refusal(error: HttpError) -> Response:
    return Response(
        error.status, error.text.encode(), "text/plain; charset=utf-8", dict(error.headers)
    )
