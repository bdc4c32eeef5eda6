"""The open ports: which servers can be dialled, with which certificate."""

from __future__ import annotations

import logging
import queue
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Final

from ksc_ledger.errors import LedgerError
from ksc_ledger.simulator.certificates import Variant
from ksc_ledger.simulator.connection import Connection
from ksc_ledger.simulator.estate import Estate
from ksc_ledger.simulator.request_log import RequestLog

HOST: Final = "127.0.0.1"
TICK_SECONDS: Final = 0.5
MAX_FILLERS: Final = 16
FILLER_SECONDS: Final = 0.05  # a handshake on this machine takes far less

_log = logging.getLogger(__name__)


class _Reach(Enum):
    """What whoever dials a port meets."""

    REFUSAL = auto()
    SERVER = auto()
    SILENCE = auto()


@dataclass(slots=True)
class _Door:
    """One server's port. ``holder`` keeps the port ours while nobody listens on it.

    ``fillers`` are connections of our own that keep the queue of a listener full.
    """

    code: str
    port: int
    holder: socket.socket
    reach: _Reach = _Reach.REFUSAL
    listener: socket.socket | None = None
    fillers: list[socket.socket] = field(default_factory=list)
    variant: Variant | None = Variant.CURRENT
    connections: set[Connection] = field(default_factory=set)


class Listeners:
    """One thread owns all doors: it accepts, and opens and closes them as the estate's clock goes.

    A server that is down has no listening socket at all: dialling it is refused.
    """

    def __init__(
        self,
        estate: Estate,
        log: RequestLog,
        first_port: int,
        context_of: Callable[[str, Variant], ssl.SSLContext],
        address: str = HOST,
    ) -> None:
        self._address = address
        self._estate = estate
        self._log = log
        self._context_of = context_of
        self._lock = threading.Lock()
        self._doors: dict[str, _Door] = {}
        self._orders: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        self._is_over = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._wake_in, self._wake_out = socket.socketpair()
        try:
            for position, code in enumerate(estate.servers):
                port = first_port + position if first_port else 0
                holder = _bound(port, address)
                self._doors[code] = _Door(code, holder.getsockname()[1], holder)
        except BaseException:
            self._close_all()
            raise
        self._thread = threading.Thread(target=self._run, name="ksc-accept", daemon=True)

    @property
    def ports(self) -> Mapping[str, int]:
        return {code: door.port for code, door in self._doors.items()}

    def connection_count(self, code: str) -> int:
        with self._lock:
            return len(self._doors[code].connections)

    def start(self) -> None:
        self._thread.start()
        self.refresh()

    def refresh(self) -> None:
        """Bring the doors in line with clock and faults; they are when this returns."""
        done = threading.Event()
        self._orders.put(done)
        self._wake_out.send(b"x")
        done.wait(10)

    def stop(self) -> None:
        self._is_over.set()
        self._wake_out.send(b"x")
        self._thread.join()
        with self._lock:
            connections = [c for door in self._doors.values() for c in door.connections]
            threads = list(self._threads)
        for connection in connections:
            connection.abort()
        for thread in threads:
            thread.join(10)
        self._close_all()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_in, selectors.EVENT_READ)
            while not self._is_over.is_set():
                for key, _ in selector.select(TICK_SECONDS):
                    if key.fileobj is self._wake_in:
                        self._wake_in.recv(4096)
                    else:
                        self._accept(key.data)
                self._adjust(selector)
                while not self._orders.empty():
                    # An order may have come after the doors were looked at.
                    orders = [self._orders.get() for _ in range(self._orders.qsize())]
                    self._adjust(selector)
                    for done in orders:
                        done.set()

    def _adjust(self, selector: selectors.BaseSelector) -> None:
        at = self._estate.clock.now()
        for door in self._doors.values():
            reach = self._reach(door.code, at)
            variant = self._estate.variant(door.code, at)
            if variant is not door.variant:
                door.variant = variant
                self._restart(door)  # a server takes another certificate only when it restarts
            if reach is door.reach:
                continue
            self._shut(door, selector)
            if reach is _Reach.REFUSAL:
                self._restart(door)
            else:
                self._open(door, reach, selector)

    def _reach(self, code: str, at: datetime) -> _Reach:
        if not self._estate.is_listening(code, at):
            return _Reach.REFUSAL
        return _Reach.SILENCE if self._estate.is_blackhole(code, at) else _Reach.SERVER

    def _open(self, door: _Door, reach: _Reach, selector: selectors.BaseSelector) -> None:
        try:
            door.listener = _bound(door.port, self._address)
        except LedgerError as error:
            # Somebody took the port while the server was down: tried again at the next tick.
            _log.error("%s", error)
            return
        door.reach = reach
        if reach is _Reach.SILENCE:
            door.listener.listen(0)
            door.fillers = _fillers(door.port)
            return
        door.listener.listen(128)
        door.listener.setblocking(False)
        selector.register(door.listener, selectors.EVENT_READ, door)

    def _shut(self, door: _Door, selector: selectors.BaseSelector) -> None:
        """Stop listening; connections that are open stay."""
        if door.listener is not None:
            if door.reach is _Reach.SERVER:
                selector.unregister(door.listener)
            door.listener.close()
        for filler in door.fillers:
            filler.close()
        door.listener, door.fillers, door.reach = None, [], _Reach.REFUSAL

    def _restart(self, door: _Door) -> None:
        self._estate.servers[door.code].sessions.end_all()
        with self._lock:
            connections = list(door.connections)
        for connection in connections:
            connection.abort()

    def _accept(self, door: _Door) -> None:
        if door.listener is None:
            return
        try:
            accepted, _ = door.listener.accept()
        except OSError as reason:  # the peer has left already, or there are too many connections
            _log.warning("%s: not accepted: %s", door.code, reason)
            return
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = None if door.variant is None else self._context_of(door.code, door.variant)
        server = self._estate.servers[door.code]
        connection = Connection(accepted, context, server, self._estate, self._log)
        thread = threading.Thread(
            target=self._serve, args=(door, connection), name=f"ksc-{door.code}", daemon=True
        )
        with self._lock:
            door.connections.add(connection)
            self._threads.add(thread)
        thread.start()

    def _serve(self, door: _Door, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                door.connections.discard(connection)
                self._threads.discard(threading.current_thread())

    def _close_all(self) -> None:
        for door in self._doors.values():
            door.holder.close()
            for one in (door.listener, *door.fillers):
                if one is not None:
                    one.close()
        self._wake_in.close()
        self._wake_out.close()


def _fillers(port: int) -> list[socket.socket]:
    """Connections that fill the queue of a listener that never accepts.

    The system drops the first packet of every further one, so that it is never answered: not
    refused, as on a port without a listener. The last of them is such a one.
    """
    made: list[socket.socket] = []
    for _ in range(MAX_FILLERS):
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.append(filler)
        filler.setblocking(False)
        filler.connect_ex((HOST, port))
        with selectors.DefaultSelector() as selector:
            selector.register(filler, selectors.EVENT_WRITE)
            if not selector.select(FILLER_SECONDS):
                return made
    _log.error("port %d: the queue of the listener does not fill", port)
    return made


def _bound(port: int, address: str) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        raise LedgerError(
            "simulator_port_taken",
            f"Không mở được cổng {port} cho máy chủ giả lập ({error.strerror}).",
            "Chọn dải cổng khác bằng PORT=…, hoặc dừng chương trình đang giữ cổng.",
        ) from error
    return bound
