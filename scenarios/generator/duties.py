"""What the three letters demand, of whom and until when, and what (invented) came in for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

from scenarios.generator.units import UnitRow

DUTY_COLUMNS: dict[str, tuple[str, ...]] = {
    "directives": (
        "directive_code",
        "document_kind",
        "number",
        "issued_year",
        "issued_month",
        "issued_day",
        "issuer_name",
        "unit_code",
        "subject",
        "cited_as",
        "based_on",
        "source_document",
    ),
    "obligations": (
        "obligation_code",
        "directive_code",
        "unit_code",
        "applies_to",
        "obligation_kind",
        "wording",
        "counted_from_date",
        "roll_policy",
        "demand_text",
        "opens_date",
        "source_document",
    ),
    "waivers": ("obligation_code", "unit_code", "waived_date", "source_document"),
    "receipts": (
        "obligation_code",
        "unit_code",
        "received_at",
        "document",
        "is_accepted",
        "source_document",
    ),
    "receipt_readings": ("obligation_code", "read_until_at", "source_document"),
    "training": (
        "obligation_code",
        "unit_code",
        "training_date",
        "is_present",
        "source_document",
    ),
    "hardware_limits": (
        "memory_mb",
        "disk_gb",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "antivirus_exceptions": (
        "product_text",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "hardware_returns": (
        "return_id",
        "unit_code",
        "machine_count",
        "endpoint_id",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "seat_requests": (
        "request_id",
        "unit_code",
        "seat_count",
        "requested_date",
        "status",
        "source_document",
    ),
    "difficulties": (
        "difficulty_id",
        "unit_code",
        "raised_date",
        "difficulty_text",
        "owner_post",
        "answer_text",
        "answered_date",
        "source_document",
    ),
    "responsible_posts": (
        "unit_code",
        "matter",
        "post_title",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "issuers": (
        "issuer_code",
        "issuer_name",
        "parent_heading",
        "heading",
        "symbol",
        "place",
        "area",
        "verb",
        "signature",
        "valid_from_date",
        "valid_to_date",
        "source_document",
    ),
    "letters": (
        "directive_code",
        "letter_kind",
        "unit_code",
        "issuer_code",
        "recipients",
        "accountable",
        "accountable_to",
        "contact",
        "copies",
        "filed_by",
        "report_to",
        "term_wording",
        "source_document",
    ),
    "demands": (
        "directive_code",
        "list_order",
        "demand_text",
        "note",
        "details",
        "obligation_code",
        "source_document",
    ),
}

LETTER_2022 = "UBND huyện Tháp Mười, công văn tháng 10/2022 (số để trống)"
LETTER_2023 = "Sở Thông tin và Truyền thông tỉnh Đồng Tháp, công văn tháng 10/2023 (số để trống)"
LETTER_2024 = "UBND huyện Kon Plông, công văn tháng 01/2024 (số để trống)"
INVENTED = "số liệu dựng cho kịch bản"
OWN_WORDS = "câu chữ của hệ thống"
REGISTER = f"Sổ văn bản đến: {INVENTED}"


Row = dict[str, str]
Tables = dict[str, list[Row]]

INSTRUCTION = "theo Chỉ thị số 14/CT-TTg ngày 25/5/2018 của Thủ tướng Chính phủ"
REPORT, ROLL_UP = "tm_2022_bao_cao", "tm_2022_tong_hop"
TRAINING = "dtp_2023_tap_huan"
INSTALLATION, HARDWARE = "kpl_2024_cai_dat", "kpl_2024_cau_hinh"

# Two units of Tháp Mười never reported, one sent a file that nobody could use, one was a minute
# in time and one a minute late; everybody else reported in office hours.
SILENT = ("dtp_872_30052", "dtp_872_30073")
UNUSABLE = "dtp_872_30061"
LAST_MINUTE = "dtp_872_30046"
ONE_MINUTE_LATE = "dtp_872_30070"
REPORT_HOURS = (
    "2022-10-14T09:10:00+07:00",
    "2022-10-14T15:35:00+07:00",
    "2022-10-17T08:20:00+07:00",
    "2022-10-17T16:05:00+07:00",
    "2022-10-18T10:45:00+07:00",
    "2022-10-18T14:30:00+07:00",
    "2022-10-19T08:50:00+07:00",
    "2022-10-19T16:40:00+07:00",
)
ABSENT = ("dtp_sngv", "dtp_874")
NOT_ON_THE_LIST = "dtp_869"
EXCUSED = "dtp_bqlkkt"
TOO_WEAK = {"ktm_613_23452": 2}


def empty() -> Tables:
    return {name: [] for name in DUTY_COLUMNS}


def row_of(table: str, source_document: str, **cells: str) -> Row:
    """One row; columns that are not named stay blank."""
    columns = DUTY_COLUMNS[table]
    unknown = cells.keys() - set(columns)
    if unknown:
        raise ValueError(f"{table} has no column {sorted(unknown)}")
    return dict.fromkeys(columns, "") | cells | {"source_document": source_document}


def of_machines(valid_from: str) -> Tables:
    """What a machine must have, and which of KSC's incompatible programs are no second antivirus."""
    source = f"Hướng dẫn cài đặt: {INVENTED}"
    return {
        "hardware_limits": [
            row_of(
                "hardware_limits",
                source,
                memory_mb="2048",
                disk_gb="100",
                valid_from_date=valid_from,
            )
        ],
        "antivirus_exceptions": [
            row_of("antivirus_exceptions", source, product_text=text, valid_from_date=valid_from)
            for text in ("Kaspersky", "Windows Defender")
        ],
    }


def named_returns(returns: list[Row], endpoint_ids: Mapping[str, Sequence[str]]) -> list[Row]:
    """The same returns, each machine that a server knows in a row of its own.

    ``endpoint_ids``: the ids of a unit's machines, as many at most as the unit's document tells of.
    """
    rows: list[Row] = []
    for row in returns:
        named = endpoint_ids.get(row["unit_code"], ())
        rows += [
            row
            | {"return_id": f"{row['return_id']}-{place}", "machine_count": "1", "endpoint_id": one}
            for place, one in enumerate(named, 1)
        ]
        left = int(row["machine_count"]) - len(named)
        if left:
            rows.append(row | {"machine_count": str(left)})
    return rows


def demands(directive_code: str, source_document: str, *rows: Row) -> list[Row]:
    """The numbered demands of a letter, in the words of this product."""
    return [
        row_of(
            "demands",
            f"{source_document}, mục {number}; {OWN_WORDS}",
            directive_code=directive_code,
            list_order=str(number),
            **cells,
        )
        for number, cells in enumerate(rows, 1)
    ]


def head_of(unit: UnitRow) -> str:
    """Whom the letter of 10/2022 holds answerable: the head of an office, or of a commune."""
    titles = {
        "xa": "Chủ tịch Ủy ban nhân dân xã",
        "thi_tran": "Chủ tịch Ủy ban nhân dân thị trấn",
    }
    return titles.get(unit.unit_kind, "Thủ trưởng đơn vị")


def dong_thap(units: tuple[UnitRow, ...], offices: Iterable[UnitRow]) -> Tables:
    """``units``: of Tháp Mười; ``offices``: departments and districts, in the letter's order."""
    tables = empty()
    tables["directives"] = [
        row_of(
            "directives",
            f"{LETTER_2022}, trích yếu",
            directive_code="ttg_ct_14",
            document_kind="Chỉ thị",
            number="14/CT-TTg",
            issued_year="2018",
            issued_month="5",
            issued_day="25",
            issuer_name="Thủ tướng Chính phủ",
            subject="về việc nâng cao năng lực phòng, chống phần mềm độc hại",
        ),
        row_of(
            "directives",
            f"{LETTER_2022}, căn cứ",
            directive_code="dtp_cv_1134",
            document_kind="Công văn",
            number="1134/STTTT-CNTT",
            issued_year="2022",
            issued_month="10",
            issued_day="11",
            issuer_name="Sở Thông tin và Truyền thông",
            subject=f"về việc đôn đốc cài đặt phần mềm phòng, chống mã độc tập trung {INSTRUCTION}",
            cited_as="Thực hiện",
            based_on="ttg_ct_14",
        ),
        row_of(
            "directives",
            LETTER_2022,
            directive_code="dtp_872_2022_10",
            document_kind="Công văn",
            issued_year="2022",
            issued_month="10",
            issuer_name="Ủy ban nhân dân huyện Tháp Mười",
            unit_code="dtp_872",
            subject=f"về việc đôn đốc cài đặt phần mềm phòng, chống mã độc tập trung {INSTRUCTION}",
            cited_as="Thực hiện",
            based_on="dtp_cv_1134",
        ),
        row_of(
            "directives",
            f"{LETTER_2023}, căn cứ 1",
            directive_code="dtp_qd_565",
            document_kind="Quyết định",
            number="565/QĐ-UBND-HC",
            issued_year="2023",
            issued_month="5",
            issued_day="23",
            issuer_name="Ủy ban nhân dân tỉnh Đồng Tháp",
            unit_code="dtp",
            subject="về việc phê duyệt kế hoạch lựa chọn nhà thầu mua sắm phần mềm phòng, chống mã "
            "độc tập trung năm 2023",
        ),
        row_of(
            "directives",
            f"{LETTER_2023}, căn cứ 2",
            directive_code="dtp_cv_232",
            document_kind="Công văn",
            number="232/UBND-PCPC",
            issued_year="2023",
            issued_month="10",
            issued_day="6",
            issuer_name="Ủy ban nhân dân Tỉnh",
            unit_code="dtp",
            subject="về việc chấn chỉnh công tác bảo vệ bí mật nhà nước, bảo đảm an toàn thông tin, "
            "an ninh mạng và chuyển đổi số trên địa bàn Tỉnh",
        ),
        row_of(
            "directives",
            LETTER_2023,
            directive_code="dtp_2023_10",
            document_kind="Công văn",
            issued_year="2023",
            issued_month="10",
            issuer_name="Sở Thông tin và Truyền thông tỉnh Đồng Tháp",
            unit_code="dtp",
            subject="về việc phối hợp triển khai phần mềm phòng, chống mã độc tập trung",
            based_on="dtp_qd_565 dtp_cv_232",
        ),
    ]
    tables["obligations"] = [
        row_of(
            "obligations",
            f"{LETTER_2022}, mục 2",
            obligation_code=REPORT,
            directive_code="dtp_872_2022_10",
            unit_code="dtp_872",
            applies_to="children",
            obligation_kind="unit_report",
            wording="chậm nhất ngày 19/10/2022",
            demand_text="Báo cáo kết quả cài đặt về Ủy ban nhân dân huyện (qua Phòng Văn hóa và "
            "Thông tin) để tổng hợp",
        ),
        row_of(
            "obligations",
            f"{LETTER_2022}, mục 3",
            obligation_code=ROLL_UP,
            directive_code="dtp_872_2022_10",
            unit_code="dtp_872_vhtt",
            applies_to="self",
            obligation_kind="roll_up",
            wording="chậm nhất ngày 20/10/2022",
            demand_text="Phòng Văn hóa và Thông tin theo dõi, hỗ trợ các cơ quan, đơn vị; báo cáo "
            "kết quả chung về Ủy ban nhân dân huyện",
        ),
        row_of(
            "obligations",
            f"{LETTER_2023}, mục 3",
            obligation_code=TRAINING,
            directive_code="dtp_2023_10",
            unit_code="dtp",
            applies_to="children",
            obligation_kind="training",
            wording="01 ngày (thứ Sáu, ngày 20/10/2023, bắt đầu lúc 08 giờ)",
            demand_text="Cử cán bộ, công chức phụ trách dự lớp tập huấn quản trị phần mềm",
        ),
    ]
    tables["difficulties"] = [
        row_of(
            "difficulties",
            f"UBND xã Mỹ Hòa: {INVENTED}",
            difficulty_id="2022-dtp_872_30052-1",
            unit_code="dtp_872_30052",
            raised_date="2022-10-18",
            difficulty_text="Ba máy tính hỏng ổ cứng, chưa cài đặt được",
            owner_post="Trưởng phòng Văn hóa và Thông tin",
        ),
        row_of(
            "difficulties",
            f"UBND xã Láng Biển: {INVENTED}",
            difficulty_id="2022-dtp_872_30070-1",
            unit_code="dtp_872_30070",
            raised_date="2022-10-11",
            difficulty_text="Đường truyền của xã chậm, tải bộ cài không xong",
            owner_post="Trưởng phòng Văn hóa và Thông tin",
            answer_text="Đã gửi bộ cài bằng thiết bị lưu trữ",
            answered_date="2022-10-17",
        ),
    ]
    tables["responsible_posts"] = [
        row_of(
            "responsible_posts",
            f"{LETTER_2022}, đoạn cuối",
            unit_code=unit.unit_code,
            matter="installation",
            post_title=head_of(unit),
            valid_from_date="2022-09-01",
        )
        for unit in units
    ]
    tables["receipts"] = reports_of(units)
    tables["receipts"].append(
        row_of(
            "receipts",
            REGISTER,
            obligation_code=ROLL_UP,
            unit_code="dtp_872_vhtt",
            received_at="2022-10-21T09:15:00+07:00",
            document="Báo cáo tổng hợp kết quả cài đặt",
            is_accepted="1",
        )
    )
    tables["receipt_readings"] = [
        row_of("receipt_readings", REGISTER, obligation_code=code, read_until_at=until)
        for code, until in (
            (REPORT, "2022-10-20T16:30:00+07:00"),
            (ROLL_UP, "2022-10-21T17:00:00+07:00"),
        )
    ]
    tables["training"] = [
        row_of(
            "training",
            f"Danh sách điểm danh lớp tập huấn ngày 20/10/2023: {INVENTED}",
            obligation_code=TRAINING,
            unit_code=office.unit_code,
            training_date="2023-10-20",
            is_present=str(int(office.unit_code not in ABSENT)),
        )
        for office in offices
        if office.unit_code not in {NOT_ON_THE_LIST, EXCUSED}
    ]
    tables["waivers"] = [
        row_of(
            "waivers",
            f"Sở Thông tin và Truyền thông, công văn tháng 10/2023: {INVENTED}",
            obligation_code=TRAINING,
            unit_code=EXCUSED,
            waived_date="2023-10-19",
        )
    ]
    tables["seat_requests"] = [
        row_of(
            "seat_requests",
            f"Sở Nông nghiệp và PTNT, công văn tháng 11/2023: {INVENTED}",
            request_id="2023-snnptnt-1",
            unit_code="dtp_snnptnt",
            seat_count="12",
            requested_date="2023-11-02",
            status="open",
        )
    ]
    tables["issuers"] = [
        row_of(
            "issuers",
            LETTER_2022,
            issuer_code="ubnd_thap_muoi",
            issuer_name="Ủy ban nhân dân huyện Tháp Mười",
            heading="ỦY BAN NHÂN DÂN|HUYỆN THÁP MƯỜI",
            symbol="UBND-TH",
            place="Tháp Mười",
            area="trên địa bàn huyện Tháp Mười",
            verb="yêu cầu",
            signature="TM. ỦY BAN NHÂN DÂN|KT. CHỦ TỊCH|PHÓ CHỦ TỊCH",
            valid_from_date="2022-09-01",
        ),
        row_of(
            "issuers",
            LETTER_2023,
            issuer_code="so_tttt_dong_thap",
            issuer_name="Sở Thông tin và Truyền thông",
            parent_heading="UBND TỈNH ĐỒNG THÁP",
            heading="SỞ THÔNG TIN|VÀ TRUYỀN THÔNG",
            symbol="STTTT-CĐS&ATTT",
            place="Đồng Tháp",
            area="trên địa bàn tỉnh",
            verb="đề nghị",
            signature="KT. GIÁM ĐỐC|PHÓ GIÁM ĐỐC",
            valid_from_date="2022-09-01",
        ),
    ]
    tables["letters"] = [
        row_of(
            "letters",
            f"{LETTER_2022}; {OWN_WORDS}",
            directive_code="dtp_872_2022_10",
            letter_kind="don_doc",
            unit_code="dtp_872",
            issuer_code="ubnd_thap_muoi",
            recipients="Các ban, ngành thuộc Ủy ban nhân dân huyện|Công an huyện|Ban Chỉ huy Quân sự "
            "huyện|Trung tâm Văn hóa - Thể thao và Truyền thanh|Ủy ban nhân dân các xã, thị trấn",
            accountable="Thủ trưởng các ban, ngành huyện, Chủ tịch Ủy ban nhân dân các xã, thị trấn",
            accountable_to="Chủ tịch Ủy ban nhân dân huyện",
            copies="CT và các PCT UBND huyện|LĐVP",
            filed_by="NC",
            report_to="Phòng Văn hóa và Thông tin huyện",
        ),
        row_of(
            "letters",
            f"{LETTER_2023}; {OWN_WORDS}",
            directive_code="dtp_2023_10",
            letter_kind="phan_bo",
            unit_code="dtp",
            issuer_code="so_tttt_dong_thap",
            recipients="Các sở, ban, ngành tỉnh|Ủy ban nhân dân các huyện, thành phố",
            accountable="các đơn vị, địa phương",
            contact="Phòng Chuyển đổi số và An toàn thông tin",
            copies="GĐ và các PGĐ Sở|TT. CĐS Tỉnh (phối hợp thực hiện)",
            filed_by="P. CĐS&ATTT",
            report_to="Sở Thông tin và Truyền thông",
            term_wording="01 năm (tính từ ngày 13/10/2023)",
        ),
    ]
    tables["demands"] = [
        *demands(
            "dtp_872_2022_10",
            LETTER_2022,
            {
                "demand_text": "Khẩn trương rà soát, đặt tên máy, cài đặt đầy đủ phần mềm phòng, chống "
                "mã độc tập trung tại cơ quan, đơn vị theo hướng dẫn",
                "note": "kèm theo hướng dẫn và danh sách phân bổ",
            },
            {"obligation_code": REPORT, "note": "kèm theo mẫu báo cáo"},
            {"obligation_code": ROLL_UP},
        ),
        *demands(
            "dtp_2023_10",
            LETTER_2023,
            {
                "demand_text": "Cài đặt đủ số bản quyền được phân bổ; nơi nào cần nhiều hơn thì phản ánh "
                "ngay về Sở Thông tin và Truyền thông để được bổ sung",
                "note": "kèm theo phụ lục",
            },
            {"demand_text": "Không cài nhiều phần mềm phòng, chống mã độc trên cùng một thiết bị"},
            {
                "obligation_code": TRAINING,
                "details": "Địa điểm: Hội trường Trung tâm Chuyển đổi số tỉnh|Người dự tập huấn mang "
                "theo máy tính xách tay để thực hành",
            },
            {
                "demand_text": "Theo dõi thường xuyên tình hình lây nhiễm mã độc và xử lý kịp thời",
            },
            {
                "demand_text": "Các huyện, thành phố theo dõi kết nối của máy chủ quản trị về trung tâm "
                "dữ liệu tỉnh, khắc phục ngay khi mất kết nối",
            },
        ),
    ]
    return tables


def reports_of(units: tuple[UnitRow, ...]) -> list[Row]:
    """When each unit of Tháp Mười reported in October 2022; invented."""
    hours = cycle(REPORT_HOURS)
    special = {
        LAST_MINUTE: "2022-10-19T23:59:00+07:00",
        ONE_MINUTE_LATE: "2022-10-20T00:01:00+07:00",
        UNUSABLE: "2022-10-19T10:05:00+07:00",
    }
    codes = [unit.unit_code for unit in units]
    unknown = {*SILENT, *special} - set(codes)
    if unknown:
        raise ValueError(f"no such units: {sorted(unknown)}")
    return [
        row_of(
            "receipts",
            REGISTER,
            obligation_code=REPORT,
            unit_code=code,
            received_at=special.get(code) or next(hours),
            document="Báo cáo kết quả cài đặt" if code != UNUSABLE else "Tệp báo cáo không mở được",
            is_accepted=str(int(code != UNUSABLE)),
        )
        for code in codes
        if code not in SILENT
    ]


def kon_tum() -> Tables:
    tables = empty()
    source = LETTER_2024
    tables["directives"] = [
        row_of(
            "directives",
            f"{source}, căn cứ",
            directive_code="ktm_cv_31",
            document_kind="Công văn",
            number="31/STTTT-BCVT&CNTT",
            issued_year="2024",
            issued_month="1",
            issued_day="5",
            issuer_name="Sở Thông tin và Truyền thông tỉnh Kon Tum",
            unit_code="ktm",
            subject="về việc tình hình giám sát mã độc và đôn đốc cài đặt hệ thống giám sát mã độc "
            "tập trung",
        ),
        row_of(
            "directives",
            f"{source}, mục 1",
            directive_code="ktm_613_vb_1679",
            document_kind="Văn bản",
            number="1679/UBND-VHTT",
            issued_year="2023",
            issued_month="10",
            issued_day="31",
            issuer_name="Ủy ban nhân dân huyện Kon Plông",
            unit_code="ktm_613",
            subject="về việc phân bổ số lượng bản quyền và triển khai cài đặt phần mềm giám sát mã độc "
            "tập trung năm 2023",
            cited_as="Thực hiện",
        ),
        row_of(
            "directives",
            source,
            directive_code="ktm_613_2024_01",
            document_kind="Công văn",
            issued_year="2024",
            issued_month="1",
            issuer_name="Ủy ban nhân dân huyện Kon Plông",
            unit_code="ktm_613",
            subject="về việc đôn đốc triển khai cài đặt, sử dụng phần mềm giám sát mã độc tập trung",
            cited_as="Thực hiện",
            based_on="ktm_cv_31 ktm_613_vb_1679",
        ),
    ]
    wording = "trước ngày 16 tháng 01 năm 2024"
    tables["obligations"] = [
        row_of(
            "obligations",
            f"{source}, mục 1 và 2",
            obligation_code=INSTALLATION,
            directive_code="ktm_613_2024_01",
            unit_code="ktm_613",
            applies_to="children",
            obligation_kind="full_installation",
            wording=wording,
            demand_text="Cài đặt đủ số bản quyền được phân bổ và đặt tên máy theo đúng hướng dẫn",
        ),
        row_of(
            "obligations",
            f"{source}, mục 2",
            obligation_code=HARDWARE,
            directive_code="ktm_613_2024_01",
            unit_code="ktm_613",
            applies_to="children",
            obligation_kind="hardware_feedback",
            wording=wording,
            demand_text="Máy tính không đáp ứng cấu hình cài đặt thì phản hồi bằng văn bản về Phòng Văn "
            "hóa và Thông tin huyện để phân bổ lại cho nơi có nhu cầu",
        ),
    ]
    for unit_code, number in TOO_WEAK.items():
        answer = f"Công văn phản hồi cấu hình máy: {INVENTED}"
        tables["receipts"].append(
            row_of(
                "receipts",
                REGISTER,
                obligation_code=HARDWARE,
                unit_code=unit_code,
                received_at="2024-01-12T10:20:00+07:00",
                document="Công văn phản hồi cấu hình máy",
                is_accepted="1",
            )
        )
        tables["hardware_returns"].append(
            row_of(
                "hardware_returns",
                answer,
                return_id=f"2024-{unit_code}",
                unit_code=unit_code,
                machine_count=str(number),
                valid_from_date="2024-01-12",
            )
        )
    tables["receipt_readings"] = [
        row_of(
            "receipt_readings",
            REGISTER,
            obligation_code=HARDWARE,
            read_until_at="2024-01-16T07:30:00+07:00",
        )
    ]
    tables["seat_requests"] = [
        row_of(
            "seat_requests",
            f"Phòng Văn hóa và Thông tin, công văn tháng 01/2024: {INVENTED}",
            request_id="2024-ktm_613_vhtt-1",
            unit_code="ktm_613_vhtt",
            seat_count="1",
            requested_date="2024-01-12",
            status="open",
        )
    ]
    tables["issuers"] = [
        row_of(
            "issuers",
            source,
            issuer_code="ubnd_kon_plong",
            issuer_name="Ủy ban nhân dân huyện Kon Plông",
            heading="ỦY BAN NHÂN DÂN|HUYỆN KON PLÔNG",
            symbol="UBND-VHTT",
            place="Kon Plông",
            area="trên địa bàn huyện Kon Plông",
            verb="yêu cầu",
            signature="TM. ỦY BAN NHÂN DÂN|KT. CHỦ TỊCH|PHÓ CHỦ TỊCH",
            valid_from_date="2023-10-31",
        )
    ]
    tables["letters"] = [
        row_of(
            "letters",
            f"{source}; {OWN_WORDS}",
            directive_code="ktm_613_2024_01",
            letter_kind="don_doc",
            unit_code="ktm_613",
            issuer_code="ubnd_kon_plong",
            recipients="Các phòng, ban chuyên môn thuộc huyện|Các đơn vị sự nghiệp|Ủy ban nhân dân các "
            "xã, thị trấn",
            accountable="Thủ trưởng các cơ quan, đơn vị, Chủ tịch Ủy ban nhân dân các xã, thị trấn",
            accountable_to="Tập thể lãnh đạo và Chủ tịch Ủy ban nhân dân huyện",
            copies="CT, PCT UBND huyện phụ trách (t/d)|CVP, PCVP HĐND và UBND huyện",
            filed_by="VHTT",
            report_to="Phòng Văn hóa và Thông tin huyện",
        )
    ]
    tables["demands"] = demands(
        "ktm_613_2024_01",
        source,
        {"obligation_code": INSTALLATION, "note": "kèm theo danh sách các đơn vị"},
        {"obligation_code": HARDWARE},
    )
    return tables
