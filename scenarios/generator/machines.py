"""Machines as an office has them: hardware, systems, versions, and how fresh their traces are.

The shares are plausible, not measured; docs/scenarios.md lists them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta

from scenarios.generator import draw
from scenarios.generator.hosts import Facts
from scenarios.generator.instants import DAY, HOUR, MINUTE, age

WORKSTATIONS = {
    "Microsoft Windows 10": 62.0,
    "Microsoft Windows 7": 22.0,
    "Microsoft Windows 11": 13.0,
    "Microsoft Windows 8.1": 3.0,
}
SERVERS = ("Microsoft Windows Server 2016", "Microsoft Windows Server 2019")
MEMORY_MB = {"1024": 3.0, "1536": 3.0, "2048": 11.0, "4096": 42.0, "8192": 35.0, "16384": 6.0}
DISK_GB = {"80": 4.0, "160": 10.0, "250": 26.0, "320": 8.0, "500": 40.0, "1000": 12.0}
CPUS = {
    "Intel Core i3-10100": 26.0,
    "Intel Core i5-7400": 22.0,
    "Intel Pentium G4400": 18.0,
    "Intel Celeron G1840": 9.0,
    "Intel Core 2 Duo E7500": 9.0,
    "Intel Core i5-1135G7": 16.0,
}
RTP_STATES = {"7": 61.0, "8": 22.0, "4": 5.0, "1": 5.0, "2": 2.0, "9": 1.0, "0": 4.0}
FOREIGN_ANTIVIRUSES = ("Bkav Pro Internet Security", "360 Total Security", "Avast Free Antivirus")

ANTIVIRUS_2022 = {"11.9.0.351": 58.0, "11.10.0.399": 34.0, "11.1.1.126": 5.0, "10.3.3.275": 3.0}
ANTIVIRUS_2023 = {"12.2.0.462": 56.0, "12.1.0.506": 36.0, "11.10.0.399": 5.0, "11.1.1.126": 3.0}
AGENT_2022 = {"14.0.0.10902": 92.0, "13.2.0.1511": 8.0}
AGENT_2023 = {"14.2.0.26967": 80.0, "14.0.0.10902": 20.0}
AGENT_2023_MAIN = "14.2.0.26967"
AGENT_2024 = "15.1.0.20748"

# How long ago a machine was last seen, on the morning of a working day: (from, to) in minutes.
SEEN = {
    (2, 58): 68.0,
    (70, 1380): 14.0,
    (1500, 9900): 8.0,
    (10200, 42000): 6.0,
    (43300, 56000): 4.0,
}


@dataclass(frozen=True, slots=True)
class Era:
    """What is rolled out in a period."""

    antivirus: dict[str, float]
    agent: dict[str, float]
    licence_serial: str


@dataclass(frozen=True, slots=True)
class Traces:
    """How old a machine's traces are; the ages hold at every instant at which somebody looks."""

    seen: timedelta
    connected: timedelta
    bases: timedelta
    full_scan: timedelta | None


def traces(rng: random.Random, *, span: tuple[int, int] | None = None) -> Traces:
    """The traces of a machine; `span` (minutes) fixes how long ago it was last seen."""
    low, high = span if span is not None else draw.weighted(rng, SEEN)
    minutes = rng.randrange(low, high)
    seen = (minutes if minutes < 120 else minutes - minutes % 60) * MINUTE
    connected = seen + (rng.randrange(0, 14) * MINUTE if seen < 2 * HOUR else timedelta(0))
    fresh = draw.weighted(rng, {3: 50.0, 20: 37.0, 100: 11.0, 300: 2.0})
    bases = seen + rng.randrange(max(1, fresh // 2), fresh + 1) * HOUR
    bases -= bases % HOUR
    scanned = seen + (rng.randrange(1, 9) if rng.random() < 0.92 else rng.randrange(9, 45)) * DAY
    full_scan = None if rng.random() < 0.05 else scanned - scanned % DAY
    return Traces(seen, connected, max(bases, HOUR), full_scan)


def scanned_within(traced: Traces, window: timedelta) -> Traces:
    """The same traces; a full scan older than the window moves to its begin, or never was."""
    if traced.full_scan is None or traced.full_scan <= window:
        return traced
    first_day = window - window % DAY
    return replace(traced, full_scan=first_day if first_day > traced.connected else None)


def lately(rng: random.Random) -> Traces:
    """The traces of a machine that is on right now, as just after an installation."""
    now = traces(rng, span=(2, 45))
    return replace(now, bases=rng.randrange(2, 20) * HOUR, full_scan=None)


class Address:
    """The addresses of one district's network, in order: IPv4 and a locally administered MAC."""

    def __init__(self, rng: random.Random, network: str) -> None:
        self._rng = rng
        self._network = network
        self._next = 20
        self._macs: set[str] = set()

    def take(self) -> dict[str, str]:
        block, last = divmod(self._next, 200)
        self._next += 1
        mac = ""
        while not mac or mac in self._macs:
            number = self._rng.getrandbits(32)
            mac = "02:87:" + ":".join(f"{number >> shift & 255:02X}" for shift in (24, 16, 8, 0))
        self._macs.add(mac)
        # 200 addresses of each block; the server itself is at .10 of the first.
        return {"ip": f"{self._network}.{block}.{last + 20}", "mac_address": mac}


def hardware(rng: random.Random, os_name: str) -> dict[str, str]:
    memory = draw.weighted(rng, MEMORY_MB)
    if os_name == "Microsoft Windows 11" and int(memory) < 4096:
        memory = "8192"
    return {
        "os_name": os_name,
        "cpu": draw.weighted(rng, CPUS),
        "memory_mb": memory,
        "disk_gb": draw.weighted(rng, DISK_GB),
        "serial_number": f"DT{rng.randrange(10**8):08d}",
    }


def server_hardware(rng: random.Random) -> dict[str, str]:
    return {
        "os_name": rng.choice(SERVERS),
        "is_server": "1",
        "cpu": "Intel Xeon E-2224",
        "memory_mb": rng.choice(("16384", "32768")),
        "disk_gb": "2000",
        "serial_number": f"DT{rng.randrange(10**8):08d}",
    }


def agent(rng: random.Random, era: Era, traced: Traces) -> dict[str, str]:
    """The facts that a Network Agent brings."""
    return {
        "agent_version": draw.weighted(rng, era.agent),
        "last_connected": age(traced.connected),
        "last_visible": age(traced.seen),
    }


def protection(rng: random.Random, era: Era, traced: Traces, rtp_state: str = "") -> dict[str, str]:
    """The facts that the protection product brings; it is installed through the agent."""
    return {
        "antivirus_version": draw.weighted(rng, era.antivirus),
        "rtp_state": rtp_state or draw.weighted(rng, RTP_STATES),
        "bases": age(traced.bases),
        "last_full_scan": "" if traced.full_scan is None else age(traced.full_scan),
        "licence_serial": era.licence_serial,
    }


def without_protection() -> dict[str, str]:
    return {
        "antivirus_version": "",
        "rtp_state": "",
        "bases": "",
        "last_full_scan": "",
        "licence_serial": "",
        "foreign_antivirus": "",
    }


def silent_since(traced_at: str) -> dict[str, str]:
    """A machine switched off for good: its traces stay at that instant."""
    return {"last_connected": traced_at, "last_visible": traced_at}


def dns_label(display_name: str) -> str:
    """The label of a machine whose console name cannot be one; blank when it follows the name."""
    return display_name.replace(" ", "").lower() if " " in display_name else ""


def facts(display_name: str, group_path: str, *parts: dict[str, str], note: str = "") -> Facts:
    merged = {"dns_name": dns_label(display_name)}
    for part in parts:
        merged |= part
    return Facts(display_name=display_name, group_path=group_path, note=note, **merged)
