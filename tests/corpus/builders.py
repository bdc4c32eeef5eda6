"""Files that are dangerous, or large once they are looked into: made when a test asks for them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

_PARTS = {
    "[Content_Types].xml": (
        '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        '<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}
_SHEET = (
    '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<sheetData>{}</sheetData></worksheet>"
)


def a_workbook(rows: str, more: dict[str, bytes] | None = None) -> bytes:
    """The least workbook there is, with these rows of XML and further members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        members = {name: text.encode() for name, text in _PARTS.items()}
        members["xl/worksheets/sheet1.xml"] = _SHEET.format(rows).encode()
        for name, content in (members | (more or {})).items():
            member = zipfile.ZipInfo(name, (2022, 10, 18, 8, 0, 0))
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def zip_bomb() -> bytes:
    """90 kB that unpack to 90 MB: below the limit of size, far above that of the ratio."""
    return a_workbook("", {"xl/media/image1.bin": bytes(90 * 2**20)})


def bigger_bomb() -> bytes:
    """210 MB unpacked."""
    return a_workbook("", {f"xl/media/image{at}.bin": bytes(21 * 2**20) for at in range(10)})


def lying_directory() -> bytes:
    """A member that says 10 bytes and holds 50 MB."""
    data = bytearray(a_workbook("", {"xl/styles.xml": b"<styleSheet>" + bytes(50 * 2**20)}))
    true_size = (12 + 50 * 2**20).to_bytes(4, "little")
    for at in (data.find(true_size), data.rfind(true_size)):
        data[at : at + 4] = (10).to_bytes(4, "little")
    return bytes(data)


def last_cell() -> bytes:
    """One value in the last cell there is."""
    return a_workbook('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')


def last_column() -> bytes:
    return a_workbook('<row r="1"><c r="XFD1"><v>1</v></c></row>')


def far_format() -> bytes:
    """Formats without values far outside, as whole-column formatting leaves them: no harm."""
    cell = '<c r="{}" t="inlineStr"><is><t>{}</t></is></c>'
    texts = (
        ["Số liệu tính đến ngày 12/10/2022"],
        ["Tên đơn vị", "Số máy đã cài đặt"],
        ["Phòng Nội vụ", "12"],
    )
    rows = "".join(
        f'<row r="{at}">'
        + "".join(cell.format(f"{'AB'[n]}{at}", text) for n, text in enumerate(row))
        + "</row>"
        for at, row in enumerate(texts, start=1)
    )
    return a_workbook(rows + '<row r="1048576"><c r="XFD1048576" s="0"/></row>')


def rows_out_of_order() -> bytes:
    """A row that stands twice: a quick reader shows one of them and tells nothing."""
    row = '<row r="1"><c r="A1"><v>{}</v></c></row>'
    return a_workbook(row.format(1) + row.format(2))


def many_members() -> bytes:
    return a_workbook("", {f"xl/media/{at}": b"" for at in range(2001)})


def deep_json() -> bytes:
    return b'{"a":' * 100_000


def long_quote() -> bytes:
    """A quotation that is opened and swallows half a megabyte."""
    return b'A;"' + b"x;y\n" * 120_000


def a_plain_report() -> bytes:
    """A report with nothing wrong in it: what is tried is its name."""
    return (Path(__file__).parent / "files" / "C05_semicolon.csv").read_bytes()


BUILDERS: dict[str, Callable[[], bytes]] = {
    "C31_zip_bomb.xlsx": zip_bomb,
    "C31_bigger_bomb.xlsx": bigger_bomb,
    "C31_lying_directory.xlsx": lying_directory,
    "C32_last_cell.xlsx": last_cell,
    "C32_last_column.xlsx": last_column,
    "C32_far_format.xlsx": far_format,
    "C34_many_members.xlsx": many_members,
    "C35_path_in_name.csv": a_plain_report,
    "C35_backslash_in_name.csv": a_plain_report,
    "C35_reserved_name.csv": a_plain_report,
    "C35_hidden_sign_in_name.csv": a_plain_report,
    "C35_decomposed_name.csv": a_plain_report,
    "C35_long_name.csv": a_plain_report,
    "X05_rows_out_of_order.xlsx": rows_out_of_order,
    "X06_deep.json": deep_json,
    "X07_long_quote.csv": long_quote,
}
