"""Sessions, what lives and dies with them, and the keys that open one."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ksc_ledger.simulator.pxg import BusinessError, Symbol, not_found

if TYPE_CHECKING:
    from ksc_ledger.simulator.server import SimulatedServer

IDLE_SECONDS: Final = 180.0
TOKEN_SECONDS: Final = 180.0
GATEWAY_KEY_SECONDS: Final = 60.0
MAX_LIFE_SECONDS: Final = 7200


@dataclass(slots=True)
class ResultSet:
    """An ordered set that was found once. Its rows do not change, unless a fault wants them to.

    ``encode`` turns a position into one element of a chunk; ``chunks_read`` counts the reads that
    faults go by.
    """

    rows: list[Any]
    fields: tuple[str, ...]
    encode: Callable[[int], bytes]
    life_seconds: float
    used_at: float
    is_of_hosts: bool = False
    late: Any = None  # a device that is to come into the set while it is read
    chunks_read: int = 0
    position: int = 0  # of an iterator that only goes forward


@dataclass(slots=True)
class Session:
    """One login. ``target`` is the server that answers: another one behind a gateway."""

    id: str
    login: str
    target: SimulatedServer
    used_at: float
    sets: dict[str, ResultSet] = field(default_factory=dict)
    actions: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


class SessionStore:
    """The sessions of one server. Real seconds come from ``monotonic``."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._gateway_keys: dict[str, tuple[SimulatedServer, float]] = {}
        self._half_open: dict[str, tuple[str, SimulatedServer]] = {}

    def __len__(self) -> int:
        with self._lock:
            self._sweep()
            return len(self._sessions)

    @property
    def set_count(self) -> int:
        with self._lock:
            self._sweep()
            return sum(len(session.sets) for session in self._sessions.values())

    def start(self, login: str, target: SimulatedServer) -> Session:
        with self._lock:
            self._sweep()
            session = Session(_opaque(), login, target, self._monotonic())
            self._sessions[session.id] = session
            return session

    def use(self, session_id: str) -> Session | None:
        """The session, its idle time set back; None when it is unknown, ended or expired."""
        with self._lock:
            self._sweep()
            session = self._sessions.get(session_id)
            if session is not None:
                session.used_at = self._monotonic()
            return session

    def end(self, session_id: str) -> None:
        with self._lock:
            self._sessions.pop(session_id, None)

    def end_all(self) -> None:
        """What a restart of the server does."""
        with self._lock:
            self._sessions.clear()
            self._tokens.clear()
            self._gateway_keys.clear()
            self._half_open.clear()

    def half_open(self, login: str, target: SimulatedServer) -> str:
        """A login that waits for its second factor."""
        with self._lock:
            session_id = _opaque()
            self._half_open[session_id] = (login, target)
            return session_id

    def finish(self, session_id: str) -> Session | None:
        """Complete a half-open login under the id that was given out for it."""
        with self._lock:
            waiting = self._half_open.pop(session_id, None)
            if waiting is None:
                return None
            session = Session(session_id, *waiting, self._monotonic())
            self._sessions[session_id] = session
            return session

    def make_token(self, login: str) -> str:
        with self._lock:
            token = _opaque()
            self._tokens[token] = (login, self._monotonic() + TOKEN_SECONDS)
            return token

    def take_token(self, token: str) -> str | None:
        """The login a one-time token stands for."""
        with self._lock:
            login, until = self._tokens.pop(token, ("", 0.0))
            return login if login and self._monotonic() <= until else None

    def make_gateway_key(self, target: SimulatedServer) -> str:
        with self._lock:
            key = _opaque()
            self._gateway_keys[key] = (target, self._monotonic() + GATEWAY_KEY_SECONDS)
            return key

    def take_gateway_key(self, key: str) -> SimulatedServer | None:
        """The server a one-time key leads to."""
        with self._lock:
            found = self._gateway_keys.pop(key, None)
            return found[0] if found and self._monotonic() <= found[1] else None

    def keep(self, session: Session, found: ResultSet) -> str:
        """Give a result set an accessor; it dies with the session."""
        accessor = _opaque()
        session.sets[accessor] = found
        return accessor

    def set_of(self, session: Session, accessor: str) -> ResultSet:
        """A result set, its life set back; BusinessError when it is over or another session's."""
        found = session.sets.get(accessor)
        now = self._monotonic()
        if found is None or now - found.used_at > found.life_seconds:
            session.sets.pop(accessor, None)
            raise not_found("accessor", accessor)
        found.used_at = now
        return found

    def has_action(self, action_id: str) -> bool:
        """Whether any session has started this action."""
        with self._lock:
            return any(action_id in session.actions for session in self._sessions.values())

    def now(self) -> float:
        return self._monotonic()

    def _sweep(self) -> None:
        oldest = self._monotonic() - IDLE_SECONDS
        for session_id in [i for i, s in self._sessions.items() if s.used_at < oldest]:
            del self._sessions[session_id]


def life_seconds(given: int) -> float:
    """The life of a result set as asked for; the protocol allows at most two hours."""
    if not 1 <= given <= MAX_LIFE_SECONDS:
        raise BusinessError(
            Symbol.BADPARAM, f"lMaxLifeTime must be 1..{MAX_LIFE_SECONDS}", "lMaxLifeTime"
        )
    return float(given)


def _opaque() -> str:
    return base64.b64encode(secrets.token_bytes(16)).decode("ascii")
