from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from estates import AT, host, server, write_csv, write_estate
from ksc_ledger import cli
from ksc_ledger.rehearsal.checking import check_whole

REPOSITORY = Path(__file__).parents[3]
GROUP = "01. Phòng ban/Phòng Nội vụ"
IN_FORCE = {"valid_from_date": "2022-09-01", "valid_to_date": "", "source_document": "CV số 1"}
WATCH = ({"at": AT, "do": "collect"}, {"at": AT, "do": "watch"})
UNITS = [
    {"unit_code": "dtp", "unit_name": "Tỉnh Đồng Tháp", "unit_kind": "tinh"},
    {"unit_code": "dtp_872", "unit_name": "Huyện Tháp Mười", "unit_kind": "huyen_tp",
     "parent_unit_code": "dtp", "list_order": 1},
    {"unit_code": "dtp_872_pnv", "unit_name": "Phòng Nội vụ", "unit_kind": "phong",
     "name_prefix": "PNV", "parent_unit_code": "dtp_872", "list_order": 2},
]  # fmt: skip
PROVINCE = {"server_code": "dtp", "server_name": "KSC tỉnh", "server_role": "province",
            "unit_code": "dtp", "list_order": 0, "console_name": ""}  # fmt: skip
DISTRICT = {"server_code": "dtp_872", "server_name": "KSC huyện", "server_role": "district",
            "unit_code": "dtp_872", "list_order": 1, "console_name": "KSC-DTP-872"}  # fmt: skip
MAPPING = {"server_code": "dtp_872", "group_path": GROUP, "unit_code": "dtp_872_pnv"}
STEP = {"notice_kind": "lost", "step": 1, "role": "ops_team", "after": 0, "after_unit": "hour",
        "window": "any"}  # fmt: skip
CONTACT = {"role": "ops_team", "unit_code": "dtp", "name": "Tổ trực", "address": "to@dtp.example"}


def whole(
    tmp_path: Path,
    *,
    servers: Sequence[Mapping[str, Any]] = (PROVINCE, DISTRICT),
    mappings: Sequence[Mapping[str, Any]] = (MAPPING,),
    steps: Sequence[Mapping[str, Any]] = (STEP,),
    contacts: Sequence[Mapping[str, Any]] | None = (CONTACT,),
    **estate: Any,
) -> Path:
    """A right scenario, estate and registry; a test replaces the rows it is about."""
    facts: dict[str, Any] = {
        "servers": [server("dtp"), server("dtp_872", "dtp")],
        "groups": [{"server_code": "dtp_872", "group_path": GROUP}],
        "timeline": WATCH,
        **estate,
    }
    folder = write_estate(tmp_path / "thap_muoi", [host()], **facts)
    registry = folder / "registry" / "dong_thap"
    (registry / "estate.yml").write_text(
        "estate_code: dong_thap\nestate_name: Tỉnh Đồng Tháp\n", "utf-8"
    )
    columns = ("unit_code", "unit_name", "unit_kind", "official_code", "name_prefix",
               "parent_unit_code", "list_order")  # fmt: skip
    units = [{**dict.fromkeys(columns, ""), "list_order": 0, **unit} for unit in UNITS]
    for name, rows, example in (
        ("units", units, units[0]),
        ("servers", servers, PROVINCE),
        ("server_groups", mappings, MAPPING),
        ("notice_steps", steps, STEP),
    ):
        header = [*IN_FORCE, *example]
        write_csv(registry / f"{name}.csv", [{**IN_FORCE, **row} for row in rows], header)
    if contacts is not None:
        write_csv(folder / "contacts.csv", contacts, list(CONTACT))
    return folder


def told(folder: Path) -> list[tuple[str, str]]:
    """Place and text of every mistake; each has a remedy on a line of its own."""
    found = []
    for entry in check_whole(folder):
        first, remedy = entry.split("\n")
        assert remedy.startswith("    → ")
        place, text = first.split(": ", 1)
        found.append((place, text))
    return found


def places(folder: Path) -> list[str]:
    return [place for place, _ in told(folder)]


def test_a_right_scenario_has_no_mistake(tmp_path: Path) -> None:
    assert check_whole(whole(tmp_path)) == []


@pytest.mark.parametrize(
    "path",
    ["scenarios/dong_thap", "scenarios/kon_tum", "tests/road/scenario", "tests/road/third_estate"],
)
def test_the_scenarios_of_the_repository_have_no_mistakes(path: str) -> None:
    assert check_whole(REPOSITORY / path) == []


def test_mistakes_of_both_sides_are_named_as_seen_from_the_scenario(tmp_path: Path) -> None:
    folder = whole(tmp_path, servers=[PROVINCE, {**DISTRICT, "list_order": "x"}])
    (folder / "expected.yml").unlink()
    assert places(folder) == [
        "expected.yml",
        "registry/dong_thap/servers.csv, dòng 3, cột list_order",
    ]


def test_what_is_missing_altogether_is_told_once(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    shutil.rmtree(folder / "registry" / "dong_thap")
    assert places(folder)[:2] == ["registry/dong_thap", "registry"]
    shutil.rmtree(folder / "registry")
    assert places(folder) == ["registry/dong_thap"]
    shutil.rmtree(folder)
    assert places(folder) == [str(folder)]


def test_a_rehearsal_needs_an_end(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    head = folder / "scenario.yml"
    head.write_text(head.read_text("utf-8").replace(f', "ends_at": "{AT}"', ""), "utf-8")
    assert places(folder) == ["scenario.yml, mục ends_at"]


# -- servers ---------------------------------------------------------------------------------------


def test_a_server_of_the_estate_that_the_registry_does_not_know_is_told(tmp_path: Path) -> None:
    folder = whole(tmp_path, servers=[PROVINCE], mappings=[])
    [(place, text)] = told(folder)
    assert place == "estate/servers.csv, dòng 3, cột server_code"
    assert "'dtp_872' không có trong danh mục" in text


def test_a_server_of_the_registry_that_the_estate_does_not_have_is_told(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    write_csv(folder / "estate" / "servers.csv", [server("dtp")])
    write_csv(folder / "estate" / "groups.csv", [{"server_code": "dtp", "group_path": GROUP}])
    [(place, text)] = told(folder)
    assert place == "registry/dong_thap/servers.csv, dòng 3, cột server_code"
    assert "'dtp_872' không có trong estate/servers.csv" in text


def test_a_server_that_is_only_history_needs_no_simulated_one(tmp_path: Path) -> None:
    gone = {**DISTRICT, "server_code": "dtp_869", "console_name": ""}
    day_before = {**gone, "valid_to_date": "2023-10-19"}
    assert places(whole(tmp_path, servers=[PROVINCE, DISTRICT, day_before])) == []
    last_day = {**gone, "valid_to_date": "2023-10-20"}
    assert places(whole(tmp_path, servers=[PROVINCE, DISTRICT, last_day])) == [
        "registry/dong_thap/servers.csv, dòng 4, cột server_code"
    ]
    later = {**gone, "valid_from_date": "2023-10-21"}
    assert places(whole(tmp_path, servers=[PROVINCE, DISTRICT, later])) == []


def test_a_server_of_two_periods_is_missed_once(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    periods = [server("dtp_869", "dtp", to_at=AT), server("dtp_869", "dtp", from_at=AT)]
    rows = [server("dtp"), server("dtp_872", "dtp"), *periods]
    write_csv(folder / "estate" / "servers.csv", rows)
    assert places(folder) == ["estate/servers.csv, dòng 4, cột server_code"]


def test_a_row_that_was_refused_is_not_missed_a_second_time(tmp_path: Path) -> None:
    folder = whole(tmp_path, servers=[PROVINCE, {**DISTRICT, "server_role": "huyện"}])
    assert places(folder) == ["registry/dong_thap/servers.csv, dòng 3, cột server_role"]


def test_a_district_that_the_province_cannot_speak_of_is_told(tmp_path: Path) -> None:
    folder = whole(tmp_path, servers=[PROVINCE, {**DISTRICT, "console_name": ""}])
    [(place, text)] = told(folder)
    assert place == "registry/dong_thap/servers.csv, dòng 3, cột console_name"
    assert "không nghe được máy chủ tỉnh" in text
    assert "KSC-DTP-872" in check_whole(folder)[0]


@pytest.mark.parametrize(
    ("name", "is_mistake"),
    [("KSC-DTP-872", False), ("ksc-dtp-872", False), ("KSC-TM", True), ("KSC-DTP", True)],
)
def test_a_console_name_is_the_name_that_the_province_shows(
    tmp_path: Path, name: str, is_mistake: bool
) -> None:
    found = told(whole(tmp_path, servers=[PROVINCE, {**DISTRICT, "console_name": name}]))
    places_ = [place for place, _ in found]
    assert places_ == ["registry/dong_thap/servers.csv, dòng 3, cột console_name"] * is_mistake
    if name == "KSC-DTP":
        assert "(đó là tên của dtp)" in found[0][1]


def test_a_district_must_lie_below_a_province(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    write_csv(folder / "estate" / "servers.csv", [server("dtp"), server("dtp_872")])
    assert places(folder) == ["estate/servers.csv, dòng 3, cột parent_server_code"]


# -- groups ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "is_mistake"),
    [
        (GROUP, False),
        ("01. Phòng ban", False),
        ("01. phòng  ban/PHÒNG NỘI VỤ", False),
        ("01. Phòng ban/Phòng Nội vụ/Tổ 1", True),
        ("01. Phòng ban/Phòng Noi vu", True),
        ("Phòng Nội vụ", True),
        ("01. Phòng", True),
    ],
)
def test_a_mapped_group_is_one_of_the_console(tmp_path: Path, path: str, is_mistake: bool) -> None:
    folder = whole(tmp_path, mappings=[{**MAPPING, "group_path": path}])
    expected = ["registry/dong_thap/server_groups.csv, dòng 2, cột group_path"]
    assert places(folder) == expected * is_mistake


def test_a_slip_in_a_group_is_told_with_what_was_meant(tmp_path: Path) -> None:
    folder = whole(tmp_path, mappings=[{**MAPPING, "group_path": "01. Phòng ban/Phòng Nôi vụ"}])
    assert f"Gần giống: {GROUP}." in check_whole(folder)[0]


def test_a_group_of_another_console_does_not_help(tmp_path: Path) -> None:
    groups = [{"server_code": "dtp", "group_path": GROUP}]
    [(place, text)] = told(whole(tmp_path, groups=groups))
    assert place == "registry/dong_thap/server_groups.csv, dòng 2, cột group_path"
    assert "Nhóm này có ở máy chủ dtp." in text


def test_a_mapping_that_is_only_history_needs_no_group(tmp_path: Path) -> None:
    old = {**MAPPING, "group_path": "Cũ", "valid_to_date": "2023-10-19"}
    assert places(whole(tmp_path, mappings=[MAPPING, old])) == []


# -- people ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"unit_code": "dtp_873"}, "unit_code"),
        ({"unit_code": "Đồng Tháp"}, "unit_code"),
        ({"address": "to@dtp.vn"}, "address"),
        ({"address": "to@dtp.example.vn"}, "address"),
        ({"address": "to@example"}, "address"),
        ({"address": "tổ@dtp.example"}, "address"),
        ({"address": ""}, "address"),
        ({"role": ""}, "role"),
        ({"role": "Tổ trực"}, "role"),
        ({}, "address"),
        ({"address": "TO@dtp.example"}, "address"),
    ],
)
def test_a_wrong_contact_is_named_by_row_and_column(
    tmp_path: Path, changes: dict[str, str], column: str
) -> None:
    folder = whole(tmp_path, contacts=[CONTACT, {**CONTACT, **changes}])
    assert places(folder) == [f"contacts.csv, dòng 3, cột {column}"]


def test_case_and_blanks_do_not_make_another_address(tmp_path: Path) -> None:
    again = {**CONTACT, "address": " To@DTP.example"}
    [(_, text)] = told(whole(tmp_path, contacts=[CONTACT, again]))
    assert text.endswith("đã có ở dòng 2.")


def test_one_address_may_hold_several_roles_and_units(tmp_path: Path) -> None:
    more = [{**CONTACT, "role": "so"}, {**CONTACT, "unit_code": "dtp_872"}]
    assert places(whole(tmp_path, contacts=[CONTACT, *more])) == []


def test_an_address_that_may_be_real_is_not_repeated(tmp_path: Path) -> None:
    folder = whole(tmp_path, contacts=[CONTACT, {**CONTACT, "address": "nguoi.that@donvi.vn"}])
    assert "nguoi.that" not in "".join(check_whole(folder))


def test_columns_of_the_contacts_are_checked(tmp_path: Path) -> None:
    folder = whole(tmp_path, contacts=None)
    write_csv(folder / "contacts.csv", [{"role": "so", "unit": "dtp", "name": "", "address": "x"}])
    assert places(folder) == [
        "contacts.csv, dòng 1, cột unit", "contacts.csv, dòng 1, cột unit_code",
    ]  # fmt: skip


def test_a_role_that_nobody_holds_is_told_once(tmp_path: Path) -> None:
    steps = [STEP, {**STEP, "step": 2, "role": "so"}, {**STEP, "step": 3, "role": "so"}]
    [(place, text)] = told(whole(tmp_path, steps=steps))
    assert place == "registry/dong_thap/notice_steps.csv, dòng 3, cột role"
    assert "vai trò 'so'" in text
    held = [CONTACT, {**CONTACT, "role": "so", "unit_code": "dtp_872"}]
    assert places(whole(tmp_path, steps=steps, contacts=held)) == []


def test_a_step_that_is_only_history_needs_nobody(tmp_path: Path) -> None:
    old = {**STEP, "step": 2, "role": "so", "valid_to_date": "2023-10-19"}
    assert places(whole(tmp_path, steps=[STEP, old])) == []


def test_a_link_watch_needs_contacts_and_a_collection_does_not(tmp_path: Path) -> None:
    [(place, text)] = told(whole(tmp_path, contacts=None))
    assert place == "contacts.csv"
    assert "vai trò ops_team" in text
    assert places(whole(tmp_path / "b", contacts=None, timeline=WATCH[:1])) == []
    assert places(whole(tmp_path / "c", contacts=None, steps=[])) == []


def test_a_wrong_contact_is_not_told_again_as_a_missing_role(tmp_path: Path) -> None:
    folder = whole(tmp_path, contacts=[{**CONTACT, "address": "to@dtp.vn"}])
    assert places(folder) == ["contacts.csv, dòng 2, cột address"]


# -- the command -----------------------------------------------------------------------------------


def test_the_command_tells_what_only_both_sides_can_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = whole(tmp_path)
    assert cli.main(["simulator", "check", str(folder)]) == 0
    assert capsys.readouterr().out == "Không có lỗi.\n"
    with (folder / "contacts.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(CONTACT.values())
    assert cli.main(["simulator", "check", str(folder)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("contacts.csv, dòng 3, cột address: ")
    assert said.endswith("1 lỗi.\n")


@pytest.mark.parametrize("is_unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["simulator", "check", "."], ["--help"]])
def test_the_command_ends_quietly_when_nobody_reads_on(
    tmp_path: Path, words: list[str], is_unbuffered: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ksc_ledger.cli", *words],
            cwd=whole(tmp_path),
            env={**os.environ, "PYTHONUNBUFFERED": is_unbuffered},
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == b""
    # argparse itself passes over a pipe that is closed at once.
    is_passed_over = bool(is_unbuffered) and words == ["--help"]
    assert done.returncode == (0 if is_passed_over else cli.READER_IS_GONE)
