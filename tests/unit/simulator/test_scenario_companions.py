from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from estates import AT, host, server, write_csv, write_estate
from ksc_ledger.rules.figures import percent
from ksc_ledger.simulator import Simulator, check_scenario
from ksc_ledger.simulator.__main__ import main
from ksc_ledger.simulator.companions import COLUMNS

REPOSITORY = Path(__file__).parents[3]
END = "2023-10-21T08:00:00+07:00"
FIGURE = {"as_of_date": "2023-10-20", "unit_code": "dtp", "allocated_count": 330}


def estate(tmp_path: Path, *figures: dict[str, Any], **rows: Any) -> Path:
    return write_estate(tmp_path / "thap_muoi", [host()], figures=figures, ends_at=END, **rows)


def mistakes(folder: Path) -> set[tuple[str, int, str]]:
    return {(m.file, m.row, m.field) for m in check_scenario(folder)}


# -- the registry's folder -------------------------------------------------------------------------


def test_a_missing_registry_folder_is_told(tmp_path: Path) -> None:
    folder = estate(tmp_path, FIGURE)
    shutil.rmtree(folder / "registry" / "dong_thap")
    assert mistakes(folder) == {("registry/dong_thap", 0, "")}


def test_a_registry_of_another_estate_is_not_enough(tmp_path: Path) -> None:
    folder = estate(tmp_path)
    (folder / "registry" / "dong_thap").rename(folder / "registry" / "kon_tum")
    assert mistakes(folder) == {("registry/dong_thap", 0, "")}


# -- expected.yml ----------------------------------------------------------------------------------


def test_every_kind_of_figure_may_be_expected(tmp_path: Path) -> None:
    folder = estate(
        tmp_path,
        {
            **FIGURE,
            "installed_count": 255,
            "correctly_named_count": 255,
            "net_gap_count": 75,
            "installed_ratio": 0.773,
            "is_complete": True,
            "shown": {"installed_ratio": "77,3 %"},
            "letter": "Công văn thử",
            "children_with_seats": 0,
        },
        {"as_of_date": "2023-10-21", "unit_code": "dtp", "net_gap_count": -2},
    )
    assert mistakes(folder) == set()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"installed_counts": 255}, "installed_counts"),
        ({"snapshot_id": "x"}, "snapshot_id"),
        ({"installed_count": "255"}, "installed_count"),
        ({"installed_count": 255.0}, "installed_count"),
        ({"installed_count": True}, "installed_count"),
        ({"installed_count": None}, "installed_count"),
        ({"installed_count": -1}, "installed_count"),
        ({"installed_ratio": "77,3 %"}, "installed_ratio"),
        ({"installed_ratio": -0.1}, "installed_ratio"),
        ({"is_complete": 1}, "is_complete"),
        ({"unit_code": "dtp_999"}, "unit_code"),
        ({"unit_code": "Tháp Mười"}, "unit_code"),
        ({"unit_code": None}, "unit_code"),
        ({"as_of_date": "20/10/2023"}, "as_of_date"),
        ({"as_of_date": "2023-13-01"}, "as_of_date"),
        ({"as_of_date": AT}, "as_of_date"),
        ({"as_of_date": None}, "as_of_date"),
        ({"as_of_date": "2023-10-19"}, "as_of_date"),
        ({"as_of_date": "2023-10-22"}, "as_of_date"),
        ({"shown": "77,3 %"}, "shown"),
        ({"shown": {"installed": "77,3 %"}}, "shown"),
        ({"shown": {"installed_ratio": 0.773}}, "shown"),
        ({"shown": {"installed_ratio": "nhiều"}}, "shown"),
        ({"shown": {"installed_ratio": "77.3 %"}}, "shown"),
        ({"shown": {"installed_ratio": "77,3%"}}, "shown"),
        ({"shown": {"installed_ratio": "77,3\u00a0%"}}, "shown"),
        ({"shown": {"installed_ratio": "77 %"}}, "shown"),
        ({"shown": {"installed_ratio": "77,27 %"}}, "shown"),
        ({"shown": {"installed_ratio": "077,3 %"}}, "shown"),
        ({"shown": {"installed_ratio": "77,3"}}, "shown"),
        ({"shown": {"allocated_count": "33,0 %"}}, "shown"),
        ({"letter": " "}, "letter"),
        ({"children_with_seats": "20"}, "children_with_seats"),
        ({"children_with_seats": -1}, "children_with_seats"),
        ({"installed_count": 255, "net_gap_count": 76}, "net_gap_count"),
        ({"installed_count": 255, "correctly_named_count": 256}, "correctly_named_count"),
    ],
)
def test_a_wrong_figure_is_named_with_its_line(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    right = {**FIGURE, "as_of_date": "2023-10-21"}
    folder = estate(tmp_path)
    text = yaml.safe_dump({"figures": [right, {**FIGURE, **changes}]}, sort_keys=False)
    (folder / "expected.yml").write_text(text, "utf-8")
    line = 1 + next(
        number
        for number, one in enumerate(text.splitlines())
        if number > 3 and one.lstrip(" -").startswith(f"{field}:")
    )
    assert mistakes(folder) == {("expected.yml", line, field)}


@pytest.mark.parametrize("ratio", [0, 0.0004, 0.773, 1, 1.25, 12.5])
def test_a_ratio_as_the_product_prints_it_may_be_shown(tmp_path: Path, ratio: float) -> None:
    assert (
        mistakes(estate(tmp_path, {**FIGURE, "shown": {"installed_ratio": percent(ratio)}}))
        == set()
    )


def test_an_entry_without_any_figure_is_named(tmp_path: Path) -> None:
    folder = estate(tmp_path, {"as_of_date": "2023-10-20", "unit_code": "dtp", "letter": "x"})
    assert mistakes(folder) == {("expected.yml", 1, "")}


def test_a_figure_is_stated_once(tmp_path: Path) -> None:
    folder = estate(tmp_path)
    entries = [FIGURE, {**FIGURE, "unit_code": "dtp", "allocated_count": 331}]
    text = yaml.safe_dump({"figures": entries}, sort_keys=False)
    (folder / "expected.yml").write_text(text, "utf-8")
    [mistake] = check_scenario(folder)
    assert (mistake.file, mistake.row, mistake.field) == ("expected.yml", 7, "allocated_count")
    assert "dòng 4" in mistake.text
    assert mistakes(estate(tmp_path, *entries)) == {("expected.yml", 1, "allocated_count")}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("figures: [", ""),
        ("- a", ""),
        ("", ""),
        ("figures: {}", "figures"),
        ("numbers: []", "numbers"),
        ("figures: [1]", "figures"),
        ("figures:\n- {as_of_date: 2023-13-45, unit_code: dtp, allocated_count: 1}", ""),
    ],
)
def test_a_broken_file_of_figures_is_a_mistake_and_no_crash(
    tmp_path: Path, content: str, field: str
) -> None:
    folder = estate(tmp_path)
    (folder / "expected.yml").write_text(content, "utf-8")
    assert ("expected.yml", field) in {(m.file, m.field) for m in check_scenario(folder)}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (
            "{unit_code: dtp, report_date: 2023-10-13, reported_count: 8, difference_count: -1}",
            None,
        ),
        ("{unit_code: dtp_999, report_date: 2023-10-13, reported_count: 8}", "unit_code"),
        ("{unit_code: dtp, report_date: mai, reported_count: 8}", "reported"),
        ("{unit_code: dtp, report_date: 2023-10-13}", "reported"),
        ("{unit_code: dtp, report_date: 2023-10-13, reported_count: 8.5}", "reported"),
        ("{unit_code: dtp, report_date: 2023-10-13, reported_count: 8, told: 1}", "reported"),
    ],
)
def test_rows_of_reports_are_checked(tmp_path: Path, row: str, field: str | None) -> None:
    folder = estate(tmp_path)
    (folder / "expected.yml").write_text(f"figures: []\nreported:\n  - {row}\n", "utf-8")
    assert mistakes(folder) == (set() if field is None else {("expected.yml", 3, field)})


def test_a_missing_file_of_figures_is_told(tmp_path: Path) -> None:
    folder = estate(tmp_path)
    (folder / "expected.yml").unlink()
    assert mistakes(folder) == {("expected.yml", 0, "")}


def test_units_are_not_judged_when_the_registry_cannot_tell_them(tmp_path: Path) -> None:
    folder = estate(tmp_path, {**FIGURE, "unit_code": "dtp_999"})
    (folder / "registry" / "dong_thap" / "units.csv").write_bytes("đơn vị".encode("utf-16"))
    assert mistakes(folder) == set()


def test_only_columns_that_exist_can_be_expected() -> None:
    twin = REPOSITORY / "sql" / "marts" / "fct_unit_coverage_daily.yml"
    assert set(COLUMNS) <= set(yaml.safe_load(twin.read_text("utf-8"))["columns"])


# -- the inbox -------------------------------------------------------------------------------------


def with_inbox(tmp_path: Path, *rows: dict[str, Any], files: tuple[str, ...] = ("a.csv",)) -> Path:
    folder = estate(tmp_path, servers=[server("dtp"), server("dtp_872", "dtp")])
    for name in files:
        file = folder / "inbox" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x", "utf-8")
    if rows:
        (folder / "inbox").mkdir(exist_ok=True)
        write_csv(folder / "inbox" / "inbox.csv", rows)
    return folder


ARRIVAL = {"file": "a.csv", "unit_code": "dtp_872", "received_at": AT}


def test_a_listed_file_arrives(tmp_path: Path) -> None:
    rows = [ARRIVAL, {**ARRIVAL, "file": "dtp/Báo cáo.xlsx", "received_at": END}]
    assert mistakes(with_inbox(tmp_path, *rows, files=("a.csv", "dtp/Báo cáo.xlsx"))) == set()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"file": "b.csv"}, "file"),
        ({"file": "../scenario.yml"}, "file"),
        ({"file": "/etc/hostname"}, "file"),
        ({"file": ""}, "file"),
        ({"unit_code": "dtp_999"}, "unit_code"),
        ({"unit_code": "Tháp Mười"}, "unit_code"),
        ({"received_at": "2023-10-20"}, "received_at"),
        ({"received_at": "2023-10-20T08:00:00"}, "received_at"),
        ({"received_at": "2023-10-21T08:00:01+07:00"}, "received_at"),
    ],
)
def test_a_wrong_arrival_is_named_by_row_and_column(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    folder = with_inbox(tmp_path, ARRIVAL, {**ARRIVAL, **changes})
    assert ("inbox/inbox.csv", 3, field) in mistakes(folder)


def test_a_file_arrives_once(tmp_path: Path) -> None:
    assert mistakes(with_inbox(tmp_path, ARRIVAL, ARRIVAL)) == {("inbox/inbox.csv", 3, "file")}


def test_a_file_that_is_not_in_the_list_is_told(tmp_path: Path) -> None:
    folder = with_inbox(tmp_path, ARRIVAL, files=("a.csv", "b.csv", ".gitkeep"))
    assert mistakes(folder) == {("inbox/b.csv", 0, "")}


def test_files_need_a_list_and_a_list_needs_its_columns(tmp_path: Path) -> None:
    folder = with_inbox(tmp_path)
    assert mistakes(folder) == {("inbox/inbox.csv", 0, "")}
    write_csv(folder / "inbox" / "inbox.csv", [{"file": "a.csv", "unit": "dtp"}])
    assert mistakes(folder) == {
        ("inbox/inbox.csv", 1, name) for name in ("unit", "unit_code", "received_at")
    }


# -- who is told -----------------------------------------------------------------------------------


def test_the_command_prints_every_mistake_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = estate(tmp_path, {**FIGURE, "unit_code": "dtp_999"})
    shutil.rmtree(folder / "estate" / "hosts")
    write_csv(
        folder / "estate" / "events.csv", [{"server_code": "dtp", "from_at": AT, "kind": "x"}]
    )
    assert main([str(folder), "--check"]) == 1
    said = capsys.readouterr().out
    assert "expected.yml, dòng 1, mục unit_code: Đơn vị 'dtp_999'" in said
    assert "estate/events.csv, dòng 2, cột kind: " in said
    assert said.count("    → ") == 2
    assert said.endswith("2 lỗi.\n")


def test_the_command_ends_with_0_when_there_is_no_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(estate(tmp_path, FIGURE)), "--check"]) == 0
    assert capsys.readouterr().out == "Không có lỗi.\n"


def test_the_command_checks_several_scenarios_and_what_they_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [write_estate(tmp_path / name, [host()]) for name in ("thap_muoi", "kon_plong")]
    (folders[1] / "expected.yml").unlink()
    assert main([*map(str, folders), "--check"]) == 1
    said = capsys.readouterr().out
    assert "kon_plong/expected.yml: Thiếu tệp này." in said
    assert "thap_muoi và kon_plong" in said
    assert said.endswith("2 lỗi.\n")


def test_a_folder_may_be_named_by_where_one_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(estate(tmp_path, FIGURE))
    assert main([".", "--check"]) == 0
    assert capsys.readouterr().out == "Không có lỗi.\n"


def test_serving_needs_a_place_and_checking_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(estate(tmp_path))])
    assert ended.value.code == 2
    assert "--run-dir" in capsys.readouterr().err


def test_what_no_server_serves_does_not_keep_a_scenario_from_being_served(tmp_path: Path) -> None:
    folder = estate(tmp_path, {**FIGURE, "unit_code": "dtp_999"})
    shutil.rmtree(folder / "registry")
    with Simulator([folder], tmp_path / "run") as sim:
        assert sim.state()["servers"]["dtp"]["host_count"] == 1
