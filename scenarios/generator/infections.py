"""Detections: a few on many machines, many on a few, and one outbreak in a commune."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from scenarios.generator import draw
from scenarios.generator.estate import Server
from scenarios.generator.hosts import Host
from scenarios.generator.instants import DAY, MINUTE, at, office_hour, written

# Cumulative counters change once between two collections: nobody looks in between.
COLLECTIONS = tuple(
    at(text)
    for text in (
        "2022-10-12 08:00",
        "2022-10-20 17:00",
        "2023-10-13 08:00",
        "2023-10-20 17:00",
        "2023-11-15 08:00",
        "2024-01-08 08:00",
        "2024-01-15 17:00",
        "2024-01-16 08:00",
    )
)
MONTHS = (
    ("2022-09-13", 29),
    ("2023-10-17", 28),
    ("2023-11-15", 28),
    ("2023-12-13", 28),
)
INFECTED_A_MONTH = 0.12
UNCURED_SHARE = 0.03  # of the infected machines' last detections
DETECTIONS = {1: 62.0, 2: 20.0, 3: 9.0, 5: 5.0, 9: 3.0, 16: 1.0}

THREATS = {
    "HEUR:Trojan.WinLNK.Agent.gen": 30.0,
    "Worm.Win32.Debris.a": 18.0,
    "Trojan.Win32.Generic": 16.0,
    "HEUR:Trojan.Script.Generic": 14.0,
    "not-a-virus:HEUR:AdWare.Win32.Generic": 12.0,
    "Trojan-Downloader.MSOffice.SLoad.gen": 6.0,
    "EICAR-Test-File": 4.0,
}
OBJECTS = {
    "HEUR:Trojan.WinLNK.Agent.gen": r"E:\Tài liệu.lnk",
    "Worm.Win32.Debris.a": r"E:\System Volume Information\desktop.ini",
    "Trojan.Win32.Generic": r"C:\Users\Public\Downloads\setup.exe",
    "HEUR:Trojan.Script.Generic": r"C:\Users\Public\Documents\congvan.js",
    "not-a-virus:HEUR:AdWare.Win32.Generic": r"C:\Users\Public\Downloads\toolbar.exe",
    "Trojan-Downloader.MSOffice.SLoad.gen": r"C:\Users\Public\Documents\baocao.doc",
    "EICAR-Test-File": r"C:\Users\Public\Documents\eicar.com",
}
OUTCOMES = {"deleted": 52.0, "cured": 28.0, "quarantined": 12.0, "blocked": 8.0}


@dataclass(frozen=True, slots=True)
class Outbreak:
    """A worm on USB sticks that meets every machine of a unit within two days."""

    unit_code: str
    begins: datetime
    threat_name: str
    detection_count: int


OUTBREAK = Outbreak("dtp_872_30073", at("2023-11-13 07:45"), "Worm.Win32.Debris.a", 40)


def infect(server: Server) -> None:
    """Give the server's machines their detections, and the counters that follow from them."""
    rng = draw.stream(server.server_code, "infections")
    by_host: dict[str, list[tuple[datetime, bool]]] = defaultdict(list)
    hosts = {host.host_id: host for host in server.hosts}
    for month, days in MONTHS:
        first = at(f"{month} 00:00")
        for host in server.hosts:
            if rng.random() >= INFECTED_A_MONTH or not _can_detect(host, first + DAY):
                continue
            count = draw.weighted(rng, DETECTIONS)
            for index in range(count):
                rise = office_hour(rng, (first + rng.randrange(days) * DAY).date())
                is_uncured = index == 0 and rng.random() < UNCURED_SHARE
                if _can_detect(host, rise):
                    _detect(server, rng, host, rise, by_host, is_uncured=is_uncured)
    if any(host.unit_code == OUTBREAK.unit_code for host in server.hosts):
        _break_out(server, rng, by_host)
    for host_id, seen in by_host.items():
        _count(hosts[host_id], seen)


def _can_detect(host: Host, instant: datetime) -> bool:
    """Whether the machine is protected and on: switched-off machines detect nothing."""
    known = host.at(instant)
    return (
        known is not None
        and known.is_installed
        and known.rtp_state in {"4", "7", "8"}
        and known.last_connected.endswith(("m", "h"))
        and instant > host.created_at + DAY
    )


def _detect(
    server: Server,
    rng: random.Random,
    host: Host,
    rise: datetime,
    by_host: dict[str, list[tuple[datetime, bool]]],
    *,
    is_uncured: bool,
    threat_name: str = "",
) -> None:
    threat = threat_name or draw.weighted(rng, THREATS)
    registered = rise + rng.randrange(1, 16) * MINUTE
    server.detections.append(
        {
            "server_code": server.server_code,
            "host_id": host.host_id,
            "rise_at": written(rise),
            "registered_at": written(registered),
            "threat_name": threat,
            "object_name": OBJECTS[threat],
            "outcome": "notcured" if is_uncured else draw.weighted(rng, OUTCOMES),
            "user_name": "",
        }
    )
    by_host[host.host_id].append((registered, is_uncured))


def _break_out(
    server: Server, rng: random.Random, by_host: dict[str, list[tuple[datetime, bool]]]
) -> None:
    hosts = [
        host
        for host in server.hosts
        if host.unit_code == OUTBREAK.unit_code and _can_detect(host, OUTBREAK.begins)
    ]
    for index in range(OUTBREAK.detection_count):
        rise = OUTBREAK.begins + timedelta(minutes=rng.randrange(540)) + (index % 2) * DAY
        _detect(
            server,
            rng,
            hosts[index % len(hosts)],
            rise,
            by_host,
            is_uncured=index < 2,
            threat_name=OUTBREAK.threat_name,
        )


def _count(host: Host, seen: list[tuple[datetime, bool]]) -> None:
    """The counters on the host's rows: all detections so far, and those not cured."""
    total = uncured = 0
    seen.sort()
    for previous, instant in zip((None, *COLLECTIONS), COLLECTIONS, strict=False):
        here = [
            one for one in seen if one[0] <= instant and (previous is None or one[0] > previous)
        ]
        if here:
            total += len(here)
            uncured += sum(is_uncured for _, is_uncured in here)
            host.change(here[-1][0], virus_count=str(total), uncured_count=str(uncured))
