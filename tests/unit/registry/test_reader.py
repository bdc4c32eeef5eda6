from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from ksc_ledger.registry import Mistake, RegistryError, ServerRole, load
from ksc_ledger.registry.mistakes import SHOWN_COUNT
from unit.registry.registry_folder import (
    ALIASES,
    ALLOCATIONS,
    CALENDAR,
    ESTATE,
    FILES,
    GROUPS,
    LETTER,
    RULES,
    SERVERS,
    UNITS,
    write_registry,
)


def mistakes_of(path: Path) -> tuple[Mistake, ...]:
    with pytest.raises(RegistryError) as caught:
        load(path)
    return caught.value.mistakes


def test_a_right_registry_is_read_with_its_types(tmp_path: Path) -> None:
    registry = load(write_registry(tmp_path))

    vhtt = registry.units[2]
    assert (vhtt.estate_code, vhtt.unit_code, vhtt.name_prefix) == (
        "dong_thap",
        "dtp_872_vhtt",
        "VHTT",
    )
    assert vhtt.valid_from_date == date(2022, 9, 1)
    assert vhtt.valid_to_date is None
    assert registry.units[0].official_code == "87"
    assert registry.units[0].parent_unit_code is None
    assert [entry.seat_count for entry in registry.allocations] == [20, 8, 12]
    assert registry.allocations[0].valid_to_date == date(2023, 10, 12)
    assert registry.calendar_overrides[0].date == date(2022, 10, 14)
    estate = registry.estates[0]
    assert (estate.old_bases_days, estate.stale_working_days) == (15, 7)


def test_a_record_cannot_be_changed(tmp_path: Path) -> None:
    unit = load(write_registry(tmp_path)).units[0]
    with pytest.raises(ValidationError):
        unit.unit_code = "other"  # type: ignore[misc]


def test_optional_files_may_be_missing(tmp_path: Path) -> None:
    optional = set(FILES) - {"estate.yml", "units.csv", "servers.csv"}
    registry = load(write_registry(tmp_path, dict.fromkeys(optional)))
    assert registry.allocations == registry.naming_rules == registry.calendar_overrides == ()
    assert registry.server_groups == registry.unit_aliases == ()


@pytest.mark.parametrize("name", ["estate.yml", "units.csv", "servers.csv"])
def test_a_required_file_may_not_be_missing(tmp_path: Path, name: str) -> None:
    (found,) = mistakes_of(write_registry(tmp_path, {name: None}))
    assert (found.file, found.row) == (f"dong_thap/{name}", None)


def test_the_settings_of_an_estate_are_read(tmp_path: Path) -> None:
    text = ESTATE + "old_bases_days: 010\nstale_working_days: 5\n"
    estate = load(write_registry(tmp_path, {"estate.yml": text})).estates[0]
    assert (estate.old_bases_days, estate.stale_working_days) == (10, 5)


def test_yaml_does_not_turn_a_name_into_something_else(tmp_path: Path) -> None:
    text = "estate_code: dong_thap\nestate_name: no\n"
    assert load(write_registry(tmp_path, {"estate.yml": text})).estates[0].estate_name == "no"


def test_byte_order_mark_crlf_blank_rows_and_empty_columns_are_tolerated(tmp_path: Path) -> None:
    lines = UNITS.splitlines()
    untidy = "\r\n".join([lines[0] + ",,", *(f"{line},," for line in lines[1:]), "", ",,,", ""])
    plain = load(write_registry(tmp_path / "plain"))
    made = load(
        write_registry(tmp_path / "untidy", {"units.csv": b"\xef\xbb\xbf" + untidy.encode()})
    )
    assert made.units == plain.units


def test_byte_order_mark_line_ends_and_composition_do_not_make_another_version(
    tmp_path: Path,
) -> None:
    plain = load(write_registry(tmp_path / "plain"))
    decomposed = unicodedata.normalize("NFD", UNITS)
    assert decomposed != UNITS
    untidy = b"\xef\xbb\xbf" + decomposed.replace("\n", "\r\n").encode()
    made = load(write_registry(tmp_path / "untidy", {"units.csv": untidy}))
    assert made.units[1].unit_name == "Huyện Tháp Mười"
    assert made.sha256 == plain.sha256


def test_a_changed_cell_makes_another_version(tmp_path: Path) -> None:
    plain = load(write_registry(tmp_path / "plain"))
    changed = load(
        write_registry(tmp_path / "changed", {"units.csv": UNITS.replace("Nội vụ", "Tư pháp")})
    )
    assert changed.sha256 != plain.sha256


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    rows = [line.split(",") for line in CALENDAR.replace(LETTER, "CV 1").splitlines()]
    turned = "\n".join(",".join(reversed(row)) for row in rows)
    registry = load(write_registry(tmp_path, {"calendar.csv": turned}))
    assert registry.calendar_overrides[0].source_document == "CV 1"


@pytest.mark.parametrize(
    ("name", "content", "row", "field", "text"),
    [
        pytest.param(
            "units.csv",
            UNITS.replace("list_order,", "").replace(",0,2022", ",2022").replace(",1,2022", ",2022")
            .replace(",7,2022", ",2022").replace(",2,2022", ",2022"),
            1, "list_order", "Thiếu cột", id="a column is missing",
        ),
        pytest.param(
            "units.csv", UNITS.replace("list_order", "list_ordr"), 1, "list_ordr",
            "không được dùng", id="a column is misspelt",
        ),
        pytest.param(
            "units.csv", UNITS.replace("official_code", "unit_name"), 1, "unit_name", "hai lần",
            id="a column stands twice",
        ),
        pytest.param(
            "units.csv", UNITS.replace(",", ";"), 1, "", "dấu chấm phẩy", id="semicolons"
        ),
        pytest.param("units.csv", UNITS.replace(",", "\t"), 1, "", "tab", id="tabs"),
        pytest.param(
            "units.csv", UNITS.encode("utf-16"), None, "", "UTF-16", id="UTF-16"
        ),
        pytest.param(
            "units.csv", UNITS.encode("utf-8").replace("Huyện".encode(), b"Huy\xd6n"),
            3, "", "không phải là UTF-8", id="an old code page",
        ),
        pytest.param("units.csv", b"PK\x03\x04....", None, "", "Excel", id="a renamed workbook"),
        pytest.param("units.csv", b"", None, "", "Tệp trống", id="zero bytes"),
        pytest.param(
            "units.csv", UNITS.replace("Nội vụ", "Nội\0vụ"), 5, "", "NUL", id="a NUL character"
        ),
        pytest.param(
            "units.csv", UNITS + "dtp_x,thiếu ô\n", 6, "", "Dòng có 2 ô", id="a short row"
        ),
        pytest.param(
            "units.csv", UNITS.replace("Phòng Nội vụ", "Phòng Nội vụ, Tư pháp"), 5, "",
            "Dòng có 11 ô", id="a comma outside quotes",
        ),
        pytest.param(
            "units.csv", UNITS + '"dtp_x,Đơn vị', 6, "", "không đúng dạng CSV", id="an open quote"
        ),
        pytest.param(
            "units.csv", UNITS.replace("dtp_872_pnv", "dtp-872-pnv"), 5, "unit_code",
            "không phải là mã hợp lệ", id="a code with a dash",
        ),
        pytest.param(
            "units.csv", UNITS.replace("dtp_872_pnv", "d" * 33), 5, "unit_code",
            "không phải là mã hợp lệ", id="a code of 33 characters",
        ),
        pytest.param(
            "units.csv", UNITS.replace(",PNV,", ",pnv,"), 5, "name_prefix", "«pnv»",
            id="a prefix in lower case",
        ),
        pytest.param(
            "units.csv", UNITS.replace("2,2022-09-01", "2,01/09/2022"), 5, "valid_from_date",
            "năm-tháng-ngày", id="a date that is not ISO",
        ),
        pytest.param(
            "units.csv", UNITS.replace("2,2022-09-01", "2,2022-02-29"), 5, "valid_from_date",
            "ngày có thật", id="a day that is not in the calendar",
        ),
        pytest.param(
            "units.csv", UNITS.replace("2,2022-09-01,", "2,2022-09-01,2022-08-31"), 5,
            "valid_to_date", "đứng trước", id="an end before the start",
        ),
        pytest.param(
            "units.csv", UNITS.replace("2,2022-09-01,", "hai,2022-09-01,"), 5, "list_order",
            "số nguyên", id="a number in words",
        ),
        pytest.param(
            "units.csv", UNITS.replace(f"2,2022-09-01,,{LETTER}", "2,2022-09-01,, "), 5,
            "source_document", "bỏ trống", id="no source document",
        ),
        *(
            pytest.param(
                "allocations.csv", ALLOCATIONS.replace(",8,", f",{seats},"), 3, "seat_count",
                "số nguyên", id=f"{seats} seats",
            )
            for seats in ("330.5", "3302x", "-1", "1.077", "330 máy", "1000000")
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS.replace(",8,", ",,"), 3, "seat_count", "bỏ trống",
            id="no seat count",
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS.replace("2022-vhtt,grant", "2022-vhtt,gift"), 3,
            "entry_kind", "«gift»", id="an unknown kind of entry",
        ),
        pytest.param(
            "allocations.csv",
            ALLOCATIONS.replace("2022-vhtt,grant,dtp_872,", "2022-vhtt,transfer,,"), 3,
            "from_unit_code", "đơn vị giao", id="a transfer from nobody",
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS.replace("dtp_872,dtp_872_vhtt", "dtp_872,"), 3,
            "to_unit_code", "đơn vị nhận", id="a grant to nobody",
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS.replace("2022-vhtt,grant", "2022-vhtt,expiry"), 3,
            "to_unit_code", "expiry", id="an expiry to somebody",
        ),
        pytest.param(
            "allocations.csv", ALLOCATIONS.replace("dtp_872,dtp_872_vhtt", "dtp_872,dtp_872"), 3,
            "to_unit_code", "là một", id="a grant to oneself",
        ),
        pytest.param(
            "servers.csv", SERVERS.replace("district", "huyen"), 3, "server_role", "«huyen»",
            id="an unknown role",
        ),
        pytest.param(
            "servers.csv", SERVERS.replace("district,dtp_872", "district,"), 3, "unit_code",
            "bỏ trống", id="a server without a unit",
        ),
        pytest.param(
            "servers.csv", SERVERS.replace("server_name", "mật khẩu"), 1, "mật khẩu",
            "bí mật", id="a column of passwords",
        ),
        pytest.param(
            "naming_rules.csv", RULES.replace("[A-Z0-9]+", "([A-Z]+)+"), 2, "allowed_part",
            "biểu thức", id="a part that could be slow to match",
        ),
        pytest.param(
            "naming_rules.csv", RULES.replace("[A-Z0-9]+", "[A-Z]+[A-Z]+[A-Z]+[A-Z]+[A-Z]+"), 2,
            "allowed_part", "biểu thức", id="a part with five repetitions",
        ),
        pytest.param(
            "naming_rules.csv", RULES.replace("[A-Z0-9]+", "[Z-A]"), 2, "allowed_part",
            "biểu thức", id="a part that is no expression",
        ),
        pytest.param(
            "naming_rules.csv", RULES.replace("dtp,-,", "dtp,*,"), 2, "separator", "«*»",
            id="a separator that is none",
        ),
        pytest.param(
            "naming_rules.csv", RULES.replace(",1,2,", ",2,1,"), 2, "max_parts", "nhỏ hơn",
            id="fewer parts at most than at least",
        ),
        pytest.param(
            "naming_rules.csv", RULES.replace("-,15,", "-,64,"), 2, "max_length", "1 đến 63",
            id="a name longer than a DNS label",
        ),
        pytest.param(
            "calendar.csv", CALENDAR.replace("holiday", "Tết"), 2, "kind", "«Tết»",
            id="an unknown kind of day",
        ),
        pytest.param(
            "estate.yml", ESTATE.replace("dong_thap", "kon_tum"), 1, "estate_code",
            "khác tên thư mục", id="an estate in another's folder",
        ),
        pytest.param(
            "estate.yml", ESTATE + "old_bases_days: 0\n", 3, "old_bases_days", "từ 1 đến 366",
            id="no days at all",
        ),
        pytest.param(
            "estate.yml", ESTATE + "old_bases_day: 15\n", 3, "old_bases_day", "không được dùng",
            id="an unknown setting",
        ),
        pytest.param(
            "estate.yml", ESTATE + "estate_name: khác\n", 3, "estate_name", "hai lần",
            id="a setting twice",
        ),
        pytest.param(
            "estate.yml", ESTATE + "old_bases_days: [15]\n", 3, "old_bases_days",
            "một chữ hoặc một số", id="a list where one value belongs",
        ),
        pytest.param(
            "estate.yml", ESTATE + "old_bases_days: !!python/object:os.system 1\n", 3,
            "old_bases_days", "một chữ hoặc một số", id="an object of Python",
        ),
        pytest.param(
            "estate.yml", ESTATE + "db_password: x\n", 3, "db_password", "bí mật",
            id="a password in the settings",
        ),
        pytest.param("estate.yml", ESTATE + "\tx: 1\n", 3, "", "YAML", id="a tab in YAML"),
        pytest.param("estate.yml", "- a\n", 1, "", "tên: giá trị", id="a list for settings"),
        pytest.param(
            "estate.yml", "estate_code: dong_thap\n", 1, "estate_name", "Thiếu",
            id="an estate without a name",
        ),
        pytest.param(
            "unit.csv", UNITS, None, "", "gần giống", id="a file with a slip in its name"
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, row: int | None, field: str, text: str
) -> None:
    found = mistakes_of(write_registry(tmp_path, {name: content}))
    assert [(one.file, one.row, one.field) for one in found if text in one.text] == [
        (f"dong_thap/{name}", row, field)
    ]
    assert all(one.remedy for one in found)


def test_one_wrong_row_is_told_once(tmp_path: Path) -> None:
    """Neither the server nor the group, the alias and the seats of the refused unit are told."""
    (found,) = mistakes_of(
        write_registry(tmp_path, {"units.csv": UNITS.replace("VHTT,dtp_872,7", "VHTT,dtp_872,bảy")})
    )
    assert (found.row, found.field) == (4, "list_order")


def test_all_mistakes_of_all_files_are_told_in_order(tmp_path: Path) -> None:
    found = mistakes_of(
        write_registry(
            tmp_path,
            {
                "units.csv": UNITS.replace("2,2022-09-01", "hai,01/09/2022"),
                "allocations.csv": ALLOCATIONS.replace(",8,", ",8.5,").replace(",12,", ",x,"),
                "servers.csv": SERVERS.replace("district", "huyen"),
            },
        )
    )
    assert [(one.file.partition("/")[2], one.row, one.field) for one in found] == [
        ("allocations.csv", 3, "seat_count"),
        ("allocations.csv", 4, "seat_count"),
        ("servers.csv", 3, "server_role"),
        ("units.csv", 5, "list_order"),
        ("units.csv", 5, "valid_from_date"),
    ]


def test_the_error_lists_the_mistakes_and_counts_those_it_does_not_show(tmp_path: Path) -> None:
    rows = "".join(f"2022-{n},grant,,dtp,x,2022-09-01,,CV\n" for n in range(SHOWN_COUNT + 1))
    path = write_registry(tmp_path, {"allocations.csv": ALLOCATIONS.splitlines()[0] + "\n" + rows})
    with pytest.raises(RegistryError) as caught:
        load(path)
    text = str(caught.value)
    assert caught.value.code == "registry_invalid"
    assert "dong_thap/allocations.csv, dòng 2, cột seat_count" in text
    assert f"dòng {SHOWN_COUNT + 1}, cột" in text
    assert f"dòng {SHOWN_COUNT + 2}, cột" not in text
    assert "và 1 lỗi khác" in text


def test_a_secret_is_never_repeated(tmp_path: Path) -> None:
    text = SERVERS.replace("server_name", "ksc_password").replace("Máy chủ KSC tỉnh", "hunter2")
    with pytest.raises(RegistryError) as caught:
        load(write_registry(tmp_path, {"servers.csv": text}))
    assert "hunter2" not in str(caught.value)


def test_invisible_characters_in_a_cell_do_not_count(tmp_path: Path) -> None:
    text = SERVERS.replace("district", "dis\u00adtrict\u200b").replace("KSC tỉnh", "KSC\u00a0tỉnh")
    registry = load(write_registry(tmp_path, {"servers.csv": text}))
    assert registry.servers[1].server_role is ServerRole.DISTRICT
    assert registry.servers[0].server_name == "Máy chủ KSC tỉnh"


def test_invisible_characters_in_a_column_name_are_shown(tmp_path: Path) -> None:
    found = mistakes_of(
        write_registry(tmp_path, {"units.csv": UNITS.replace("unit_code", "\u200bunit_code", 1)})
    )
    assert "Cột «\\u200bunit_code» không được dùng." in {one.text for one in found}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(lambda path: None, "Không có thư mục", id="no folder"),
        pytest.param(lambda path: path.mkdir(), "chưa có địa bàn", id="an empty folder"),
        pytest.param(
            lambda path: write_registry(path, estate="Đồng Tháp"), "mã địa bàn", id="a bad name"
        ),
        pytest.param(
            lambda path: write_registry(path.parent, estate=path.name),
            "không nằm trong thư mục của một địa bàn",
            id="the folder of one estate",
        ),
    ],
)
def test_a_folder_that_is_no_registry_is_explained(
    tmp_path: Path, make: Callable[[Path], object], text: str
) -> None:
    path = tmp_path / "registry"
    make(path)
    assert any(text in one.text for one in mistakes_of(path))


def test_other_files_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    plain = load(write_registry(tmp_path / "plain"))
    path = write_registry(tmp_path / "more", {"README.md": "x", "nhat_ky.csv": "a,b\n"})
    (path / ".git").mkdir()
    (path / "__pycache__").mkdir()
    (path / "README.md").write_text("x", "utf-8")
    assert load(path).sha256 == plain.sha256


def test_groups_and_aliases_keep_the_spelling_of_the_console(tmp_path: Path) -> None:
    registry = load(
        write_registry(
            tmp_path,
            {
                "server_groups.csv": GROUPS.replace("Phòng VHTT", "Phòng  VHTT "),
                "unit_aliases.csv": ALIASES,
            },
        )
    )
    assert registry.server_groups[0].group_path == "01. Phòng ban/Phòng VHTT"
    assert registry.unit_aliases[0].alias == "Phòng VHTT"
