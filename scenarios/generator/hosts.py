"""A host and its history: facts that hold from one instant to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from scenarios.generator.instants import written

UNASSIGNED = "(unassigned)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a server knows of a host in one period: columns of hosts/<server_code>.csv."""

    display_name: str
    dns_name: str = ""
    group_path: str
    os_name: str = ""
    is_server: str = "0"
    agent_version: str = ""
    antivirus_version: str = ""
    rtp_state: str = ""
    bases: str = ""
    last_connected: str = ""
    last_visible: str = ""
    last_full_scan: str = ""
    ip: str = ""
    mac_address: str = ""
    serial_number: str = ""
    cpu: str = ""
    memory_mb: str = ""
    disk_gb: str = ""
    foreign_antivirus: str = ""
    virus_count: str = ""
    uncured_count: str = ""
    licence_serial: str = ""
    note: str = ""

    @property
    def is_installed(self) -> bool:
        return bool(self.agent_version and self.antivirus_version)


FACTS = tuple(one.name for one in fields(Facts))
COLUMNS = ("host_id", "from_at", "to_at", "created_at", *FACTS)


@dataclass(slots=True)
class Host:
    """One host on one server, from `created_at` (inclusive) to `ends_at` (exclusive).

    `is_old_record` marks the record that a machine left behind when it was installed anew.
    """

    host_id: str
    created_at: datetime
    first: Facts
    unit_code: str
    ends_at: datetime | None = None
    is_old_record: bool = False
    changes: list[tuple[datetime, dict[str, str]]] = field(default_factory=list)

    def change(self, instant: datetime, **facts: str) -> None:
        """From this instant on these facts hold. Changes may be given in any order."""
        if instant <= self.created_at:
            raise ValueError(f"{self.host_id} cannot change before it exists")
        unknown = set(facts) - set(FACTS)
        if unknown:
            raise ValueError(f"no such fact: {sorted(unknown)}")
        self.changes.append((instant, facts))

    def at(self, instant: datetime) -> Facts | None:
        """The facts that hold at an instant; None while the host does not exist."""
        if instant < self.created_at or (self.ends_at is not None and instant >= self.ends_at):
            return None
        now = self.first
        for when, facts in sorted(self.changes, key=lambda change: change[0]):
            if when <= instant:
                now = replace(now, **facts)
        return now

    def rows(self) -> Iterable[dict[str, str]]:
        """One row a period, the first from `created_at`; changes after the end are left out."""
        starts = sorted({self.created_at, *(when for when, _ in self.changes)})
        starts = [start for start in starts if self.ends_at is None or start < self.ends_at]
        periods: list[tuple[datetime, Facts]] = []
        for start in starts:
            now = self.at(start)
            if now is not None and (not periods or periods[-1][1] != now):
                periods.append((start, now))
        ends = [start for start, _ in periods[1:]] + [self.ends_at]
        for (start, now), end in zip(periods, ends, strict=True):
            yield {
                "host_id": self.host_id,
                "from_at": written(start),
                "to_at": written(end),
                "created_at": written(self.created_at),
                **{name: getattr(now, name) for name in FACTS},
            }
