"""The form that the system makes is filled in, comes back and is received."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from corpus.cases import directory
from ksc_ledger.intake import store
from ksc_ledger.intake.inbox import sidecar_of
from ksc_ledger.intake.prefilled_form import FormLine, make_form
from ksc_ledger.intake.receipts import Receipt
from ksc_ledger.intake.receive import receive
from ksc_ledger.intake.sandbox import Sandbox
from ksc_ledger.settings import Places

AS_OF = date(2022, 10, 12)
NOW = datetime(2022, 10, 18, 2, 0, tzinfo=UTC)
LINES = [
    FormLine(
        unit_code="dtp_872_pnv",
        unit_name="Phòng Nội vụ",
        allocated_count=12,
        installed_count=12,
        correctly_named_count=12,
    ),
    FormLine(
        unit_code="dtp_872_ptp",
        unit_name="Phòng Tư pháp",
        allocated_count=8,
        installed_count=7,
        correctly_named_count=6,
    ),
]
FIRST_ROW = 11


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as one:
        yield one


def a_form(folder: Path, lines: list[FormLine] = LINES) -> Path:
    return make_form("dtp_872", "Huyện Tháp Mười", lines, AS_OF, folder)


def returned(form: Path, home: Path, sandbox: Sandbox) -> tuple[Receipt, list[dict[str, Any]]]:
    places = Places(home)
    folder = places.inbox / "dtp_872"
    folder.mkdir(parents=True)
    path = shutil.copyfile(form, folder / "Báo cáo.xlsx")
    sidecar_of(path).write_text(json.dumps({"received_at": NOW.isoformat()}), "utf-8")
    (receipt,) = receive(places.inbox, places, directory(), now=NOW, sandbox=sandbox)
    return receipt, list(store.accepted_rows(places))


def test_a_form_that_comes_back_untouched_says_what_was_known(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    receipt, rows = returned(a_form(tmp_path), tmp_path, sandbox)
    assert (receipt.is_accepted, receipt.findings) == (True, ())
    assert [(row["unit_code"], row["installed_count"]) for row in rows] == [
        ("dtp_872_pnv", 12),
        ("dtp_872_ptp", 7),
    ]
    assert {row["report_date"] for row in rows} == {"2022-10-12"}


def test_what_the_unit_filled_in_is_received(tmp_path: Path, sandbox: Sandbox) -> None:
    form = a_form(tmp_path)
    book = openpyxl.load_workbook(form)
    sheet = book["Báo cáo"]
    sheet["E6"] = date(2022, 10, 17)
    sheet[f"E{FIRST_ROW + 1}"] = 9
    sheet[f"F{FIRST_ROW + 1}"] = 8
    sheet[f"H{FIRST_ROW + 1}"] = 8
    sheet[f"I{FIRST_ROW + 1}"] = 1
    sheet[f"J{FIRST_ROW + 1}"] = "Không"
    sheet[f"K{FIRST_ROW + 1}"] = "Máy cũ, chạy chậm"
    book.save(form)
    receipt, rows = returned(form, tmp_path, sandbox)
    assert receipt.is_accepted
    assert {key: rows[1][key] for key in rows[1] if key.endswith(("_count", "difficulties"))} == {
        "allocated_count": 8,
        "computers_count": 9,
        "installed_count": 8,
        "correctly_named_count": 8,
        "weak_hardware_count": 1,
        "requested_count": 0,
        "difficulties": "Máy cũ, chạy chậm",
    }
    assert rows[1]["report_date"] == "2022-10-17"


def test_a_figure_that_nobody_knew_must_be_filled_in(tmp_path: Path, sandbox: Sandbox) -> None:
    unknown = FormLine(unit_code="dtp_872_cah", unit_name="Công an huyện", allocated_count=8)
    receipt, rows = returned(a_form(tmp_path, [*LINES, unknown]), tmp_path, sandbox)
    assert [(one.reason.value, one.cell) for one in receipt.findings] == [("cell_blank", "F13")]
    assert rows == []


def test_a_unit_whose_name_was_overwritten_is_noticed(tmp_path: Path, sandbox: Sandbox) -> None:
    form = a_form(tmp_path)
    book = openpyxl.load_workbook(form)
    book["Báo cáo"][f"B{FIRST_ROW}"] = "Công an huyện"
    book.save(form)
    receipt, _ = returned(form, tmp_path, sandbox)
    assert [one.reason.value for one in receipt.findings] == ["unit_code_differs"]


def test_only_the_forms_own_formulas_are_formulas(tmp_path: Path) -> None:
    hostile = FormLine(
        unit_code="dtp_872_pnv", unit_name="=cmd|'/C calc'!A0\x07", allocated_count=12
    )
    path = make_form("dtp_872", '=HYPERLINK("x")', [hostile], AS_OF, tmp_path)
    sheet = openpyxl.load_workbook(path)["Báo cáo"]
    formulas = {
        cell.coordinate: cell.value
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "f"
    }
    assert set(formulas) == {"G11", "D12", "E12", "F12", "G12", "H12", "I12", "J12"}
    assert formulas["F12"] == "=SUM(F11:F11)"
    assert sheet["B11"].value == "=cmd|'/C calc'!A0"


def test_only_what_is_to_be_filled_in_can_be_typed_over(tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(a_form(tmp_path))["Báo cáo"]
    assert sheet.protection.sheet
    unlocked = {
        cell.coordinate for row in sheet.iter_rows() for cell in row if not cell.protection.locked
    }
    assert unlocked == {"E6", *(f"{column}{row}" for column in "EFHIJKL" for row in (11, 12))}
    assert openpyxl.load_workbook(a_form(tmp_path)).security.lockStructure


def test_counts_and_the_day_are_checked_while_they_are_typed(tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(a_form(tmp_path))["Báo cáo"]
    rules = {str(one.sqref): one for one in sheet.data_validations.dataValidation}
    assert set(rules) == {"E11:E12", "F11:F12", "H11:H12", "I11:I12", "J11:J12", "E6"}
    assert (rules["H11:H12"].type, rules["H11:H12"].formula2) == ("whole", "N(F11)")
    assert rules["E6"].type == "date"
    for one in rules.values():
        assert one.showErrorMessage
        assert 0 < len(one.errorTitle) <= 32  # Excel shows no longer ones
        assert 0 < len(one.error) <= 255


def test_a_form_is_written_whole_and_replaced(tmp_path: Path) -> None:
    first = a_form(tmp_path)
    assert first == a_form(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mau-bao-cao-dtp_872-2022-10-12.xlsx"]
    assert first.stat().st_mode & 0o777 == 0o640


@pytest.mark.long
def test_the_form_goes_through_libreoffice_and_comes_back(tmp_path: Path, sandbox: Sandbox) -> None:
    """Filled in, opened by LibreOffice, which computes ratio and total, drawn, saved and received."""
    office, draw = shutil.which("soffice"), shutil.which("pdftoppm")
    assert office, "LibreOffice is missing (Debian: apt install libreoffice-calc)"
    assert draw, "pdftoppm is missing (Debian: apt install poppler-utils)"
    form = a_form(tmp_path)
    book = openpyxl.load_workbook(form)
    book["Báo cáo"][f"F{FIRST_ROW + 1}"] = 8
    book["Báo cáo"][f"K{FIRST_ROW + 1}"] = "Một máy mới cài, chưa đổi tên"
    book.save(form)
    for kind in ("xlsx", "pdf"):
        subprocess.run(
            [office, "--headless", f"-env:UserInstallation=file://{tmp_path}/profile",
             "--convert-to", kind, "--outdir", str(tmp_path / "out"), str(form)],
            check=True, timeout=240, capture_output=True,
        )  # fmt: skip
    saved = tmp_path / "out" / form.name
    assert saved.exists(), "LibreOffice has no spreadsheets (Debian: apt install libreoffice-calc)"
    drawn = subprocess.run(
        [draw, "-r", "50", "-gray", str(saved.with_suffix(".pdf"))],
        check=True, timeout=60, capture_output=True,
    ).stdout  # fmt: skip
    assert drawn.count(b"P5\n") == 1  # one page, lying
    width, height = (int(one) for one in drawn.split(b"\n", 2)[1].split())
    assert width > height
    ink = sum(grey < 128 for grey in drawn[-width * height :])
    assert 0.005 < ink / (width * height) < 0.2  # neither blank nor a black square
    values = openpyxl.load_workbook(saved, data_only=True)["Báo cáo"]
    assert (values["F13"].value, values["G12"].value) == (20, 1)
    receipt, rows = returned(saved, tmp_path, sandbox)
    assert receipt.is_accepted, receipt.text()
    assert [(row["unit_code"], row["installed_count"], row["is_total"]) for row in rows] == [
        ("dtp_872_pnv", 12, False),
        ("dtp_872_ptp", 8, False),
        ("dtp_872", 20, True),
    ]
    assert rows[1]["difficulties"] == "Một máy mới cài, chưa đổi tên"
