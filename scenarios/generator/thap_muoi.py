"""The district server of Tháp Mười (dtp_872): the letter of 10/2022 machine by machine.

On 2022-10-12 every unit has exactly the installed and correctly named machines of
source/demo_units.csv. What must not count lies beside them: older records of re-installed
machines, machines with an agent only, discovered machines without anything.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta

from scenarios.generator import draw, machines, names
from scenarios.generator.estate import Row, Server
from scenarios.generator.hosts import UNASSIGNED, Facts, Host
from scenarios.generator.instants import DAY, HOUR, age, at, office_hour, written
from scenarios.generator.units import UnitRow, children_of

DISTRICT = "dtp_872"
SERVER_START = at("2022-09-01 00:00")
COUNTED_AT = at("2022-10-12 08:00")
REPORTED_AT = at("2022-10-20 17:00")
LICENCE_SERIAL = "DT22-220901-000330-1-1"
ERA = machines.Era(machines.ANTIVIRUS_2022, machines.AGENT_2022, LICENCE_SERIAL)

OFFICES = "01. Phòng ban"
COMMUNES = "02. Xã, thị trấn"
CENTRES = "03. Đơn vị sự nghiệp"
FORCES = "04. Công an, Quân sự"
BRANCH_OF_KIND = {
    "phong": OFFICES,
    "thi_tran": COMMUNES,
    "xa": COMMUNES,
    "su_nghiep": CENTRES,
    "luc_luong": FORCES,
}
ONE_STOP_SHOP = f"{OFFICES}/Văn phòng HĐND và UBND huyện/Bộ phận Một cửa"

# Groups whose name in the console is not the unit's: typed by hand over the years.
UNTIDY_GROUPS = {
    "dtp_872_vpub": (f"{OFFICES}/Văn phòng HĐND và UBND huyện", ONE_STOP_SHOP),
    "dtp_872_tckh": (f"{OFFICES}/Phòng Tài chính – Kế hoạch",),
    "dtp_872_vhtt": (f"{OFFICES}/Phòng Văn hóa và Thông tin", f"{OFFICES}/Phòng VHTT "),
    "dtp_872_30037": (f"{COMMUNES}/TT My An",),
    "dtp_872_30055": (f"{COMMUNES}/UBND xã Mỹ Qúy",),
    "dtp_872_30061": (
        f"{COMMUNES}/Xã Đốc Binh Kiều",
        unicodedata.normalize("NFD", f"{COMMUNES}/Xã Đốc Binh Kiều"),
    ),
}

# The 20 wrong names, by unit. A tuple is a name given by hand: display name, DNS label, kind.
WRONG_NAMES: dict[str, tuple[str | tuple[str, str, str], ...]] = {
    "dtp_872_tckh": ("desktop",),
    "dtp_872_tnmt": ("desktop", ("KTHT-BINHTV", "", "WRONG_UNIT")),
    "dtp_872_gddt": ("laptop",),
    "dtp_872_nnpt": (("TNMT-HANHLD", "", "WRONG_UNIT"),),
    "dtp_872_ttvh": (("ACER-PC", "", "VENDOR_DEFAULT"),),
    "dtp_872_30037": ("desktop",),
    "dtp_872_30040": (("mayloan", "", "NO_UNIT_PREFIX"), "desktop"),
    "dtp_872_30049": (("HUNGTHANH-TP", "", "WRONG_UNIT"),),
    "dtp_872_30058": (
        ("MỸĐÔNG-01", "mydong-01", "NON_ASCII"),
        ("MYDONG 02", "", "WHITESPACE"),
        ("THIETBI2020", "", "NO_UNIT_PREFIX"),
        "desktop",
    ),
    "dtp_872_30061": ("windows",),
    "dtp_872_30067": (("PHUDIEN-VANPHON", "phudien-vanphong", "TRUNCATED"),),
    "dtp_872_30070": (("CAYTIENG01", "", "NO_UNIT_PREFIX"),),
    "dtp_872_30073": ("desktop", "laptop", ("maykimngan", "", "NO_UNIT_PREFIX")),
}

# Servers among the installed: exempt from the naming rule, hence counted as correctly named.
SERVER_MACHINES = {
    "dtp_872_vpub": ("SRV-KSC-TM", "SRV-VANBAN", "SRV-MOTCUA"),
    "dtp_872_tckh": ("SRV-KETOAN",),
    "dtp_872_tnmt": ("SRV-DATDAI",),
}

AGENT_ONLY = {
    "dtp_872_cah": 2,
    "dtp_872_bchqs": 1,
    "dtp_872_tnmt": 1,
    "dtp_872_30049": 2,
    "dtp_872_30052": 1,
    "dtp_872_30064": 2,
    "dtp_872_30070": 2,
}
NOTHING_INSTALLED = {
    "dtp_872_30052": 1,
    "dtp_872_30058": 1,
    "dtp_872_30064": 1,
    "dtp_872_30070": 2,
}
UNASSIGNED_WITHOUT_AGENT = 12
UNASSIGNED_WITH_AGENT = 2

# Older records of machines that were installed anew; the last has the suffix on the live record.
DUPLICATED = (
    "dtp_872_vpub",
    "dtp_872_pnv",
    "dtp_872_ldxh",
    "dtp_872_30037",
    "dtp_872_30061",
    "dtp_872_vhtt",
)
FOREIGN_ANTIVIRUS = {
    "dtp_872_30043": 4,
    "dtp_872_gddt": 1,
    "dtp_872_nnpt": 1,
    "dtp_872_30046": 1,
    "dtp_872_30061": 1,
}
DRAWN_NAMES = {
    "desktop": names.NameBook.desktop,
    "laptop": names.NameBook.laptop,
    "windows": names.NameBook.windows,
}


def groups_of(unit: UnitRow) -> tuple[str, ...]:
    """The unit's groups on the district server, spelled as in the console."""
    regular = (f"{BRANCH_OF_KIND[unit.unit_kind]}/{unit.unit_name}",)
    return UNTIDY_GROUPS.get(unit.unit_code, regular)


class ThapMuoi:
    """The server and what its builders share."""

    def __init__(self, row: Row) -> None:
        self.server = Server(row)
        self.book = names.NameBook()
        self.rng = draw.stream(DISTRICT)
        self.address = machines.Address(draw.stream(DISTRICT, "network"), "10.84")
        self.units = children_of(DISTRICT)
        for kind in (OFFICES, COMMUNES, CENTRES, FORCES):
            self.server.add_group(kind)
        for unit in self.units:
            for group in groups_of(unit):
                self.server.add_group(group)

    def machines_of(self, unit_code: str) -> list[Host]:
        """The unit's hosts, older records of the same machines left out."""
        return [
            host
            for host in self.server.hosts
            if host.unit_code == unit_code and not host.is_old_record
        ]


def on_12_october_2022(row: Row) -> ThapMuoi:
    """The district as the letter counted it. Nothing changes yet."""
    town = ThapMuoi(row)
    _reserve_given_names(town)
    installed = sum(unit.installed_count or 0 for unit in town.units)
    servers = sum(len(machine_names) for machine_names in SERVER_MACHINES.values())
    systems = draw.deck(town.rng, installed - servers, machines.WORKSTATIONS)
    spans = draw.deck(town.rng, installed, machines.SEEN)
    rtp_states = draw.deck(town.rng, installed, machines.RTP_STATES)
    for unit in town.units:
        for display_name, dns_name, note in _installed_names(town, unit):
            is_server = display_name in SERVER_MACHINES.get(unit.unit_code, ())
            _add_installed(
                town,
                unit,
                Facts(display_name=display_name, dns_name=dns_name, group_path="", note=note),
                os_name="" if is_server else systems.pop(),
                span=spans.pop(),
                rtp_state=rtp_states.pop(),
            )
    _add_foreign_antivirus(town)
    _add_duplicates(town)
    _add_unprotected(town)
    return town


def _reserve_given_names(town: ThapMuoi) -> None:
    """Names given by hand are taken before any name is drawn."""
    for listed in WRONG_NAMES.values():
        for wrong in listed:
            if not isinstance(wrong, str):
                town.book.take(wrong[0])
    for servers in SERVER_MACHINES.values():
        for name in servers:
            town.book.take(name)


def _installed_names(town: ThapMuoi, unit: UnitRow) -> list[tuple[str, str, str]]:
    """Display name, DNS label and note of the unit's installed machines."""
    installed, correct = unit.installed_count or 0, unit.correctly_named_count or 0
    rows = [
        (name, "", "máy chủ: miễn quy tắc đặt tên")
        for name in SERVER_MACHINES.get(unit.unit_code, ())
    ]
    while len(rows) < correct:
        rows.append((town.book.correct(town.rng, unit.name_prefix), "", ""))
    for wrong in WRONG_NAMES.get(unit.unit_code, ()):
        if isinstance(wrong, str):
            drawn = DRAWN_NAMES[wrong](town.book, town.rng)
            rows.append((drawn, "", "tên sai: OS_DEFAULT"))
        else:
            display_name, dns_name, kind = wrong
            rows.append((display_name, dns_name, f"tên sai: {kind}"))
    if len(rows) != installed:
        raise ValueError(f"{unit.unit_code}: {len(rows)} names for {installed} machines")
    return rows


def _add_installed(
    town: ThapMuoi,
    unit: UnitRow,
    known: Facts,
    *,
    os_name: str,
    span: tuple[int, int],
    rtp_state: str,
) -> None:
    rng = town.rng
    traced = machines.traces(rng, span=span)
    created = _created_before(rng, traced.connected + 2 * HOUR)
    traced = machines.scanned_within(traced, COUNTED_AT - created - HOUR)
    groups = groups_of(unit)
    group = groups[0] if rng.random() < 0.6 else groups[-1]
    if not os_name:
        group = groups[0]
    town.server.hosts.append(
        Host(
            draw.host_id(rng),
            created,
            machines.facts(
                known.display_name,
                group,
                machines.hardware(rng, os_name) if os_name else machines.server_hardware(rng),
                town.address.take(),
                machines.agent(rng, ERA, traced),
                machines.protection(rng, ERA, traced, rtp_state),
                {"dns_name": known.dns_name or machines.dns_label(known.display_name)},
                note=known.note,
            ),
            unit.unit_code,
        )
    )


def _created_before(rng: random.Random, oldest_trace: timedelta) -> datetime:
    """An office hour after the server's start and before the machine's oldest trace."""
    last = COUNTED_AT - oldest_trace
    days = max(0, (last - SERVER_START) // DAY - 1)
    created = office_hour(rng, (SERVER_START + rng.randrange(days + 1) * DAY).date())
    return min(created, last)


def _add_foreign_antivirus(town: ThapMuoi) -> None:
    for unit_code, count in FOREIGN_ANTIVIRUS.items():
        for index, host in enumerate(draw.some(town.rng, town.machines_of(unit_code), count)):
            product = machines.FOREIGN_ANTIVIRUSES[index % len(machines.FOREIGN_ANTIVIRUSES)]
            host.first = replace(host.first, foreign_antivirus=product)


def _add_duplicates(town: ThapMuoi) -> None:
    """An older record beside a machine that is on: same name, same network card, other id."""
    for index, unit_code in enumerate(DUPLICATED):
        live = next(
            host
            for host in town.machines_of(unit_code)
            if host.first.last_connected.endswith("m") and host.first.is_server == "0"
        )
        number = 10281 + index
        name = live.first.display_name
        traced = machines.traces(town.rng, span=(14 * 1440, 38 * 1440))
        is_live_suffixed = unit_code == DUPLICATED[-1]
        old = replace(
            live.first,
            display_name=name if is_live_suffixed else f"{name}~~{number}",
            dns_name=name.lower(),
            last_connected=written(COUNTED_AT - traced.connected),
            last_visible=written(COUNTED_AT - traced.seen),
            bases=written(COUNTED_AT - traced.bases),
            last_full_scan="",
            rtp_state="0",
            note="bản ghi cũ của máy đã cài lại",
        )
        if is_live_suffixed:
            live.first = replace(
                live.first, display_name=f"{name}~~{number}", dns_name=name.lower()
            )
        town.server.hosts.append(
            Host(
                draw.host_id(town.rng),
                _created_before(town.rng, traced.connected + 2 * HOUR),
                old,
                unit_code,
                is_old_record=True,
            )
        )


def _add_unprotected(town: ThapMuoi) -> None:
    rng = town.rng
    prefixes = {unit.unit_code: unit.name_prefix for unit in town.units}
    groups = {unit.unit_code: groups_of(unit)[0] for unit in town.units}
    for counts, has_agent in ((AGENT_ONLY, True), (NOTHING_INSTALLED, False)):
        for unit_code, count in counts.items():
            for _ in range(count):
                name = town.book.correct(rng, prefixes[unit_code])
                _add_bare(town, name, unit_code, groups[unit_code], has_agent=has_agent)
    for index in range(UNASSIGNED_WITHOUT_AGENT + UNASSIGNED_WITH_AGENT):
        name = town.book.desktop(rng)
        has_agent = index < UNASSIGNED_WITH_AGENT
        _add_bare(town, name, DISTRICT, UNASSIGNED, has_agent=has_agent)


def _add_bare(town: ThapMuoi, name: str, unit_code: str, group: str, *, has_agent: bool) -> None:
    """A machine without protection, with or without an agent."""
    rng = town.rng
    traced = machines.traces(rng)
    os_name = draw.weighted(rng, machines.WORKSTATIONS)
    known = machines.agent(rng, ERA, traced) if has_agent else {"last_visible": age(traced.seen)}
    town.server.hosts.append(
        Host(
            draw.host_id(rng),
            _created_before(rng, traced.connected + 2 * HOUR),
            machines.facts(
                name, group, machines.hardware(rng, os_name), town.address.take(), known
            ),
            unit_code,
        )
    )


# Until 20/10/2022 the units mended what the letter blamed. Not all of them did.
RENAMED_UNITS = {
    "dtp_872_tckh": 1,
    "dtp_872_tnmt": 2,
    "dtp_872_gddt": 1,
    "dtp_872_nnpt": 1,
    "dtp_872_30037": 1,
    "dtp_872_30040": 1,
    "dtp_872_30049": 1,
    "dtp_872_30058": 3,
    "dtp_872_30061": 1,
    "dtp_872_30073": 2,
}
PROTECTED_UNITS = {
    "dtp_872_bchqs": 1,
    "dtp_872_tnmt": 1,
    "dtp_872_30049": 2,
    "dtp_872_30064": 1,
    "dtp_872_30070": 1,
}
ADDED_UNITS = {
    "dtp_872_ptp": 1,
    "dtp_872_ldxh": 1,
    "dtp_872_tth": 1,
    "dtp_872_bchqs": 2,
    "dtp_872_30040": 2,
    "dtp_872_30070": 1,
}
SCRAPPED_UNIT = "dtp_872_30052"


def until_20_october_2022(town: ThapMuoi) -> None:
    """What the units did between the letter and their reports: 14 renamed, 6 + 8 installed."""
    rng = town.rng
    by_code = {unit.unit_code: unit for unit in town.units}
    for unit_code, count in RENAMED_UNITS.items():
        wrong = [
            host for host in town.machines_of(unit_code) if host.first.note.startswith("tên sai")
        ]
        for host in wrong[:count]:
            rename(town, host, by_code[unit_code].name_prefix, _in_the_campaign(rng))
    for unit_code, count in PROTECTED_UNITS.items():
        bare = [
            host
            for host in town.machines_of(unit_code)
            if host.first.agent_version and not host.first.is_installed
        ]
        for host in bare[:count]:
            instant = _in_the_campaign(rng)
            traced = machines.lately(rng)
            host.change(
                instant,
                **machines.agent(rng, ERA, traced),
                **machines.protection(rng, ERA, traced, "7"),
            )
    for unit_code, count in ADDED_UNITS.items():
        unit = by_code[unit_code]
        for _ in range(count):
            name = town.book.correct(rng, unit.name_prefix)
            town.server.hosts.append(
                newly_installed(
                    rng, town.address, name, groups_of(unit)[0], unit_code, _in_the_campaign(rng)
                )
            )
    scrapped = next(host for host in town.machines_of(SCRAPPED_UNIT) if host.first.is_installed)
    scrapped.ends_at = at("2022-10-17 09:30")


def rename(town: ThapMuoi, host: Host, prefix: str, instant: datetime) -> None:
    """Give the machine a right name; it is on while that happens."""
    traced = machines.lately(town.rng)
    host.change(
        instant,
        display_name=town.book.correct(town.rng, prefix),
        dns_name="",
        last_connected=age(traced.connected),
        last_visible=age(traced.seen),
        note="đã đổi tên",
    )


def newly_installed(
    rng: random.Random,
    address: machines.Address,
    name: str,
    group: str,
    unit_code: str,
    instant: datetime,
    era: machines.Era = ERA,
) -> Host:
    traced = machines.lately(rng)
    return Host(
        draw.host_id(rng),
        instant,
        machines.facts(
            name,
            group,
            machines.hardware(rng, draw.weighted(rng, machines.WORKSTATIONS)),
            address.take(),
            machines.agent(rng, era, traced),
            machines.protection(rng, era, traced),
        ),
        unit_code,
    )


def _in_the_campaign(rng: random.Random) -> datetime:
    """Office hours from the day after the letter to the day before the district's report."""
    return office_hour(rng, (at("2022-10-13 00:00") + rng.randrange(7) * DAY).date())
