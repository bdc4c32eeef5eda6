"""All servers of the scenarios that one process serves, and what holds between them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ksc_ledger.simulator.certificates import Variant
from ksc_ledger.simulator.faults import FaultBoard, FaultKind
from ksc_ledger.simulator.scenario import Scenario, ServerRow
from ksc_ledger.simulator.server import ServerFacts, SimulatedServer
from ksc_ledger.simulator.virtual_clock import VirtualClock

FIRST_CHILD_ID: Final = 6


@dataclass(frozen=True, slots=True)
class Link:
    """What a province knows of its link to a child: ``last_connected`` is the estate's clock."""

    is_up: bool
    last_connected: datetime


class Estate:
    """Servers by code, in the order in which ports are given."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        clock: VirtualClock,
        monotonic: Callable[[], float],
        password_of: Callable[[str], str],
    ) -> None:
        self.clock = clock
        self.faults = FaultBoard(event for scenario in scenarios for event in scenario.events)
        self.servers: dict[str, SimulatedServer] = {}
        for scenario in scenarios:
            facts = _by_server(scenario)
            for code in port_order(scenario.servers):
                self.servers[code] = SimulatedServer(
                    code, facts[code], clock, self.skew, monotonic, password_of(code)
                )

    def skew(self, code: str, at: datetime) -> timedelta:
        """How far a server's clock is ahead of the estate's."""
        row = self.servers[code].row_at(at)
        seconds = row.clock_skew_seconds if row else 0
        fault = self.faults.find(code, FaultKind.CLOCK_SKEW, at)
        return timedelta(seconds=seconds + (int(fault.value) if fault else 0))

    def is_listening(self, code: str, at: datetime) -> bool:
        return (
            self.servers[code].row_at(at) is not None
            and self.faults.find(code, FaultKind.SERVER_DOWN, at) is None
        )

    def is_blackhole(self, code: str, at: datetime) -> bool:
        """Whether whoever dials the port gets no answer at all."""
        return self.faults.find(code, FaultKind.SYN_BLACKHOLE, at) is not None

    def variant(self, code: str, at: datetime) -> Variant | None:
        """The certificate a server shows; None when it speaks without TLS."""
        if self.faults.find(code, FaultKind.PLAIN_HTTP, at):
            return None
        if self.faults.find(code, FaultKind.CERTIFICATE_CHANGED, at):
            return Variant.CHANGED
        if self.faults.find(code, FaultKind.CERTIFICATE_EXPIRED, at):
            return Variant.EXPIRED
        return Variant.CURRENT

    def children(self, code: str) -> Iterator[tuple[int, SimulatedServer]]:
        """The secondary servers that exist now, with their ids on this server."""
        at = self.clock.now()
        own = [
            server
            for server in self.servers.values()
            if any(row.parent_server_code == code for row in server.facts.rows)
        ]
        for position, server in enumerate(own):
            row = server.row_at(at)
            if row is not None and row.parent_server_code == code:
                yield FIRST_CHILD_ID + position, server

    def link(self, code: str) -> Link:
        """The state of the link of a secondary server to its primary."""
        at = self.clock.now()
        lost = [
            fault.since
            for kind in (FaultKind.SERVER_DOWN, FaultKind.LINK_CUT)
            if (fault := self.faults.find(code, kind, at)) is not None
        ]
        if lost:
            return Link(False, min(lost))
        # Secondary servers report every few minutes, each at its own second.
        return Link(True, at - timedelta(seconds=zlib.crc32(code.encode()) % 240))


def port_order(rows: Iterable[ServerRow]) -> list[str]:
    """Codes in the order of ports: each primary server followed by all servers below it."""
    parents: dict[str, str] = {}
    for row in rows:
        parents.setdefault(row.server_code, row.parent_server_code)

    def root(code: str) -> str:
        while parents[code]:
            code = parents[code]
        return code

    roots = [code for code, parent in parents.items() if not parent]
    return [
        code
        for top in roots
        for code in (top, *(c for c in parents if c != top and root(c) == top))
    ]


def _by_server(scenario: Scenario) -> Mapping[str, ServerFacts]:
    codes = {row.server_code for row in scenario.servers}
    return {
        code: ServerFacts(
            rows=tuple(row for row in scenario.servers if row.server_code == code),
            groups=tuple(row for row in scenario.groups if row.server_code == code),
            hosts=scenario.hosts.get(code, ()),
            keys=tuple(row for row in scenario.keys if row.server_code == code),
            detections=tuple(row for row in scenario.detections if row.server_code == code),
        )
        for code in codes
    }
