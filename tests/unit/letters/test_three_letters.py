"""The letters of the three days carry exactly their figures, in the form of Decree 30/2020."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn

from ksc_ledger import letters
from ksc_ledger.errors import LedgerError
from ksc_ledger.letters.model import Letter, Section, Sources, Totals
from unit.letters.reading import annex_tables, cells_of, heading_of, opened, text_of
from unit.letters.three_letters import letter_a, letter_b, letter_c, lines_of

LETTERS = {"A": letter_a, "B": letter_b, "C": letter_c}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, letters.Written]:
    folder = tmp_path_factory.mktemp("letters")
    return {name: letters.write(letter(), folder) for name, letter in LETTERS.items()}


def test_the_files_bear_the_names_of_the_contract(written: dict[str, letters.Written]) -> None:
    for name, stem in (
        ("A", "dong_thap/2022-10-12-don_doc-dtp_872"),
        ("B", "kon_tum/2024-01-08-don_doc-ktm_613"),
        ("C", "dong_thap/2023-10-13-phan_bo-dtp"),
    ):
        found = written[name]
        for path in (found.docx, found.xlsx, found.json):
            assert "/".join(path.parts[-2:]) == f"{stem}{path.suffix}"


# --- Figures -------------------------------------------------------------------------------------


def test_the_letter_of_thap_muoi_says_255_of_330_and_235(
    written: dict[str, letters.Written],
) -> None:
    text = text_of(written["A"].docx)
    assert "tính đến ngày 12/10/2022 trên địa bàn huyện Tháp Mười có 255/330 máy tính" in text
    assert "đạt tỷ lệ 77,3%" in text
    assert "235 máy được đặt tên đúng hướng dẫn, 20 máy đặt tên chưa đúng" in text
    assert "Còn 77 bản quyền chưa được sử dụng, 1 cơ quan, đơn vị chưa cài đặt" in text
    assert "2 máy cài đặt vượt" in text
    assert "chậm nhất ngày 19/10/2022" in text
    assert "chậm nhất ngày 20/10/2022" in text


def test_the_letter_of_kon_plong_says_62_of_190_and_32_6_per_cent(
    written: dict[str, letters.Written],
) -> None:
    text = text_of(written["B"].docx)
    assert "có 62/190 máy tính đã được cài đặt phần mềm, đạt tỷ lệ 32,6%" in text
    assert "11 máy đặt tên chưa đúng" in text
    assert "trước ngày 16 tháng 01 năm 2024" in text
    assert "Công văn số 31/STTTT-BCVT&CNTT ngày 05 tháng 01 năm 2024" in text
    assert "Văn bản số 1679/UBND-VHTT ngày 31 tháng 10 năm 2023" in text


def test_the_letter_of_the_department_says_1_077_and_3_960(
    written: dict[str, letters.Written],
) -> None:
    text = text_of(written["C"].docx)
    assert (
        "5.037, gồm 1.077 bản quyền cho 20 sở, ban, ngành tỉnh; 3.960 bản quyền cho 12 huyện, thành "
        "phố" in text
    )
    assert "bản quyền 01 năm (tính từ ngày 13/10/2023)" in text
    assert "thời điểm hết hạn là 23:59 ngày 13/10/2024" in text
    assert "thứ Sáu, ngày 20/10/2023, bắt đầu lúc 08 giờ" in text
    assert "Tổng cộng: 5.037 bản quyền." in text


@pytest.mark.parametrize(
    ("name", "file", "allocated", "installed", "named", "ratio"),
    [
        ("A", "letter_a", "330", "255", "235", "77,3%"),
        ("B", "letter_b", "190", "62", "51", "32,6%"),
    ],
)
def test_the_annex_lists_every_unit_and_adds_up(
    written: dict[str, letters.Written],
    name: str,
    file: str,
    allocated: str,
    installed: str,
    named: str,
    ratio: str,
) -> None:
    (table,) = annex_tables(written[name].docx)
    units = lines_of(file)
    assert [row[:3] for row in table[1:-1]] == [
        [str(n), unit["unit_name"], unit["allocated_count"]]
        for n, unit in enumerate(units, start=1)
    ]
    assert [row[4] for row in table[1:-1]] == [unit["installed_count"] for unit in units]
    assert [row[6] for row in table[1:-1]] == [unit["correctly_named_count"] for unit in units]
    assert table[-1][:7] == ["", "Tổng cộng", allocated, "", installed, ratio, named]
    assert table[0] == [
        "STT", "Tên đơn vị", "Số bản quyền được phân bổ", "Số máy tính hiện có",
        "Số máy đã cài đặt", "Tỷ lệ (%)", "Số máy đặt đúng tên", "Số máy không đủ cấu hình",
        "Nhu cầu bổ sung", "Khó khăn, vướng mắc", "Ghi chú",
    ]  # fmt: skip


def test_the_annex_remarks_on_who_is_over_and_who_has_not_begun(
    written: dict[str, letters.Written],
) -> None:
    (table,) = annex_tables(written["A"].docx)
    remarks = {row[1]: row[-1] for row in table[1:-1] if row[-1]}
    assert remarks == {
        "Văn phòng HĐND và UBND huyện": "Vượt 2 máy",
        "Công an huyện": "Chưa cài đặt",
    }


def test_the_allocation_annex_has_20_and_12_rows_in_the_letters_order(
    written: dict[str, letters.Written],
) -> None:
    departments, districts = annex_tables(written["C"].docx)
    rows = lines_of("letter_c")
    assert departments[0] == ["STT", "Tên đơn vị", "Số lượng bản quyền được phân bổ"]
    assert [row[1:] for row in departments[1:-1] + districts[1:-1]] == [
        [row["unit_name"], row["allocated_count"]] for row in rows
    ]
    assert [row[0] for row in departments[1:-1]] == [str(n) for n in range(1, 21)]
    assert [row[0] for row in districts[1:-1]] == [str(n) for n in range(1, 13)]
    assert departments[10][1] == "Sở Nông nghiệp & Phát triển nông thôn"
    assert departments[-1] == ["", "Cộng", "1.077"]
    assert districts[-1] == ["", "Cộng", "3.960"]


@pytest.mark.parametrize(
    ("name", "allocated", "installed", "named"), [("A", 330, 255, 235), ("B", 190, 62, 51)]
)
def test_the_workbook_has_the_same_figures_as_numbers(
    written: dict[str, letters.Written], name: str, allocated: int, installed: int, named: int
) -> None:
    cells = cells_of(written[name].xlsx)
    (total,) = [row for row in cells if row[1] == "Tổng cộng"]
    assert (total[2], total[4], total[6]) == (allocated, installed, named)
    assert total[5] == pytest.approx(installed / allocated)
    (table,) = annex_tables(written[name].docx)
    head = next(n for n, row in enumerate(cells) if row[0] == "STT")
    assert cells[head] == table[0]
    for wide, narrow in zip(cells[head + 1 :], table[1:-1], strict=False):
        assert [str(cell) for cell in wide[:3]] == narrow[:3]
        assert str(wide[4]) == narrow[4]


def test_the_workbook_of_the_allocation_has_both_sums(written: dict[str, letters.Written]) -> None:
    cells = cells_of(written["C"].xlsx)
    assert [row[2] for row in cells if row[1] == "Cộng"] == [1077, 3960]
    assert [row[2] for row in cells if row[1] == "Tổng cộng"] == [5037]
    units = [row for row in cells if isinstance(row[0], int)]
    assert [row[0] for row in units] == [*range(1, 21), *range(1, 13)]
    assert [(row[1], row[2]) for row in units] == [
        (row["unit_name"], int(row["allocated_count"])) for row in lines_of("letter_c")
    ]


# --- Form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LETTERS)
def test_the_page_is_a4_with_the_margins_of_the_decree(
    written: dict[str, letters.Written], name: str
) -> None:
    text, annex = opened(written[name].docx).sections
    assert (round(text.page_width.mm), round(text.page_height.mm)) == (210, 297)
    assert 20 <= round(text.top_margin.mm) <= 25
    assert 20 <= round(text.bottom_margin.mm) <= 25
    assert 30 <= round(text.left_margin.mm) <= 35
    assert 15 <= round(text.right_margin.mm) <= 20
    assert (annex.orientation == WD_ORIENT.LANDSCAPE) is (name != "C")
    for section in (text, annex):
        assert section.different_first_page_header_footer
        assert not section.first_page_header.paragraphs[0].text
    assert "PAGE" in text.header._element.xml
    numbering = annex._sectPr.find(qn("w:pgNumType"))
    assert numbering is not None
    assert numbering.get(qn("w:start")) == "1"


@pytest.mark.parametrize("name", LETTERS)
def test_the_type_is_times_new_roman_black_13(
    written: dict[str, letters.Written], name: str
) -> None:
    document = opened(written[name].docx)
    normal = document.styles["Normal"]
    assert (normal.font.name, normal.font.size.pt) == ("Times New Roman", 13)
    fonts = {run.font.name for paragraph in document.paragraphs for run in paragraph.runs}
    assert fonts <= {None, "Times New Roman"}
    sizes = {run.font.size for paragraph in document.paragraphs for run in paragraph.runs}
    assert {size.pt for size in sizes if size} <= {10, 14}


def test_the_letterhead_has_its_parts_and_leaves_number_and_day_blank(
    written: dict[str, letters.Written],
) -> None:
    left, right = heading_of(written["A"].docx)
    assert left.split("\n")[:2] == ["ỦY BAN NHÂN DÂN", "HUYỆN THÁP MƯỜI"]
    assert re.search(r"Số: {6,}/UBND-TH", left)
    assert "V/v đôn đốc cài đặt phần mềm phòng, chống mã độc tập trung" in left
    assert right.split("\n")[:2] == [
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
    ]
    assert re.search(r"Tháp Mười, ngày {5,}tháng 10 năm 2022", right)
    _, january = heading_of(written["B"].docx)
    assert re.search(r"Kon Plông, ngày {5,}tháng 01 năm 2024", january)
    department, _ = heading_of(written["C"].docx)
    assert department.split("\n")[:3] == [
        "UBND TỈNH ĐỒNG THÁP",
        "SỞ THÔNG TIN",
        "VÀ TRUYỀN THÔNG",
    ]


ORDER = {
    "A": (
        "Kính gửi:",
        "- Các ban, ngành thuộc Ủy ban nhân dân huyện;",
        "- Ủy ban nhân dân các xã, thị trấn.",
        "Thực hiện Công văn số 1134/STTTT-CNTT ngày 11 tháng 10 năm 2022",
        "255/330",
        "1. ",
        "2. ",
        "3. ",
        "4. ",
        "chịu trách nhiệm trước",
        "./.",
        "PHỤ LỤC",
        "(Kèm theo Công văn số",
        "mã số liệu: 20221012-aaaa",
    ),
    "B": (
        "Kính gửi:",
        "Căn cứ Công văn số 31/STTTT-BCVT&CNTT",
        "Thực hiện Văn bản số 1679/UBND-VHTT",
        "62/190",
        "1. ",
        "không đủ cấu hình",
        "người đứng đầu nơi đó chịu trách nhiệm",
        "./.",
        "PHỤ LỤC",
        "mã số liệu: 20240108-bbbb",
    ),
    "C": (
        "Kính gửi:",
        "Căn cứ Quyết định số 565/QĐ-UBND-HC ngày 23 tháng 5 năm 2023",
        "Căn cứ Công văn số 232/UBND-PCPC ngày 06 tháng 10 năm 2023",
        "01 năm (tính từ ngày 13/10/2023)",
        "1. Cài đặt đủ",
        "2. Không cài nhiều phần mềm",
        "3. Cử cán bộ",
        "- Thời gian: 01 ngày",
        "- Địa điểm:",
        "4. Theo dõi",
        "5. Các huyện, thành phố",
        "nếu có khó khăn, vướng mắc",
        "./.",
        "PHỤ LỤC",
        "1. Các sở, ban, ngành tỉnh:",
        "2. Các huyện, thành phố:",
    ),
}


@pytest.mark.parametrize("name", LETTERS)
def test_the_parts_stand_in_the_order_of_the_original(
    written: dict[str, letters.Written], name: str
) -> None:
    text = text_of(written[name].docx)
    at = 0
    for part in ORDER[name]:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is missing after {text[max(0, at - 40) : at]!r}"
        at = found + len(part)


@pytest.mark.parametrize("name", LETTERS)
def test_the_end_names_who_gets_copies_and_by_which_right_is_signed(
    written: dict[str, letters.Written], name: str
) -> None:
    left, right = opened(written[name].docx).tables[1].rows[0].cells
    lines = [line for line in left.text.split("\n") if line]
    assert lines[:2] == ["Nơi nhận:", "- Như trên;"]
    assert lines[-1].startswith("- Lưu: VT, ")
    assert lines[-1].endswith(".")
    assert all(line.endswith(";") for line in lines[1:-1])
    signed = [line for line in right.text.split("\n") if line]
    assert signed[:-1] == list(LETTERS[name]().issuer.signature)
    assert set(signed[-1]) == {"…"}


def test_the_due_dates_are_bold_and_the_notes_italic(written: dict[str, letters.Written]) -> None:
    runs = [run for one in opened(written["A"].docx).paragraphs for run in one.runs]
    bold = [run.text for run in runs if run.bold]
    assert "chậm nhất ngày 19/10/2022" in bold
    assert "chậm nhất ngày 20/10/2022" in bold
    assert "(kèm theo mẫu báo cáo)" in [run.text for run in runs if run.italic]


def test_no_tag_is_left_over_in_any_letter(written: dict[str, letters.Written]) -> None:
    for paths in written.values():
        xml = opened(paths.docx)._element.xml
        assert "{{" not in xml
        assert "{%" not in xml


# --- What a letter must not hide, and what is no letter -------------------------------------------


def test_a_server_that_did_not_answer_is_told(tmp_path: Path) -> None:
    sources = Sources(servers_expected_count=12, servers_observed_count=11, is_provisional=True)
    text = text_of(letters.write(letter_a(sources=sources), tmp_path).docx)
    assert "11/12 máy chủ quản trị đã trả lời đầy đủ" in text
    assert "tạm tính" in text


def test_whole_sources_need_no_remark(written: dict[str, letters.Written]) -> None:
    assert "máy chủ quản trị đã trả lời" not in text_of(written["A"].docx)


def test_one_addressee_stands_on_one_line(tmp_path: Path) -> None:
    paths = letters.write(letter_a(recipients=("Công an huyện",)), tmp_path)
    assert "Kính gửi: Công an huyện" in text_of(paths.docx)


@pytest.mark.parametrize("figure", ["allocated_count", "installed_count", "correctly_named_count"])
def test_a_letter_that_does_not_add_up_is_not_written(figure: str) -> None:
    facts = {"allocated_count": 330, "installed_count": 255, "correctly_named_count": 235}
    facts[figure] += 1
    with pytest.raises(LedgerError, match="cộng lại") as caught:
        letter_a(totals=Totals(snapshot_id="x", **facts))
    assert caught.value.code == "letter_sum_wrong"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sections": (Section(rows=()),)}, "letter_without_rows"),
        (
            {"totals": Totals(allocated_count=330, snapshot_id="x")},
            "letter_without_figures",
        ),
        ({"unit_code": "../dtp"}, "letter_code_wrong"),
        ({"estate_code": "Đồng Tháp"}, "letter_code_wrong"),
    ],
)
def test_what_is_no_letter_is_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(LedgerError) as caught:
        letter_a(**changes)
    assert caught.value.code == code


def test_a_letter_is_plain_data_with_a_value() -> None:
    assert isinstance(letter_a(), Letter)
    assert letter_a() == letter_a()
