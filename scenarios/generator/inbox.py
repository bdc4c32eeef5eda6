"""Writes the scenarios' inboxes: ``write_all()``. The committed bytes count.

Units of Tháp Mười around the deadline of 19/10/2022 and of Kon Plông in 01/2024, all invented: the
system's own form filled in, tables of one's own in several encodings, a letter in Word, a file with
an old font, the same file twice. Run it to add a file; a zip's bytes differ between versions of zlib,
so that a run may rewrite workbooks without a meaning.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import openpyxl
from docx import Document

from ksc_ledger.intake.prefilled_form import FormLine, make_form
from scenarios.generator.files import write_csv

SCENARIOS = Path(__file__).resolve().parents[1]
SAVED = datetime(2022, 10, 12, 1, 0, tzinfo=UTC).replace(tzinfo=None)  # as openpyxl asks
HEADER = ("STT", "Tên đơn vị", "Số bản quyền được phân bổ", "Số máy đã cài đặt")

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A unit's figures for a day: what it writes, and what the consoles said by then.

    ``reported_count`` None: nothing of the file counts.
    """

    unit_code: str
    unit_name: str
    report_date: date
    allocated_count: int
    observed_count: int
    reported_count: int | None = None

    @property
    def figures(self) -> dict[str, int]:
        reported = self.reported_count or 0
        return {
            "reported_count": reported,
            "observed_count": self.observed_count,
            "allocated_count": self.allocated_count,
            "difference_count": reported - self.observed_count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One file of an inbox."""

    file: str
    received_at: str
    says: Reported
    make: Callable[[Reported], bytes]


def form(said: Reported) -> bytes:
    """The system's own form, filled in and sent back."""
    line = FormLine(
        unit_code=said.unit_code,
        unit_name=said.unit_name,
        allocated_count=said.allocated_count,
        installed_count=said.observed_count,
    )
    with TemporaryDirectory() as folder:
        path = make_form(said.unit_code, said.unit_name, [line], said.report_date, Path(folder))
        book = openpyxl.load_workbook(path)
    book["Báo cáo"]["F11"] = said.reported_count
    book.properties.created = book.properties.modified = SAVED
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def table(said: Reported, separator: str = ";") -> str:
    """A table of the unit's own, as a text."""
    rows: Sequence[Sequence[object]] = (
        (f"Số liệu tính đến ngày {said.report_date:%d/%m/%Y}", "", "", ""),
        HEADER,
        (1, said.unit_name, said.allocated_count, f"{said.reported_count} máy"),
    )
    return "".join(f"{separator.join(map(str, row))}\r\n" for row in rows)


def csv_utf8(said: Reported) -> bytes:
    return table(said).encode("utf-8-sig")


def tabs_utf16(said: Reported) -> bytes:
    return table(said, "\t").encode("utf-16")


def csv_cp1258(said: Reported) -> bytes:
    """The code page has letters and tone marks, not their compositions."""
    letters = []
    for letter in unicodedata.normalize("NFC", table(said)):
        apart = unicodedata.normalize("NFD", letter)
        tones = "".join(mark for mark in apart if mark in _TONES)
        base = unicodedata.normalize("NFC", "".join(one for one in apart if one not in _TONES))
        letters.append(base + tones)
    return "".join(letters).encode("cp1258")


def csv_old_font(_: Reported) -> bytes:
    """TCVN3: quarantined, never guessed."""
    rows = (
        "Sè liÖu tÝnh ®Õn ngµy 19/10/2022;;;",
        "STT;Tªn ®¬n vÞ;Sè b¶n quyÒn ®îc ph©n bæ;Sè m¸y ®· cµi ®Æt",
        "1;X· §èc Binh KiÒu;11;9",
    )
    return "".join(f"{row}\r\n" for row in rows).encode("cp1252")


def letterhead(said: Reported) -> bytes:
    """An official's own workbook: letterhead, merged title, total, signature."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Sheet1"
    day = f"{said.report_date:%d/%m/%Y}"
    rows: Sequence[Sequence[object]] = (
        ("UBND HUYỆN THÁP MƯỜI", "", "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"),
        (said.unit_name.upper(), "", "Độc lập - Tự do - Hạnh phúc"),
        (),
        ("BÁO CÁO KẾT QUẢ CÀI ĐẶT PHẦN MỀM PHÒNG, CHỐNG MÃ ĐỘC",),
        (f"(Số liệu tính đến ngày {day})",),
        (),
        HEADER,
        (1, said.unit_name, said.allocated_count, said.reported_count),
        ("", "Tổng cộng", said.allocated_count, said.reported_count),
        (),
        ("", "", "TRƯỞNG PHÒNG"),
    )
    for row in rows:
        sheet.append(list(row))
    sheet.merge_cells("A4:D4")
    sheet.merge_cells("A5:D5")
    book.properties.created = book.properties.modified = SAVED
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def letter(said: Reported) -> bytes:
    """A report in Word: kept, and the receipt asks for the form."""
    document = Document()
    document.add_paragraph(f"{said.unit_name}: đã cài đặt {said.reported_count or 0} máy.")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _of_thap_muoi(
    code: str, name: str, day: int, seats: int, observed: int, reported: int | None
) -> Reported:
    return Reported(
        unit_code=f"dtp_872_{code}",
        unit_name=name,
        report_date=date(2022, 10, day),
        allocated_count=seats,
        observed_count=observed,
        reported_count=reported,
    )


def _of_kon_plong(code: str, name: str, seats: int, observed: int, reported: int) -> Reported:
    return Reported(
        unit_code=f"ktm_613_{code}",
        unit_name=name,
        report_date=date(2024, 1, 12),
        allocated_count=seats,
        observed_count=observed,
        reported_count=reported,
    )


OFFICE = _of_thap_muoi("vpub", "Văn phòng HĐND và UBND huyện", 17, 24, 26, 26)
JUSTICE = _of_thap_muoi("ptp", "Phòng Tư pháp", 14, 8, 7, 8)

INBOXES: dict[str, tuple[Sent, ...]] = {
    "dong_thap": (
        Sent(
            file="dtp_872_vpub/Công văn báo cáo.docx",
            received_at="2022-10-14T09:10:00+07:00",
            says=OFFICE,
            make=letter,
        ),
        Sent(
            file="dtp_872_pnv/mau-bao-cao-dtp_872_pnv.xlsx",
            received_at="2022-10-14T15:35:00+07:00",
            says=_of_thap_muoi("pnv", "Phòng Nội vụ", 14, 12, 12, 12),
            make=form,
        ),
        Sent(
            file="dtp_872_ptp/BC phòng tư pháp.csv",
            received_at="2022-10-17T08:20:00+07:00",
            says=JUSTICE,
            make=csv_utf8,
        ),
        Sent(
            file="dtp_872_vpub/mau-bao-cao-dtp_872_vpub.xlsx",
            received_at="2022-10-17T09:05:00+07:00",
            says=OFFICE,
            make=form,
        ),
        Sent(
            file="dtp_872_ptp/BC phòng tư pháp (gửi lại).csv",
            received_at="2022-10-18T07:50:00+07:00",
            says=JUSTICE,
            make=csv_utf8,
        ),
        Sent(
            file="dtp_872_tnmt/baocao.csv",
            received_at="2022-10-18T10:45:00+07:00",
            says=_of_thap_muoi("tnmt", "Phòng Tài nguyên và Môi trường", 17, 20, 17, 17),
            make=csv_cp1258,
        ),
        Sent(
            file="dtp_872_30061/bao cao xa.csv",
            received_at="2022-10-19T10:05:00+07:00",
            says=_of_thap_muoi("30061", "Xã Đốc Binh Kiều", 19, 11, 10, None),
            make=csv_old_font,
        ),
        Sent(
            file="dtp_872_gddt/Bao cao PGD.xlsx",
            received_at="2022-10-19T16:40:00+07:00",
            says=_of_thap_muoi("gddt", "Phòng Giáo dục và Đào tạo", 19, 16, 15, 16),
            make=letterhead,
        ),
        Sent(
            file="dtp_872_30046/truongxuan.txt",
            received_at="2022-10-19T23:59:00+07:00",
            says=_of_thap_muoi("30046", "Xã Trường Xuân", 19, 11, 11, 11),
            make=tabs_utf16,
        ),
        Sent(
            file="dtp_872_30070/Láng Biển.csv",
            received_at="2022-10-20T00:01:00+07:00",
            says=_of_thap_muoi("30070", "Xã Láng Biển", 19, 11, 3, 5),
            make=csv_utf8,
        ),
    ),
    "kon_tum": (
        Sent(
            file="ktm_613_vhtt/mau-bao-cao-ktm_613_vhtt.xlsx",
            received_at="2024-01-12T09:30:00+07:00",
            says=_of_kon_plong("vhtt", "Phòng Văn hóa và Thông tin", 7, 7, 7),
            make=form,
        ),
        Sent(
            file="ktm_613_23464/Xã Ngok Tem.csv",
            received_at="2024-01-15T16:55:00+07:00",
            says=_of_kon_plong("23464", "Xã Ngọk Tem", 9, 0, 2),
            make=csv_utf8,
        ),
    ),
}


def expected_of(name: str) -> list[tuple[str, str, dict[str, int]]]:
    """Rows of rpt_reported_vs_observed that the scenario's inbox brings about."""
    found = {
        (one.says.unit_code, one.says.report_date.isoformat()): one.says.figures
        for one in INBOXES.get(name, ())
        if one.says.reported_count is not None
    }
    return [(unit, day, figures) for (unit, day), figures in found.items()]


def write(folder: Path, sent: Sequence[Sent]) -> None:
    """Every file, and the list of them."""
    for one in sent:
        path = folder / one.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.make(one.says))
    rows = [
        {
            "file": one.file,
            "unit_code": one.says.unit_code,
            "received_at": one.received_at,
        }
        for one in sent
    ]
    write_csv(folder / "inbox.csv", ("file", "unit_code", "received_at"), rows)


def write_all() -> None:
    for scenario, files in INBOXES.items():
        write(SCENARIOS / scenario / "inbox", files)
