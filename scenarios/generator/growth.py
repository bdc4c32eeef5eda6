"""How the estate grows after 13/10/2023: an S-curve of installations from the training day on."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scenarios.generator import draw, machines, names, thap_muoi
from scenarios.generator.estate import Row, Server
from scenarios.generator.hosts import UNASSIGNED, Host
from scenarios.generator.instants import DAY, HOUR, age, along_curve, at, office_hour, written
from scenarios.generator.units import children_of

LICENCE_SERIAL = "DT23-231013-005037-1-1"
ERA = machines.Era(machines.ANTIVIRUS_2023, machines.AGENT_2023, LICENCE_SERIAL)
LICENCE_START = at("2023-10-13 00:00")
LAST_CHANGE = at("2024-01-12 16:30")

# Cumulative share of the installations; the steps follow the training day and the reminders.
CURVE = (
    ("2023-10-16", 0.0),
    ("2023-10-19", 0.02),
    ("2023-10-21", 0.07),
    ("2023-10-31", 0.24),
    ("2023-11-14", 0.55),
    ("2023-12-01", 0.80),
    ("2023-12-22", 0.93),
    ("2024-01-12", 1.0),
)
PILOT_SHARE = 0.03  # installed while the key was tried out, before the letter
WRONG_NAME_SHARE = 0.13
RENAMED_SHARE = 0.6  # of the wrong names, within five weeks
AGENT_FIRST_SHARE = 0.10
DISCOVERED_FIRST_SHARE = 0.06
CHURN_A_WEEK = 0.003
SILENT_SHARE = 0.10  # switched off for good at some time, found by nobody yet

OFFICES = (
    "Văn phòng HĐND và UBND",
    "Phòng Nội vụ",
    "Phòng Tư pháp",
    "Phòng Tài chính - Kế hoạch",
    "Phòng Tài nguyên và Môi trường",
    "Phòng Lao động - Thương binh và Xã hội",
    "Phòng Văn hóa và Thông tin",
    "Phòng Giáo dục và Đào tạo",
    "Thanh tra",
    "Phòng Kinh tế",
)
# What a district or department reaches by 12/01/2024, as a share of its seats.
DISTRICT_COVERAGE = (1.07, 0.92, 0.84, 0.58, 0.88, 0.74, 0.63, 0.95, 0.46, 0.81, 0.69)
DEPARTMENT_COVERAGE = {
    "dtp_ttt": 1.0,
    "dtp_sngv": 1.3,
    "dtp_syt": 0.24,
    "dtp_stttt": 1.0,
    "dtp_snnptnt": 0.61,
}
OTHER_DEPARTMENTS = (0.97, 0.93, 0.9, 0.86, 0.83, 0.79, 0.75, 0.71, 0.66, 0.55)


@dataclass(frozen=True, slots=True)
class Growth:
    """A district whose machines all count for the district itself."""

    unit_code: str
    name_prefix: str
    network: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where new machines of a unit come to lie."""

    unit_code: str
    name_prefix: str
    groups: tuple[str, ...]


class Site:
    """One server and what is shared while machines are put on it."""

    def __init__(self, server: Server, book: names.NameBook, address: machines.Address) -> None:
        self.server = server
        self.book = book
        self.address = address
        self.rng = draw.stream(server.server_code, "growth")

    def add(self, host: Host) -> Host:
        self.server.hosts.append(host)
        return host

    def bare(
        self, name: str, group: str, unit_code: str, created: datetime, *, agent: bool
    ) -> Host:
        """A machine without protection."""
        traced = machines.lately(self.rng)
        system = draw.weighted(self.rng, machines.WORKSTATIONS)
        known = (
            machines.agent(self.rng, ERA, traced) if agent else {"last_visible": age(traced.seen)}
        )
        return self.add(
            Host(
                draw.host_id(self.rng),
                created,
                machines.facts(
                    name, group, machines.hardware(self.rng, system), self.address.take(), known
                ),
                unit_code,
            )
        )

    def install(self, place: Place, count: int, curve: tuple[tuple[str, float], ...]) -> list[Host]:
        """Put `count` protected machines on the server, spread evenly over the curve."""
        return [
            self._install_one(place, (i + self.rng.random()) / count, curve) for i in range(count)
        ]

    def _install_one(
        self, place: Place, point: float, curve: tuple[tuple[str, float], ...]
    ) -> Host:
        rng = self.rng
        if point < PILOT_SHARE:
            when = LICENCE_START + timedelta(minutes=rng.randrange(20, 300))
        else:
            when = along_curve(rng, curve, (point - PILOT_SHARE) / (1 - PILOT_SHARE))
        name, mistake = self._name(place)
        group = rng.choice(place.groups)
        first_seen = rng.random()
        if first_seen < DISCOVERED_FIRST_SHARE and when > LICENCE_START + DAY:
            found_as = self.book.desktop(rng)
            created = LICENCE_START + timedelta(minutes=rng.randrange(10, 300))
            host = self.bare(found_as, UNASSIGNED, place.unit_code, created, agent=False)
        elif first_seen < DISCOVERED_FIRST_SHARE + AGENT_FIRST_SHARE and when > LICENCE_START + DAY:
            created = max(LICENCE_START + HOUR, when - rng.randrange(1, 5) * DAY)
            host = self.bare(name, group, place.unit_code, created, agent=True)
        else:
            return self._live(
                self.installed(place, name, group, when, mistake), place, when, mistake
            )
        traced = settled_traces(rng, when)
        host.change(
            when,
            display_name=name,
            dns_name=machines.dns_label(name),
            group_path=group,
            note=mistake,
            **machines.agent(rng, ERA, traced),
            **machines.protection(rng, ERA, traced),
        )
        return self._live(host, place, when, mistake)

    def installed(self, place: Place, name: str, group: str, when: datetime, note: str) -> Host:
        rng = self.rng
        traced = settled_traces(rng, when)
        system = draw.weighted(rng, machines.WORKSTATIONS)
        return self.add(
            Host(
                draw.host_id(rng),
                when,
                machines.facts(
                    name,
                    group,
                    machines.hardware(rng, system),
                    self.address.take(),
                    machines.agent(rng, ERA, traced),
                    machines.protection(rng, ERA, traced),
                    {"foreign_antivirus": _foreign_antivirus(rng)},
                    note=note,
                ),
                place.unit_code,
            )
        )

    def _name(self, place: Place) -> tuple[str, str]:
        """A name for a new machine and, when it is wrong, a note that says how."""
        if self.rng.random() < WRONG_NAME_SHARE:
            others = [
                prefix for prefix in ("SNV", "STC", "HTN", "TPCL") if prefix != place.name_prefix
            ]
            name, kind = names.any_wrong(self.rng, self.book, others)
            return name, f"tên sai: {kind}"
        return self.book.correct(self.rng, place.name_prefix), ""

    def _live(self, host: Host, place: Place, when: datetime, mistake: str) -> Host:
        """What happens to a machine after its installation: a right name, silence, an end."""
        rng = self.rng
        left = LAST_CHANGE - when
        if mistake and rng.random() < RENAMED_SHARE:
            renamed = office_hour(rng, (when + rng.randrange(7, 36) * DAY).date())
            if renamed < LAST_CHANGE:
                self.rename(host, place.name_prefix, renamed)
            return host
        if left < 10 * DAY:
            return host
        if rng.random() < CHURN_A_WEEK * (left / (7 * DAY)):
            host.ends_at = office_hour(rng, (when + rng.randrange(5, left // DAY) * DAY).date())
        elif rng.random() < SILENT_SHARE:
            since = office_hour(rng, (when + rng.randrange(5, left // DAY) * DAY).date())
            self.silence(host, since)
        elif rng.random() < 0.1:
            host.change(
                office_hour(rng, (at("2024-01-02 00:00") + rng.randrange(5) * DAY).date()),
                agent_version=machines.AGENT_2024,
            )
        return host

    def rename(self, host: Host, prefix: str, instant: datetime) -> None:
        traced = machines.lately(self.rng)
        host.change(
            instant,
            display_name=self.book.correct(self.rng, prefix),
            dns_name="",
            last_connected=age(traced.connected),
            last_visible=age(traced.seen),
            note="đã đổi tên",
        )

    def silence(self, host: Host, since: datetime) -> None:
        """The machine is switched off for good; the server does not learn why."""
        host.change(
            since,
            last_connected=written(since),
            last_visible=written(since),
            bases=written(since - self.rng.randrange(2, 30) * HOUR),
        )

    def duplicate(self, host: Host, number: int, instant: datetime) -> None:
        """The machine is installed anew: a second record with a suffix, the first one stays."""
        before = host.at(instant)
        if before is None:
            raise ValueError("only a machine that is there can be installed anew")
        self.silence(host, instant - 5 * HOUR)
        host.is_old_record = True
        traced = machines.lately(self.rng)
        self.add(
            Host(
                draw.host_id(self.rng),
                instant,
                replace(
                    before,
                    display_name=f"{before.display_name}~~{number}",
                    dns_name=before.dns_name or before.display_name.lower(),
                    note="bản ghi mới của máy đã cài lại",
                    **machines.agent(self.rng, ERA, traced),
                    **machines.protection(self.rng, ERA, traced, "7"),
                ),
                host.unit_code,
            )
        )

    def replace_record(self, host: Host, instant: datetime) -> None:
        """The machine is installed anew and its old record is removed: a new id, the same card."""
        before = host.at(instant)
        if before is None:
            raise ValueError("only a machine that is there can be installed anew")
        host.ends_at = instant
        traced = machines.lately(self.rng)
        self.add(
            Host(
                draw.host_id(self.rng),
                instant + 2 * HOUR,
                replace(
                    before,
                    note="máy cài lại, bản ghi cũ đã xóa",
                    **machines.agent(self.rng, ERA, traced),
                    **machines.protection(self.rng, ERA, traced, "7"),
                ),
                host.unit_code,
            )
        )

    def reinstall_some(self, hosts: list[Host]) -> None:
        """One in a hundred of these machines was installed anew, and one record was replaced."""
        instant = at("2023-12-06 10:00")
        steady = [
            host
            for host in hosts
            if host.ends_at is None
            and host.created_at < instant - 10 * DAY
            and not any(when > instant - 10 * DAY for when, _ in host.changes)
            and (known := host.at(instant)) is not None
            and known.is_installed
            and known.is_server == "0"
            and known.last_connected.endswith("m")
        ]
        chosen = draw.some(self.rng, steady, 1 + max(1, len(hosts) // 100))
        self.replace_record(chosen[0], instant)
        for index, host in enumerate(chosen[1:]):
            self.duplicate(host, 20411 + index, instant + index * HOUR)


def settled_traces(rng: random.Random, created: datetime) -> machines.Traces:
    """Traces that are never older than the machine when somebody looks."""
    looked = next(
        (
            instant
            for instant in (
                at("2023-10-13 08:00"),
                at("2023-10-20 17:00"),
                at("2023-11-15 08:00"),
                at("2024-01-08 08:00"),
                at("2024-01-15 17:00"),
            )
            if instant >= created + HOUR
        ),
        at("2024-01-16 08:00"),
    )
    traced = machines.traces(rng)
    window = looked - created - HOUR
    if traced.connected > window:
        traced = replace(machines.lately(rng), full_scan=traced.full_scan)
    return machines.scanned_within(traced, window)


def grow_departments(row: Row) -> Server:
    """The provincial server: twenty departments from 13/10/2023, nearly nothing before."""
    site = Site(
        Server(row), names.NameBook(), machines.Address(draw.stream("dtp", "network"), "10.87")
    )
    units = children_of("dtp_so")
    for unit in units:
        site.server.add_group(unit.unit_name)
    _add_server_machine(site, "SRV-KSC-DTP", "Sở Thông tin và Truyền thông", "dtp_stttt")
    for _ in range(14):
        created = office_hour(
            site.rng, (at("2022-09-05 00:00") + site.rng.randrange(20) * DAY).date()
        )
        site.bare(site.book.desktop(site.rng), UNASSIGNED, "dtp", created, agent=False)
    for _ in range(38):
        created = office_hour(site.rng, (LICENCE_START + site.rng.randrange(3, 80) * DAY).date())
        site.bare(site.book.desktop(site.rng), UNASSIGNED, "dtp", created, agent=False)
    shares = iter(OTHER_DEPARTMENTS * 2)
    installed: list[Host] = []
    for unit in units:
        share = DEPARTMENT_COVERAGE.get(unit.unit_code) or next(shares)
        count = round((unit.allocated_count or 0) * share)
        place = Place(unit.unit_code, unit.name_prefix, (unit.unit_name,))
        installed += site.install(place, count - (unit.unit_code == "dtp_stttt"), CURVE)
        _add_unprotected(site, place, max(1, count // 25))
    site.reinstall_some(installed)
    return site.server


def grow_district(row: Row, growth: Growth) -> Server:
    """A district that joins on 13/10/2023; one group of its communes holds the most machines."""
    code = growth.unit_code
    site = Site(
        Server(row),
        names.NameBook(),
        machines.Address(draw.stream(code, "network"), growth.network),
    )
    offices = [site.server.add_group(f"{thap_muoi.OFFICES}/{office}") for office in OFFICES]
    communes = site.server.add_group(thap_muoi.COMMUNES)
    centre = site.server.add_group(f"{thap_muoi.CENTRES}/Trung tâm Văn hóa - Thể thao")
    place = Place(code, growth.name_prefix, (*offices, communes, communes, centre))
    _add_server_machine(site, f"SRV-{row['display_name']}", offices[0], code)
    order = [one for one in DISTRICT_ORDER if one != thap_muoi.DISTRICT].index(code)
    installed = site.install(place, round(330 * DISTRICT_COVERAGE[order]) - 3, CURVE)
    # Protected but left in "Unassigned devices": they count for the district and are a finding.
    for host in installed[len(installed) // 2 :][:2]:
        host.first = replace(host.first, group_path=UNASSIGNED, note="chưa xếp vào nhóm")
        host.changes = [(when, facts | {"group_path": UNASSIGNED}) for when, facts in host.changes]
    for index in range(9 + site.rng.randrange(5)):
        days = 0 if index < 9 else site.rng.randrange(1, 85)
        created = LICENCE_START + days * DAY + timedelta(minutes=site.rng.randrange(10, 300))
        site.bare(site.book.desktop(site.rng), UNASSIGNED, code, created, agent=False)
    _add_unprotected(site, place, max(4, len(installed) // 25))
    site.reinstall_some(installed)
    if code == "dtp_875":
        _add_name_twin(site, installed)
    return site.server


DISTRICT_ORDER = tuple(unit.unit_code for unit in children_of("dtp_huyen"))


def _add_server_machine(site: Site, name: str, group: str, unit_code: str) -> None:
    """The KSC server itself: an agent from the start, protection with the key of 13/10/2023."""
    rng = site.rng
    created = datetime.fromisoformat(site.server.row["from_at"]) + 10 * timedelta(minutes=1)
    traced = machines.lately(rng)
    host = site.add(
        Host(
            draw.host_id(rng),
            created,
            machines.facts(
                site.book.take(name),
                group,
                machines.server_hardware(rng),
                site.address.take(),
                machines.agent(rng, ERA, traced),
                note="máy chủ: miễn quy tắc đặt tên",
            ),
            unit_code,
        )
    )
    host.change(LICENCE_START + HOUR, **machines.protection(rng, ERA, traced, "7"))


def _add_unprotected(site: Site, place: Place, count: int) -> None:
    """Machines that stay without protection: an agent, or a record and nothing else."""
    for index in range(count):
        created = along_curve(site.rng, CURVE, site.rng.random())
        name = site.book.correct(site.rng, place.name_prefix)
        group = site.rng.choice(place.groups)
        site.bare(name, group, place.unit_code, created, agent=index % 5 != 4)


def _add_name_twin(site: Site, installed: list[Host]) -> None:
    """Two live machines of one name and two network cards: no duplicate, the later one is wrong."""
    instant = at("2023-11-28 14:00")
    steady = next(
        host
        for host in installed
        if not host.changes and host.ends_at is None and host.created_at < instant - 10 * DAY
    )
    place = Place(steady.unit_code, "", (steady.first.group_path,))
    twin = site.installed(
        place,
        steady.first.display_name,
        steady.first.group_path,
        instant,
        "tên sai: DUPLICATE_NAME",
    )
    steady.first = replace(steady.first, note=f"trùng tên với {twin.host_id}")


def _foreign_antivirus(rng: random.Random) -> str:
    return rng.choice(machines.FOREIGN_ANTIVIRUSES) if rng.random() < 0.03 else ""
