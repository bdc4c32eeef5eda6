"""Tháp Mười from the units' reports of 10/2022 to the end of the rehearsal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from scenarios.generator import draw, machines, thap_muoi
from scenarios.generator.estate import Server
from scenarios.generator.growth import CURVE, ERA, LICENCE_SERIAL, LICENCE_START, Place, Site
from scenarios.generator.hosts import Host
from scenarios.generator.instants import DAY, HOUR, at, office_hour, written
from scenarios.generator.units import UnitRow

ADDED_UNTIL_10_2023 = 14
REMOVED_UNTIL_10_2023 = 6
ADDED_AFTER_10_2023 = 34
UPGRADED_SHARE = 0.9


def live_on(town: thap_muoi.ThapMuoi) -> None:
    """A quiet year, then the key, the versions and the installations of the end of 2023."""
    site = Site(town.server, town.book, town.address)
    places = [
        Place(unit.unit_code, unit.name_prefix, thap_muoi.groups_of(unit)[:1])
        for unit in town.units
        if unit.unit_code != "dtp_872_cah"
    ]
    by_code = {unit.unit_code: unit for unit in town.units}
    _quiet_year(site, town, places)
    for host in town.server.hosts:
        _renew(site, host)
    for place in _short_of_seats(site, by_code, places):
        site.install(place, 1, CURVE)
    site.reinstall_some(
        [host for host in town.server.hosts if host.created_at < at("2022-10-12 08:00")]
    )


def _quiet_year(site: Site, town: thap_muoi.ThapMuoi, places: list[Place]) -> None:
    rng = site.rng
    for _ in range(ADDED_UNTIL_10_2023):
        place = rng.choice(places)
        when = office_hour(rng, (at("2022-10-24 00:00") + rng.randrange(340) * DAY).date())
        name = site.book.correct(rng, place.name_prefix)
        site.add(
            thap_muoi.newly_installed(
                rng, site.address, name, place.groups[0], place.unit_code, when
            )
        )
    steady = [
        host
        for host in town.server.hosts
        if not host.changes and host.ends_at is None and host.first.is_installed
        and not host.is_old_record and host.first.is_server == "0"
        and host.created_at < at("2022-10-12 08:00")
    ]  # fmt: skip
    for host in draw.some(rng, steady, REMOVED_UNTIL_10_2023):
        host.ends_at = office_hour(rng, (at("2022-11-01 00:00") + rng.randrange(330) * DAY).date())
    old = [host for host in town.server.hosts if host.is_old_record]
    for host in old[:4]:  # the server removes devices that were silent too long
        host.ends_at = at("2022-12-15 02:00")


def _renew(site: Site, host: Host) -> None:
    """The new key on 13/10/2023 and, somewhat later, the new versions."""
    rng = site.rng
    known = host.at(LICENCE_START)
    if known is None or not known.is_installed or host.is_old_record:
        return
    host.change(
        LICENCE_START + timedelta(minutes=rng.randrange(5, 240)), licence_serial=LICENCE_SERIAL
    )
    if rng.random() < UPGRADED_SHARE:
        host.change(
            office_hour(rng, (at("2023-10-16 00:00") + rng.randrange(40) * DAY).date()),
            antivirus_version=rng.choice(tuple(ERA.antivirus)[:2]),
            agent_version=machines.AGENT_2023_MAIN,
        )
    if known.last_connected.endswith("m") and rng.random() < 0.05:
        site.silence(
            host, office_hour(rng, (at("2023-11-27 00:00") + rng.randrange(40) * DAY).date())
        )


def _short_of_seats(site: Site, by_code: dict[str, UnitRow], places: list[Place]) -> list[Place]:
    """Where the last machines go: the units that were shortest of machines, in turn."""
    short = {
        place.unit_code: (by_code[place.unit_code].allocated_count or 0)
        - sum(
            host.unit_code == place.unit_code
            and (known := host.at(LICENCE_START)) is not None
            and known.is_installed
            and not host.is_old_record
            for host in site.server.hosts
        )
        for place in places
    }
    turns: list[Place] = []
    while len(turns) < ADDED_AFTER_10_2023:
        shortest = max(places, key=lambda place: (short[place.unit_code], place.unit_code))
        short[shortest.unit_code] -= 1
        turns.append(shortest)
    return turns


def move_a_machine(district: Server, province: Server) -> None:
    """A machine goes from the district's Phòng Nội vụ to the department: one id on two servers.

    The district keeps a record that grows old; the province's record is the one that counts.
    """
    instant = at("2023-12-05 09:00")
    moved = next(
        host
        for host in district.hosts
        if host.unit_code == "dtp_872_pnv"
        and host.ends_at is None
        and not any(when > instant - DAY for when, _ in host.changes)
        and (known := host.at(instant)) is not None
        and known.is_installed
        and not host.is_old_record
        and known.last_connected.endswith("m")
        and known.is_server == "0"
    )
    known = moved.at(instant - 2 * HOUR)
    if known is None:
        raise ValueError("the machine that moves is not there")
    gone = written(instant - 2 * HOUR)
    moved.change(instant - HOUR, last_connected=gone, last_visible=gone, bases=gone)
    moved.is_old_record = True
    rng = draw.stream("moved")
    traced = machines.lately(rng)
    province.hosts.append(
        Host(
            moved.host_id,
            instant,
            replace(
                known,
                display_name="SNV-CHUYENDV",
                group_path="Sở Nội vụ",
                note="chuyển từ máy chủ huyện Tháp Mười",
                **machines.agent(rng, ERA, traced),
                **machines.protection(rng, ERA, traced, "7"),
            ),
            "dtp_snv",
        )
    )
