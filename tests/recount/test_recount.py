"""The letters' figures follow from the committed files, counted without the product."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path

import pytest
import yaml

from recount.recount import COUNTS, end_of, main, recount

REPOSITORY = Path(__file__).resolve().parents[2]
DONG_THAP = REPOSITORY / "scenarios" / "dong_thap"
KON_TUM = REPOSITORY / "scenarios" / "kon_tum"
ROAD = REPOSITORY / "tests" / "road" / "scenario"
ON_THE_DAY = "2022-10-12T{hour:02d}:00:00+07:00"


def figures(scenario: Path, day: str) -> dict[str, dict[str, int | None]]:
    return recount(scenario, end_of(date.fromisoformat(day)))


def of(counts: dict[str, int | None], *names: str) -> tuple[int | None, ...]:
    return tuple(counts[name] for name in names)


def test_thap_muoi_on_12_october_2022() -> None:
    """255 of 330 machines installed, 235 of them correctly named (Tháp Mười letter, 10/2022)."""
    town = figures(DONG_THAP, "2022-10-12")["dtp_872"]
    assert of(town, "allocated", "installed", "correctly_named") == (330, 255, 235)
    assert of(town, "gap", "over", "net_gap") == (77, 2, 75)
    assert of(town, "duplicate") == (6,)


def test_dong_thap_on_13_october_2023() -> None:
    """1.077 seats with 20 departments, 12 × 330 with the districts (Đồng Tháp letter, 10/2023)."""
    province = figures(DONG_THAP, "2023-10-13")
    assert [province[code]["allocated"] for code in ("dtp_so", "dtp_huyen", "dtp")] == [
        1077,
        3960,
        5037,
    ]


def test_the_seats_of_2022_end_with_the_day_before_the_licence() -> None:
    assert figures(DONG_THAP, "2023-10-12")["dtp"]["allocated"] == 330
    before, after = (figures(DONG_THAP, f"2023-10-{day}")["dtp_872_vpub"] for day in (12, 13))
    assert of(before, "allocated") == (24,)
    assert of(after, "allocated", "gap", "over") == (0, 0, 0)


def test_the_licence_of_2023_ends_with_12_october_2024() -> None:
    assert figures(DONG_THAP, "2024-10-12")["dtp"]["allocated"] == 5037
    assert figures(DONG_THAP, "2024-10-13")["dtp"]["allocated"] == 0


def test_kon_plong_on_8_january_2024() -> None:
    """62 of 190 machines installed (Kon Plông letter, 01/2024); 51 correctly named."""
    district = figures(KON_TUM, "2024-01-08")["ktm_613"]
    assert of(district, "allocated", "installed", "correctly_named") == (190, 62, 51)
    assert of(district, "gap", "over", "net_gap") == (128, 0, 128)


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM, ROAD], ids=lambda path: path.name)
def test_every_expected_figure_follows_from_the_files(scenario: Path) -> None:
    expected = yaml.safe_load((scenario / "expected.yml").read_text("utf-8"))["figures"]
    assert expected
    (registry,) = (scenario / "registry").iterdir()
    with (registry / "units.csv").open(encoding="utf-8", newline="") as lines:
        parents = {row["unit_code"]: row["parent_unit_code"] for row in csv.DictReader(lines)}
    counted = {
        day: recount(scenario, end_of(day)) for day in {one["as_of_date"] for one in expected}
    }
    for one in expected:
        on_the_day = counted[one["as_of_date"]]
        for name, value in one.items():
            if name == "children_with_seats":
                children = [code for code, parent in parents.items() if parent == one["unit_code"]]
                assert sum(bool(on_the_day[code]["allocated"]) for code in children) == value
            elif name.endswith("_count"):
                assert on_the_day[one["unit_code"]][name.removesuffix("_count")] == value, one


def test_all_units_of_the_letters_are_expected() -> None:
    for scenario, day, count in ((DONG_THAP, "2022-10-12", 28), (KON_TUM, "2024-01-08", 22)):
        expected = yaml.safe_load((scenario / "expected.yml").read_text("utf-8"))["figures"]
        named = [one["unit_code"] for one in expected if str(one["as_of_date"]) == day]
        assert len(set(named)) == len(named) == count


@pytest.mark.parametrize(
    ("hour", "installed", "correctly_named", "gap"),
    [
        pytest.param(8, 255, 235, 77, id="the letter"),
        pytest.param(9, 255, 234, 77, id="one renamed wrongly"),
        pytest.param(10, 254, 234, 78, id="one without protection"),
        pytest.param(11, 254, 234, 78, id="the server is down"),
    ],
)
def test_the_road_changes_as_it_says(
    hour: int, installed: int, correctly_named: int, gap: int
) -> None:
    instant = datetime.fromisoformat(ON_THE_DAY.format(hour=hour))
    town = recount(ROAD, instant)["dtp_872"]
    assert of(town, "installed", "correctly_named", "gap") == (installed, correctly_named, gap)


def test_parents_are_the_sum_of_what_lies_below_and_their_own() -> None:
    province = figures(DONG_THAP, "2024-01-16")
    own = sum(province["dtp"][name] or 0 for name in ("installed",)) - sum(
        province[code]["installed"] or 0 for code in ("dtp_so", "dtp_huyen")
    )
    assert own == 0
    for name in COUNTS:
        whole = province["dtp"][name]
        assert whole == (province["dtp_so"][name] or 0) + (province["dtp_huyen"][name] or 0)
    assert province["dtp"]["net_gap"] == (province["dtp"]["gap"] or 0) - (
        province["dtp"]["over"] or 0
    )


def test_a_unit_whose_server_was_never_read_has_no_counts() -> None:
    towns = figures(DONG_THAP, "2022-10-12")
    assert of(towns["dtp_866"], "allocated", "installed", "gap") == (0, None, None)
    assert of(towns["dtp_ttt"], "allocated", "installed", "gap") == (0, 0, 0)


def test_the_program_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(DONG_THAP), "--day", "2022-10-12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == list(COUNTS)
    (town,) = [line.split() for line in lines if line.startswith("dtp_872 ")]
    assert town == ["dtp_872", "330", "255", "235", "13", "6", "8", "0", "77", "2", "75"]


# The counting itself, on estates of a few machines.

HOST_COLUMNS = [
    "host_id",
    "from_at",
    "to_at",
    "created_at",
    "display_name",
    "dns_name",
    "group_path",
    "is_server",
    "agent_version",
    "antivirus_version",
    "last_connected",
    "last_visible",
    "mac_address",
    "serial_number",
]
NOON = datetime.fromisoformat("2022-10-12T12:00:00+07:00")


def host(display_name: str, **facts: str) -> dict[str, str]:
    return {
        "host_id": display_name,
        "created_at": "2022-10-01T08:00:00+07:00",
        "display_name": display_name,
        "agent_version": "14.2.0.26967",
        "antivirus_version": "12.2.0.462",
        "last_connected": "-5m",
        "last_visible": "-5m",
    } | facts


def write(file: Path, columns: str, *rows: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join((columns, *rows)) + "\n", "utf-8")


def estate(
    folder: Path, *hosts: dict[str, str], seats: int = 3, district_seats: int = 0, events: str = ""
) -> Path:
    """One district `tm` with the units `pnv` (seats) and `ptp` (none), one server, two groups."""
    registry, facts = folder / "registry" / "thu", folder / "estate"
    (folder / "registry").mkdir(parents=True)
    write(folder / "scenario.yml", 'timeline:\n  - {at: "2022-10-12T08:00:00+07:00", do: collect}\n'
          '  - {at: "2022-10-12T10:00:00+07:00", do: collect, note: lần hai}')  # fmt: skip
    write(
        registry / "units.csv",
        "unit_code,name_prefix,parent_unit_code,valid_from_date,valid_to_date",
        "tm,,,2022-01-01,", "pnv,PNV,tm,2022-01-01,", "ptp,PTP,tm,2022-01-01,",
    )  # fmt: skip
    write(
        registry / "servers.csv",
        "server_code,unit_code,list_order,valid_from_date,valid_to_date",
        "tm,tm,1,2022-01-01,",
    )
    write(
        registry / "server_groups.csv",
        "server_code,group_path,unit_code,valid_from_date,valid_to_date",
        "tm,Phòng Nội vụ,pnv,2022-01-01,", "tm,Phòng Tư pháp,ptp,2022-01-01,",
    )  # fmt: skip
    write(
        registry / "naming_rules.csv",
        "rule_code,unit_code,separator,max_length,allowed_part,min_parts,max_parts,"
        "valid_from_date,valid_to_date",
        "r1,tm,-,15,[A-Z0-9]+,1,2,2022-01-01,",
    )
    write(
        registry / "allocations.csv",
        "entry_id,entry_kind,from_unit_code,to_unit_code,seat_count,valid_from_date,valid_to_date",
        f"a1,grant,,pnv,{seats},2022-01-01,",
        *([f"a2,grant,,tm,{district_seats},2022-01-01,"] if district_seats else []),
    )
    write(facts / "servers.csv", "server_code,from_at,to_at", "tm,,")
    if events:
        write(facts / "events.csv", "server_code,from_at,to_at,kind,value", events)
    (facts / "hosts").mkdir()
    with (facts / "hosts" / "tm.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HOST_COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({"group_path": "Phòng Nội vụ"} | one for one in hosts)
    return folder


@pytest.mark.parametrize(
    ("display_name", "dns_name", "is_accepted"),
    [
        pytest.param("PNV-ANTV", "", True, id="prefix and part"),
        pytest.param("pnv-vt-antv", "", True, id="lower case, two parts"),
        pytest.param("PNV-A-B-C", "", False, id="three parts"),
        pytest.param("PNV", "", False, id="no part"),
        pytest.param("PNV-", "", False, id="empty part"),
        pytest.param("PTP-ANTV", "", False, id="another unit's prefix"),
        pytest.param("PNV-AN TV", "", False, id="blank"),
        pytest.param("PNV-ANĐV", "", False, id="not ASCII"),
        pytest.param("PNV_ANTV", "", False, id="another separator"),
        pytest.param("PNV-ABCDEFGHIJK", "", True, id="15 characters"),
        pytest.param("PNV-ABCDEFGHIJKL", "", False, id="16 characters"),
        pytest.param("PNV-ABCDEFGHIJK", "pnv-abcdefghijklm", False, id="cut off"),
        pytest.param("PNV-ANTV~~10281", "", True, id="suffix of the server"),
        pytest.param("PNV-ANTV~1", "", True, id="older suffix"),
    ],
)
def test_a_name_is_accepted_by_the_rule_alone(
    tmp_path: Path, display_name: str, dns_name: str, *, is_accepted: bool
) -> None:
    folder = estate(tmp_path / "thu", host(display_name, dns_name=dns_name))
    assert recount(folder, NOON)["pnv"]["correctly_named"] == int(is_accepted)


def test_a_server_needs_no_right_name(tmp_path: Path) -> None:
    folder = estate(tmp_path / "thu", host("SRV-KSC", is_server="1"), host("SRV-TAM"))
    assert of(recount(folder, NOON)["pnv"], "installed", "correctly_named") == (2, 1)


def test_installed_needs_the_agent_and_the_protection(tmp_path: Path) -> None:
    folder = estate(
        tmp_path / "thu",
        host("PNV-AN"),
        host("PNV-BINH", antivirus_version=""),
        host("PNV-CHAU", agent_version=""),
        host("PNV-DAT", agent_version="", antivirus_version=""),
    )
    assert of(recount(folder, NOON)["tm"], "installed", "agent_only") == (1, 1)


def test_the_record_that_connected_last_counts(tmp_path: Path) -> None:
    folder = estate(
        tmp_path / "thu",
        host("PNV-AN", last_connected="-20d"),
        host("PNV-AN~~10281", group_path="Phòng Tư pháp", last_connected="-1h"),
    )
    counts = recount(folder, NOON)
    assert of(counts["pnv"], "installed", "duplicate") == (0, 1)
    assert of(counts["ptp"], "installed", "duplicate") == (1, 0)


def test_two_records_of_one_network_card_and_name_are_one_machine(tmp_path: Path) -> None:
    card = {"mac_address": "02:87:00:00:00:01"}
    folder = estate(
        tmp_path / "thu",
        host("PNV-AN", host_id="a", last_connected="-20d", **card),
        host("PNV-AN", host_id="b", **card),
    )
    assert of(recount(folder, NOON)["pnv"], "installed", "duplicate") == (1, 1)


def test_two_live_machines_of_one_name_both_count_and_the_later_is_wrong(tmp_path: Path) -> None:
    folder = estate(
        tmp_path / "thu",
        host("PNV-AN", host_id="a", created_at="2022-10-02T08:00:00+07:00"),
        host("pnv-an", host_id="b", created_at="2022-10-01T08:00:00+07:00"),
    )
    assert of(recount(folder, NOON)["pnv"], "installed", "correctly_named", "duplicate") == (
        2,
        1,
        0,
    )


@pytest.mark.parametrize(
    ("seats", "gap", "over"), [(3, 1, 0), (2, 0, 0), (1, 0, 1)], ids=["short", "exact", "too many"]
)
def test_a_unit_has_a_gap_or_too_many(tmp_path: Path, seats: int, gap: int, over: int) -> None:
    folder = estate(tmp_path / "thu", host("PNV-AN"), host("PNV-BINH"), seats=seats)
    assert of(recount(folder, NOON)["tm"], "gap", "over", "net_gap") == (gap, over, gap - over)


def test_machines_of_a_unit_without_seats_are_too_many(tmp_path: Path) -> None:
    folder = estate(tmp_path / "thu", host("PTP-AN", group_path="Phòng Tư pháp"), seats=3)
    counts = recount(folder, NOON)
    assert of(counts["ptp"], "gap", "over", "net_gap") == (0, 1, -1)
    assert of(counts["tm"], "gap", "over", "net_gap") == (3, 1, 2)


def test_a_unit_with_seats_does_not_cover_those_below_that_hold_their_own(tmp_path: Path) -> None:
    """The district's one seat is for the unit without seats; the other unit's gap is its own."""
    folder = estate(
        tmp_path / "thu",
        host("PNV-AN"),
        host("PTP-BINH", group_path="Phòng Tư pháp"),
        seats=3,
        district_seats=1,
    )
    counts = recount(folder, NOON)
    assert of(counts["tm"], "allocated", "gap", "over", "net_gap") == (4, 2, 0, 2)
    assert of(counts["pnv"], "gap", "over") == (2, 0)
    assert of(counts["ptp"], "gap", "over") == (0, 0)


def test_an_unmapped_group_counts_for_the_unit_of_its_server(tmp_path: Path) -> None:
    folder = estate(
        tmp_path / "thu",
        host("PNV-AN", group_path="Phòng Nội vụ/Tổ 1"),
        host("PNV-BINH", group_path="Kho"),
    )
    counts = recount(folder, NOON)
    assert (counts["pnv"]["installed"], counts["tm"]["installed"]) == (1, 2)


def test_a_server_that_did_not_answer_keeps_its_last_figures(tmp_path: Path) -> None:
    gone = host("PNV-AN", to_at="2022-10-12T09:00:00+07:00")
    down = "tm,2022-10-12T09:30:00+07:00,2022-10-12T10:30:00+07:00,server_down,"
    assert recount(estate(tmp_path / "up", gone), NOON)["tm"]["installed"] == 0
    kept = recount(estate(tmp_path / "down", gone, events=down), NOON)
    assert kept["tm"]["installed"] == 1


def test_nothing_is_known_before_the_first_collection(tmp_path: Path) -> None:
    folder = estate(tmp_path / "thu", host("PNV-AN"))
    before = datetime.fromisoformat("2022-10-12T07:59:59+07:00")
    assert of(recount(folder, before)["tm"], "allocated", "installed") == (3, None)
    first = datetime.fromisoformat("2022-10-12T08:00:00+07:00")
    assert of(recount(folder, first)["tm"], "allocated", "installed") == (3, 1)
