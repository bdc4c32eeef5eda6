"""The three letters' days as data: their own figures and rows, our own words, nobody's name."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ksc_ledger.letters.model import (
    Basis,
    Demand,
    Document,
    GapReason,
    Issuer,
    Letter,
    LetterKind,
    PartialDate,
    Rename,
    Section,
    Sources,
    Term,
    Totals,
    UnitRow,
    UnitSheet,
)
from ksc_ledger.letters.words import standard_demands

HERE = Path(__file__).parent


def lines_of(name: str) -> list[dict[str, str]]:
    with (HERE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows_of(name: str, snapshot_id: str, section: str | None = None) -> tuple[UnitRow, ...]:
    def number(line: dict[str, str], column: str) -> int | None:
        return int(line[column]) if line.get(column) else None

    return tuple(
        UnitRow(
            unit_code=line["unit_code"],
            unit_name=line["unit_name"],
            allocated_count=int(line["allocated_count"]),
            installed_count=number(line, "installed_count"),
            correctly_named_count=number(line, "correctly_named_count"),
            snapshot_id=snapshot_id,
        )
        for line in lines_of(name)
        if section is None or line["section"] == section
    )


THAP_MUOI = Issuer(
    name="Ủy ban nhân dân huyện Tháp Mười",
    heading=("ỦY BAN NHÂN DÂN", "HUYỆN THÁP MƯỜI"),
    symbol="UBND-TH",
    place="Tháp Mười",
    area="trên địa bàn huyện Tháp Mười",
    verb="yêu cầu",
    signature=("TM. ỦY BAN NHÂN DÂN", "KT. CHỦ TỊCH", "PHÓ CHỦ TỊCH"),
)
KON_PLONG = replace(
    THAP_MUOI,
    name="Ủy ban nhân dân huyện Kon Plông",
    heading=("ỦY BAN NHÂN DÂN", "HUYỆN KON PLÔNG"),
    symbol="UBND-VHTT",
    place="Kon Plông",
    area="trên địa bàn huyện Kon Plông",
)
DEPARTMENT = Issuer(
    name="Sở Thông tin và Truyền thông",
    parent_heading="UBND TỈNH ĐỒNG THÁP",
    heading=("SỞ THÔNG TIN", "VÀ TRUYỀN THÔNG"),
    symbol="STTTT-CĐS&ATTT",
    place="Đồng Tháp",
    area="trên địa bàn tỉnh",
    verb="đề nghị",
    signature=("KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC"),
)


def letter_a(**changes: Any) -> Letter:
    """Tháp Mười, as of 12/10/2022."""
    facts: dict[str, Any] = {
        "estate_code": "dong_thap",
        "unit_code": "dtp_872",
        "kind": LetterKind.DON_DOC,
        "as_of_date": date(2022, 10, 12),
        "issued": PartialDate(2022, 10),
        "issuer": THAP_MUOI,
        "subject": "đôn đốc cài đặt phần mềm phòng, chống mã độc tập trung",
        "recipients": (
            "Các ban, ngành thuộc Ủy ban nhân dân huyện",
            "Công an huyện",
            "Ban Chỉ huy Quân sự huyện",
            "Trung tâm Văn hóa - Thể thao và Truyền thanh",
            "Ủy ban nhân dân các xã, thị trấn",
        ),
        "bases": (
            Basis(
                lead="Thực hiện",
                document=Document(
                    document_kind="Công văn",
                    number="1134/STTTT-CNTT",
                    issued=PartialDate(2022, 10, 11),
                    issuer="Sở Thông tin và Truyền thông",
                    subject=(
                        "về việc đôn đốc cài đặt phần mềm phòng, chống mã độc tập trung theo Chỉ thị "
                        "số 14/CT-TTg ngày 25/5/2018 của Thủ tướng Chính phủ"
                    ),
                ),
            ),
        ),
        "totals": Totals(
            allocated_count=330,
            installed_count=255,
            correctly_named_count=235,
            snapshot_id="20221012-aaaa",
        ),
        "sections": (Section(rows=rows_of("letter_a", "20221012-aaaa")),),
        "demands": standard_demands(
            office="Phòng Văn hóa và Thông tin huyện",
            report_due="chậm nhất ngày 19/10/2022",
            roll_up_due="chậm nhất ngày 20/10/2022",
        ),
        "accountable": (
            "Thủ trưởng các ban, ngành huyện, Chủ tịch Ủy ban nhân dân các xã, thị trấn"
        ),
        "accountable_to": "Chủ tịch Ủy ban nhân dân huyện",
        "copies": ("CT và các PCT UBND huyện", "LĐVP"),
        "filed_by": "NC",
        "sources": Sources(servers_expected_count=1, servers_observed_count=1),
    }
    return Letter(**(facts | changes))


def letter_b(**changes: Any) -> Letter:
    """Kon Plông, January 2024, done before the 16th."""
    facts: dict[str, Any] = {
        "estate_code": "kon_tum",
        "unit_code": "ktm_613",
        "kind": LetterKind.DON_DOC,
        "as_of_date": date(2024, 1, 8),
        "issued": PartialDate(2024, 1),
        "issuer": KON_PLONG,
        "subject": "đôn đốc cài đặt, sử dụng phần mềm giám sát mã độc tập trung",
        "recipients": (
            "Các phòng, ban chuyên môn thuộc huyện",
            "Các đơn vị sự nghiệp",
            "Ủy ban nhân dân các xã, thị trấn",
        ),
        "bases": (
            Basis(
                lead="Căn cứ",
                document=Document(
                    document_kind="Công văn",
                    number="31/STTTT-BCVT&CNTT",
                    issued=PartialDate(2024, 1, 5),
                    issuer="Sở Thông tin và Truyền thông tỉnh Kon Tum",
                    subject="về việc giám sát mã độc và đôn đốc cài đặt hệ thống giám sát mã độc tập trung",
                ),
            ),
            Basis(
                lead="Thực hiện",
                document=Document(
                    document_kind="Văn bản",
                    number="1679/UBND-VHTT",
                    issued=PartialDate(2023, 10, 31),
                    issuer="Ủy ban nhân dân huyện Kon Plông",
                    subject="về phân bổ số lượng bản quyền và triển khai cài đặt",
                ),
            ),
        ),
        "totals": Totals(
            allocated_count=190,
            installed_count=62,
            correctly_named_count=51,
            snapshot_id="20240108-bbbb",
        ),
        "sections": (Section(rows=rows_of("letter_b", "20240108-bbbb")),),
        "demands": standard_demands(
            office="Phòng Văn hóa và Thông tin huyện",
            completion_due="trước ngày 16 tháng 01 năm 2024",
        ),
        "accountable": "Thủ trưởng các cơ quan, đơn vị, Chủ tịch Ủy ban nhân dân các xã, thị trấn",
        "accountable_to": "Tập thể lãnh đạo và Chủ tịch Ủy ban nhân dân huyện",
        "copies": ("CT, PCT UBND huyện phụ trách (t/d)", "CVP, PCVP HĐND và UBND huyện"),
        "filed_by": "VHTT",
    }
    return Letter(**(facts | changes))


def letter_c(**changes: Any) -> Letter:
    """Đồng Tháp, October 2023: 20 departments and 12 districts, the term, the training day."""
    facts: dict[str, Any] = {
        "estate_code": "dong_thap",
        "unit_code": "dtp",
        "kind": LetterKind.PHAN_BO,
        "as_of_date": date(2023, 10, 13),
        "issued": PartialDate(2023, 10),
        "issuer": DEPARTMENT,
        "subject": "phối hợp triển khai phần mềm phòng, chống mã độc tập trung",
        "recipients": ("Các sở, ban, ngành tỉnh", "Ủy ban nhân dân các huyện, thành phố"),
        "bases": (
            Basis(
                lead="Căn cứ",
                document=Document(
                    document_kind="Quyết định",
                    number="565/QĐ-UBND-HC",
                    issued=PartialDate(2023, 5, 23),
                    issuer="Ủy ban nhân dân tỉnh Đồng Tháp",
                    subject=(
                        "về việc phê duyệt kế hoạch lựa chọn nhà thầu mua sắm phần mềm phòng, chống "
                        "mã độc tập trung năm 2023"
                    ),
                ),
            ),
            Basis(
                lead="Căn cứ",
                document=Document(
                    document_kind="Công văn",
                    number="232/UBND-PCPC",
                    issued=PartialDate(2023, 10, 6),
                    issuer="Ủy ban nhân dân Tỉnh",
                    subject="về việc chấn chỉnh công tác bảo đảm an toàn thông tin, an ninh mạng",
                ),
            ),
        ),
        "totals": Totals(allocated_count=5037, snapshot_id="20231013-cccc"),
        "sections": (
            Section(
                title="Các sở, ban, ngành tỉnh:",
                noun="sở, ban, ngành tỉnh",
                rows=rows_of("letter_c", "20231013-cccc", "1"),
            ),
            Section(
                title="Các huyện, thành phố:",
                noun="huyện, thành phố",
                rows=rows_of("letter_c", "20231013-cccc", "2"),
            ),
        ),
        "demands": (
            Demand(
                text=(
                    "Cài đặt đủ số bản quyền được phân bổ; nơi nào cần nhiều hơn thì phản ánh ngay về "
                    "Sở Thông tin và Truyền thông để được bổ sung"
                ),
                note="kèm theo phụ lục",
            ),
            Demand(text="Không cài nhiều phần mềm phòng, chống mã độc trên cùng một thiết bị"),
            Demand(
                text="Cử cán bộ, công chức phụ trách dự lớp tập huấn quản trị phần mềm",
                due_at=datetime(2023, 10, 20, 1, 0, tzinfo=UTC),
                details=(
                    "Thời gian: 01 ngày (thứ Sáu, ngày 20/10/2023, bắt đầu lúc 08 giờ)",
                    "Địa điểm: Hội trường Trung tâm Chuyển đổi số tỉnh",
                    "Người dự tập huấn mang theo máy tính xách tay để thực hành",
                ),
            ),
            Demand(text="Theo dõi thường xuyên tình hình lây nhiễm mã độc và xử lý kịp thời"),
            Demand(
                text=(
                    "Các huyện, thành phố theo dõi kết nối của máy chủ quản trị về trung tâm dữ liệu "
                    "tỉnh, khắc phục ngay khi mất kết nối"
                )
            ),
        ),
        "accountable": "các đơn vị, địa phương",
        "contact": "Phòng Chuyển đổi số và An toàn thông tin",
        "copies": ("GĐ và các PGĐ Sở", "TT. CĐS Tỉnh (phối hợp thực hiện)"),
        "filed_by": "P. CĐS&ATTT",
        "term": Term(
            wording="01 năm (tính từ ngày 13/10/2023)",
            key_expires_at=datetime(2024, 10, 13, 16, 59, 59, tzinfo=UTC),
        ),
    }
    return Letter(**(facts | changes))


def unit_sheet(**changes: Any) -> UnitSheet:
    """The commune where all four machines are wrongly named, 12/10/2022."""
    facts: dict[str, Any] = {
        "estate_code": "dong_thap",
        "unit_code": "dtp_872_30058",
        "unit_name": "Xã Mỹ Đông",
        "parent_name": "Ủy ban nhân dân huyện Tháp Mười",
        "as_of_date": date(2022, 10, 12),
        "totals": Totals(
            allocated_count=11,
            installed_count=4,
            correctly_named_count=0,
            snapshot_id="20221012-aaaa",
        ),
        "parts": {
            GapReason.WRONG_NAME: 4,
            GapReason.AGENT_ONLY: 1,
            GapReason.NOT_INSTALLED: 6,
        },
        "renames": (
            Rename(
                display_name="mayphuong",
                reason="Thiếu tiền tố đơn vị",
                suggested_name="MYDONG-PHUONG",
            ),
            Rename(
                display_name='=HYPERLINK("http://x.example")',
                reason="Có ký tự không được phép",
                suggested_name="MYDONG-02",
            ),
        ),
        "duties": ("Báo cáo kết quả cài đặt: chậm nhất ngày 19/10/2022",),
    }
    return UnitSheet(**(facts | changes))
