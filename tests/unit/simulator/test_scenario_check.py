from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from estates import AT, host, host_id_of, server, write_csv, write_estate
from ksc_ledger.simulator import ScenarioError, Simulator, check_scenario

LATER = "2023-10-21T08:00:00+07:00"


def fields(folder: Path) -> set[tuple[str, int, str]]:
    return {(m.file, m.row, m.field) for m in check_scenario(folder)}


def test_the_builders_scenario_has_no_mistakes(tmp_path: Path) -> None:
    folder = write_estate(
        tmp_path / "thap_muoi",
        [host(group_path="01. Phòng ban/Phòng Nội vụ", licence_serial="2B1E"), host("B", ip=None)],
        servers=[server("dtp"), server("dtp_872", "dtp")],
        keys=[{"server_code": "dtp", "serial": "2B1E", "product_name": "KESB", "limit_count": 330,
               "expires_at": LATER}],
        detections=[{"server_code": "dtp", "host_id": host_id_of("B"), "rise_at": AT,
                     "threat_name": "Trojan.Win32.Agent.gen", "outcome": "cured"}],
        events=[{"server_code": "dtp_872", "from_at": AT, "kind": "link_cut"}],
    )  # fmt: skip
    assert check_scenario(folder) == []


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"host_id": "8910F900-3807-4B97-8A97-D49E73EC5AB1"}, "host_id"),
        ({"host_id": ""}, "host_id"),
        ({"from_at": "2023-10-20"}, "from_at"),
        ({"from_at": "2023-10-20T08:00:00"}, "from_at"),
        ({"from_at": LATER, "to_at": AT}, "to_at"),
        ({"from_at": AT, "to_at": AT}, "to_at"),
        ({"is_server": "yes"}, "is_server"),
        ({"rtp_state": 10}, "rtp_state"),
        ({"rtp_state": "4.0"}, "rtp_state"),
        ({"antivirus_version": "", "rtp_state": 4}, "rtp_state"),
        ({"bases": "-3w"}, "bases"),
        ({"bases": "3h"}, "bases"),
        ({"last_visible": "hôm qua"}, "last_visible"),
        ({"ip": "10.84.6.256"}, "ip"),
        ({"memory_mb": "4 GB"}, "memory_mb"),
        ({"agent_version": "14"}, "agent_version"),
        ({"group_path": "A//B"}, "group_path"),
        ({"licence_serial": "unknown"}, "licence_serial"),
        ({"virus_count": -1}, "virus_count"),
    ],
)
def test_a_wrong_fact_of_a_device_is_named_by_row_and_field(
    tmp_path: Path, facts: dict[str, Any], field: str
) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host("A"), host("B", **facts)])
    assert ("estate/hosts/dtp.csv", 3, field) in fields(folder)


def test_every_mistake_is_named_not_only_the_first(tmp_path: Path) -> None:
    folder = write_estate(
        tmp_path / "thap_muoi", [host("A", ip="x", rtp_state="y"), host("B", bases="z")]
    )
    file = "estate/hosts/dtp.csv"
    assert fields(folder) == {(file, 2, "ip"), (file, 2, "rtp_state"), (file, 3, "bases")}


@pytest.mark.parametrize(
    ("first", "second", "is_mistake"),
    [
        ({"to_at": AT}, {"from_at": AT}, False),
        ({"to_at": LATER}, {"from_at": AT}, True),
        ({}, {"from_at": AT}, True),
        ({"from_at": LATER}, {"to_at": LATER}, False),
    ],
)
def test_periods_of_one_device_may_touch_but_not_overlap(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], is_mistake: bool
) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host("A", **first), host("A", **second)])
    assert (("estate/hosts/dtp.csv", 3, "host_id") in fields(folder)) is is_mistake


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"servers": [server("dtp"), server("dtp_872", "ktm")]},
         ("estate/servers.csv", 3, "parent_server_code")),
        ({"servers": [server("dtp"), server("dtp")]}, ("estate/servers.csv", 3, "server_code")),
        ({"servers": [server("dtp"), server("aa", "bb"), server("bb", "aa")]},
         ("estate/servers.csv", 3, "parent_server_code")),
        ({"servers": [server("dtp", version="mới")]}, ("estate/servers.csv", 2, "version")),
        ({"servers": [server("dtp", address="nowhere")]}, ("estate/servers.csv", 2, "address")),
        ({"groups": [{"server_code": "ktm", "group_path": "A"}]},
         ("estate/groups.csv", 2, "server_code")),
        ({"groups": [{"server_code": "dtp", "group_path": "A"}] * 2},
         ("estate/groups.csv", 3, "group_path")),
        ({"events": [{"server_code": "dtp", "from_at": AT, "kind": "earthquake"}]},
         ("estate/events.csv", 2, "kind")),
        ({"events": [{"server_code": "dtp", "from_at": AT, "kind": "clock_skew", "value": "1h"}]},
         ("estate/events.csv", 2, "value")),
        ({"events": [{"server_code": "dtp", "from_at": AT, "kind": "html", "value": "1"}]},
         ("estate/events.csv", 2, "value")),
        ({"events": [{"server_code": "ktm", "from_at": AT, "kind": "html"}]},
         ("estate/events.csv", 2, "server_code")),
        ({"keys": [{"server_code": "dtp", "serial": "1", "product_name": "KESB",
                    "limit_count": "nhiều", "expires_at": AT}]},
         ("estate/keys.csv", 2, "limit_count")),
        ({"detections": [{"server_code": "dtp", "host_id": host_id_of("nobody"), "rise_at": AT,
                          "threat_name": "x", "outcome": "cured"}]},
         ("estate/detections.csv", 2, "host_id")),
        ({"detections": [{"server_code": "dtp", "host_id": host_id_of("TM-VP-01"),
                          "rise_at": AT, "threat_name": "x", "outcome": "escaped"}]},
         ("estate/detections.csv", 2, "outcome")),
        ({"timeline": [{"at": LATER, "do": "collect"}, {"at": AT, "do": "collect"}]},
         ("scenario.yml", 1, "at")),
        ({"timeline": [{"at": AT, "do": "dance"}]}, ("scenario.yml", 1, "do")),
        ({"letters": [{"as_of": "2022-10-12", "kind": "don_doc"}]},
         ("scenario.yml", 1, "letters")),
        ({"letters": [{"as_of": "12/10/2022", "kind": "don_doc", "unit_code": "dtp_872"}]},
         ("scenario.yml", 1, "letters")),
        ({"ends_at": "2023-10-01T08:00:00+07:00"}, ("scenario.yml", 1, "ends_at")),
        ({"estate_code": "Đồng Tháp"}, ("scenario.yml", 1, "estate_code")),
    ],
)  # fmt: skip
def test_a_contradiction_between_files_is_named(
    tmp_path: Path, rows: dict[str, Any], expected: tuple[str, int, str]
) -> None:
    assert expected in fields(write_estate(tmp_path / "thap_muoi", [host()], **rows))


def test_a_group_that_no_file_knows_is_named(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host(group_path="A/B")])
    write_csv(folder / "estate" / "groups.csv", [{"server_code": "dtp", "group_path": "A"}])
    assert fields(folder) == {("estate/hosts/dtp.csv", 2, "group_path")}


def test_a_parent_of_a_known_group_needs_no_row_of_its_own(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host(group_path="A")])
    write_csv(folder / "estate" / "groups.csv", [{"server_code": "dtp", "group_path": "A/B"}])
    assert fields(folder) == set()


def test_unknown_and_missing_columns_are_named(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host(colour="red")])
    write_csv(folder / "estate" / "servers.csv", [{"server_code": "dtp", "version": "14.2"}])
    assert ("estate/hosts/dtp.csv", 1, "colour") in fields(folder)
    assert ("estate/servers.csv", 1, "display_name") in fields(folder)


def test_devices_of_a_server_that_does_not_exist_are_named(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host(server_code="ktm")])
    assert ("estate/hosts/ktm.csv", 0, "") in fields(folder)


@pytest.mark.parametrize(
    "content",
    [
        'server_code,display_name,version\n"dtp,KSC,14.2\n',
        "server_code,display_name,version\ndtp,KSC\n",
        "",
    ],
)
def test_a_broken_table_is_a_mistake_and_no_crash(tmp_path: Path, content: str) -> None:
    folder = write_estate(tmp_path / "thap_muoi")
    (folder / "estate" / "servers.csv").write_text(content, "utf-8")
    assert any(mistake.file == "estate/servers.csv" for mistake in check_scenario(folder))


def test_another_encoding_is_explained(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi")
    (folder / "estate" / "servers.csv").write_bytes("server_code\nđ".encode("utf-16"))
    mistake = check_scenario(folder)[0]
    assert "UTF-8" in mistake.text
    assert mistake.remedy


@pytest.mark.parametrize("content", ["a: [", "- a", "name: thap_muoi\nnonsense: 1"])
def test_a_broken_head_is_a_mistake_and_no_crash(tmp_path: Path, content: str) -> None:
    folder = write_estate(tmp_path / "thap_muoi")
    (folder / "scenario.yml").write_text(content, "utf-8")
    assert any(mistake.file == "scenario.yml" for mistake in check_scenario(folder))


def test_an_empty_folder_names_both_missing_files(tmp_path: Path) -> None:
    missing = {mistake.file for mistake in check_scenario(tmp_path)}
    assert {"scenario.yml", "estate/servers.csv"} <= missing


def test_a_folder_that_is_not_there_is_one_mistake(tmp_path: Path) -> None:
    [mistake] = check_scenario(tmp_path / "nowhere")
    assert mistake.text == "Không có thư mục kịch bản này."
    with pytest.raises(ScenarioError, match="Không có thư mục"):
        Simulator([tmp_path / "nowhere"], tmp_path / "run")


def test_a_missing_table_of_servers_is_told_once(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host()])
    (folder / "estate" / "servers.csv").unlink()
    assert fields(folder) == {("estate/servers.csv", 0, "")}
    assert [mistake.text for mistake in check_scenario(folder)] == ["Thiếu tệp này."]


def test_a_table_without_any_server_is_told(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi")
    (folder / "estate" / "servers.csv").write_text("server_code,display_name,version\n", "utf-8")
    assert [mistake.text for mistake in check_scenario(folder)] == [
        "Không có máy chủ nào đọc được."
    ]


# -- scenario.yml ----------------------------------------------------------------------------------

HEAD = """\
name: thap_muoi
title: Kịch bản thử
estate_code: dong_thap
timeline:
"""
COLLECT = '  - {at: "2023-10-20T08:00:00+07:00", do: collect}\n'
END = 'ends_at: "2023-10-21T08:00:00+07:00"\n'


def told(tmp_path: Path, content: str) -> list[tuple[int, str, str, str]]:
    folder = write_estate(tmp_path / "thap_muoi", [host()])
    (folder / "scenario.yml").write_text(content, "utf-8")
    return [
        (m.row, m.field, m.text, m.remedy)
        for m in check_scenario(folder)
        if m.file == "scenario.yml"
    ]


def test_a_right_head_has_no_mistake(tmp_path: Path) -> None:
    assert told(tmp_path, HEAD + COLLECT + COLLECT + END) == []


def test_a_wrong_deed_is_told_with_its_line_and_what_may_stand_there(tmp_path: Path) -> None:
    wrong = '  - at: "2023-10-20T09:00:00+07:00"\n    do: dance\n'
    [(row, field, text, remedy)] = told(tmp_path, HEAD + COLLECT + wrong + END)
    assert (row, field) == (7, "do")
    assert text == "Mốc thứ 2: không có việc 'dance'."
    assert "collect" in remedy
    assert "watch" in remedy


@pytest.mark.parametrize(
    ("entry", "field", "text"),
    [
        ("{do: watch}", "at", "Mốc thứ 2: thiếu at."),
        ('{at: "2023-10-20T09:00:00", do: watch}', "at",
         "Mốc thứ 2: 2023-10-20T09:00:00 thiếu múi giờ."),
        ("{at: 2023-10-20 09:00:00, do: watch}", "at",
         "Mốc thứ 2: 2023-10-20T09:00:00 thiếu múi giờ."),
        ('{at: "hôm qua", do: watch}', "at", "Mốc thứ 2: 'hôm qua' không phải là thời điểm."),
        ('{at: "2023-10-20T09:00:00+07:00"}', "do", "Mốc thứ 2: thiếu do."),
        ('{at: "2023-10-20T09:00:00+07:00", do: watch, why: x}', "why",
         "Mốc thứ 2: mục 'why' không có trong định dạng."),
        ("watch", "timeline", "Mốc thứ 2 không có các mục có tên."),
    ],
)  # fmt: skip
def test_every_wrong_member_of_the_timeline_is_named(
    tmp_path: Path, entry: str, field: str, text: str
) -> None:
    found = told(tmp_path, f"{HEAD}{COLLECT}  - {entry}\n{END}")
    assert [one[:3] for one in found] == [(6, field, text)]


def test_two_wrong_members_of_one_entry_are_two_mistakes(tmp_path: Path) -> None:
    found = told(tmp_path, f"{HEAD}  - {{at: x, do: y}}\n{END}")
    assert [one[:2] for one in found] == [(5, "at"), (5, "do")]


def test_an_unordered_timeline_is_told_as_it_was_written(tmp_path: Path) -> None:
    earlier = '  - {at: "2023-10-20T07:59:59+07:00", do: watch}\n'
    [(row, field, text, _)] = told(tmp_path, HEAD + COLLECT + earlier + END)
    assert (row, field) == (6, "at")
    assert text == (
        "Mốc thứ 2 (2023-10-20T07:59:59+07:00) sớm hơn mốc đứng trước nó "
        "(2023-10-20T08:00:00+07:00, dòng 5)."
    )


def test_an_end_before_the_last_entry_is_told_as_it_was_written(tmp_path: Path) -> None:
    end = 'ends_at: "2023-10-20T07:59:59+07:00"\n'
    [(row, field, text, _)] = told(tmp_path, HEAD + COLLECT + end)
    assert (row, field) == (6, "ends_at")
    assert "2023-10-20T07:59:59+07:00 sớm hơn" in text
    assert told(tmp_path, HEAD + COLLECT + end.replace("07:59:59", "08:00:00")) == []


def test_a_timeline_taken_over_by_a_merge_key_is_read(tmp_path: Path) -> None:
    content = "base: &b {timeline: [{at: x, do: watch}]}\n<<: *b\nname: thap_muoi\n"
    assert (0, "at") in {one[:2] for one in told(tmp_path, content)}


@pytest.mark.parametrize(
    ("content", "row", "text"),
    [
        ("name: thap_muoi\ntimeline: [\n", 3, "Tệp không đọc được theo cú pháp YAML"),
        ("name: thap_muoi\ntitle: a: b\n", 2, "từ ký tự thứ 9."),
        ('name: thap_muoi\ntitle: "a\nends_at: b\n', 4, "(phần này bắt đầu ở dòng 2)"),
        ("a: &a {b: 1}\n<<: *a\nends_at: 2023-13-45\n", 3, "Giá trị '2023-13-45' không thể có"),
        ("name: thap_muoi\ntimeline:\n\t- a\n", 3, "Dòng này thụt vào bằng phím Tab."),
        ("name: thap_muoi\ntitle: \x07\n", 2, "Dòng này có ký tự điều khiển."),
        ("name: thap_muoi\nends_at: 2023-13-45\n", 2, "Giá trị '2023-13-45' không thể có"),
        ("name: thap_muoi\ntimeline: &a [*a, {at: 2023-02-29}]\n", 2, "'2023-02-29' không thể có"),
    ],
)
def test_broken_yaml_is_told_in_vietnamese_with_its_line(
    tmp_path: Path, content: str, row: int, text: str
) -> None:
    [mistake] = told(tmp_path, content)
    assert mistake[0] == row
    assert text in mistake[2]
    assert not any(word in str(mistake) for word in ("while", "expected", "found", "must be"))


def test_yaml_in_another_encoding_is_explained(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi")
    (folder / "scenario.yml").write_bytes("name: đ".encode("utf-16"))
    [mistake] = check_scenario(folder)
    assert mistake.text == "Tệp không phải UTF-8."


def test_a_scenario_with_mistakes_is_not_served(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host(ip="x")])
    with pytest.raises(ScenarioError) as raised:
        Simulator([folder], tmp_path / "run")
    assert [(m.row, m.field) for m in raised.value.mistakes] == [(2, "ip")]
    assert "estate/hosts/dtp.csv:2" in str(raised.value)


def test_two_scenarios_may_not_share_a_server(tmp_path: Path) -> None:
    folders = [write_estate(tmp_path / name, [host()]) for name in ("thap_muoi", "kon_plong")]
    with pytest.raises(Exception, match="thap_muoi và kon_plong"):
        Simulator(folders, tmp_path / "run")


@pytest.mark.parametrize("name", ["dong_thap", "kon_tum"])
def test_the_scenarios_of_the_repository_have_no_mistakes(name: str) -> None:
    folder = Path(__file__).parents[3] / "scenarios" / name
    assert check_scenario(folder) == []
