"""A device's status as the console shows it, computed from facts alone.

``KLHST_WKS_STATUS`` is a bit set of plain facts; ``KLHST_WKS_STATUS_MASK`` holds the reasons that a
group's limits give; ``KLHST_WKS_STATUS_ID`` is 1 (critical), 2 (warning) or 0 (OK) by those limits.
Days and bits are this simulator's; a client reads the limits with GetGroupInfoEx.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

VISIBLE_FOR: Final = timedelta(hours=2)
ALIVE_FOR: Final = timedelta(hours=2)


class StatusBit:
    """Plain ints: these are computed for every device of an estate."""

    VISIBLE = 0x1
    IN_GROUP = 0x2
    AGENT = 0x4
    AGENT_ALIVE = 0x8
    PROTECTION = 0x10


class Reason:
    OUT_OF_CONTROL = 1 << 0
    PROTECTION_SUSPENDED = 1 << 1
    PROTECTION_STOPPED = 1 << 2
    MANY_VIRUSES = 1 << 3
    NO_ANTIVIRUS = 1 << 5
    OLD_SCAN = 1 << 6
    OLD_BASES = 1 << 7
    NOT_CONNECTED = 1 << 8
    LICENCE = 1 << 9
    UNCURED = 1 << 10
    INCOMPATIBLE = 1 << 12


class StatusId:
    OK = 0
    CRITICAL = 1
    WARNING = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """One of a group's two containers of limits: which reasons count, and from when on."""

    mask: int
    old_bases_days: int
    old_scan_days: int
    old_connection_days: int
    old_licence_days: int
    virus_count: int
    uncured_count: int


CRITICAL_LIMITS: Final = Limits(
    mask=Reason.OUT_OF_CONTROL
    | Reason.PROTECTION_STOPPED
    | Reason.MANY_VIRUSES
    | Reason.NO_ANTIVIRUS
    | Reason.OLD_BASES
    | Reason.NOT_CONNECTED
    | Reason.LICENCE
    | Reason.UNCURED,
    old_bases_days=14,
    old_scan_days=60,
    old_connection_days=14,
    old_licence_days=0,
    virus_count=50,
    uncured_count=5,
)
WARNING_LIMITS: Final = Limits(
    mask=Reason.PROTECTION_SUSPENDED
    | Reason.OLD_SCAN
    | Reason.OLD_BASES
    | Reason.NOT_CONNECTED
    | Reason.LICENCE
    | Reason.UNCURED
    | Reason.INCOMPATIBLE,
    old_bases_days=7,
    old_scan_days=14,
    old_connection_days=7,
    old_licence_days=14,
    virus_count=10,
    uncured_count=1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the status follows from. Instants None = never."""

    is_managed: bool
    has_agent: bool
    has_antivirus: bool
    rtp_state: int
    last_visible: datetime | None
    last_connected: datetime | None
    last_scan: datetime | None
    bases: datetime | None
    created: datetime | None
    licence_expires: datetime | None
    has_foreign_antivirus: bool
    virus_count: int
    uncured_count: int


@dataclass(frozen=True, slots=True)
class Status:
    bits: int
    mask: int
    id: int


def judge(facts: Facts, now: datetime) -> Status:
    """The status of a device at an instant of its server's clock.

    No limits rule "Unassigned devices": such a device has bits, no reasons, and is OK.
    """
    bits = 0
    if _within(facts.last_visible, now, VISIBLE_FOR):
        bits |= StatusBit.VISIBLE
    if facts.is_managed:
        bits |= StatusBit.IN_GROUP
    if facts.has_agent:
        bits |= StatusBit.AGENT
        if _within(facts.last_connected, now, ALIVE_FOR):
            bits |= StatusBit.AGENT_ALIVE
    if facts.has_antivirus:
        bits |= StatusBit.PROTECTION
    if not facts.is_managed:
        return Status(bits, 0, StatusId.OK)

    critical = _reasons(facts, bits, CRITICAL_LIMITS, now) & CRITICAL_LIMITS.mask
    warning = _reasons(facts, bits, WARNING_LIMITS, now) & WARNING_LIMITS.mask
    if critical:
        status_id = StatusId.CRITICAL
    elif warning:
        status_id = StatusId.WARNING
    else:
        status_id = StatusId.OK
    return Status(bits, critical | warning, status_id)


def _reasons(facts: Facts, bits: int, limits: Limits, now: datetime) -> int:
    reasons = 0
    if facts.has_agent and bits & StatusBit.VISIBLE and not bits & StatusBit.AGENT_ALIVE:
        reasons |= Reason.OUT_OF_CONTROL
    if facts.has_agent and _is_older(facts.last_connected, facts, limits.old_connection_days, now):
        reasons |= Reason.NOT_CONNECTED
    if not facts.has_antivirus:
        reasons |= Reason.NO_ANTIVIRUS
    else:
        if facts.rtp_state == 2:
            reasons |= Reason.PROTECTION_SUSPENDED
        if facts.rtp_state in (1, 9):
            reasons |= Reason.PROTECTION_STOPPED
        if _is_older(facts.last_scan, facts, limits.old_scan_days, now):
            reasons |= Reason.OLD_SCAN
        if _is_older(facts.bases, facts, limits.old_bases_days, now):
            reasons |= Reason.OLD_BASES
        expires = facts.licence_expires
        if expires is not None and expires - now <= timedelta(days=limits.old_licence_days):
            reasons |= Reason.LICENCE
    if facts.virus_count >= limits.virus_count:
        reasons |= Reason.MANY_VIRUSES
    if facts.uncured_count >= limits.uncured_count:
        reasons |= Reason.UNCURED
    if facts.has_agent and facts.has_foreign_antivirus:  # who else would tell the server
        reasons |= Reason.INCOMPATIBLE
    return reasons


def _within(at: datetime | None, now: datetime, span: timedelta) -> bool:
    return at is not None and now - at <= span


def _is_older(at: datetime | None, facts: Facts, days: int, now: datetime) -> bool:
    """Whether something is older than so many days; what never happened is as old as the record."""
    since = at or facts.created
    return since is None or now - since > timedelta(days=days)
