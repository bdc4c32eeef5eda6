"""The hosts of one invented server on two days, as the wire has them, and the truth about them.

A row has 31 attributes, six of them instants that change every day. On the second day two hosts
in a hundred also changed something that a history has to keep. All follows from the host's
number, so the same count gives the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

FIRST_DAY = datetime(2023, 10, 20, 1, 0, tzinfo=UTC)
CHANGED_ONE_IN = 50
ROOT = "Managed devices"

VOLATILE = (
    "KLHST_WKS_RTP_AV_BASES_TIME",
    "KLHST_WKS_LAST_VISIBLE",
    "KLHST_WKS_LAST_NAGENT_CONNECTED",
    "KLHST_WKS_LAST_FULLSCAN",
)
# What the product types; every competitor lands the same columns from the same bytes.
TEXTS = (
    "KLHST_WKS_HOSTNAME",
    "KLHST_WKS_DN",
    "KLHST_WKS_WINHOSTNAME",
    "KLHST_WKS_DNSNAME",
    "KLHST_WKS_FQDN",
    "grp_full_name",
    "KLHST_WKS_RTP_AV_VERSION",
    "KLHST_WKS_NAG_VERSION",
    "KLHST_WKS_OS_NAME",
)
NUMBERS = (
    "KLHST_WKS_GROUPID",
    "KLHST_WKS_STATUS",
    "KLHST_WKS_STATUS_ID",
    "KLHST_WKS_STATUS_MASK",
    "KLHST_WKS_RTP_STATE",
    "KLHST_WKS_CTYPE",
)
LONGS = ("KLHST_WKS_IP_LONG", "KLHST_WKS_VIRUS_COUNT", "KLHST_WKS_UNCURED_COUNT")
FLAGS = ("KLHST_WKS_FROM_UNASSIGNED",)
INSTANTS = (*VOLATILE, "KLHST_WKS_CREATED")
TYPED = (*TEXTS, *NUMBERS, *LONGS, *FLAGS, *INSTANTS)
SLOW = tuple(name for name in TYPED if name not in VOLATILE)
# Asked for and kept raw by everybody who keeps anything raw; typed by nobody.
BESIDE = (
    "name",
    "KLHST_WKS_WINDOMAIN",
    "KLHST_WKS_OS_VER_MAJOR",
    "KLHST_WKS_OS_BUILD_NUMBER",
    "KLHST_WKS_CONNECT_IP_LONG",
    "KLHST_WKS_LAST_UPDATE",
    "KLHST_WKS_LAST_INFOUDATE",
)
ATTRIBUTES = (*TYPED, *BESIDE)

_GROUPS = 60
_VERSIONS = ("12.2.0.462", "12.3.0.493", "12.4.0.467", "12.5.0.539")
_SYSTEMS = (
    "Microsoft Windows 10",
    "Microsoft Windows 11",
    "Microsoft Windows 7",
    "Microsoft Windows Server 2019",
)
_OFFICES = ("Văn phòng", "Phòng Nội vụ", "Phòng Tài chính", "Phòng Văn hóa", "Ban Quản lý")


@dataclass(frozen=True, slots=True)
class Made:
    """The files of one day. ``truth`` is what must stand in any warehouse that took it in."""

    items: Path
    offsets: Path
    groups: Path
    truth: dict[str, Any]


def mix(number: int, salt: int) -> int:
    """A number that looks random and follows from both; 31 bits."""
    value = (number * 0x9E3779B97F4A7C15 + salt * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    value ^= value >> 30
    value = value * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return (value ^ value >> 31) & 0x7FFFFFFF


def observed_at(day: int) -> datetime:
    """The instant at which the server is read on day 0 or 1."""
    return FIRST_DAY + timedelta(days=day)


def is_changed(number: int) -> bool:
    """Whether a host's slow attributes differ on the second day.

    Never those of a machine that was set up anew or of its older record: a new name of one would
    make the other, which did not change, count again.
    """
    is_drawn = mix(number, 1) % CHANGED_ONE_IN == 0
    return is_drawn and not is_copy(number) and not is_copy(number + 1)


def is_copy(number: int) -> bool:
    """Whether a host is the older record of the machine before it, with the server's suffix."""
    return number > 0 and mix(number, 2) % 200 == 4


def host(number: int, count: int, day: int) -> dict[str, Any]:
    """One host of ``count`` on a day, bare values, instants aware; what is None has no attribute."""
    seed = mix(number, 2)
    is_server = seed % 29 == 0
    is_away = seed % 31 == 0  # for weeks: its instants are the same on both days
    has_agent = seed % 50 != 1
    has_protection = has_agent and seed % 33 != 2
    is_unassigned = not has_agent
    version = seed % 3
    rtp_state = 4 + seed % 3 if seed % 40 else 2
    name = f"TM-P{number % _GROUPS:02d}-{number:06d}"
    if seed % 25 == 3:
        name = f"DESKTOP-{number:07d}"
    if is_copy(number):
        # A machine set up anew: the older record is away, and the suffix is the server's.
        name = f"TM-P{(number - 1) % _GROUPS:02d}-{number - 1:06d}~~{number}"
        is_away = True
    if day and is_changed(number):
        if not has_protection:
            name = f"X-{name}"
        elif seed % 2:
            version += 1
        else:
            rtp_state = 7 if rtp_state != 2 else 3
    now = observed_at(0 if is_away else day)
    if is_away:
        now -= timedelta(days=20 + seed % 40)
    label = name.partition("~")[0].lower()
    group = number % _GROUPS
    address = 0x0A540000 + number % 65536
    return {
        "KLHST_WKS_HOSTNAME": _identifier(number, count),
        "KLHST_WKS_DN": name,
        "KLHST_WKS_WINHOSTNAME": label[:15].upper(),
        "KLHST_WKS_DNSNAME": label,
        "KLHST_WKS_FQDN": f"{label}.thapmuoi.example",
        "grp_full_name": "Unassigned devices" if is_unassigned else group_name(group),
        "KLHST_WKS_RTP_AV_VERSION": _VERSIONS[version] if has_protection else None,
        "KLHST_WKS_NAG_VERSION": "14.2.0.26967" if has_agent else None,
        "KLHST_WKS_OS_NAME": _SYSTEMS[3] if is_server else _SYSTEMS[seed % 3],
        "KLHST_WKS_GROUPID": 1 if is_unassigned else 10 + group,
        "KLHST_WKS_STATUS": 3 + (12 if has_agent else 0) + (16 if has_protection else 0),
        "KLHST_WKS_STATUS_ID": 1 if is_away else 0,
        "KLHST_WKS_STATUS_MASK": (256 if is_away else 0) + (0 if has_protection else 32),
        "KLHST_WKS_RTP_STATE": rtp_state if has_protection else 0,
        "KLHST_WKS_CTYPE": 2 if is_server else 1,
        "KLHST_WKS_IP_LONG": address,
        "KLHST_WKS_VIRUS_COUNT": seed % 7,
        "KLHST_WKS_UNCURED_COUNT": 1 if seed % 300 == 5 else 0,
        "KLHST_WKS_FROM_UNASSIGNED": is_unassigned,
        "KLHST_WKS_RTP_AV_BASES_TIME": now - timedelta(hours=1 + seed % 9)
        if has_protection
        else None,
        "KLHST_WKS_LAST_VISIBLE": now - timedelta(seconds=seed % 1800),
        "KLHST_WKS_LAST_NAGENT_CONNECTED": now - timedelta(seconds=seed % 900)
        if has_agent
        else None,
        "KLHST_WKS_LAST_FULLSCAN": now - timedelta(hours=seed % 160) if seed % 10 else None,
        "KLHST_WKS_CREATED": FIRST_DAY - timedelta(days=100, seconds=seed % 5_000_000),
        "name": "Unassigned devices" if is_unassigned else group_name(group).rpartition("/")[2],
        "KLHST_WKS_WINDOMAIN": "THAPMUOI",
        "KLHST_WKS_OS_VER_MAJOR": 10,
        "KLHST_WKS_OS_BUILD_NUMBER": 19041 + seed % 5,
        "KLHST_WKS_CONNECT_IP_LONG": address,
        "KLHST_WKS_LAST_UPDATE": now - timedelta(hours=1 + seed % 9) if has_protection else None,
        "KLHST_WKS_LAST_INFOUDATE": now - timedelta(seconds=seed % 1000),
    }


def group_name(group: int) -> str:
    """The full name of a group, as the console spells it."""
    return f"{ROOT}/{group // 5 + 1:02d}. Khối số {group // 5 + 1}/{_OFFICES[group % 5]} {group}"


def wire(facts: dict[str, Any]) -> dict[str, Any]:
    """The same host as the protocol writes it: wrapped where it wraps, absent where it is silent."""
    said: dict[str, Any] = {}
    for name, value in facts.items():
        if value is None:
            continue
        if isinstance(value, datetime):
            said[name] = {"type": "datetime", "value": f"{value:%Y-%m-%dT%H:%M:%SZ}"}
        elif name in LONGS or name == "KLHST_WKS_CONNECT_IP_LONG":
            said[name] = {"type": "long", "value": value}
        else:
            said[name] = value
    return said


def make(folder: Path, count: int, day: int) -> Made:
    """Write the items of a day, one after the other with a comma between, and where each begins."""
    made = Made(
        items=folder / f"day{day}.items",
        offsets=folder / f"day{day}.offsets",
        groups=folder / "groups.json",
        truth={},
    )
    folder.mkdir(parents=True, exist_ok=True)
    counted = _Truth()
    offsets = array("Q", [0])
    at = 0
    with made.items.open("wb") as out:
        for number in range(count):
            facts = host(number, count, day)
            counted.add(facts)
            item = {"type": "params", "value": wire(facts)}
            line = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b","
            at += len(line)
            offsets.append(at)
            out.write(line)
    made.offsets.write_bytes(offsets.tobytes())
    made.groups.write_text(json.dumps(groups(), ensure_ascii=False), "utf-8")
    made.truth.update(counted.all())
    return made


def changed_count(count: int) -> int:
    """How many hosts a history must close an interval for on the second day."""
    return sum(is_changed(number) for number in range(count))


class _Truth:
    """The same sums that ``digest`` asks a warehouse for, taken where the rows are made."""

    def __init__(self) -> None:
        self._sums: Counter[str] = Counter()
        self._ids: set[str] = set()

    def add(self, facts: dict[str, Any]) -> None:
        sums = self._sums
        sums["rows"] += 1
        self._ids.add(facts["KLHST_WKS_HOSTNAME"])
        for name in (*NUMBERS, *LONGS, *FLAGS):
            sums[name] += int(facts[name] or 0)
        for name in INSTANTS:
            value = facts[name]
            sums[name] += 0 if value is None else int(value.timestamp())
        texts = [facts[name] for name in TEXTS if name != "grp_full_name"]
        joined = "|".join(text for text in texts if text is not None)
        sums["texts"] += int(
            hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()[:8], 16
        )

    def all(self) -> dict[str, dict[str, int]]:
        sums = dict(self._sums)
        volatile = {name: sums.pop(name) for name in VOLATILE}
        return {"slow": {**sums, "ids": len(self._ids)}, "volatile": volatile}


def _identifier(number: int, count: int) -> str:
    """A UUID; in the order of the numbers, so that the server's order by id is the order here."""
    rest = f"{mix(number, 3):08x}{mix(number, 4):08x}{mix(number, 5):08x}"
    step = 0xFFFFFFFF // count
    return f"{number * step:08x}-{rest[:4]}-4{rest[5:8]}-a{rest[9:12]}-{rest[12:24]}"


def groups() -> list[dict[str, Any]]:
    """The groups of a server, the root first."""
    root = {"id": 1, "name": ROOT, "grp_full_name": ROOT}
    return [root] + [
        {
            "id": 10 + group,
            "parentId": 1,
            "name": group_name(group).rpartition("/")[2],
            "grp_full_name": group_name(group),
        }
        for group in range(_GROUPS)
    ]
