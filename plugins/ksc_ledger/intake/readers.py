"""One file's bytes to a Document, by what the bytes are, never by what the name says.

Runs in the sandbox: it parses what strangers sent. Nothing here writes, connects or starts.
"""

from __future__ import annotations

import re

from ksc_ledger.intake import delimited, exports, markup, old_workbook, workbook, xml_safe
from ksc_ledger.intake.document import CellKind, Document
from ksc_ledger.intake.limits import LIMITS, Limits
from ksc_ledger.intake.reasons import Reason, Refused

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_EXCEL_BEFORE_1997 = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00", b"\x09\x08")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OTHER_KINDS = {
    b"\x89PNG": "ảnh PNG",
    b"\xff\xd8\xff": "ảnh JPEG",
    b"GIF8": "ảnh GIF",
    b"Rar!": "tệp nén RAR",
    b"7z\xbc\xaf": "tệp nén 7z",
    b"\x1f\x8b": "tệp nén gzip",
    b"MZ": "chương trình Windows",
    b"\x7fELF": "chương trình",
    b"MIME-Version:": "trang web một tệp (.mht)",
}
_PROBE_BYTES = 4096
_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|body|table|meta|title|style|div|p|h[1-6]|script)\b", re.I
)
_EXCEL_XML = "urn:schemas-microsoft-com:office:spreadsheet"


def read(data: bytes, limits: Limits = LIMITS) -> Document:
    """Read a file whole; raise Refused with the reason for one that cannot or must not be read."""
    if not data:
        raise Refused(Reason.EMPTY_FILE)
    if len(data) > limits.file_bytes:
        raise Refused(Reason.FILE_TOO_BIG, limit=limits.file_bytes // 2**20)
    document = _read(data, limits)
    visible = [sheet for sheet in document.sheets if not sheet.is_hidden]
    for sheet in visible:
        for row, column, cell in sheet.filled():
            if "\0" in cell.text and cell.kind is CellKind.TEXT:
                raise Refused(
                    Reason.NUL_CHARACTER, sheet=sheet.name, cell=sheet.address(row, column)
                )
    return document


def _read(data: bytes, limits: Limits) -> Document:
    if data.startswith(_ZIP):
        return workbook.read_workbook(data, limits)
    if data.startswith(_OLE):
        _refuse_other_ole(data)
        return old_workbook.read_old_workbook(data, limits)
    if data.startswith(_EXCEL_BEFORE_1997):
        raise Refused(Reason.BINARY_XLS)
    if data.startswith(b"%PDF"):
        raise Refused(Reason.DOCUMENT_NOT_FORM, what=".pdf")
    if data.startswith(b"{\\rtf"):
        raise Refused(Reason.DOCUMENT_NOT_FORM, what=".rtf")
    for start, name in _OTHER_KINDS.items():
        if data.startswith(start):
            raise Refused(Reason.UNSUPPORTED_FORMAT, what=name)
    head = _head(data)
    if head.startswith("<"):
        return _read_markup(data, head, limits)
    if head.startswith(("{", "[")):
        return exports.read_json(data, limits)
    return delimited.read_delimited(data, limits)


def _head(data: bytes) -> str:
    """The beginning as text, for telling kinds apart only."""
    start = data[:_PROBE_BYTES]
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = start.decode("utf-16", errors="ignore")
    elif start[1:2] == b"\0":
        text = start.decode("utf-16-le", errors="ignore")
    elif start[:1] == b"\0":
        text = start.decode("utf-16-be", errors="ignore")
    else:
        text = start.decode("utf-8-sig", errors="ignore")
    return text.lstrip("\ufeff \t\r\n")


def _read_markup(data: bytes, head: str, limits: Limits) -> Document:
    is_excel = _EXCEL_XML in head and ("<Workbook" in head or ":Workbook" in head)
    if _HTML.search(head) and not is_excel:
        return markup.read_html(data, limits)
    root = xml_safe.parsed(data)
    if is_excel or root.tag == f"{{{_EXCEL_XML}}}Workbook":
        return markup.read_xml_spreadsheet(root, limits)
    return exports.read_ksc_xml(root, limits)


def _refuse_other_ole(data: bytes) -> None:
    """Refuse an old Office file that is no workbook, told by the names of its streams."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise Refused(Reason.ENCRYPTED)
    if not any(name.encode("utf-16-le") in data for name in ("Workbook", "Book")):
        if "WordDocument".encode("utf-16-le") in data:
            raise Refused(Reason.DOCUMENT_NOT_FORM, what=".doc")
        raise Refused(Reason.UNSUPPORTED_FORMAT, what="tệp Office cũ")
