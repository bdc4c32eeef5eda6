"""The scenario kon_tum: Kon Plông (ktm_613) as its letter of 01/2024 counted it.

The letter leaves its day blank; its figures are taken as those of 2024-01-08. The province's
own server is tiny and has nothing installed: the letter speaks of the district alone.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from scenarios.generator import draw, duties, inbox, machines, names, registry
from scenarios.generator.estate import Figure, Moment, Row, Scenario, Server, WantedLetter
from scenarios.generator.figures import unit_figure
from scenarios.generator.hosts import UNASSIGNED, Host
from scenarios.generator.infections import infect
from scenarios.generator.instants import DAY, HOUR, age, at, office_hour
from scenarios.generator.units import UnitRow, children_of, of_estate

DISTRICT = "ktm_613"
DATA_BEGINS = "2023-10-31"
COUNTED_ON = "2024-01-08"
SERVER_START = at("2023-10-31 00:00")
COUNTED_AT = at("2024-01-08 08:00")
LETTER_2024 = "UBND huyện Kon Plông, công văn tháng 01/2024 (số để trống)"
ALLOCATION = "UBND huyện Kon Plông, văn bản số 1679/UBND-VHTT ngày 31/10/2023"
INVENTED = "số liệu dựng cho kịch bản"
CONSOLE_NAME = "KSC-KPL"
LICENCE_SERIAL = "KT23-231031-000190-1-1"
ERA = machines.Era(machines.ANTIVIRUS_2023, machines.AGENT_2023, LICENCE_SERIAL)

OFFICES = "Phòng ban"
COMMUNES = "Xã, thị trấn"
CENTRES = "Đơn vị sự nghiệp"
SERVER_ROOM = "Máy chủ"
BRANCH_OF_KIND = {"phong": OFFICES, "thi_tran": COMMUNES, "xa": COMMUNES, "su_nghiep": CENTRES}
UNTIDY_GROUPS = {
    "ktm_613_vhtt": f"{OFFICES}/Phòng VH-TT",
    "ktm_613_23455": f"{COMMUNES}/Xa Dak Ring",
    "ktm_613_23458": f"{COMMUNES}/UBND xã Măng Buk",
    "ktm_613_23461": f"{COMMUNES}/Xã Đắk Tăng",
    "ktm_613_23464": f"{COMMUNES}/UBND xã Ngọc Tem ",
}

# The 11 wrong names, by unit: drawn, or given by hand with the kind of mistake.
WRONG_NAMES: dict[str, tuple[str | tuple[str, str], ...]] = {
    "ktm_613_vpub": ("desktop",),
    "ktm_613_tckh": (("TCKH_KETOAN", "BAD_SEPARATOR"),),
    "ktm_613_tnmt": ("desktop",),
    "ktm_613_gddt": ("laptop",),
    "ktm_613_nnpt": (("TNMT-VANDL", "WRONG_UNIT"),),
    "ktm_613_ktht": ("desktop",),
    "ktm_613_23473": ("desktop", ("MANG DEN 03", "WHITESPACE"), ("THIETBI2023", "NO_UNIT_PREFIX")),
    "ktm_613_23458": (("mayphuong", "NO_UNIT_PREFIX"),),
    "ktm_613_23470": ("laptop",),
}
AGENT_ONLY = {"ktm_613_23464": 1, "ktm_613_gddt": 1, "ktm_613_tnmt": 1}
NOTHING_INSTALLED = {"ktm_613_23476": 1, "ktm_613_23452": 2, "ktm_613_ktht": 1}
UNASSIGNED_COUNT = 4
ADDED_AFTER_LETTER = {
    "ktm_613_vpub": 2,
    "ktm_613_tnmt": 2,
    "ktm_613_23473": 3,
    "ktm_613_23452": 1,
    "ktm_613_23467": 1,
}
RENAMED_AFTER_LETTER = ("ktm_613_vpub", "ktm_613_gddt", "ktm_613_23473", "ktm_613_23458")

TIMELINE = (
    Moment(
        "2024-01-08T08:00:00+07:00",
        "collect",
        "Số liệu của công văn huyện Kon Plông 01/2024 (ngày để trống; lấy ngày 08/01/2024)",
    ),
    Moment("2024-01-16T08:00:00+07:00", "collect", "Kết thúc: đã quá hạn trước ngày 16/01/2024"),
)
LETTERS = (WantedLetter("2024-01-08", "don_doc", "ktm_613"),)


def build() -> Scenario:
    servers = [province(), district()]
    for server in servers:
        infect(server)
    tables = registry_of()
    tables["hardware_returns"] = duties.named_returns(
        tables["hardware_returns"],
        {code: _without_agent(servers[1], code) for code in duties.TOO_WEAK},
    )
    return Scenario(
        name="kon_tum",
        title="Huyện Kon Plông, tỉnh Kon Tum, tháng 01/2024",
        estate_code="kon_tum",
        estate_name="Tỉnh Kon Tum",
        timeline=TIMELINE,
        ends_at="2024-01-16T08:00:00+07:00",
        registry=tables,
        servers=servers,
        events=[],
        figures=figures(),
        letters=LETTERS,
        reported=inbox.expected_of("kon_tum"),
    )


def _without_agent(server: Server, unit_code: str) -> list[str]:
    """The unit's machines on which nothing could be installed, as many as its document names."""
    found = sorted(
        host.host_id
        for host in server.hosts
        if host.unit_code == unit_code and not host.first.agent_version
    )
    return found[: duties.TOO_WEAK[unit_code]]


def group_of(unit: UnitRow) -> str:
    regular = f"{BRANCH_OF_KIND[unit.unit_kind]}/{unit.unit_name}"
    return UNTIDY_GROUPS.get(unit.unit_code, regular)


def server_row(code: str, parent: str, display_name: str, host: str) -> Row:
    return {
        "server_code": code,
        "parent_server_code": parent,
        "display_name": display_name,
        "version": "14.2.0.26967",
        "is_passive": "0",
        "address": f"{host}:13000",
        "clock_skew_seconds": "0",
        "from_at": f"{DATA_BEGINS}T00:00:00+07:00",
        "to_at": "",
    }


class Site:
    """One server of the estate while machines are put on it."""

    def __init__(self, row: Row, network: str) -> None:
        self.server = Server(row)
        self.book = names.NameBook()
        self.rng = draw.stream(self.server.server_code)
        self.address = machines.Address(draw.stream(self.server.server_code, "network"), network)

    def add(
        self,
        name: str,
        group: str,
        unit_code: str,
        created: datetime,
        traced: machines.Traces,
        *,
        has_agent: bool,
        is_protected: bool,
        is_server: bool = False,
        note: str = "",
    ) -> None:
        rng = self.rng
        parts = [
            machines.server_hardware(rng)
            if is_server
            else machines.hardware(rng, draw.weighted(rng, machines.WORKSTATIONS)),
            self.address.take(),
            machines.agent(rng, ERA, traced) if has_agent else {"last_visible": age(traced.seen)},
        ]
        if is_protected:
            parts.append(machines.protection(rng, ERA, traced))
        self.server.hosts.append(
            Host(
                draw.host_id(rng),
                created,
                machines.facts(name, group, *parts, note=note),
                unit_code,
            )
        )


def province() -> Server:
    """The server of the province: itself with an agent, and a few machines it has discovered."""
    site = Site(server_row("ktm", "", "KSC-KTM", "10.62.0.10"), "10.62")
    site.server.add_group(SERVER_ROOM)
    site.add(
        site.book.take("SRV-KSC-KTM"),
        SERVER_ROOM,
        "ktm",
        SERVER_START + HOUR,
        machines.lately(site.rng),
        has_agent=True,
        is_protected=False,
        is_server=True,
        note="máy chủ: miễn quy tắc đặt tên",
    )
    for _ in range(11):
        traced = machines.traces(site.rng)
        created = created_before(site.rng, traced.seen)
        name = site.book.desktop(site.rng)
        site.add(name, UNASSIGNED, "ktm", created, traced, has_agent=False, is_protected=False)
    return site.server


def district() -> Server:
    site = Site(server_row(DISTRICT, "ktm", CONSOLE_NAME, "10.63.0.10"), "10.63")
    units = children_of(DISTRICT)
    for listed in WRONG_NAMES.values():
        for wrong in listed:
            if not isinstance(wrong, str):
                site.book.take(wrong[0])
    for branch in (OFFICES, COMMUNES, CENTRES):
        site.server.add_group(branch)
    spans = draw.deck(site.rng, sum(unit.installed_count or 0 for unit in units), machines.SEEN)
    for unit in units:
        group = site.server.add_group(group_of(unit))
        for name, note in installed_names(site, unit):
            traced = machines.traces(site.rng, span=spans.pop())
            created = created_before(site.rng, traced.connected)
            traced = machines.scanned_within(traced, COUNTED_AT - created - HOUR)
            site.add(
                name, group, unit.unit_code, created, traced,
                has_agent=True, is_protected=True, note=note,
            )  # fmt: skip
    add_unprotected(site, units)
    after_the_letter(site, units)
    site.server.keys.append(
        {
            "server_code": DISTRICT,
            "serial": LICENCE_SERIAL,
            "product_name": "Kaspersky Endpoint Security for Business - Select",
            "key_type": "1",
            "limit_count": "190",
            "created_at": f"{DATA_BEGINS}T00:00:00+07:00",
            "expires_at": "2024-10-31T00:00:00+07:00",
            "from_at": f"{DATA_BEGINS}T00:00:00+07:00",
            "to_at": "",
        }
    )
    return site.server


def installed_names(site: Site, unit: UnitRow) -> list[tuple[str, str]]:
    """Display name and note of the unit's installed machines."""
    rows = [
        (site.book.correct(site.rng, unit.name_prefix), "")
        for _ in range(unit.correctly_named_count or 0)
    ]
    for wrong in WRONG_NAMES.get(unit.unit_code, ()):
        if wrong == "desktop":
            rows.append((site.book.desktop(site.rng), "tên sai: OS_DEFAULT"))
        elif wrong == "laptop":
            rows.append((site.book.laptop(site.rng), "tên sai: OS_DEFAULT"))
        else:
            rows.append((wrong[0], f"tên sai: {wrong[1]}"))
    if len(rows) != unit.installed_count:
        raise ValueError(f"{unit.unit_code}: {len(rows)} names, {unit.installed_count} machines")
    return rows


def created_before(rng: random.Random, oldest_trace: timedelta) -> datetime:
    """An office hour after the server's start and before the machine's oldest trace."""
    last = COUNTED_AT - oldest_trace - 2 * HOUR
    days = max(0, (last - SERVER_START) // DAY - 1)
    created = office_hour(rng, (SERVER_START + rng.randrange(days + 1) * DAY).date())
    return min(created, last)


def add_unprotected(site: Site, units: tuple[UnitRow, ...]) -> None:
    by_code = {unit.unit_code: unit for unit in units}
    for counts, has_agent in ((AGENT_ONLY, True), (NOTHING_INSTALLED, False)):
        for unit_code, count in counts.items():
            for _ in range(count):
                unit = by_code[unit_code]
                traced = machines.lately(site.rng)
                name = site.book.correct(site.rng, unit.name_prefix)
                created = created_before(site.rng, traced.connected)
                site.add(
                    name, group_of(unit), unit_code, created, traced,
                    has_agent=has_agent, is_protected=False,
                )  # fmt: skip
    for _ in range(UNASSIGNED_COUNT):
        traced = machines.traces(site.rng)
        created = created_before(site.rng, traced.seen)
        name = site.book.desktop(site.rng)
        site.add(name, UNASSIGNED, DISTRICT, created, traced, has_agent=False, is_protected=False)


def after_the_letter(site: Site, units: tuple[UnitRow, ...]) -> None:
    """Nine machines more and four names mended until 15/01/2024; the deadline is missed."""
    rng = site.rng
    by_code = {unit.unit_code: unit for unit in units}
    for unit_code in RENAMED_AFTER_LETTER:
        host = next(
            host
            for host in site.server.hosts
            if host.unit_code == unit_code and host.first.note.startswith("tên sai")
        )
        traced = machines.lately(rng)
        host.change(
            office_hour(rng, (at("2024-01-09 00:00") + rng.randrange(5) * DAY).date()),
            display_name=site.book.correct(rng, by_code[unit_code].name_prefix),
            dns_name="",
            last_connected=age(traced.connected),
            last_visible=age(traced.seen),
            note="đã đổi tên",
        )
    for unit_code, count in ADDED_AFTER_LETTER.items():
        unit = by_code[unit_code]
        for _ in range(count):
            name = site.book.correct(rng, unit.name_prefix)
            created = office_hour(rng, (at("2024-01-09 00:00") + rng.randrange(7) * DAY).date())
            site.add(
                name, group_of(unit), unit_code, created, machines.lately(rng),
                has_agent=True, is_protected=True,
            )  # fmt: skip


def registry_of() -> dict[str, list[Row]]:
    tables = registry.empty()
    units = children_of(DISTRICT)
    by_code = {unit.unit_code: unit for unit in of_estate("kon_tum")}
    for code in ("ktm", DISTRICT):
        tables["units"].append(registry.unit_row(by_code[code], DATA_BEGINS, LETTER_2024))
    for unit in units:
        source = f"{LETTER_2024}; danh sách đơn vị và tiền tố: {INVENTED}"
        tables["units"].append(registry.unit_row(unit, DATA_BEGINS, source))
        split = f"{ALLOCATION} (chia theo đơn vị: {INVENTED})"
        tables["allocations"].append(
            registry.grant(f"2023-{unit.unit_code}", unit, DATA_BEGINS, "", split)
        )
    servers = f"Danh mục máy chủ quản trị KSC: {INVENTED}"
    tables["servers"] = [
        registry.server_row(
            "ktm", "Máy chủ KSC tỉnh Kon Tum", "province", "ktm", 0, DATA_BEGINS, servers
        ),
        registry.server_row(
            DISTRICT,
            "Máy chủ KSC huyện Kon Plông",
            "district",
            DISTRICT,
            1,
            DATA_BEGINS,
            servers,
            console_name=CONSOLE_NAME,
        ),
    ]
    tree = f"Cây nhóm trên máy chủ quản trị KSC: {INVENTED}"
    tables["server_groups"] = [
        *registry.group_rows("ktm", {"ktm": (SERVER_ROOM,)}, DATA_BEGINS, tree),
        *registry.group_rows(
            DISTRICT, {unit.unit_code: (group_of(unit),) for unit in units}, DATA_BEGINS, tree
        ),
    ]
    tables["unit_aliases"] = [
        registry.alias(text, code, DATA_BEGINS, f"Cách viết trong báo cáo của đơn vị: {INVENTED}")
        for text, code in (
            ("Xã Măng Buk", "ktm_613_23458"),
            ("Xã Ngọc Tem", "ktm_613_23464"),
            ("Xã Đắk Ring", "ktm_613_23455"),
        )
    ]
    tables["notice_steps"] = registry.notice_steps(DATA_BEGINS, f"Quy chế trực: {INVENTED}")
    tables["office_hours"] = registry.office_hours(DATA_BEGINS, f"Giờ làm việc: {INVENTED}")
    tables["naming_rules"] = [
        registry.naming_rule(
            "ktm_mac_dinh",
            "ktm",
            DATA_BEGINS,
            f"Quy tắc đặt tên máy mặc định ({INVENTED}; văn bản hướng dẫn không kèm công văn)",
        )
    ]
    return tables | duties.kon_tum() | duties.of_machines(DATA_BEGINS)


def figures() -> list[Figure]:
    """The letter of Kon Plông and its 21 units."""
    total = Figure(
        COUNTED_ON,
        DISTRICT,
        {
            "allocated_count": 190,
            "installed_count": 62,
            "correctly_named_count": 51,
            "gap_count": 128,
            "over_count": 0,
            "net_gap_count": 128,
        },
        f"{LETTER_2024}; số máy đúng tên: {INVENTED}",
        {"installed_ratio": "32,6 %"},
    )
    weak = Figure("2024-01-16", DISTRICT, {"exempt_count": sum(duties.TOO_WEAK.values())}, "")
    return [total, *(unit_figure(unit) for unit in children_of(DISTRICT)), weak]
