"""The columns of a report table, and the headings under which offices write them.

The columns are those of the report form. A heading is compared without accents, case, brackets
and punctuation: "Số máy đã cài đặt (máy)" is ``so may da cai dat``.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

from ksc_ledger.rules.text import ascii_letters

_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NO_WORD = re.compile(r"[^a-z0-9]+")
_HEADING_LENGTH = 200


class Column(StrEnum):
    """In the order of the form; the value is the field's name in what is stored."""

    NUMBER = "number"
    UNIT_NAME = "unit_name"
    UNIT_CODE = "unit_code"
    ALLOCATED = "allocated_count"
    COMPUTERS = "computers_count"
    INSTALLED = "installed_count"
    RATIO = "installed_ratio"
    NAMED = "correctly_named_count"
    WEAK = "weak_hardware_count"
    REQUESTED = "requested_count"
    DIFFICULTIES = "difficulties"
    NOTE = "note"
    AS_OF = "as_of_date"


COUNTS = (
    Column.ALLOCATED,
    Column.COMPUTERS,
    Column.INSTALLED,
    Column.NAMED,
    Column.WEAK,
    Column.REQUESTED,
)
REMARKS = (Column.DIFFICULTIES, Column.NOTE)

# As the form heads them, and as findings name them.
HEADINGS: dict[Column, str] = {
    Column.NUMBER: "STT",
    Column.UNIT_NAME: "Tên đơn vị",
    Column.UNIT_CODE: "Mã đơn vị",
    Column.ALLOCATED: "Số bản quyền được phân bổ",
    Column.COMPUTERS: "Số máy tính hiện có",
    Column.INSTALLED: "Số máy đã cài đặt",
    Column.RATIO: "Tỷ lệ (%)",
    Column.NAMED: "Số máy đặt đúng tên",
    Column.WEAK: "Số máy không đủ cấu hình",
    Column.REQUESTED: "Nhu cầu bổ sung",
    Column.DIFFICULTIES: "Khó khăn, vướng mắc",
    Column.NOTE: "Ghi chú",
    Column.AS_OF: "Ngày số liệu",
}

_MACHINES = r"(?:so |so luong |tong so )?(?:luong )?(?:may |may tinh |may vi tinh |may tram )?"
# "phần mềm khác" (another product) is not meant by any of these.
_PRODUCT = (
    r"(?: phan mem)?(?: (?:phong chong|giam sat|diet)(?: ma doc| virus| vi rut))?(?: tap trung)?"
    r"(?: kaspersky| kes)?"
)

_HEARD: dict[Column, tuple[str, ...]] = {
    Column.NUMBER: (r"stt|tt|so tt|so thu tu|no",),
    Column.UNIT_NAME: (
        r"(?:ten )?(?:cac )?(?:don vi|co quan|dia phuong|phong ban)",
        r"(?:ten )?(?:co quan don vi|don vi dia phuong|co quan don vi dia phuong|phong ban don vi)",
        r"(?:ten )?(?:don vi|co quan) (?:bao cao|su dung|duoc phan bo)|unit name|unit",
    ),
    Column.UNIT_CODE: (r"ma (?:don vi|dv|co quan)|unit code",),
    Column.ALLOCATED: (
        (
            r"(?:tong )?(?:so |so luong )?(?:ban quyen|licen[sc]es?|lisen[sc]es?|key)"
            rf"{_PRODUCT}(?: da| duoc| da duoc)?(?: phan bo| cap| giao)?"
        ),
        rf"{_MACHINES}(?:da |duoc |da duoc )?phan bo(?: ban quyen)?",
        r"chi tieu(?: duoc giao| phan bo)?",
    ),
    Column.COMPUTERS: (
        (
            r"(?:tong )?(?:so |so luong )?(?:may|may tinh|may vi tinh|may tram)"
            r"(?: hien co| hien dang su dung| dang su dung| thuc te)"
        ),
        r"tong so (?:may|may tinh|may vi tinh)",
    ),
    Column.INSTALLED: (
        rf"{_MACHINES}da (?:duoc )?(?:cai dat|cai|trien khai)(?: xong)?{_PRODUCT}",
        rf"(?:so |so luong )(?:may |may tinh |may tram )?(?:duoc )?cai dat(?: duoc)?{_PRODUCT}",
        r"ket qua cai dat",
    ),
    Column.RATIO: (
        r"(?:ty|ti) le(?: phan tram)?(?: cai dat| da cai dat| hoan thanh| dat| dat duoc)?",
    ),
    Column.NAMED: (
        (
            rf"{_MACHINES}(?:da )?(?:dat|doi) (?:dung ten|ten dung)"
            r"(?: may| may tinh)?(?: quy dinh| theo quy dinh| theo huong dan)?"
        ),
        rf"{_MACHINES}(?:dung ten|dat ten theo (?:quy dinh|huong dan))",
    ),
    Column.WEAK: (
        (
            rf"{_MACHINES}(?:khong|chua) (?:du|dat|dap ung|dam bao)(?: yeu cau)?(?: ve)? cau hinh"
            r"(?: toi thieu| cai dat| yeu cau)?"
        ),
        r"(?:so |so luong )?may (?:co )?cau hinh (?:yeu|thap)",
    ),
    Column.REQUESTED: (
        (
            r"(?:so luong )?(?:nhu cau|de nghi|de xuat)(?: cap| phan bo)? (?:bo sung|them)"
            r"(?: ban quyen| licen[sc]es?)?"
        ),
        r"(?:so |so luong )?(?:ban quyen )?(?:can|de nghi) bo sung(?: ban quyen)?|nhu cau",
    ),
    Column.DIFFICULTIES: (
        r"(?:nhung )?(?:kho khan(?: vuong mac)?|vuong mac(?: kho khan)?)(?: kien nghi| de xuat)*",
        r"kien nghi(?: de xuat)?|de xuat kien nghi|de xuat",
    ),
    Column.NOTE: (r"ghi chu|note|remarks?",),
    Column.AS_OF: (
        r"ngay (?:bao cao|so lieu|chot so lieu)|(?:so lieu )?tinh den ngay|report date",
    ),
}
_PATTERNS = {
    column: re.compile("|".join(f"(?:{one})" for one in heard)) for column, heard in _HEARD.items()
}


def heading_key(text: str) -> str:
    """A heading as it is compared."""
    level = unicodedata.normalize("NFKC", text)
    level = ascii_letters(_IN_BRACKETS.sub(" ", level)).casefold()
    return " ".join(_NO_WORD.sub(" ", level).split())


@lru_cache(4096)
def column_of(text: str) -> Column | None:
    """The column that a heading means; None for one that is not known (or empty).

    A field's own name (``installed_count``) is a heading too.
    """
    if len(text) > _HEADING_LENGTH:
        return None
    key = heading_key(text)
    if not key:
        return None
    for column, pattern in _PATTERNS.items():
        if pattern.fullmatch(key) or key == column.value.replace("_", " "):
            return column
    return None
