"""Why a file or a cell was not taken, in words that whoever sent it can act on.

A reason's code never changes once released. REFUSED means that the file is not read at all (it is
hostile, broken, or of a kind we do not read); QUARANTINED means that it was read and something in
it must be mended or confirmed; a NOTE is told and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.text import is_invisible, nfc

SHOWN_LENGTH = 60  # of a foreign value
FACT_LENGTH = 300  # of what is said about it


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


class Reason(StrEnum):
    # The file as such.
    EMPTY_FILE = "empty_file"
    FILE_TOO_BIG = "file_too_big"
    FILE_NAME = "file_name"
    NOT_A_FILE = "not_a_file"
    UNSUPPORTED_FORMAT = "unsupported_format"
    DOCUMENT_NOT_FORM = "document_not_form"
    BINARY_XLS = "binary_xls"
    BINARY_XLSB = "binary_xlsb"
    MACROS = "macros"
    ENCRYPTED = "encrypted"
    ARCHIVE_BROKEN = "archive_broken"
    ARCHIVE_TOO_BIG = "archive_too_big"
    ARCHIVE_RATIO = "archive_ratio"
    ARCHIVE_MEMBERS = "archive_members"
    ARCHIVE_NAME = "archive_name"
    ARCHIVE_SYMLINK = "archive_symlink"
    DTD = "dtd"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_COLUMNS = "too_many_columns"
    TOO_MANY_SHEETS = "too_many_sheets"
    CELL_TOO_LONG = "cell_too_long"
    TOO_SLOW = "too_slow"
    TOO_MUCH_MEMORY = "too_much_memory"
    UNREADABLE = "unreadable"
    PAGE_WITHOUT_TABLE = "page_without_table"
    INTERNAL = "internal"
    # The text in it.
    NUL_CHARACTER = "nul_character"
    LEGACY_FONT = "legacy_font"
    UNKNOWN_ENCODING = "unknown_encoding"
    DAMAGED_TEXT = "damaged_text"
    UNCLOSED_QUOTE = "unclosed_quote"
    RAGGED_ROW = "ragged_row"
    # The table in it.
    NO_TABLE = "no_table"
    NO_ROWS = "no_rows"
    SEVERAL_TABLES = "several_tables"
    DUPLICATE_HEADER = "duplicate_header"
    UNUSED_COLUMN = "unused_column"
    HIDDEN_ROW = "hidden_row"
    HIDDEN_COLUMN = "hidden_column"
    HIDDEN_SHEET = "hidden_sheet"
    MERGED_CELLS = "merged_cells"
    ROW_AFTER_TOTAL = "row_after_total"
    TOTAL_DIFFERS = "total_differs"
    RATIO_DIFFERS = "ratio_differs"
    # A cell.
    CELL_BLANK = "cell_blank"
    CELL_ERROR = "cell_error"
    NOT_CALCULATED = "not_calculated"
    NOT_A_COUNT = "not_a_count"
    NEGATIVE_COUNT = "negative_count"
    DATE_IN_COUNT = "date_in_count"
    PERCENT_IN_COUNT = "percent_in_count"
    FRACTION_UNCLEAR = "fraction_unclear"
    NOT_A_RATIO = "not_a_ratio"
    NAME_BECAME_NUMBER = "name_became_number"
    CONTROL_CHARACTER = "control_character"
    # Figures that contradict one another, or what is known.
    NAMED_ABOVE_INSTALLED = "named_above_installed"
    INSTALLED_ABOVE_COMPUTERS = "installed_above_computers"
    INSTALLED_ABOVE_ALLOCATED = "installed_above_allocated"
    WEAK_ABOVE_COMPUTERS = "weak_above_computers"
    ALLOCATED_DIFFERS = "allocated_differs"
    GLUED_DIGITS = "glued_digits"
    # Dates.
    DATE_MISSING = "date_missing"
    DATE_INCOMPLETE = "date_incomplete"
    DATE_AMBIGUOUS = "date_ambiguous"
    NOT_A_DATE = "not_a_date"
    MONTH_FIRST = "month_first"
    SERIAL_WITHOUT_WORKBOOK = "serial_without_workbook"
    DATE_IN_FUTURE = "date_in_future"
    DATE_TOO_OLD = "date_too_old"
    # Units.
    UNIT_UNKNOWN = "unit_unknown"
    UNIT_AMBIGUOUS = "unit_ambiguous"
    UNIT_NOT_IN_FORCE = "unit_not_in_force"
    UNIT_OF_ANOTHER = "unit_of_another"
    UNIT_TWICE = "unit_twice"
    UNIT_CODE_DIFFERS = "unit_code_differs"
    UNKNOWN_FOLDER = "unknown_folder"
    # One file beside another.
    OLDER_VERSION = "older_version"
    # A rule of the suite over unit reports.
    EXPECTATION = "expectation"


_USE_FORM = "Dùng mẫu báo cáo do hệ thống gửi (tệp .xlsx), điền và gửi lại."
_SAVE_XLSX = "Mở tệp trong Excel, chọn Lưu dưới dạng, kiểu «Excel Workbook (*.xlsx)» rồi gửi lại."
_SAVE_CSV = "Trong Excel chọn Lưu dưới dạng, kiểu «CSV UTF-8», hoặc gửi tệp .xlsx."
_NEW_COPY = "Gửi lại bản sao tốt của tệp."
_UNICODE = "Chuyển chữ sang Unicode (phông Times New Roman) rồi gửi lại."
_COUNT = "Ghi số nguyên không kèm chữ khác, ví dụ 330 hoặc 1.330."
_DATE = "Ghi ngày đầy đủ theo thứ tự ngày/tháng/năm, ví dụ 12/10/2022."

_REFUSED = Verdict.REFUSED
_MEND = Verdict.QUARANTINED
_NOTE = Verdict.ACCEPTED

# What each reason makes of the file, what is said, what is to be done.
_WORDS: dict[Reason, tuple[Verdict, str, str]] = {
    Reason.EMPTY_FILE: (_REFUSED, "Tệp trống, không có byte nào.", _NEW_COPY),
    Reason.FILE_TOO_BIG: (
        _REFUSED,
        "Tệp lớn hơn {limit} MB.",
        "Chỉ gửi bảng báo cáo; bỏ ảnh và các trang không cần thiết.",
    ),
    Reason.FILE_NAME: (
        _REFUSED,
        "Tên tệp không dùng được ({what}).",
        "Đặt tên tệp ngắn, chỉ gồm chữ, số, dấu cách, gạch nối, rồi gửi lại.",
    ),
    Reason.NOT_A_FILE: (
        _REFUSED,
        "Mục này không phải là tệp thường (liên kết, thư mục hoặc thiết bị).",
        "Gửi chính tệp báo cáo.",
    ),
    Reason.UNSUPPORTED_FORMAT: (_REFUSED, "Loại tệp này không đọc được ({what}).", _USE_FORM),
    Reason.DOCUMENT_NOT_FORM: (
        _MEND,
        "Tệp {what} đã được lưu, nhưng số liệu trong đó không đọc bằng máy được.",
        _USE_FORM,
    ),
    Reason.BINARY_XLS: (
        _REFUSED,
        "Đây là tệp Excel có từ trước năm 1997.",
        _SAVE_XLSX,
    ),
    Reason.BINARY_XLSB: (_REFUSED, "Đây là tệp Excel nhị phân (.xlsb).", _SAVE_XLSX),
    Reason.MACROS: (_REFUSED, "Tệp có chứa macro; tệp có macro không được mở.", _SAVE_XLSX),
    Reason.ENCRYPTED: (
        _REFUSED,
        "Tệp được đặt mật khẩu.",
        "Bỏ mật khẩu mở tệp rồi gửi lại.",
    ),
    Reason.ARCHIVE_BROKEN: (
        _REFUSED,
        "Tệp hỏng hoặc chưa được chép hết ({what}).",
        _NEW_COPY,
    ),
    Reason.ARCHIVE_TOO_BIG: (
        _REFUSED,
        "Nội dung tệp khi bung ra lớn hơn {limit} MB.",
        _USE_FORM,
    ),
    Reason.ARCHIVE_RATIO: (
        _REFUSED,
        "Tệp nén quá mức bình thường (gấp hơn {limit} lần), giống bom nén.",
        _USE_FORM,
    ),
    Reason.ARCHIVE_MEMBERS: (_REFUSED, "Tệp chứa quá {limit} thành phần.", _USE_FORM),
    Reason.ARCHIVE_NAME: (
        _REFUSED,
        "Tệp chứa thành phần có tên nguy hiểm hoặc trùng nhau: «{what}».",
        _USE_FORM,
    ),
    Reason.ARCHIVE_SYMLINK: (
        _REFUSED,
        "Tệp chứa liên kết tới nơi khác: «{what}».",
        _USE_FORM,
    ),
    Reason.DTD: (
        _REFUSED,
        "Tệp chứa khai báo DTD hoặc thực thể XML, là thứ một báo cáo không cần.",
        _USE_FORM,
    ),
    Reason.TOO_MANY_ROWS: (
        _REFUSED,
        "Trang có dữ liệu ngoài dòng {limit} (tới dòng {what}).",
        "Xóa các dòng thừa ở xa bảng, hoặc dùng mẫu báo cáo.",
    ),
    Reason.TOO_MANY_COLUMNS: (
        _REFUSED,
        "Trang có dữ liệu ngoài cột thứ {limit} (tới cột {what}).",
        "Xóa các cột thừa ở xa bảng, hoặc dùng mẫu báo cáo.",
    ),
    Reason.TOO_MANY_SHEETS: (
        _REFUSED,
        "Tệp có hơn {limit} trang.",
        "Chỉ để lại trang báo cáo rồi gửi lại.",
    ),
    Reason.CELL_TOO_LONG: (
        _REFUSED,
        "Ô này dài {what} ký tự, quá {limit} ký tự.",
        "Rút gọn nội dung của ô.",
    ),
    Reason.TOO_SLOW: (_REFUSED, "Đọc tệp quá lâu nên đã dừng.", _USE_FORM),
    Reason.TOO_MUCH_MEMORY: (_REFUSED, "Đọc tệp cần quá nhiều bộ nhớ nên đã dừng.", _USE_FORM),
    Reason.UNREADABLE: (_REFUSED, "Không đọc được tệp ({what}).", _NEW_COPY),
    Reason.PAGE_WITHOUT_TABLE: (
        _REFUSED,
        "Đây là một trang web không có bảng số liệu (có thể là trang báo lỗi được lưu nhầm).",
        "Xuất lại báo cáo, mở ra xem có bảng số liệu rồi mới gửi.",
    ),
    Reason.INTERNAL: (
        _MEND,
        "Hệ thống gặp lỗi khi xử lý tệp này; đây không phải lỗi của tệp.",
        "Không cần gửi lại; nhóm kỹ thuật sẽ xử lý và báo sau.",
    ),
    Reason.NUL_CHARACTER: (_REFUSED, "Tệp có ký tự NUL, có thể đã hỏng.", _NEW_COPY),
    Reason.LEGACY_FONT: (
        _MEND,
        "Chữ được gõ theo bảng mã cũ {what}, không phải Unicode: «{value}».",
        _UNICODE,
    ),
    Reason.UNKNOWN_ENCODING: (
        _MEND,
        "Không xác định được bảng mã của tệp nên không đoán chữ.",
        _SAVE_CSV,
    ),
    Reason.DAMAGED_TEXT: (
        _MEND,
        "Chữ tiếng Việt đã bị hỏng khi chuyển bảng mã: «{value}».",
        _SAVE_CSV,
    ),
    Reason.UNCLOSED_QUOTE: (
        _MEND,
        "Dấu ngoặc kép không được đóng hoặc đặt sai chỗ, từ dòng {what}.",
        'Mỗi dấu " mở ra phải được đóng lại; nên gửi tệp .xlsx.',
    ),
    Reason.RAGGED_ROW: (
        _MEND,
        "Dòng này có {what} ô, trong khi dòng tiêu đề có {limit} cột.",
        "Thêm hoặc bớt dấu phân tách cho đủ cột; nên gửi tệp .xlsx.",
    ),
    Reason.NO_TABLE: (
        _MEND,
        "Không tìm thấy bảng có cột «Tên đơn vị» và cột «Số máy đã cài đặt».",
        _USE_FORM,
    ),
    Reason.NO_ROWS: (_MEND, "Bảng không có dòng số liệu nào.", "Điền số liệu rồi gửi lại."),
    Reason.SEVERAL_TABLES: (
        _MEND,
        "Tệp có {what} bảng báo cáo nên không rõ bảng nào là chính.",
        "Chỉ để lại một bảng rồi gửi lại.",
    ),
    Reason.DUPLICATE_HEADER: (
        _MEND,
        "Có {what} cột cùng mang nghĩa «{value}».",
        "Chỉ để lại một cột hoặc đặt tên cột cho rõ.",
    ),
    Reason.UNUSED_COLUMN: (_NOTE, "Cột «{value}» không được dùng.", ""),
    Reason.HIDDEN_ROW: (
        _MEND,
        "Dòng này bị ẩn nhưng có số liệu.",
        "Bỏ ẩn (hoặc bỏ lọc) rồi xóa hay giữ dòng cho rõ.",
    ),
    Reason.HIDDEN_COLUMN: (
        _MEND,
        "Cột «{value}» của bảng bị ẩn.",
        "Bỏ ẩn cột, kiểm tra số liệu rồi gửi lại.",
    ),
    Reason.HIDDEN_SHEET: (_NOTE, "Trang «{value}» bị ẩn nên không được đọc.", ""),
    Reason.MERGED_CELLS: (
        _MEND,
        "Ô này được trộn qua nhiều dòng nên không rõ số liệu thuộc dòng nào.",
        "Bỏ trộn ô và điền từng dòng.",
    ),
    Reason.ROW_AFTER_TOTAL: (
        _MEND,
        "Có số liệu nằm dưới dòng tổng cộng.",
        "Đưa dòng này lên trên dòng tổng cộng và cộng lại.",
    ),
    Reason.TOTAL_DIFFERS: (
        _MEND,
        "Dòng tổng ghi {value}, nhưng các dòng cộng lại là {what}.",
        "Kiểm tra từng dòng và dòng tổng, sửa cho khớp.",
    ),
    Reason.RATIO_DIFFERS: (
        _MEND,
        "Tỷ lệ ghi {value}, nhưng tính từ số máy thì được {what}.",
        "Kiểm tra số máy đã cài đặt, số bản quyền và tỷ lệ, sửa cho khớp.",
    ),
    Reason.CELL_BLANK: (_MEND, "Ô «{what}» để trống.", "Điền số; nếu không có máy nào, ghi 0."),
    Reason.CELL_ERROR: (
        _MEND,
        "Công thức trong ô báo lỗi {value}.",
        "Thay công thức bằng con số.",
    ),
    Reason.NOT_CALCULATED: (
        _MEND,
        "Ô có công thức nhưng tệp không kèm kết quả tính.",
        "Mở tệp bằng Excel, lưu lại, hoặc ghi thẳng con số.",
    ),
    Reason.NOT_A_COUNT: (_MEND, "«{value}» không phải là số máy.", _COUNT),
    Reason.NEGATIVE_COUNT: (_MEND, "«{value}» là số âm.", _COUNT),
    Reason.DATE_IN_COUNT: (
        _MEND,
        "Ô này là ngày tháng ({value}), có thể Excel đã tự đổi từ dạng 12/24.",
        "Ghi riêng số máy đã cài đặt và số được phân bổ vào hai cột.",
    ),
    Reason.PERCENT_IN_COUNT: (_MEND, "«{value}» là tỷ lệ, không phải số máy.", _COUNT),
    Reason.FRACTION_UNCLEAR: (
        _MEND,
        "«{value}»: không rõ số nào là số máy đã cài đặt.",
        "Ghi riêng số máy đã cài đặt và số được phân bổ vào hai cột.",
    ),
    Reason.NOT_A_RATIO: (
        _MEND,
        "«{value}» không phải là tỷ lệ phần trăm.",
        "Ghi dấu phẩy thập phân và ký hiệu %, ví dụ 32,6%, hoặc bỏ trống.",
    ),
    Reason.NAME_BECAME_NUMBER: (
        _MEND,
        "Tên máy đã bị Excel đổi thành số: «{value}».",
        "Định dạng cột là Văn bản (Text) trước khi dán tên máy, rồi gửi lại.",
    ),
    Reason.CONTROL_CHARACTER: (
        _MEND,
        "Ô có ký tự xuống dòng hoặc ký tự điều khiển: «{value}».",
        "Gõ lại nội dung của ô.",
    ),
    Reason.NAMED_ABOVE_INSTALLED: (
        _MEND,
        "Số máy đặt đúng tên ({value}) lớn hơn số máy đã cài đặt ({what}).",
        "Kiểm tra và sửa hai số này.",
    ),
    Reason.INSTALLED_ABOVE_COMPUTERS: (
        _MEND,
        "Số máy đã cài đặt ({value}) lớn hơn số máy tính hiện có ({what}).",
        "Kiểm tra và sửa hai số này.",
    ),
    Reason.INSTALLED_ABOVE_ALLOCATED: (
        _NOTE,
        "Số máy đã cài đặt ({value}) vượt số bản quyền được phân bổ ({what}).",
        "Kiểm tra lại; nếu đúng, gửi đề nghị bổ sung bản quyền.",
    ),
    Reason.WEAK_ABOVE_COMPUTERS: (
        _MEND,
        "Số máy không đủ cấu hình ({value}) lớn hơn số máy tính hiện có ({what}).",
        "Kiểm tra và sửa hai số này.",
    ),
    Reason.ALLOCATED_DIFFERS: (
        _NOTE,
        "Số bản quyền ghi trong báo cáo ({value}) khác số được phân bổ theo danh mục ({what}).",
        "Đối chiếu với văn bản phân bổ.",
    ),
    Reason.GLUED_DIGITS: (
        _MEND,
        "Số bản quyền ghi {value}, danh mục là {what}: có thể bị dính thêm chữ số.",
        "Kiểm tra và sửa con số.",
    ),
    Reason.DATE_MISSING: (
        _MEND,
        "Báo cáo không ghi số liệu tính đến ngày nào.",
        "Ghi một dòng phía trên bảng: «Số liệu tính đến ngày 12/10/2022».",
    ),
    Reason.DATE_INCOMPLETE: (_MEND, "Ngày ghi chưa đủ: «{value}».", _DATE),
    Reason.DATE_AMBIGUOUS: (
        _MEND,
        "Báo cáo ghi nhiều ngày số liệu khác nhau: {value}.",
        "Chỉ ghi một ngày số liệu.",
    ),
    Reason.NOT_A_DATE: (_MEND, "«{value}» không phải là ngày.", _DATE),
    Reason.MONTH_FIRST: (_MEND, "«{value}» có vẻ ghi tháng trước ngày.", _DATE),
    Reason.SERIAL_WITHOUT_WORKBOOK: (
        _MEND,
        "«{value}» là số thứ tự ngày của Excel, không rõ tính từ năm 1900 hay 1904.",
        _DATE,
    ),
    Reason.DATE_IN_FUTURE: (
        _MEND,
        "Ngày số liệu {value} ở sau ngày nhận báo cáo {what} (có thể ghi tháng trước ngày).",
        _DATE,
    ),
    Reason.DATE_TOO_OLD: (
        _MEND,
        "Ngày số liệu {value} cách ngày nhận báo cáo {what} hơn một năm.",
        _DATE,
    ),
    Reason.UNIT_UNKNOWN: (
        _MEND,
        "Không nhận ra đơn vị «{value}». {what}",
        "Ghi đúng tên đơn vị như trong danh sách phân bổ.",
    ),
    Reason.UNIT_AMBIGUOUS: (
        _MEND,
        "Tên «{value}» có thể là nhiều đơn vị: {what}.",
        "Ghi đầy đủ tên đơn vị, kể cả loại (huyện, thành phố, xã, thị trấn).",
    ),
    Reason.UNIT_NOT_IN_FORCE: (
        _MEND,
        "Đơn vị «{value}» không hoạt động vào ngày số liệu ({what}).",
        "Ghi tên đơn vị theo ngày số liệu, hoặc sửa ngày số liệu.",
    ),
    Reason.UNIT_OF_ANOTHER: (
        _MEND,
        "«{value}» không thuộc đơn vị gửi báo cáo ({what}).",
        "Gửi đúng báo cáo của đơn vị mình.",
    ),
    Reason.UNIT_TWICE: (
        _MEND,
        "Đơn vị «{value}» đã có ở ô {what}.",
        "Chỉ để lại một dòng cho mỗi đơn vị.",
    ),
    Reason.UNIT_CODE_DIFFERS: (
        _MEND,
        "Mã đơn vị «{value}» không khớp với tên đơn vị ({what}).",
        "Không sửa cột mã và cột tên trong mẫu báo cáo.",
    ),
    Reason.UNKNOWN_FOLDER: (
        _MEND,
        "Thư mục nhận «{value}» không phải là mã của một đơn vị đang hoạt động.",
        "Đặt tệp vào thư mục mang mã đơn vị, hoặc bổ sung đơn vị vào danh mục.",
    ),
    Reason.OLDER_VERSION: (
        _MEND,
        "Tệp này được lưu lúc {value}, trước bản cho cùng ngày số liệu đã nhận (lưu lúc {what}).",
        "Nếu đúng là bản cần dùng, mở tệp, lưu lại rồi gửi; nếu không, bỏ qua thư này.",
    ),
    Reason.EXPECTATION: (_MEND, "{value}", "{what}"),
}


class Refused(LedgerError):  # noqa: N818 - a refusal is the house word for it
    """A reader will not go on with this file; raised inside the sandbox, told in the receipt.

    ``sheet`` and ``cell`` are '' when no single place is meant.
    """

    def __init__(self, reason: Reason, *, sheet: str = "", cell: str = "", **facts: object) -> None:
        text, remedy = words(reason, **facts)
        super().__init__(reason.value, text, remedy)
        self.reason = reason
        self.sheet = sheet
        self.cell = cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to mend, to confirm or to know: where it stands, what it is, what to do."""

    reason: Reason
    text: str
    remedy: str
    sheet: str = ""
    cell: str = ""
    is_note: bool = False

    @property
    def place(self) -> str:
        """As an official reads it: ``Trang «Báo cáo», ô E7``; '' for the file as a whole."""
        parts = [f"trang «{shown(self.sheet)}»"] if self.sheet else []
        parts += [f"ô {self.cell}"] if self.cell else []
        place = ", ".join(parts)
        return place[:1].upper() + place[1:]

    def __str__(self) -> str:
        return " ".join(part for part in (f"{self.place}:" * bool(self.place), self.text) if part)


def finding(reason: Reason, *, sheet: str = "", cell: str = "", **facts: object) -> Finding:
    """A finding in the words of its reason; ``facts`` fill them."""
    text, remedy = words(reason, **facts)
    return Finding(
        reason=reason,
        text=text,
        remedy=remedy,
        sheet=sheet,
        cell=cell,
        is_note=_WORDS[reason][0] is Verdict.ACCEPTED,
    )


def verdict_of(reason: Reason) -> Verdict:
    """What the reason makes of a file; ACCEPTED for a mere note."""
    return _WORDS[reason][0]


def words(reason: Reason, **facts: object) -> tuple[str, str]:
    """Text and remedy; facts that are text are shown short and without control characters."""
    _, text, remedy = _WORDS[reason]
    safe = {
        name: shown(value, SHOWN_LENGTH if name == "value" else FACT_LENGTH)
        if isinstance(value, str)
        else value
        for name, value in facts.items()
    }
    return text.format(**safe).rstrip(), remedy.format(**safe)


def shown(text: str, limit: int = SHOWN_LENGTH) -> str:
    """Foreign text as it may stand in a mail: one line, NFC, visible signs only, cut when long."""
    line = " ".join(nfc(text[: limit * 20]).split())
    line = "".join(sign if sign.isprintable() and not is_invisible(sign) else "?" for sign in line)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
