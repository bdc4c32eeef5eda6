"""What the committed scenarios promise to those who run on them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from scenarios.generator.hosts import UNASSIGNED

REPOSITORY = Path(__file__).resolve().parents[3]
DONG_THAP = REPOSITORY / "scenarios" / "dong_thap"
KON_TUM = REPOSITORY / "scenarios" / "kon_tum"
ROAD = REPOSITORY / "tests" / "road" / "scenario"
LETTER_A = datetime.fromisoformat("2022-10-12T08:00:00+07:00")
LETTER_B = datetime.fromisoformat("2024-01-08T08:00:00+07:00")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

Row = dict[str, str]


def table(file: Path) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def holds(row: Row, instant: datetime) -> bool:
    return (not row["from_at"] or datetime.fromisoformat(row["from_at"]) <= instant) and (
        not row["to_at"] or instant < datetime.fromisoformat(row["to_at"])
    )


def hosts_at(scenario: Path, server_code: str, instant: datetime) -> list[Row]:
    rows = table(scenario / "estate" / "hosts" / f"{server_code}.csv")
    return [row for row in rows if holds(row, instant)]


def is_installed(row: Row) -> bool:
    return bool(row["agent_version"] and row["antivirus_version"])


def server_codes(scenario: Path) -> list[str]:
    return [row["server_code"] for row in table(scenario / "estate" / "servers.csv")]


def timeline(scenario: Path, do: str) -> list[datetime]:
    head = yaml.safe_load((scenario / "scenario.yml").read_text("utf-8"))
    return [datetime.fromisoformat(one["at"]) for one in head["timeline"] if one["do"] == do]


def instant_of(cell: str, observed: datetime) -> datetime:
    if cell.startswith("-"):
        unit = {"m": "minutes", "h": "hours", "d": "days"}[cell[-1]]
        return observed - timedelta(**{unit: int(cell[1:-1])})
    return datetime.fromisoformat(cell)


# Tháp Mười on 12/10/2022


def test_the_twenty_wrong_names_of_thap_muoi_are_of_the_agreed_kinds() -> None:
    kinds = Counter(
        row["note"].removeprefix("tên sai: ")
        for row in hosts_at(DONG_THAP, "dtp_872", LETTER_A)
        if row["note"].startswith("tên sai: ")
    )
    assert kinds == {
        "OS_DEFAULT": 9,
        "NO_UNIT_PREFIX": 4,
        "WRONG_UNIT": 3,
        "NON_ASCII": 1,
        "WHITESPACE": 1,
        "VENDOR_DEFAULT": 1,
        "TRUNCATED": 1,
    }


def test_six_records_of_thap_muoi_stand_beside_the_machine_they_once_were() -> None:
    named = defaultdict(list)
    for row in hosts_at(DONG_THAP, "dtp_872", LETTER_A):
        named[row["display_name"].split("~~")[0]].append(row)
    pairs = [rows for rows in named.values() if len(rows) > 1]
    assert len(pairs) == 6
    for older, newer in (
        sorted(rows, key=lambda row: instant_of(row["last_connected"], LETTER_A)) for rows in pairs
    ):
        assert older["note"] == "bản ghi cũ của máy đã cài lại"
        assert older["mac_address"] == newer["mac_address"]
        assert ("~~" in older["display_name"]) != ("~~" in newer["display_name"])
        assert LETTER_A - instant_of(older["last_connected"], LETTER_A) >= timedelta(days=14)
        assert LETTER_A - instant_of(newer["last_connected"], LETTER_A) < timedelta(hours=2)


def test_what_is_unassigned_in_the_letters_has_no_protection() -> None:
    for scenario, code, instant, share in (
        (DONG_THAP, "dtp_872", LETTER_A, (0.03, 0.08)),
        (KON_TUM, "ktm_613", LETTER_B, (0.03, 0.08)),
    ):
        hosts = hosts_at(scenario, code, instant)
        unassigned = [row for row in hosts if row["group_path"] == UNASSIGNED]
        assert share[0] <= len(unassigned) / len(hosts) <= share[1]
        assert not any(row["antivirus_version"] for row in unassigned)


def test_four_machines_of_one_commune_carry_a_second_antivirus() -> None:
    with_second = [
        row for row in hosts_at(DONG_THAP, "dtp_872", LETTER_A) if row["foreign_antivirus"]
    ]
    assert len(with_second) == 8
    assert Counter(row["group_path"] for row in with_second).most_common(1) == [
        ("02. Xã, thị trấn/Xã Hưng Thạnh", 4)
    ]


@pytest.mark.parametrize(
    ("column", "shares"),
    [
        pytest.param("os_name", {"Microsoft Windows 10": 62, "Microsoft Windows 7": 21}, id="os"),
        pytest.param("rtp_state", {"7": 61, "8": 22, "4": 5, "1": 5, "2": 2, "9": 1}, id="rtp"),
    ],
)
def test_the_machines_of_thap_muoi_are_mixed_as_documented(
    column: str, shares: dict[str, float]
) -> None:
    installed = [row for row in hosts_at(DONG_THAP, "dtp_872", LETTER_A) if is_installed(row)]
    seen = Counter(row[column] for row in installed)
    for value, percent in shares.items():
        assert 100 * seen[value] / len(installed) == pytest.approx(percent, abs=2)


def test_the_untidy_groups_are_there_as_typed() -> None:
    groups = {row["group_path"] for row in table(DONG_THAP / "estate" / "groups.csv")}
    assert {
        "02. Xã, thị trấn/UBND xã Mỹ Qúy",
        "02. Xã, thị trấn/TT My An",
        "01. Phòng ban/Phòng VHTT ",
    } <= groups
    decomposed = {path for path in groups if path != unicodedata.normalize("NFC", path)}
    (copy,) = decomposed
    assert unicodedata.normalize("NFC", copy) in groups
    for group in ("02. Xã, thị trấn/TT My An", "01. Phòng ban/Phòng VHTT ", copy):
        hosts = hosts_at(DONG_THAP, "dtp_872", LETTER_A)
        assert any(row["group_path"] == group for row in hosts)


# Every scenario


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM, ROAD], ids=lambda path: path.name)
def test_every_row_of_a_host_is_consistent_in_itself(scenario: Path) -> None:
    for code in server_codes(scenario):
        for row in table(scenario / "estate" / "hosts" / f"{code}.csv"):
            assert UUID.fullmatch(row["host_id"])
            assert bool(row["agent_version"]) == bool(row["last_connected"])
            assert row["last_visible"]
            if row["antivirus_version"]:
                assert row["agent_version"]
                assert row["bases"]
                assert row["licence_serial"]
            else:
                assert row["bases"] == row["licence_serial"] == row["rtp_state"] == ""
            assert row["from_at"] >= row["created_at"]


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM, ROAD], ids=lambda path: path.name)
def test_the_periods_of_a_host_on_one_server_do_not_overlap(scenario: Path) -> None:
    for code in server_codes(scenario):
        periods = defaultdict(list)
        for row in table(scenario / "estate" / "hosts" / f"{code}.csv"):
            periods[row["host_id"]].append((row["from_at"], row["to_at"]))
        for rows in periods.values():
            rows.sort()
            assert all(end == start for (_, end), (start, _) in pairwise(rows))


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM, ROAD], ids=lambda path: path.name)
def test_no_trace_is_older_than_its_record_or_from_the_future(scenario: Path) -> None:
    for instant in timeline(scenario, "collect"):
        for code in server_codes(scenario):
            for row in hosts_at(scenario, code, instant):
                created = datetime.fromisoformat(row["created_at"])
                for column in ("last_connected", "last_visible", "last_full_scan"):
                    if row[column]:
                        assert created <= instant_of(row[column], instant) <= instant
                assert not row["bases"] or instant_of(row["bases"], instant) <= instant


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM, ROAD], ids=lambda path: path.name)
def test_every_server_has_machines_whenever_it_is_asked(scenario: Path) -> None:
    for server in table(scenario / "estate" / "servers.csv"):
        for instant in timeline(scenario, "collect"):
            if holds(server, instant):
                assert len(hosts_at(scenario, server["server_code"], instant)) >= 10


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM, ROAD], ids=lambda path: path.name)
def test_every_row_of_the_registry_names_its_document(scenario: Path) -> None:
    (registry,) = (scenario / "registry").iterdir()
    for file in sorted(registry.glob("*.csv")):
        assert all(row["source_document"] for row in table(file)), file.name


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM, ROAD], ids=lambda path: path.name)
def test_the_registry_is_composed_unicode_and_so_is_what_people_read(scenario: Path) -> None:
    texts = [*(scenario / "registry").rglob("*.*"), *scenario.glob("*.yml")]
    for file in texts:
        text = file.read_text("utf-8")
        assert text == unicodedata.normalize("NFC", text), file.name


def test_only_the_documented_pair_of_live_machines_shares_a_name() -> None:
    instant = timeline(DONG_THAP, "collect")[-1]
    pairs = []
    for code in server_codes(DONG_THAP):
        bare = Counter(
            row["display_name"].upper()
            for row in hosts_at(DONG_THAP, code, instant)
            if "~" not in row["display_name"]
        )
        pairs += [(code, count) for count in bare.values() if count > 1]
    assert pairs == [("dtp_875", 2)]


def test_one_machine_lies_on_two_servers_and_its_old_record_grows_old() -> None:
    instant = timeline(DONG_THAP, "collect")[-1]
    seen = defaultdict(list)
    for code in server_codes(DONG_THAP):
        for row in hosts_at(DONG_THAP, code, instant):
            seen[row["host_id"]].append((instant_of(row["last_visible"], instant), code))
    (twice,) = [sorted(places) for places in seen.values() if len(places) > 1]
    assert [code for _, code in twice] == ["dtp_872", "dtp"]
    assert twice[0][0].date() == date(2023, 12, 5)


# Keys, detections, events, timeline


def test_the_key_of_the_province_holds_5037_seats_for_one_year() -> None:
    keys = {
        (row["server_code"], row["limit_count"]): row
        for row in table(DONG_THAP / "estate" / "keys.csv")
    }
    key = keys["dtp", "5037"]
    assert key["created_at"] == "2023-10-13T00:00:00+07:00"
    assert key["expires_at"] == "2024-10-13T00:00:00+07:00"
    assert keys["dtp_872", "330"]["expires_at"] == "2023-10-13T00:00:00+07:00"


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM], ids=lambda path: path.name)
def test_every_machine_uses_a_key_that_its_server_lists(scenario: Path) -> None:
    listed = {
        (row["server_code"], row["serial"]) for row in table(scenario / "estate" / "keys.csv")
    }
    for code in server_codes(scenario):
        for row in table(scenario / "estate" / "hosts" / f"{code}.csv"):
            assert not row["licence_serial"] or (code, row["licence_serial"]) in listed


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM], ids=lambda path: path.name)
def test_detections_come_from_protected_machines_and_are_counted_there(scenario: Path) -> None:
    detections = table(scenario / "estate" / "detections.csv")
    assert detections
    instant = timeline(scenario, "collect")[-1]
    counted: Counter[tuple[str, str]] = Counter()
    uncured: Counter[tuple[str, str]] = Counter()
    rows = {
        code: table(scenario / "estate" / "hosts" / f"{code}.csv")
        for code in server_codes(scenario)
    }
    by_host: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for code, hosts in rows.items():
        for row in hosts:
            by_host[code, row["host_id"]].append(row)
    for one in detections:
        place = one["server_code"], one["host_id"]
        rise = datetime.fromisoformat(one["rise_at"])
        assert rise < datetime.fromisoformat(one["registered_at"])
        assert any(holds(row, rise) and is_installed(row) for row in by_host[place])
        counted[place] += 1
        uncured[place] += one["outcome"] == "notcured"
    for place, hosts in by_host.items():
        for row in hosts:
            if holds(row, instant):
                assert int(row["virus_count"] or 0) == counted[place]
                assert int(row["uncured_count"] or 0) == uncured[place]


def test_a_worm_meets_every_protected_machine_of_one_commune_within_two_days() -> None:
    worm = [
        row
        for row in table(DONG_THAP / "estate" / "detections.csv")
        if row["server_code"] == "dtp_872"
        and row["threat_name"] == "Worm.Win32.Debris.a"
        and row["rise_at"][:10] in ("2023-11-13", "2023-11-14")
    ]
    commune = {
        row["host_id"]
        for row in table(DONG_THAP / "estate" / "hosts" / "dtp_872.csv")
        if row["group_path"] == "02. Xã, thị trấn/Xã Thanh Mỹ"
    }
    met = [row for row in worm if row["host_id"] in commune]
    assert len(met) >= 40
    assert len({row["host_id"] for row in met}) >= 5


def test_the_demo_collects_at_most_ten_times_and_ticks_at_most_twelve_times() -> None:
    asked = [timeline(scenario, "collect") for scenario in (DONG_THAP, KON_TUM)]
    assert sum(map(len, asked)) <= 10
    assert sum(len(timeline(scenario, "watch")) for scenario in (DONG_THAP, KON_TUM)) <= 12
    assert max(asked[0]) == max(asked[1]) == datetime.fromisoformat("2024-01-16T08:00:00+07:00")


def test_the_link_of_lap_vo_is_seen_whole_then_lost_then_whole_again() -> None:
    (cut,) = table(DONG_THAP / "estate" / "events.csv")
    assert (cut["server_code"], cut["kind"]) == ("dtp_875", "link_cut")
    ticks = [holds(cut, instant) for instant in timeline(DONG_THAP, "watch")]
    assert ticks == [False, True, True, True, False, False]
    assert not any(holds(cut, instant) for instant in timeline(DONG_THAP, "collect"))


@pytest.mark.parametrize("scenario", [DONG_THAP, KON_TUM, ROAD], ids=lambda path: path.name)
def test_the_timeline_ascends_and_ends_where_the_scenario_ends(scenario: Path) -> None:
    head = yaml.safe_load((scenario / "scenario.yml").read_text("utf-8"))
    instants = [datetime.fromisoformat(one["at"]) for one in head["timeline"]]
    assert instants == sorted(set(instants))
    assert head["ends_at"] == head["timeline"][-1]["at"]
    assert head["name"] == scenario.name
