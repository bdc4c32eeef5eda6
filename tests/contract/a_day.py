"""A day of an invented province, hour by hour: what happens to its machines and to its servers.

Thirteen servers of 30 machines. Every hour machines are renamed, installed anew, moved, added and
lost, as a fixed seed has it; some servers are down, or answer in ways that must not be believed.

Two questions of meaning are left out of it, because they have no one answer: whether a duplicate that
has only an agent counts as "agent only" too, and whether a machine bears a name twice when its
namesake's living record is on another server.

The story is written twice: as the servers tell it (``served``), and as somebody counts it who knows
only which servers answered (``counted``): there every hour of a server that cannot be believed is an
hour in which it is down.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from contract.provinces import (
    HOME_AFFAIRS,
    JUSTICE,
    PROVINCE,
    Row,
    district,
    machines,
    write_province,
)
from estates import host, host_id_of, write_csv

DISTRICTS = 12
MACHINES = 30
HOURS = range(24)
CHANGES_AN_HOUR = 14
_BEGINS = datetime.fromisoformat("2022-10-12T07:00:00+07:00")


def hour(number: int) -> datetime:
    """The instant of an hour's collection; hour 0 is 07:00, hour 17 is midnight."""
    return _BEGINS + timedelta(hours=number)


@dataclass(frozen=True)
class Trouble:
    """A server is not to be believed from one hour (inclusive) to another (exclusive).

    ``fault_code`` is what its loads must carry; ``until``: when it is read again, where that is
    later than the end of the fault itself.
    """

    number: int
    begins: int
    ends: int
    kind: str
    fault_code: str
    value: str = ""
    until: int = 0

    @property
    def code(self) -> str:
        return district(self.number) if self.number else PROVINCE

    @property
    def is_read_from(self) -> int:
        return self.until or self.ends


TROUBLES = (
    Trouble(1, 2, 5, "server_down", "unreachable"),
    Trouble(1, 8, 9, "html", "protocol"),
    Trouble(2, 15, 20, "server_down", "unreachable"),  # over midnight
    Trouble(3, 3, 5, "certificate_changed", "certificate"),
    Trouble(3, 14, 16, "count_mismatch", "incomplete"),
    # Refused at 5, held back until an operator resumes it before the collection of hour 9.
    Trouble(4, 5, 6, "unauthorized", "credentials", until=9),
    Trouble(5, 6, 8, "truncated_json", "incomplete"),
    Trouble(5, 16, 18, "zero_hosts", "suspicious"),
    Trouble(6, 7, 8, "pxg_error", "server_error", "1"),
    Trouble(6, 14, 15, "oversized_chunk", "protocol"),
    Trouble(7, 9, 11, "server_error", "server_error"),
    Trouble(7, 17, 19, "session_lost", "incomplete", "1"),
    Trouble(8, 10, 12, "plain_http", "protocol"),
    Trouble(8, 12, 14, "json_nan", "protocol"),
    Trouble(9, 11, 13, "duplicate_host", "incomplete"),
    Trouble(10, 15, 17, "field_missing", "protocol"),
    Trouble(11, 16, 17, "server_down", "unreachable"),
    Trouble(0, 12, 14, "server_down", "unreachable"),
    Trouble(0, 18, 19, "truncated_body", "incomplete"),
)
HARMLESS = (
    {"server_code": district(12), "kind": "link_cut", "value": "", "hours": (4, 10)},
    {"server_code": district(9), "kind": "field_new", "value": "KLHST_WKS_MOI", "hours": (2, 22)},
)
RESUMED_AT = {9: district(4)}  # by an operator, before that hour's collection


@dataclass
class _Machine:
    """One record of one server; its last row is how it is now."""

    rows: list[Row]

    @property
    def now(self) -> Row:
        return self.rows[-1]

    def change(self, at: datetime, **facts: object) -> None:
        self.rows[-1]["to_at"] = at.isoformat()
        self.rows.append(self.now | {"from_at": at.isoformat(), "to_at": ""} | facts)

    def end(self, at: datetime) -> None:
        self.rows[-1]["to_at"] = at.isoformat()

    def freeze(self, at: datetime) -> None:
        """Nobody reports under this record any more: its instants stand still."""
        last = (at - timedelta(minutes=50)).isoformat()
        self.change(at, last_connected=last, last_visible=last)


@dataclass
class _Story:
    chance: random.Random
    machines: list[_Machine]
    left_over: list[tuple[int, _Machine]] = field(default_factory=list)
    gone: list[_Machine] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    serial: int = 0

    def tell(self, number: int) -> None:
        """What happens between one hour and the next."""
        at = hour(number)
        for ends, machine in [one for one in self.left_over if one[0] == number]:
            self._drop(machine, at)
            self.left_over.remove((ends, machine))
        kinds = (
            self.renamed,
            self.mended,
            self.installed_anew,
            self.installed_beside,
            self.moved_away,
            self.moved_within,
            self.bought,
            self.scrapped,
            self.stripped,
            self.protected,
            self.copied,
        )
        for kind in self.chance.choices(kinds, k=CHANGES_AN_HOUR):
            kind(at, number)
            self.told[kind.__name__] = self.told.get(kind.__name__, 0) + 1

    def renamed(self, at: datetime, _: int) -> None:
        self.serial += 1
        self._any().change(at, display_name=f"LAPTOP-{self.serial:04d}")

    def mended(self, at: datetime, _: int) -> None:
        self.serial += 1
        machine = self._any()
        prefix = "NV" if machine.now["group_path"] == HOME_AFFAIRS else "TP"
        number = machine.now["server_code"].removeprefix("mau_h")
        number = number if number.isdigit() else "00"
        machine.change(at, display_name=f"{prefix}{number}-SUA{self.serial:03d}")

    def installed_anew(self, at: datetime, _: int) -> None:
        """The old record is gone with the old system."""
        old = self._any()
        self._add(old.now | self._fresh(at))
        self._drop(old, at)

    def installed_beside(self, at: datetime, number: int) -> None:
        """The old record stays for some hours; one of the two carries the suffix."""
        old = self._any_installed()
        name = old.now["display_name"]
        if "~" in name:
            return
        self.serial += 1
        suffixed = f"{name}~~{self.serial}"
        new = old.now | self._fresh(at)
        if self.chance.random() < 0.5:
            new |= {"display_name": suffixed}
            old.freeze(at)
        else:
            old.freeze(at)
            old.now["display_name"] = suffixed
        self._add(new)
        self._leave(old, number)

    def moved_away(self, at: datetime, number: int) -> None:
        """To another district's server, which knows it under the same id; the old record stays."""
        old = self._any_installed()
        target = district(self.chance.randint(1, DISTRICTS))
        if target in self._servers_of(old.now["host_id"]) or not self._is_alone(old):
            return
        new = old.now | {
            "server_code": target,
            "group_path": HOME_AFFAIRS,
            "from_at": at.isoformat(),
        }
        old.freeze(at)
        self._add(new)
        self._leave(old, number)

    def moved_within(self, at: datetime, _: int) -> None:
        machine = self._any()
        if machine.now["server_code"] == PROVINCE:
            return
        path = JUSTICE if machine.now["group_path"] == HOME_AFFAIRS else HOME_AFFAIRS
        machine.change(at, group_path=path)

    def bought(self, at: datetime, _: int) -> None:
        self.serial += 1
        number = self.chance.randint(1, DISTRICTS)
        new = host(
            f"NV{number:02d}-MOI{self.serial:03d}",
            server_code=district(number),
            group_path=HOME_AFFAIRS,
        )
        self._add(new | {"from_at": at.isoformat(), "created_at": at.isoformat()})

    def scrapped(self, at: datetime, _: int) -> None:
        self._drop(self._any(), at)

    def stripped(self, at: datetime, _: int) -> None:
        """The protection product is removed."""
        machine = self._any_installed()
        if self._is_alone(machine):
            machine.change(at, antivirus_version=None, rtp_state=0, bases=None)

    def protected(self, at: datetime, _: int) -> None:
        self._any().change(
            at, agent_version="14.2.0.26967", antivirus_version="12.2.0.462", rtp_state=4,
            bases="-10h", last_connected="-5m",
        )  # fmt: skip

    def copied(self, at: datetime, _: int) -> None:
        """A second live machine of the same name."""
        machine = self._any_installed()
        if self._is_alone(machine):
            self._add(machine.now | self._fresh(at))

    def _any(self) -> _Machine:
        """A machine that is there and in nobody else's story."""
        waiting = {id(machine) for _, machine in self.left_over}
        return self.chance.choice([one for one in self.machines if id(one) not in waiting])

    def _any_installed(self) -> _Machine:
        while True:
            machine = self._any()
            if machine.now["antivirus_version"]:
                return machine

    def _is_alone(self, machine: _Machine) -> bool:
        """No other record has its id, or its name on the same server."""
        mine = machine.now
        return not any(
            one.now["host_id"] == mine["host_id"]
            or (one.now["server_code"] == mine["server_code"] and _bare(one) == _bare(machine))
            for one in self.machines
            if one is not machine
        )

    def _fresh(self, at: datetime) -> Row:
        self.serial += 1
        return {
            "host_id": host_id_of(f"anew {self.serial}"),
            "from_at": at.isoformat(),
            "created_at": at.isoformat(),
        }

    def _add(self, row: Row) -> None:
        self.machines.append(_Machine([row | {"to_at": ""}]))

    def _drop(self, machine: _Machine, at: datetime) -> None:
        machine.end(at)
        self.gone.append(machine)
        self.machines.remove(machine)

    def _leave(self, machine: _Machine, number: int) -> None:
        """A record that nobody needs; somebody deletes it in some hours."""
        self.left_over.append((number + self.chance.randint(2, 6), machine))

    def _servers_of(self, host_id: str) -> set[str]:
        every = [*self.machines, *self.gone]
        return {
            row["server_code"] for one in every for row in one.rows if row["host_id"] == host_id
        }

    def rows(self) -> list[Row]:
        every = [row for machine in [*self.machines, *self.gone] for row in machine.rows]
        return [row for row in every if row.get("from_at") != row.get("to_at") or not row["to_at"]]


def _bare(machine: _Machine) -> str:
    return str(machine.now["display_name"]).partition("~")[0]


@dataclass(frozen=True)
class Day:
    """Both folders, and how often each kind of change was told."""

    served: Path
    counted: Path
    told: dict[str, int]


def write_a_day(folder: Path, hours: Iterable[int] = HOURS, seed: int = 20221012) -> Day:
    """Write the story; it is collected at ``hours``, and only they differ between two samples."""
    story = _Story(
        random.Random(seed),  # noqa: S311 - a story, no secret
        [
            _Machine([{"from_at": "", "to_at": "", **row}])
            for number in range(DISTRICTS + 1)
            for row in machines(number, MACHINES)
        ],
    )
    for number in HOURS[1:]:
        story.tell(number)
    for name in ("served", "counted"):
        write_province(
            folder / name / "mau",
            story.rows(),
            districts=DISTRICTS,
            collected_at=[hour(number).isoformat() for number in hours],
        )
    _write_events(folder / "served" / "mau", as_served())
    _write_events(folder / "counted" / "mau", as_counted())
    return Day(folder / "served" / "mau", folder / "counted" / "mau", story.told)


def as_served() -> list[Row]:
    rows = [_event(one.code, one.begins, one.ends, one.kind, one.value) for one in TROUBLES]
    return rows + [
        _event(one["server_code"], *one["hours"], one["kind"], one["value"]) for one in HARMLESS
    ]


def as_counted() -> list[Row]:
    return [_event(one.code, one.begins, one.is_read_from, "server_down", "") for one in TROUBLES]


def _event(code: str, begins: int, ends: int, kind: str, value: str) -> Row:
    return {
        "server_code": code,
        "from_at": hour(begins).isoformat(),
        "to_at": hour(ends).isoformat(),
        "kind": kind,
        "value": value,
    }


def _write_events(folder: Path, rows: list[Row]) -> None:
    write_csv(folder / "estate" / "events.csv", rows)
