"""The scenario dong_thap: the province, its departments, its twelve districts, 10/2022 to 01/2024."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.generator import duties, inbox, registry, thap_muoi
from scenarios.generator.estate import Figure, Moment, Row, Scenario, Server, WantedLetter
from scenarios.generator.figures import second_antivirus_count, unit_figure
from scenarios.generator.growth import Growth, grow_departments, grow_district
from scenarios.generator.infections import infect
from scenarios.generator.instants import at
from scenarios.generator.later import live_on, move_a_machine
from scenarios.generator.units import UnitRow, children_of, of_estate

LETTER_2022 = "UBND huyện Tháp Mười, công văn tháng 10/2022 (số để trống)"
LETTER_2023 = "Sở Thông tin và Truyền thông tỉnh Đồng Tháp, công văn tháng 10/2023 (số để trống)"
DEPARTMENTS_2023 = f"{LETTER_2023}, phụ lục, mục 1"
DISTRICTS_2023 = f"{LETTER_2023}, phụ lục, mục 2"
INVENTED = "số liệu dựng cho kịch bản"
NAMING_GUIDE = f"Quy tắc đặt tên máy mặc định ({INVENTED}; văn bản hướng dẫn không kèm công văn)"

DATA_BEGINS = "2022-09-01"
LICENCE_BEGINS = "2023-10-13"
SEATS_2022_END = "2023-10-12"
SEATS_2023_END = "2024-10-12"
COUNTED_ON = "2022-10-12"
PROVINCE_VERSION = "14.2.0.26967"


@dataclass(frozen=True, slots=True)
class District:
    """What the letters do not say of a district: its console name and its name prefix."""

    unit_code: str
    display_name: str
    name_prefix: str
    network: str
    version: str = PROVINCE_VERSION
    is_passive: bool = False


# In the order of the letter. Tháp Mười's machines carry the prefixes of its 27 units.
DISTRICTS = (
    District("dtp_866", "KSC-TPCL", "TPCL", "10.66"),
    District("dtp_867", "KSC-TPSD", "TPSD", "10.67", is_passive=True),
    District("dtp_868", "KSC-TPHN", "TPHN", "10.68"),
    District("dtp_871", "KSC-TN", "HTN", "10.71"),
    District("dtp_873", "KSC-HCL", "HCL", "10.73"),
    District("dtp_872", "KSC-TM", "", "10.84", version="14.0.0.10902"),
    District("dtp_875", "KSC-LV", "HLV", "10.75"),
    District("dtp_877", "KSC-CT", "HCT", "10.77", is_passive=True),
    District("dtp_870", "KSC-HHN", "HHN", "10.70"),
    District("dtp_876", "KSC-LVG", "HLVG", "10.76", version="14.0.0.10902"),
    District("dtp_874", "KSC-TB", "HTB", "10.74"),
    District("dtp_869", "KSC-TH", "HTH", "10.69"),
)

TIMELINE = (
    Moment("2022-10-12T08:00:00+07:00", "collect", "Số liệu của công văn huyện Tháp Mười 10/2022"),
    Moment("2022-10-14T07:30:00+07:00", "deadlines", "Còn ba ngày làm việc đến hạn 19/10/2022"),
    Moment("2022-10-18T07:30:00+07:00", "deadlines", "Còn một ngày làm việc đến hạn 19/10/2022"),
    Moment("2022-10-20T17:00:00+07:00", "collect", "Sau báo cáo của các đơn vị huyện Tháp Mười"),
    Moment("2022-10-21T07:30:00+07:00", "deadlines", "Một ngày làm việc sau hạn 20/10/2022"),
    Moment("2023-10-13T08:00:00+07:00", "collect", "Kích hoạt 5.037 bản quyền của tỉnh"),
    Moment("2023-10-20T17:00:00+07:00", "collect", "Hết ngày tập huấn quản trị"),
    Moment("2023-11-15T08:00:00+07:00", "collect", "Giữa đợt cài đặt"),
    Moment("2024-01-08T08:00:00+07:00", "collect", "Cùng ngày với số liệu huyện Kon Plông"),
    Moment("2024-01-10T07:30:00+07:00", "deadlines", "Còn ba ngày làm việc trước ngày 16/01/2024"),
    Moment("2024-01-10T09:05:00+07:00", "watch", "Mọi máy chủ huyện còn kết nối"),
    Moment("2024-01-10T09:35:00+07:00", "watch", "Huyện Lấp Vò mất kết nối từ 09:10"),
    Moment("2024-01-10T09:45:00+07:00", "watch", "Vẫn mất kết nối"),
    Moment("2024-01-10T09:55:00+07:00", "watch", "Lần thứ ba: đủ để xác nhận"),
    Moment("2024-01-10T14:30:00+07:00", "watch", "Đã kết nối lại từ 14:20"),
    Moment("2024-01-10T14:45:00+07:00", "watch", "Lần thứ hai: đủ để xác nhận khôi phục"),
    Moment("2024-01-15T17:00:00+07:00", "collect", "Hết ngày cuối còn trong hạn"),
    Moment("2024-01-16T08:00:00+07:00", "collect", "Kết thúc: hỏi lại mọi máy chủ"),
)
LETTERS = (
    WantedLetter("2022-10-12", "don_doc", "dtp_872"),
    WantedLetter("2023-10-13", "phan_bo", "dtp"),
)
LINK_CUT = {
    "server_code": "dtp_875",
    "from_at": "2024-01-10T09:10:00+07:00",
    "to_at": "2024-01-10T14:20:00+07:00",
    "kind": "link_cut",
    "value": "",
}


def build() -> Scenario:
    servers = [grow_departments(server_row("dtp", "", "KSC-DTP", "10.87.0.10", DATA_BEGINS))]
    for district in DISTRICTS:
        row = district_row(district)
        if district.unit_code == thap_muoi.DISTRICT:
            town = thap_muoi.on_12_october_2022(row)
            thap_muoi.until_20_october_2022(town)
            live_on(town)
            servers.append(town.server)
        else:
            servers.append(
                grow_district(
                    row,
                    Growth(
                        district.unit_code,
                        district.name_prefix,
                        district.network,
                    ),
                )
            )
    by_code = {server.server_code: server for server in servers}
    move_a_machine(by_code[thap_muoi.DISTRICT], by_code["dtp"])
    for server in servers:
        server.keys = keys_of(server.server_code)
        infect(server)
    return Scenario(
        name="dong_thap",
        title="Tỉnh Đồng Tháp, từ tháng 10/2022 đến tháng 01/2024",
        estate_code="dong_thap",
        estate_name="Tỉnh Đồng Tháp",
        timeline=TIMELINE,
        ends_at="2024-01-16T08:00:00+07:00",
        registry=registry_of(),
        servers=servers,
        events=[LINK_CUT],
        figures=[*figures_2022(), *figures_2023(), *figures_2024(servers)],
        letters=LETTERS,
        reported=inbox.expected_of("dong_thap"),
    )


def unit_of(unit_code: str) -> UnitRow:
    return next(unit for unit in of_estate("dong_thap") if unit.unit_code == unit_code)


def district_row(district: District) -> Row:
    is_old = district.unit_code == thap_muoi.DISTRICT
    row = server_row(
        district.unit_code,
        "dtp",
        district.display_name,
        f"{district.network}.0.10",
        DATA_BEGINS if is_old else LICENCE_BEGINS,
    )
    return row | {"version": district.version, "is_passive": str(int(district.is_passive))}


def server_row(code: str, parent: str, display_name: str, host: str, begins: str) -> Row:
    return {
        "server_code": code,
        "parent_server_code": parent,
        "display_name": display_name,
        "version": PROVINCE_VERSION,
        "is_passive": "0",
        "address": f"{host}:13000",
        "clock_skew_seconds": "0",
        "from_at": f"{begins}T00:00:00+07:00",
        "to_at": "",
    }


def keys_of(server_code: str) -> list[Row]:
    """A server lists the keys that its machines use; the province's key is on every server."""
    rows = []
    if server_code == thap_muoi.DISTRICT:
        rows.append(_key(server_code, thap_muoi.LICENCE_SERIAL, 330, DATA_BEGINS, LICENCE_BEGINS))
    rows.append(_key(server_code, "DT23-231013-005037-1-1", 5037, LICENCE_BEGINS, "2024-10-13"))
    return rows


def _key(server_code: str, serial: str, seats: int, begins: str, ends: str) -> Row:
    return {
        "server_code": server_code,
        "serial": serial,
        "product_name": "Kaspersky Endpoint Security for Business - Select",
        "key_type": "1",
        "limit_count": str(seats),
        "created_at": f"{begins}T00:00:00+07:00",
        "expires_at": f"{ends}T00:00:00+07:00",
        "from_at": f"{begins}T00:00:00+07:00",
        "to_at": "",
    }


def registry_of() -> dict[str, list[Row]]:
    tables = registry.empty()
    departments, districts = children_of("dtp_so"), children_of("dtp_huyen")
    towns = children_of(thap_muoi.DISTRICT)
    prefixes = {district.unit_code: district.name_prefix for district in DISTRICTS}
    for code in ("dtp", "dtp_so", "dtp_huyen"):
        tables["units"].append(registry.unit_row(unit_of(code), DATA_BEGINS, LETTER_2023))
    for unit in departments:
        source = f"{DEPARTMENTS_2023}; tiền tố tên máy: {INVENTED}"
        tables["units"].append(registry.unit_row(unit, DATA_BEGINS, source))
    for unit in districts:
        prefix = prefixes[unit.unit_code]
        source = f"{DISTRICTS_2023}; tiền tố tên máy: {INVENTED}" if prefix else DISTRICTS_2023
        tables["units"].append(registry.unit_row(unit, DATA_BEGINS, source, name_prefix=prefix))
    for unit in towns:
        source = f"{LETTER_2022}; danh sách đơn vị và tiền tố: {INVENTED}"
        tables["units"].append(registry.unit_row(unit, DATA_BEGINS, source))
    tables["allocations"] = allocations_of(departments, districts, towns)
    tables["servers"] = servers_of()
    tables["server_groups"] = groups_of(departments, towns)
    tables["unit_aliases"] = aliases_of()
    tables["naming_rules"] = [
        registry.naming_rule("dtp_mac_dinh", "dtp", DATA_BEGINS, NAMING_GUIDE)
    ]
    tables["notice_steps"] = registry.notice_steps(DATA_BEGINS, f"Quy chế trực: {INVENTED}")
    tables["office_hours"] = registry.office_hours(DATA_BEGINS, f"Giờ làm việc: {INVENTED}")
    return (
        tables
        | duties.dong_thap(towns, (*departments, *districts))
        | duties.of_machines(DATA_BEGINS)
    )


def allocations_of(
    departments: tuple[UnitRow, ...], districts: tuple[UnitRow, ...], towns: tuple[UnitRow, ...]
) -> list[Row]:
    """2022: 27 units of Tháp Mười hold 330. From 13/10/2023: 20 departments and 12 districts."""
    split = f"{LETTER_2022}, danh sách phân bổ (chia theo đơn vị: {INVENTED})"
    return [
        *(
            registry.grant(f"2022-{unit.unit_code}", unit, DATA_BEGINS, SEATS_2022_END, split)
            for unit in towns
        ),
        *(
            registry.grant(f"2023-{unit.unit_code}", unit, LICENCE_BEGINS, SEATS_2023_END, source)
            for units, source in ((departments, DEPARTMENTS_2023), (districts, DISTRICTS_2023))
            for unit in units
        ),
    ]


def servers_of() -> list[Row]:
    source = f"Danh mục máy chủ quản trị KSC: {INVENTED}"
    rows = [
        registry.server_row(
            "dtp", "Máy chủ KSC tỉnh Đồng Tháp", "province", "dtp", 0, DATA_BEGINS, source
        )
    ]
    for order, district in enumerate(DISTRICTS, 1):
        name = unit_of(district.unit_code).unit_name
        is_old = district.unit_code == thap_muoi.DISTRICT
        rows.append(
            registry.server_row(
                district.unit_code,
                f"Máy chủ KSC {name[0].lower()}{name[1:]}",
                "district",
                district.unit_code,
                order,
                DATA_BEGINS if is_old else LICENCE_BEGINS,
                source,
                console_name=district.display_name,
            )
        )
    return rows


def groups_of(departments: tuple[UnitRow, ...], towns: tuple[UnitRow, ...]) -> list[Row]:
    source = f"Cây nhóm trên máy chủ quản trị KSC: {INVENTED}"
    rows = registry.group_rows(
        "dtp", {unit.unit_code: (unit.unit_name,) for unit in departments}, DATA_BEGINS, source
    )
    rows += registry.group_rows(
        thap_muoi.DISTRICT,
        {
            # A subgroup inherits its parent's unit and needs no row.
            unit.unit_code: (
                path for path in thap_muoi.groups_of(unit) if path != thap_muoi.ONE_STOP_SHOP
            )
            for unit in towns
        },
        DATA_BEGINS,
        source,
    )
    for district in DISTRICTS:
        if district.unit_code != thap_muoi.DISTRICT:
            branches = {
                district.unit_code: (thap_muoi.OFFICES, thap_muoi.COMMUNES, thap_muoi.CENTRES)
            }
            rows += registry.group_rows(district.unit_code, branches, LICENCE_BEGINS, source)
    return rows


def aliases_of() -> list[Row]:
    source = f"Cách viết trong báo cáo của đơn vị: {INVENTED}"
    spelled = (
        ("UBND xã Mỹ Qúy", "dtp_872_30055"),
        ("Xã Mỹ Quí", "dtp_872_30055"),
        ("TT My An", "dtp_872_30037"),
        ("TT. Mỹ An", "dtp_872_30037"),
        ("Phòng VHTT", "dtp_872_vhtt"),
        ("Phòng VH&TT huyện", "dtp_872_vhtt"),
        ("VP HĐND-UBND huyện", "dtp_872_vpub"),
        ("Sở Nông nghiệp và PTNT", "dtp_snnptnt"),
        ("Sở TT&TT", "dtp_stttt"),
    )
    return [registry.alias(text, code, DATA_BEGINS, source) for text, code in spelled]


def figures_2022() -> list[Figure]:
    """The letter of Tháp Mười and its 27 units."""
    total = Figure(
        COUNTED_ON,
        thap_muoi.DISTRICT,
        {
            "allocated_count": 330,
            "installed_count": 255,
            "correctly_named_count": 235,
            "gap_count": 77,
            "over_count": 2,
            "net_gap_count": 75,
        },
        LETTER_2022,
        {"installed_ratio": "77,3 %", "correctly_named_ratio": "92,2 %"},
    )
    return [total, *(unit_figure(unit) for unit in children_of(thap_muoi.DISTRICT))]


def figures_2024(servers: Sequence[Server]) -> list[Figure]:
    """What the last collection finds beside the installation; no letter tells of it."""
    count = second_antivirus_count(servers, at("2024-01-16 08:00"))
    return [Figure("2024-01-16", "dtp", {"antivirus_conflict_count": count}, "")]


def figures_2023() -> list[Figure]:
    """The annex of 13/10/2023: seats of 20 departments and 12 districts, and their sums."""
    annex = f"{LETTER_2023}, phụ lục"
    figures = [
        Figure(LICENCE_BEGINS, "dtp", {"allocated_count": 5037}, annex),
        Figure(
            LICENCE_BEGINS,
            "dtp_so",
            {"allocated_count": 1077, "children_with_seats": 20},
            DEPARTMENTS_2023,
        ),
        Figure(
            LICENCE_BEGINS,
            "dtp_huyen",
            {"allocated_count": 3960, "children_with_seats": 12},
            DISTRICTS_2023,
        ),
    ]
    for parent, source in (("dtp_so", DEPARTMENTS_2023), ("dtp_huyen", DISTRICTS_2023)):
        figures += [
            Figure(
                LICENCE_BEGINS,
                unit.unit_code,
                {"allocated_count": unit.allocated_count or 0},
                source,
            )
            for unit in children_of(parent)
        ]
    return figures
