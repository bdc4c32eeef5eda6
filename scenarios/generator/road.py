"""tests/road/scenario: Tháp Mười on 12/10/2022 from hour to hour, for tests of the whole road.

08:00 the letter's figures (330, 255, 235); 09:00 one machine has got a wrong name (234); 10:00 one
wrongly named machine has lost its protection (254, still 234); 11:00 the district's server is down
and the figures stay.
"""

from __future__ import annotations

from scenarios.generator import dong_thap, registry, thap_muoi
from scenarios.generator.duties import DUTY_COLUMNS
from scenarios.generator.estate import Figure, Moment, Row, Scenario, Server
from scenarios.generator.growth import grow_departments
from scenarios.generator.hosts import Host
from scenarios.generator.instants import age, at
from scenarios.generator.machines import without_protection
from scenarios.generator.units import children_of

DAY_ENDS = at("2022-10-12 23:59")
UNITS = ("dtp", "dtp_huyen", thap_muoi.DISTRICT)
RENAMED_UNIT = "dtp_872_pnv"
RENAMED_TO = "DESKTOP-R0AD234"
UNPROTECTED_UNIT = "dtp_872_30058"
TIMELINE = (
    Moment("2022-10-12T08:00:00+07:00", "collect", "330 bản quyền, 255 máy đã cài, 235 đúng tên"),
    Moment("2022-10-12T09:00:00+07:00", "collect", "Một máy bị đổi sang tên sai: 255, 234"),
    Moment("2022-10-12T10:00:00+07:00", "collect", "Một máy tên sai mất bảo vệ: 254, 234"),
    Moment("2022-10-12T11:00:00+07:00", "collect", "Máy chủ huyện ngừng: số liệu giữ nguyên"),
)
SERVER_DOWN = {
    "server_code": thap_muoi.DISTRICT,
    "from_at": "2022-10-12T10:30:00+07:00",
    "to_at": "2022-10-12T12:00:00+07:00",
    "kind": "server_down",
    "value": "",
}


def build() -> Scenario:
    district = next(one for one in dong_thap.DISTRICTS if one.unit_code == thap_muoi.DISTRICT)
    town = thap_muoi.on_12_october_2022(dong_thap.district_row(district))
    change_two_machines(town)
    province = dong_thap.server_row("dtp", "", "KSC-DTP", "10.87.0.10", dong_thap.DATA_BEGINS)
    servers = [cut_to_the_day(grow_departments(province)), town.server]
    town.server.keys = dong_thap.keys_of(thap_muoi.DISTRICT)[:1]
    return Scenario(
        name="scenario",
        title="Huyện Tháp Mười, ngày 12/10/2022, từng giờ",
        estate_code="dong_thap",
        estate_name="Tỉnh Đồng Tháp",
        timeline=TIMELINE,
        ends_at="2022-10-12T11:00:00+07:00",
        registry=registry_of(),
        servers=servers,
        events=[SERVER_DOWN],
        figures=[
            Figure(
                dong_thap.COUNTED_ON,
                thap_muoi.DISTRICT,
                {
                    "allocated_count": 330,
                    "installed_count": 254,
                    "correctly_named_count": 234,
                    "gap_count": 78,
                    "over_count": 2,
                    "net_gap_count": 76,
                },
                "Số liệu dựng: trạng thái sau 10 giờ",
            )
        ],
    )


def change_two_machines(town: thap_muoi.ThapMuoi) -> None:
    renamed = next(host for host in town.machines_of(RENAMED_UNIT) if is_plain(town, host))
    renamed.change(
        at("2022-10-12 08:30"), display_name=town.book.take(RENAMED_TO), note="bị đổi sang tên sai"
    )
    unprotected = next(
        host
        for host in town.machines_of(UNPROTECTED_UNIT)
        if host.first.is_installed and host.first.note.startswith("tên sai")
    )
    unprotected.change(
        at("2022-10-12 09:30"),
        last_connected=age(at("2022-10-12 00:20") - at("2022-10-12 00:00")),
        last_visible=age(at("2022-10-12 00:20") - at("2022-10-12 00:00")),
        **without_protection(),
    )


def is_plain(town: thap_muoi.ThapMuoi, host: Host) -> bool:
    """An installed machine with a right name and no other record of the same name."""
    name = host.first.display_name
    records = [one for one in town.server.hosts if one.first.display_name.startswith(name)]
    return host.first.is_installed and not host.first.note and len(records) == 1


def cut_to_the_day(server: Server) -> Server:
    """The province as it stood that day, without anything that comes later."""
    server.hosts = [host for host in server.hosts if host.created_at < DAY_ENDS]
    for host in server.hosts:
        host.changes = [change for change in host.changes if change[0] < DAY_ENDS]
    used = {host.first.group_path for host in server.hosts}
    server.groups = [row for row in server.groups if row["group_path"] in used]
    return server


def registry_of() -> dict[str, list[Row]]:
    """The registry of dong_thap, cut to the units and servers that this scenario has.

    Without duties and letters: the road ends with the marts.
    """
    whole = {
        name: rows for name, rows in dong_thap.registry_of().items() if name not in DUTY_COLUMNS
    }
    kept = {*UNITS, *(unit.unit_code for unit in children_of(thap_muoi.DISTRICT))}
    kept_servers = {"dtp", thap_muoi.DISTRICT}
    tables = registry.empty()
    for name, rows in whole.items():
        tables[name] = [
            row
            for row in rows
            if row.get("unit_code", "dtp") in kept
            and row.get("to_unit_code", "dtp") in kept
            and row.get("server_code", "dtp") in kept_servers
        ]
    return tables
