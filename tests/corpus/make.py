"""Writes the corpus' files: ``python tests/corpus/make.py``. The committed bytes are the corpus.

Run it to add a file; a zip's bytes differ between versions of zlib, so that a run may rewrite files
without a meaning. Dangerous files are small: a bomb is made when its test runs (``builders.py``).
"""

from __future__ import annotations

import io
import json
import struct
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
from docx import Document as WordDocument
from openpyxl.utils.datetime import CALENDAR_MAC_1904

FILES = Path(__file__).parent / "files"
SAVED = datetime(2022, 10, 18, 1, 0, tzinfo=UTC).replace(tzinfo=None)  # as openpyxl asks

HEADER = [
    "STT",
    "Tên đơn vị",
    "Số bản quyền được phân bổ",
    "Số máy đã cài đặt",
    "Số máy đặt đúng tên",
]
UNITS = [
    ["1", "Phòng Nội vụ", "12", "12", "12"],
    ["2", "Phòng Tư pháp", "8", "7", "7"],
    ["3", "Xã Mỹ Quý", "11", "9", "9"],
]
TOTAL = ["", "Tổng cộng", "31", "28", "28"]
AS_OF = ["Số liệu tính đến ngày 12/10/2022", "", "", "", ""]
SIMPLE = [AS_OF, HEADER, *UNITS]

Rows = Sequence[Sequence[Any]]


def put(name: str, data: bytes) -> None:
    (FILES / name).write_bytes(data)


def quoted(cell: str, separator: str) -> str:
    return f'"{cell}"' if any(sign in cell for sign in (separator, '"', "\n")) else cell


def csv(rows: Rows, separator: str = ";", end: str = "\n") -> str:
    return "".join(separator.join(quoted(str(c), separator) for c in row) + end for row in rows)


def changed(row: int, column: int, value: Any, rows: Rows = SIMPLE) -> list[list[Any]]:
    copy = [list(one) for one in rows]
    copy[row][column] = value
    return copy


def cp1258(text: str) -> bytes:
    out = b""
    for sign in unicodedata.normalize("NFC", text):
        try:
            out += sign.encode("cp1258")
        except UnicodeEncodeError:
            parts = unicodedata.normalize("NFD", sign)
            tones = [part for part in parts if part in "\u0300\u0301\u0303\u0309\u0323"]
            base = "".join(part for part in parts if part not in tones)
            out += (unicodedata.normalize("NFC", base) + "".join(tones)).encode("cp1258")
    return out


# The corpus' own words as the fonts TCVN3 and VNI write them.
TCVN3 = {
    "Số liệu tính đến ngày": "Sè liÖu tÝnh ®Õn ngµy",
    "Tên đơn vị": "Tªn ®¬n vÞ",
    "Số bản quyền được phân bổ": "Sè b¶n quyÒn ®­îc ph©n bæ",
    "Số máy đã cài đặt": "Sè m¸y ®· cµi ®Æt",
    "Số máy đặt đúng tên": "Sè m¸y ®Æt ®óng tªn",
    "Phòng Nội vụ": "Phßng Néi vô",
    "Phòng Tư pháp": "Phßng T­ ph¸p",
    "Xã Mỹ Quý": "X· Mü Quý",
}
VNI = {
    "Số liệu tính đến ngày": "Soá lieäu tính ñeán ngaøy",
    "Tên đơn vị": "Teân ñôn vò",
    "Số bản quyền được phân bổ": "Soá baûn quyeàn ñöôïc phaân boå",
    "Số máy đã cài đặt": "Soá maùy ñaõ caøi ñaët",
    "Số máy đặt đúng tên": "Soá maùy ñaët ñuùng teân",
    "Phòng Nội vụ": "Phoøng Noäi vuï",
    "Phòng Tư pháp": "Phoøng Tö phaùp",
    "Xã Mỹ Quý": "Xaõ Myõ Quyù",
}


def in_font(text: str, font: dict[str, str]) -> str:
    for plain, drawn in font.items():
        text = text.replace(plain, drawn)
    return text


def a_book(fill: Callable[[Any, Any], None] | None = None, rows: Rows = SIMPLE) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Báo cáo"
    for row in rows:
        sheet.append(
            [int(c) if isinstance(c, str) and c.isascii() and c.isdigit() else c for c in row]
        )
    for cells in sheet.iter_rows():
        for cell in cells:
            if isinstance(cell.value, str) and cell.data_type == "f":
                cell.data_type = "s"
    if fill is not None:
        fill(book, sheet)
    return saved(book)


def saved(book: Any) -> bytes:
    book.properties.created = SAVED
    book.properties.modified = SAVED
    stream = io.BytesIO()
    book.save(stream)
    return rezipped(stream.getvalue())


def rezipped(
    data: bytes,
    change: Callable[[str, bytes], bytes] = lambda name, content: content,
    more: Iterable[tuple[str | zipfile.ZipInfo, bytes]] = (),
) -> bytes:
    """The same archive with fixed times, members changed or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                now = content.split(b"<dcterms:modified")[1].split(b">")[1].split(b"<")[0]
                content = content.replace(now, b"2022-10-18T01:00:00Z")
            new.writestr(a_member(name), change(name, content), zipfile.ZIP_DEFLATED)
        for name, content in more:
            member = a_member(name) if isinstance(name, str) else name
            new.writestr(member, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def a_member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, (2022, 10, 18, 8, 0, 0))
    member.external_attr = 0o600 << 16
    return member


def an_ole_file(*streams: str) -> bytes:
    """A compound file whose directory names these (empty) streams: enough to be told by."""
    free, end, fat_sector = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0)
    header += struct.pack("<109I", 0, *[free] * 108)
    fat = struct.pack("<128I", fat_sector, end, *[free] * 126)

    def entry(name: str, kind: int, child: int, right: int) -> bytes:
        raw = name.encode("utf-16-le") + b"\0\0" if name else b""
        return raw.ljust(64, b"\0") + struct.pack(
            "<HBBIII16xIQQIQ", len(raw), kind, 1, free, right, child, 0, 0, 0, end, 0
        )

    entries = [entry("Root Entry", 5, 1 if streams else free, free)]
    entries += [
        entry(name, 2, free, at + 1 if at < len(streams) else free)
        for at, name in enumerate(streams, start=1)
    ]
    entries += [entry("", 0, free, free)] * (4 - len(entries))
    return header + fat + b"".join(entries)


# --- C: what a table may look like ---------------------------------------------------------------


def c01_to_c14() -> None:
    put("C01_utf8_bom.csv", csv(SIMPLE).encode("utf-8-sig"))
    put("C02_utf16_tab.txt", csv(SIMPLE, "\t", "\r\n").encode("utf-16"))
    put("C02_utf16_no_mark.csv", csv(SIMPLE).encode("utf-16-le"))
    put("C03_cp1258.csv", cp1258(csv(SIMPLE, end="\r\n")))
    put("C04_tcvn3.csv", in_font(csv(SIMPLE), TCVN3).encode("cp1252"))
    put("C04_vni.csv", in_font(csv(SIMPLE), VNI).encode("cp1252"))
    put("C04_tcvn3.xlsx", a_book(rows=[[in_font(c, TCVN3) for c in row] for row in SIMPLE]))
    put("C04_encoded_twice.csv", csv(SIMPLE).encode().decode("cp1252", "replace").encode())
    put("C05_semicolon.csv", csv(SIMPLE).encode())
    put("C06_tab.csv", csv(SIMPLE, "\t").encode())
    lines = csv(SIMPLE).split("\n")
    put(
        "C07_mixed_line_ends.csv",
        "\r\n".join(lines[:3]).encode() + b"\r" + "\n".join(lines[3:]).encode(),
    )
    put(
        "C08_ragged_long.csv",
        csv([AS_OF, HEADER, UNITS[0], [*UNITS[1], "thừa"], UNITS[2]], ",").encode(),
    )
    put(
        "C09_ragged_short.csv", csv([AS_OF, HEADER, UNITS[0], UNITS[1][:4], UNITS[2]], ",").encode()
    )
    put(
        "C10_unclosed_quote.csv",
        csv(SIMPLE, ",").replace("Phòng Tư pháp", '"Phòng Tư pháp').encode(),
    )
    put("C11_nul.csv", csv(SIMPLE).replace("Phòng Tư pháp", "Phòng\0Tư pháp").encode())
    put("C12_empty.csv", b"")
    put("C13_header_only.csv", csv([AS_OF, HEADER]).encode())
    twice = [
        [*row, more]
        for row, more in zip(SIMPLE, ["", "Số máy đã cài đặt", "3", "4", "5"], strict=True)
    ]
    put("C14_header_twice.csv", csv(twice).encode())


def a_letterhead(sheet: Any) -> None:
    sheet["A1"] = "UBND HUYỆN THÁP MƯỜI"
    sheet["D1"] = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"
    sheet["D2"] = "Độc lập - Tự do - Hạnh phúc"
    sheet["D3"] = "Tháp Mười, ngày 18 tháng 10 năm 2022"
    sheet["A5"] = "BÁO CÁO KẾT QUẢ CÀI ĐẶT PHẦN MỀM PHÒNG, CHỐNG MÃ ĐỘC TẬP TRUNG"
    sheet["A6"] = "(Số liệu tính đến ngày 12/10/2022; kèm theo Công văn số 15 ngày 18/10/2022)"


def official(book: Any, sheet: Any) -> None:
    """The whole dress: letterhead, title, column numbers, sections, total, signatures."""
    sheet.delete_rows(1, 20)
    a_letterhead(sheet)
    for merged in ("A1:B1", "D1:E1", "D2:E2", "A5:E5", "A6:E6"):
        sheet.merge_cells(merged)
    sheet.cell(8, 1, "")
    rows = [
        HEADER,
        ["(1)", "(2)", "(3)", "(4)", "(5)"],
        ["I", "Phòng, ban", 20, 19, 19],
        [1, "Phòng Nội vụ", 12, 12, 12],
        [2, "Phòng Tư pháp", 8, 7, 7],
        ["II", "Xã, thị trấn", None, None, None],
        [4, "Xã Mỹ Quý", 11, 9, 9],
        ["Tổng cộng", None, 31, 28, 28],
    ]
    for at, row in enumerate(rows, start=8):
        for column, value in enumerate(row, start=1):
            sheet.cell(at, column, value)
    sheet.merge_cells("A15:B15")
    sheet["A17"] = "Nơi nhận:"
    sheet["D17"] = "TM. ỦY BAN NHÂN DÂN"
    sheet["D18"] = "(ký tên, đóng dấu)"


def c15_to_c28() -> None:
    put("C15_letterhead.xlsx", a_book(official))

    def two_levels(book: Any, sheet: Any) -> None:
        sheet.delete_rows(1, 20)
        for row in [
            ["Số liệu tính đến ngày 12/10/2022"],
            ["STT", "Tên đơn vị", "Số bản quyền được phân bổ", "Số máy", None],
            [None, None, None, "đã cài đặt", "đặt đúng tên"],
            [1, "Phòng Nội vụ", 12, 12, 12],
            [2, "Phòng Tư pháp", 8, 7, 7],
            [3, "Xã Mỹ Quý", 11, 9, 9],
        ]:
            sheet.append(row)
        for merged in ("A2:A3", "B2:B3", "C2:C3", "D2:E2"):
            sheet.merge_cells(merged)

    put("C16_merged_header.xlsx", a_book(two_levels))
    put("C16_merged_figures.xlsx", a_book(lambda book, sheet: sheet.merge_cells("D3:D4")))
    put("C17_total_row.csv", csv([*SIMPLE, TOTAL]).encode())
    put("C17_total_differs.csv", csv([*SIMPLE, ["", "Tổng cộng", "31", "29", "28"]]).encode())
    put(
        "C17_row_below_total.csv",
        csv([AS_OF, HEADER, *UNITS[:2], ["", "Cộng", "20", "19", "19"], UNITS[2]]).encode(),
    )
    gaps = [
        AS_OF,
        HEADER,
        ["1", *UNITS[0][1:]],
        ["", *UNITS[1][1:]],
        [""] * 5,
        ["7", *UNITS[2][1:]],
    ]
    put("C18_number_gaps.csv", csv(gaps).encode())
    nouns = [[*row[:2], *(f"{c} máy" if c.isdigit() else c for c in row[2:])] for row in SIMPLE]
    put("C19_with_noun.csv", csv(nouns).encode())
    big = [
        [AS_OF[0], "", "", ""],
        ["STT", "Tên đơn vị", "Số máy tính hiện có", "Số máy đã cài đặt"],
        ["1", "Huyện Tháp Mười", "1.330", "1.077"],
    ]
    put("C20_thousands.csv", csv(big).encode())
    put("C20_comma_thousands.csv", csv(changed(2, 3, "1,077", big)).encode())

    flat = [
        ["Tên đơn vị", "Số máy tính hiện có", "Số máy đã cài đặt", "Ngày số liệu"],
        ["Huyện Tháp Mười", "1.330", "1.077", "12/10/2022"],
        ["Huyện Lấp Vò", "1.200", "900", "12/10/2022"],
    ]
    put("C20_flat_table.csv", csv(flat, ",").encode())

    def decimal(book: Any, sheet: Any) -> None:
        sheet["C3"], sheet["D3"] = 1.33, 1.077

    put("C20_number_with_decimals.xlsx", a_book(decimal, big))
    ratio = [
        [AS_OF[0], "", "", "", ""],
        ["STT", "Tên đơn vị", "Số bản quyền được phân bổ", "Số máy đã cài đặt", "Tỷ lệ (%)"],
        ["1", "Phòng Nội vụ", "12", "12", "100"],
        ["2", "Phòng Tư pháp", "8", "7", "87,5%"],
        ["3", "Xã Mỹ Quý", "11", "9", "81,8%"],
    ]
    put("C21_ratio.csv", csv(ratio).encode())
    put("C21_ratio_differs.csv", csv(changed(3, 4, "32,6%", ratio)).encode())
    put("C21_ratio_in_count.csv", csv(changed(3, 3, "87,5%", ratio)).encode())
    fraction = [AS_OF[:4], ["STT", "Tên đơn vị", "Số máy đã cài đặt", "Ghi chú"]]
    put("C22_fraction.csv", csv([*fraction, ["1", "Huyện Tháp Mười", "255/330", ""]]).encode())
    put(
        "C22_fraction_unclear.csv",
        csv([*fraction, ["1", "Huyện Tháp Mười", "255/300", ""]]).encode(),
    )

    def became_a_date(book: Any, sheet: Any) -> None:
        sheet["D4"] = date(2022, 8, 7)
        sheet["D4"].number_format = "d/m"

    put("C22_fraction_became_date.xlsx", a_book(became_a_date))
    dated = [["Số liệu tính đến ngày:", "", "", "", ""], HEADER, *UNITS]
    put("C23_day_first.csv", csv(changed(0, 1, "12/10/2022", dated)).encode())
    put("C23_december.csv", csv(changed(0, 1, "10/12/2022", dated)).encode())
    put("C23_month_first.csv", csv(changed(0, 1, "10/13/2022", dated)).encode())
    put("C23_serial.csv", csv(changed(0, 1, "44846", dated)).encode())
    put("C23_serial.xlsx", a_book(rows=changed(0, 1, "44846", dated)))

    def date_of_1904(book: Any, sheet: Any) -> None:
        book.epoch = CALENDAR_MAC_1904
        sheet["B1"] = 43384  # 12/10/2022 counted from 1904
        sheet["B1"].number_format = "dd/mm/yyyy"

    put("C23_1904.xlsx", a_book(date_of_1904, dated))
    put(
        "C24_na_as_unit.csv",
        csv([AS_OF, HEADER, ["1", "NA", "12", "12", "12"], *UNITS[1:]]).encode(),
    )
    put("C24_na_as_name.csv", devices(["NA", "null", "-", "nan", "None"]))
    put("C25_leading_zeros.csv", devices(["00123", "007"]))

    def zeros(book: Any, sheet: Any) -> None:
        for at, value in ((2, 123), (3, "007")):
            sheet.cell(at, 1, value)
        sheet["A2"].number_format = "00000"

    put("C25_leading_zeros.xlsx", a_book(zeros, [["Tên máy", "Nhóm"], ["", "CS"], ["", "CS"]]))
    put("C26_like_powers.csv", devices(["1E5", "2E3", "12e10"]))
    put("C26_became_number.csv", devices(["1.00E+05", "PC-02"]))

    def power(book: Any, sheet: Any) -> None:
        sheet["A2"] = 100000
        sheet["A2"].number_format = "0.00E+00"

    put("C26_became_number.xlsx", a_book(power, [["Tên máy", "Nhóm"], ["", "CS"], ["PC-02", "CS"]]))

    def formula(book: Any, sheet: Any) -> None:
        sheet["D4"] = "=3+4"

    put("C27_not_calculated.xlsx", a_book(formula))

    def formulas_to_check(book: Any, sheet: Any) -> None:
        for column in "CDE":
            sheet[f"{column}6"] = f"=SUM({column}3:{column}5)"
        sheet["B6"] = "Tổng cộng"

    put("C27_total_not_calculated.xlsx", a_book(formulas_to_check))

    def hidden_row(book: Any, sheet: Any) -> None:
        sheet.row_dimensions[4].hidden = True

    put("C28_hidden_row.xlsx", a_book(hidden_row))

    def hidden_column(book: Any, sheet: Any) -> None:
        sheet.column_dimensions["D"].hidden = True

    put("C28_hidden_column.xlsx", a_book(hidden_column))

    def hidden_sheet(book: Any, sheet: Any) -> None:
        other = book.create_sheet("Tháng trước")
        for row in changed(2, 3, "11"):
            other.append(row)
        other.sheet_state = "hidden"
        book.create_sheet("Hướng dẫn")["A1"] = "Điền vào trang Báo cáo."

    put("C28_hidden_sheet.xlsx", a_book(hidden_sheet))

    def two_reports(book: Any, sheet: Any) -> None:
        other = book.create_sheet("Tháng trước")
        for row in changed(2, 3, "11"):
            other.append([*row, "x"] if row[0] == "STT" else row)

    put("C28_two_reports.xlsx", a_book(two_reports))


def html(rows: Rows) -> str:
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return f"<html><head><meta charset=utf-8></head><body><table>{body}</table></body></html>"


def spreadsheet_xml(rows: Rows) -> str:
    def cell(value: str) -> str:
        kind = "Number" if value.isascii() and value.isdigit() else "String"
        return f'<Cell><Data ss:Type="{kind}">{value}</Data></Cell>' if value else "<Cell/>"

    body = "".join("<Row>" + "".join(cell(c) for c in row) + "</Row>" for row in rows)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<?mso-application progid="Excel.Sheet"?>\n'
        '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" '
        'xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">'
        f'<Worksheet ss:Name="Báo cáo"><Table>{body}</Table></Worksheet></Workbook>'
    )


def c29_to_c35() -> None:
    put("C29_old_excel_torn.xls", an_ole_file("Workbook"))
    put("C29_old_excel_macros.xls", an_ole_file("Workbook", "_VBA_PROJECT_CUR"))
    put("C29_excel_4.xls", b"\x09\x04\x06\x00\x00\x00\x10\x00" + bytes(64))
    # The other C29_old_excel files are C15, C16, C22, C23, C25 and C28 saved as Excel 97.
    put("C29_html_as_xls.xls", html(SIMPLE).encode())
    put("C29_html_as_csv.csv", html(SIMPLE).encode("utf-16"))
    page = (
        "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><center>"
        "<h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>"
    )
    put("C29_error_page.csv", page.encode())
    put("C29_xml_as_xls.xls", spreadsheet_xml(SIMPLE).encode())
    put("C29_password.xlsx", an_ole_file("EncryptionInfo", "EncryptedPackage"))
    put(
        "C30_macros.xlsm", rezipped(a_book(), more=[("xl/vbaProject.bin", b"\xcc\x61 not a macro")])
    )

    binary = rezipped_plain({"[Content_Types].xml": b"<Types/>", "xl/workbook.bin": b"\x83\x01"})
    put("C29_binary_workbook.xlsb", binary)

    def entity(name: str, content: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return content
        doctype = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        return doctype + content.replace(b"<v>7</v>", b"<v>&e;</v>")

    put("C33_external_entity.xlsx", rezipped(a_book(), entity))
    bomb = ["<!ENTITY a0 'ha'>"] + [f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)]
    xml = spreadsheet_xml(changed(3, 1, "&a9;")).replace(
        "<Workbook", f"<!DOCTYPE Workbook [{''.join(bomb)}]>\n<Workbook", 1
    )
    put("C33_entity_bomb.xml", xml.encode())
    put("C34_zip_slip.xlsx", rezipped(a_book(), more=[("../../../../tmp/slipped.txt", b"x")]))
    link = a_member("xl/media/link")
    link.external_attr = 0o120777 << 16
    put("C34_symlink.xlsx", rezipped(a_book(), more=[(link, b"/etc/passwd")]))
    put("C34_cut_off.xlsx", a_book()[:-200])


# --- B: machines' names, as cells of a console's list ---------------------------------------------


def devices(names: Sequence[str]) -> bytes:
    rows = [["Tên máy", "Nhóm", "Địa chỉ IP"]]
    rows += [[name, "Phòng Nội vụ", f"10.0.0.{at}"] for at, name in enumerate(names, start=1)]
    return csv(rows, ",").encode()


def b01_to_b16() -> None:
    decomposed = unicodedata.normalize("NFD", csv([AS_OF, HEADER, *UNITS]))
    put("B01_decomposed_unit.csv", decomposed.encode())
    put("B01_decomposed_name.csv", devices([unicodedata.normalize("NFD", "MÁY-HUYỆN")]))
    tones = [
        AS_OF,
        HEADER,
        ["1", "Xã Mỹ Hoà", "11", "9", "9"],
        ["2", "Uỷ ban nhân dân xã Mỹ Qúy", "11", "9", "9"],
    ]
    put("B02_tone_places.csv", csv(tones).encode())
    eth = [AS_OF, HEADER, ["1", "Xã \u00d0ốc Binh Kiều", "11", "9", "9"]]
    put("B03_eth_for_d.csv", csv(eth).encode())
    put(
        "B03_d_without_stroke.csv",
        csv([AS_OF, HEADER, ["1", "Xã Dốc Binh Kiều", "11", "9", "9"]]).encode(),
    )
    put("B04_invisible.csv", devices(["PNV\u200b-01", "PNV-02\u00a0"]))
    put("B04_invisible_unit.csv", csv(changed(3, 1, "Phòng\u00a0Tư\u200b pháp\u00a0")).encode())
    put("B05_full_width.csv", devices(["ＰＮＶ－０１"]))
    put("B06_bidi.csv", devices(["PNV-\u202e10"]))
    put("B07_cyrillic_name.csv", devices(["PNV-А1"]))
    put("B07_cyrillic_unit.csv", csv(changed(3, 1, "Phòng Тư pháp")).encode())
    put("B08_blanks_and_dashes.csv", devices([" PNV-01", "PNV-02 ", "PNV--03"]))
    put("B09_too_long.csv", devices(["THAPMUOI-VANPHONG-01", "THAPMUOI-VANPHONG-02"]))
    put("B10_case_only.csv", devices(["PNV-01", "pnv-01"]))
    put("B11_default_names.csv", devices(["DESKTOP-F7AEJ30", "mayphuong"]))
    put("B12_like_formulas.csv", devices(["=cmd|'/C calc'!A0", "+1+1", "-2", "@SUM(A1)"]))
    put("B12_tab.csv", devices(["\t=1+1"]))
    put(
        "B12_like_formulas.xlsx",
        a_book(rows=[["Tên máy", "Nhóm"], ["=cmd|'/C calc'!A0", "CS"], ["@SUM(A1)", "CS"]]),
    )
    put("B13_sql.csv", devices(["'; DROP TABLE hosts; --"]))
    put(
        "B14_markup.csv",
        devices(["<script>alert(1)</script>", "{{7*7}}", "<img src=x onerror=alert(1)>"]),
    )
    put("B15_line_break.csv", devices(["PNV-01\r\nBcc: a@b.example"]))
    put("B16_unknown_prefix.csv", devices(["KHONGCO-01"]))
    put("B16_very_long.csv", devices(["A-" * 25_000]))


# --- E: figures and dates -------------------------------------------------------------------------


def e01_to_e14() -> None:
    head = ["STT", "Tên đơn vị", "Số lượng bản quyền được phân bổ", "Số máy đã cài đặt"]
    as_of = ["Số liệu tính đến ngày 20/10/2023", "", "", ""]
    towns = [
        ["1", "Thành phố Cao Lãnh", "330", "120"],
        ["2", "Huyện Cao Lãnh", "330", "90"],
        ["3", "Thành phố Hồng Ngự", "330", "80"],
        ["4", "Huyện Hồng Ngự", "330", "70"],
    ]
    put(
        "E01_sum_differs.csv",
        csv([as_of, head, *towns, ["", "Tổng cộng", "1.077", "360"]]).encode(),
    )
    put(
        "E02_town_and_district.csv",
        csv([as_of, head, *towns, ["", "Tổng cộng", "1.320", "360"]]).encode(),
    )
    put("E02_no_kind.csv", csv([as_of, head, ["1", "Cao Lãnh", "330", "120"], towns[2]]).encode())
    put(
        "E03_glued_page_number.csv",
        csv([as_of, head, ["1", "Huyện Tháp Mười", "3302", "255"]]).encode(),
    )
    bad = [
        ["1", "Thành phố Cao Lãnh", "330", "-5"],
        ["2", "Huyện Cao Lãnh", "330", "0"],
        ["3", "Thành phố Hồng Ngự", "330", ""],
        ["4", "Huyện Hồng Ngự", "330,5", "70"],
    ]
    put("E04_no_counts.csv", csv([as_of, head, *bad]).encode())
    put(
        "E05_more_than_allocated.csv",
        csv([as_of, head, ["1", "Huyện Lấp Vò", "400", "120"]]).encode(),
    )
    later = "Số liệu tính đến ngày 10/07/2025"
    put("E07_abolished_unit.csv", csv(changed(0, 0, later)).encode())
    put("E07_new_unit.csv", csv([[later, "", "", ""], head, ["1", "Xã Mỹ Quí", "", "9"]]).encode())
    offices = [
        ["1", "Sở Nông nghiệp &amp; Phát triển nông thôn", "180", "150"],
        ["2", "Sở Lao động – Thương binh và Xã hội", "50", "40"],
    ]
    put("E08_and_signs.csv", csv([as_of, head, *offices], ",").encode())
    put("E08_alias.csv", csv([as_of, head, ["1", "Sở Nông nghiệp và PTNT", "180", "150"]]).encode())
    put("E08_abbreviation.csv", csv([as_of, head, ["1", "Sở NN&PTNT", "180", "150"]]).encode())
    over = [AS_OF[:4], head, ["1", "Văn phòng HĐND và UBND huyện", "24", "26"]]
    put("E09_more_installed_than_allocated.csv", csv(over).encode())

    def no_seats(book: Any, sheet: Any) -> None:
        sheet["E3"] = "#DIV/0!"
        sheet["E3"].data_type = "e"

    rows = [AS_OF, [*head, "Tỷ lệ (%)"], ["1", "Huyện Tháp Mười", "0", "5", ""]]
    put("E10_no_seats.xlsx", a_book(no_seats, rows))
    blank = [["", "", "", "Tháp Mười, ngày     tháng 10 năm 2022", ""], HEADER, *UNITS]
    put("E13_blank_day.csv", csv(blank).encode())
    written = [["", "", "", "Tháp Mười, ngày 12 tháng 10 năm 2022", ""], HEADER, *UNITS]
    put("E13_day_of_writing.csv", csv(written).encode())
    before = [["Hoàn thành trước ngày 16 tháng 01 năm 2024", "", "", "", ""], HEADER, *UNITS]
    put("E12_deadline_is_no_day.csv", csv(before).encode())
    named = [AS_OF, HEADER, ["1", "Phòng Nội vụ", "12", "7", "12"]]
    put("X01_more_named_than_installed.csv", csv(named).encode())
    put("X02_unit_twice.csv", csv([*SIMPLE, ["4", "phòng nội vụ", "12", "12", "12"]]).encode())
    put(
        "X03_other_unit.csv",
        csv([AS_OF, HEADER, ["1", "Văn phòng UBND Tỉnh", "65", "1", "1"]]).encode(),
    )
    put(
        "X04_two_days.csv",
        csv([AS_OF, ["Kết quả tính đến ngày 13/10/2022", "", "", "", ""], HEADER, *UNITS]).encode(),
    )


# --- K: what KSC consoles export; N: what is no table ---------------------------------------------


def exports() -> None:
    names = ["Device", "Group", "IP address", "Last connected to Administration Server"]
    rows = [
        ["PNV-PC01", "Phòng Nội vụ", "10.0.0.1", "12/10/2022 08:15:00"],
        ["PNV-PC02~~10281", "Phòng Nội vụ", "10.0.0.2", "11/10/2022 16:40:10"],
    ]
    put("K01_console.csv", csv([names, *rows], ",").encode("utf-8-sig"))
    put("K02_console_list.txt", csv([names, *rows], "\t", "\r\n").encode("utf-16"))
    fields = "".join(
        f'<field name="f{at}" order="{at}" df_name="{one}"/>' for at, one in enumerate(names)
    )
    records = "".join(
        "<record>" + "".join(f'<field value="{c}"/>' for c in row) + "</record>" for row in rows
    )
    xml = (
        '<?xml version="1.0" encoding="utf-8"?><report><summary heading="Protection status" '
        'generation_date="2022-10-12T02:00:00"/><data><records reccount="2">'
        f"{records}</records></data><fields>{fields}</fields></report>"
    )
    put("K03_report.xml", xml.encode())
    tree = {
        "summary": {"heading": "Protection status"},
        "data": {"records": {"record": [{"field": [{"value": c} for c in row]} for row in rows]}},
        "fields": {
            "field": [
                {"name": f"f{at}", "order": at, "df_name": one} for at, one in enumerate(names)
            ]
        },
    }
    put("K04_report.json", json.dumps(tree).encode())
    flat = [dict(zip(names, row, strict=True)) for row in rows]
    put("K05_rows.json", json.dumps(flat, ensure_ascii=False).encode())
    summary = [["Group", "Devices"], ["Phòng Nội vụ", "2"]]
    both = html(summary).replace(
        "</table>",
        "</table><h2>Details</h2><table>"
        + html([names, *rows]).split("<table>")[1].split("</table>")[0]
        + "</table>",
        1,
    )
    put("K06_report.html", both.encode())
    american = [names, ["PNV-PC01", "Phòng Nội vụ", "10.0.0.1", "10/13/2022 8:15:00 AM"]]
    put("K07_american_dates.csv", csv(american, ",").encode())
    put("K08_twins.json", b'[{"Device":"PNV-PC01","Group":"A","Group":"B"}]')

    word = WordDocument()
    word.add_paragraph("Báo cáo: đã cài 12/12 máy.")
    word.core_properties.created = word.core_properties.modified = SAVED
    stream = io.BytesIO()
    word.save(stream)
    put("N01_letter.docx", rezipped(stream.getvalue()))
    put(
        "N02_scan.pdf", b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    )
    put("N03_picture.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    put(
        "N04_plain_text.txt",
        "Kính gửi Phòng Văn hóa và Thông tin,\nĐơn vị đã cài xong 12 máy.\n".encode(),
    )
    put("N05_archive.zip", rezipped_plain({"baocao.csv": csv(SIMPLE).encode()}))


def rezipped_plain(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(a_member(name), content)
    return out.getvalue()


def main() -> None:
    """Write every file anew."""
    FILES.mkdir(exist_ok=True)
    for make in (c01_to_c14, c15_to_c28, c29_to_c35, b01_to_b16, e01_to_e14, exports):
        make()


if __name__ == "__main__":
    main()
