"""What can go wrong on purpose: the kinds of fault, and which of them are on at an instant.

A fault comes from a scenario's ``events.csv`` (on during its period of the estate's clock) or was
asked for at the control endpoint (on until it is taken back, or was met ``count`` times). The table
for people is docs/simulator.md.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ksc_ledger.simulator.scenario import EventRow
from ksc_ledger.simulator.tables import Period

LOGIN_METHODS: Final = frozenset({"login", "Session.StartSession"})
CHUNK_METHODS: Final = frozenset({"ChunkAccessor.GetItemsChunk"})
ANY_METHOD: Final[frozenset[str]] = frozenset()


class FaultKind(StrEnum):
    # The server as a whole.
    SERVER_DOWN = "server_down"
    LINK_CUT = "link_cut"
    CLOCK_SKEW = "clock_skew"
    CERTIFICATE_CHANGED = "certificate_changed"
    CERTIFICATE_EXPIRED = "certificate_expired"
    PLAIN_HTTP = "plain_http"
    SILENT_HANDSHAKE = "silent_handshake"
    SYN_BLACKHOLE = "syn_blackhole"
    # A request is answered by something else than its method.
    UNAUTHORIZED = "unauthorized"
    SECOND_FACTOR = "second_factor"
    TOO_MANY_REQUESTS = "too_many_requests"
    BUSY = "busy"
    SERVER_ERROR = "server_error"
    REDIRECT = "redirect"
    SLOW = "slow"
    DROPPED_CONNECTION = "dropped_connection"
    HTML = "html"
    HTML_502 = "html_502"
    # A set is lost while it is read.
    SESSION_LOST = "session_lost"
    ACCESSOR_EXPIRED = "accessor_expired"
    PXG_ERROR = "pxg_error"
    ACCESS_DENIED = "access_denied"
    # A set changes while it is read.
    HOST_ADDED = "host_added"
    HOST_REMOVED = "host_removed"
    # The answer's bytes.
    SLOW_LORIS = "slow_loris"
    TRUNCATED_BODY = "truncated_body"
    TRUNCATED_JSON = "truncated_json"
    GZIP_BOMB = "gzip_bomb"
    HUGE_BODY = "huge_body"
    DEEP_JSON = "deep_json"
    JSON_NAN = "json_nan"
    JSON_OVERFLOW = "json_overflow"
    JSON_LONG_INTEGER = "json_long_integer"
    JSON_DUPLICATE_KEYS = "json_duplicate_keys"
    # The answer's content.
    COUNT_MISMATCH = "count_mismatch"
    DUPLICATE_HOST = "duplicate_host"
    OVERSIZED_CHUNK = "oversized_chunk"
    EMPTY_CHUNKS = "empty_chunks"
    ZERO_HOSTS = "zero_hosts"
    HOST_DROP = "host_drop"
    FIELD_MISSING = "field_missing"
    FIELD_NEW = "field_new"
    FIELD_RETYPED = "field_retyped"
    LONE_SURROGATE = "lone_surrogate"
    NUL_IN_NAME = "nul_in_name"


class ValueForm(StrEnum):
    NONE = "none"  # no value
    NUMBER = "number"  # a number of at least 0
    SIGNED = "signed"  # seconds, may be negative
    TEXT = "text"  # anything


@dataclass(frozen=True, slots=True)
class KindFacts:
    """How a kind is used. ``methods`` empty: every call, where a kind meets calls at all."""

    form: ValueForm = ValueForm.NONE
    default: str = ""
    methods: frozenset[str] = ANY_METHOD
    is_of_calls: bool = True


_ESTATE: Final = KindFacts(is_of_calls=False)
_CHUNK: Final = KindFacts(methods=CHUNK_METHODS)

KINDS: Final[Mapping[FaultKind, KindFacts]] = {
    FaultKind.SERVER_DOWN: _ESTATE,
    FaultKind.LINK_CUT: _ESTATE,
    FaultKind.CLOCK_SKEW: KindFacts(ValueForm.SIGNED, "0", is_of_calls=False),
    FaultKind.CERTIFICATE_CHANGED: _ESTATE,
    FaultKind.CERTIFICATE_EXPIRED: _ESTATE,
    FaultKind.PLAIN_HTTP: _ESTATE,
    FaultKind.SILENT_HANDSHAKE: _ESTATE,
    FaultKind.SYN_BLACKHOLE: _ESTATE,
    FaultKind.UNAUTHORIZED: KindFacts(methods=LOGIN_METHODS),
    FaultKind.SECOND_FACTOR: KindFacts(ValueForm.TEXT, methods=LOGIN_METHODS),
    FaultKind.TOO_MANY_REQUESTS: KindFacts(ValueForm.TEXT, "2"),
    FaultKind.BUSY: KindFacts(ValueForm.TEXT, "2"),
    FaultKind.SERVER_ERROR: KindFacts(),
    FaultKind.REDIRECT: KindFacts(ValueForm.TEXT, "https://127.0.0.1:9/api/v1.0/login"),
    FaultKind.SLOW: KindFacts(ValueForm.NUMBER, "5"),
    FaultKind.DROPPED_CONNECTION: _CHUNK,
    FaultKind.HTML: _CHUNK,
    FaultKind.HTML_502: _CHUNK,
    FaultKind.SESSION_LOST: KindFacts(ValueForm.NUMBER, "1", CHUNK_METHODS),
    FaultKind.ACCESSOR_EXPIRED: KindFacts(ValueForm.NUMBER, "1", CHUNK_METHODS),
    FaultKind.PXG_ERROR: KindFacts(ValueForm.NUMBER, "1", CHUNK_METHODS),
    FaultKind.ACCESS_DENIED: KindFacts(methods=frozenset({"HostGroup.FindHosts"})),
    FaultKind.HOST_ADDED: KindFacts(ValueForm.NUMBER, "1", CHUNK_METHODS),
    FaultKind.HOST_REMOVED: KindFacts(ValueForm.NUMBER, "1", CHUNK_METHODS),
    FaultKind.SLOW_LORIS: KindFacts(ValueForm.NUMBER, "1", CHUNK_METHODS),
    FaultKind.TRUNCATED_BODY: _CHUNK,
    FaultKind.TRUNCATED_JSON: _CHUNK,
    FaultKind.GZIP_BOMB: KindFacts(ValueForm.NUMBER, "256", CHUNK_METHODS),
    FaultKind.HUGE_BODY: KindFacts(ValueForm.NUMBER, "256", CHUNK_METHODS),
    FaultKind.DEEP_JSON: KindFacts(ValueForm.NUMBER, "100000", CHUNK_METHODS),
    FaultKind.JSON_NAN: _CHUNK,
    FaultKind.JSON_OVERFLOW: _CHUNK,
    FaultKind.JSON_LONG_INTEGER: _CHUNK,
    FaultKind.JSON_DUPLICATE_KEYS: _CHUNK,
    FaultKind.COUNT_MISMATCH: _CHUNK,
    FaultKind.DUPLICATE_HOST: _CHUNK,
    FaultKind.OVERSIZED_CHUNK: _CHUNK,
    FaultKind.EMPTY_CHUNKS: _CHUNK,
    FaultKind.ZERO_HOSTS: KindFacts(methods=frozenset({"HostGroup.FindHosts"})),
    FaultKind.HOST_DROP: KindFacts(
        ValueForm.NUMBER, "40", methods=frozenset({"HostGroup.FindHosts"})
    ),
    FaultKind.FIELD_MISSING: KindFacts(ValueForm.TEXT, "KLHST_WKS_STATUS", CHUNK_METHODS),
    FaultKind.FIELD_NEW: KindFacts(ValueForm.TEXT, "KLHST_WKS_NEW_FIELD", CHUNK_METHODS),
    FaultKind.FIELD_RETYPED: KindFacts(ValueForm.TEXT, "KLHST_WKS_STATUS", CHUNK_METHODS),
    FaultKind.LONE_SURROGATE: _CHUNK,
    FaultKind.NUL_IN_NAME: _CHUNK,
}


@dataclass(slots=True)
class Fault:
    """One fault of one server. ``since`` is on the estate's clock; ``remaining`` None = no limit."""

    server_code: str
    kind: FaultKind
    value: str
    methods: frozenset[str]
    period: Period
    since: datetime
    remaining: int | None = None

    @property
    def number(self) -> float:
        return float(self.value)


def value_mistake(kind: FaultKind, value: str) -> str | None:
    """What is wrong with a value for a kind (Vietnamese), or None. Blank takes the default."""
    form = KINDS[kind].form
    if value == "" or form is ValueForm.TEXT:
        return None
    if form is ValueForm.NONE:
        return f"Loại {kind} không có giá trị."
    pattern = r"-?\d{1,12}" if form is ValueForm.SIGNED else r"\d{1,9}(\.\d{1,6})?"
    if re.fullmatch(pattern, value):
        return None
    return f"{value!r} không phải là số cho loại {kind}."


class FaultBoard:
    """All faults of all servers. Thread-safe."""

    def __init__(self, events: Iterable[EventRow]) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        for event in events:
            kind = FaultKind(event.kind)
            facts = KINDS[kind]
            assert event.period.from_at is not None  # noqa: S101 - a needed column
            self._faults.append(
                Fault(
                    event.server_code,
                    kind,
                    event.value or facts.default,
                    facts.methods,
                    event.period,
                    event.period.from_at,
                )
            )
        self._scheduled = len(self._faults)

    def add(
        self,
        server_code: str,
        kind: FaultKind,
        at: datetime,
        *,
        value: str | None = None,
        count: int | None = None,
        method: str | None = None,
    ) -> None:
        """Switch a fault on. ``method`` narrows or moves it to one ``Class.Method``."""
        facts = KINDS[kind]
        methods = facts.methods if method is None else frozenset({method})
        chosen = facts.default if value is None else value
        with self._lock:
            self._faults.append(
                Fault(server_code, kind, chosen, methods, Period(), at, remaining=count)
            )

    def clear(self, server_code: str | None = None) -> None:
        """Take back what was added, for one server or for all; a scenario's events stay."""
        with self._lock:
            self._faults[self._scheduled :] = [
                fault
                for fault in self._faults[self._scheduled :]
                if server_code is not None and fault.server_code != server_code
            ]

    def find(
        self, server_code: str, kind: FaultKind, at: datetime, method: str | None = None
    ) -> Fault | None:
        """The fault that is on, without using it up."""
        with self._lock:
            return self._find(server_code, kind, at, method)

    def take(
        self, server_code: str, kind: FaultKind, at: datetime, method: str | None = None
    ) -> Fault | None:
        """The fault that is on, used up by one."""
        with self._lock:
            fault = self._find(server_code, kind, at, method)
            if fault is not None and fault.remaining is not None:
                fault.remaining -= 1
            return fault

    def scheduled(self, kind: FaultKind) -> list[Fault]:
        """The faults of a kind that come from scenarios, whenever they are on."""
        with self._lock:
            return [fault for fault in self._faults[: self._scheduled] if fault.kind is kind]

    def active(self, server_code: str, at: datetime) -> list[Fault]:
        with self._lock:
            return [fault for fault in self._faults if self._is_on(fault, server_code, at)]

    def _find(
        self, server_code: str, kind: FaultKind, at: datetime, method: str | None
    ) -> Fault | None:
        for fault in self._faults:
            if (
                fault.kind is kind
                and self._is_on(fault, server_code, at)
                and (method is None or not fault.methods or method in fault.methods)
            ):
                return fault
        return None

    @staticmethod
    def _is_on(fault: Fault, server_code: str, at: datetime) -> bool:
        return fault.server_code == server_code and fault.remaining != 0 and fault.period.holds(at)
