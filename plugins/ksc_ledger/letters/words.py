"""The sentences and numbers of a letter that depend on its figures, in Vietnamese."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime

from ksc_ledger.letters.model import (
    Basis,
    Demand,
    Document,
    GapReason,
    LetterKind,
    PartialDate,
    Presence,
    Sources,
    UnitRow,
)
from ksc_ledger.rules.figures import count, share, written_date
from ksc_ledger.rules.text import nfc
from ksc_ledger.rules.working_days import VIETNAM

ANNEX_TITLES = {
    LetterKind.DON_DOC: "KẾT QUẢ CÀI ĐẶT PHẦN MỀM PHÒNG, CHỐNG MÃ ĐỘC TẬP TRUNG",
    LetterKind.PHAN_BO: "PHÂN BỔ SỐ LƯỢNG BẢN QUYỀN PHẦN MỀM PHÒNG, CHỐNG MÃ ĐỘC TẬP TRUNG",
    LetterKind.TERM: "SỐ MÁY TÍNH HẾT ĐƯỢC BẢO VỆ KHI BẢN QUYỀN HẾT HẠN",
    LetterKind.TRAINING: "THAM DỰ TẬP HUẤN QUẢN TRỊ PHẦN MỀM PHÒNG, CHỐNG MÃ ĐỘC TẬP TRUNG",
}
# What a letter is about where the registry has no words of its own for its kind.
SUBJECTS = {
    LetterKind.TERM: "thời hạn bản quyền phần mềm phòng, chống mã độc tập trung",
    LetterKind.TRAINING: "tham dự tập huấn quản trị phần mềm phòng, chống mã độc tập trung",
}
PRESENCE_NAMES = {
    Presence.PRESENT: "Có dự",
    Presence.ABSENT: "Vắng",
    Presence.WAIVED: "Được miễn",
    Presence.UNKNOWN: "Không có trong danh sách",
}
BLANK = "\u2026\u2026\u2026\u2026"  # dots for a pen
GAP = "\u00a0" * 5  # a blank that Word does not swallow

_SPACES = frozenset("\t\n\v\f\r\u0085\u2028\u2029")


def clean(text: str) -> str:
    """Text fit for Word and Excel: NFC, on one line, what neither can hold shown as U+FFFD."""
    made = []
    for sign in nfc(text):
        if sign in _SPACES:
            made.append(" ")
        elif unicodedata.category(sign) in {"Cc", "Cs", "Cn"}:
            made.append("\ufffd")
        else:
            made.append(sign)
    return "".join(made)


def issued_on(issued: PartialDate) -> str:
    """``ngày 05 tháng 01 năm 2024``; what is not known yet stays blank for the clerk.

    Days below 10 and the months 1 and 2 have a leading zero (Decree 30/2020).
    """
    day = GAP if issued.day is None else f"{issued.day:02d}"
    if issued.month is None:
        return f"ngày {day} tháng {GAP} năm {issued.year}"
    month = f"{issued.month:02d}" if issued.month < 3 else str(issued.month)
    return f"ngày {day} tháng {month} năm {issued.year}"


def citation(document: Document) -> str:
    """A first citation: kind, number, date, issuer, subject; without a number the month stands in."""
    issued = document.issued
    if document.number is None:
        when = (
            f"năm {issued.year}"
            if issued.month is None
            else f"tháng {issued.month:02d}/{issued.year}"
        )
        head = f"{document.document_kind} {when}"
    else:
        head = f"{document.document_kind} số {document.number} {issued_on(issued)}"
    return f"{head} của {document.issuer} {document.subject}".strip()


def basis_lines(bases: tuple[Basis, ...]) -> list[str]:
    """Each basis on its line; the last one ends the sentence."""
    return _ended([f"{basis.lead} {citation(basis.document)}" for basis in bases])


def listed(lines: tuple[str, ...]) -> list[str]:
    """Addressees as Decree 30/2020 wants several: a dash each, semicolons, a full stop."""
    return _ended([f"- {line}" for line in lines])


def _ended(lines: list[str]) -> list[str]:
    last = len(lines) - 1
    return [clean(line) + (";" if n < last else ".") for n, line in enumerate(lines)]


def percent_of(part: int | None, whole: int) -> str:
    """``32,6%``; empty where there is nothing to divide."""
    return "" if part is None else share(part, whole, has_blank=False) or ""


def shown_count(value: int | None) -> str:
    return "" if value is None else count(value)


def row_note(row: UnitRow) -> str:
    """What strikes the eye in a row, then the office's own remark."""
    notes = []
    if row.installed_count is not None and row.allocated_count:
        if row.installed_count == 0:
            notes.append("Chưa cài đặt")
        elif row.over:
            notes.append(f"Vượt {count(row.over)} máy")
    if row.note:
        notes.append(clean(row.note))
    return "; ".join(notes)


def source_sentence(sources: Sources | None) -> str:
    """What the figures rest on, only where that is less than everything."""
    if sources is None:
        return ""
    parts = []
    missing = sources.servers_expected_count - sources.servers_observed_count
    if missing > 0:
        text = (
            f"{count(sources.servers_observed_count)}/{count(sources.servers_expected_count)} máy chủ "
            f"quản trị đã trả lời đầy đủ; {count(missing)} máy chủ còn lại giữ số liệu của lần đọc trước"
        )
        if sources.oldest_observed_at is not None:
            text += f", cũ nhất lúc {instant(sources.oldest_observed_at)}"
        parts.append(text)
    if sources.is_provisional:
        parts.append("số liệu trong ngày là tạm tính")
    if not parts:
        return ""
    joined = "; ".join(parts)
    return f"{joined[0].upper()}{joined[1:]}."


def instant(at: datetime) -> str:
    local = at.astimezone(VIETNAM)
    return f"{local:%H:%M} ngày {written_date(local.date())}"


# --- What a unit has to do ------------------------------------------------------------------------

PART_NAMES = {
    GapReason.NOT_INSTALLED: "Chưa cài đặt",
    GapReason.AGENT_ONLY: "Mới có tác tử",
    GapReason.EXEMPT_HARDWARE: "Không đủ cấu hình (có văn bản)",
    GapReason.STALE: "Lâu không kết nối",
    GapReason.NOT_PROTECTED: "Không bật bảo vệ",
    GapReason.WRONG_NAME: "Đặt sai tên",
    GapReason.OVER_ALLOCATED: "Vượt phân bổ",
    GapReason.OK: "Đạt yêu cầu",
}

_ACTIONS = {
    GapReason.NOT_INSTALLED: "Cài đặt phần mềm phòng, chống mã độc cho {n} máy còn thiếu theo số được phân bổ.",
    GapReason.AGENT_ONLY: "Cài phần mềm bảo vệ trên {n} máy mới chỉ có tác tử quản trị.",
    GapReason.STALE: "Mở và kết nối mạng {n} máy đã quá lâu không liên lạc với máy chủ quản trị.",
    GapReason.NOT_PROTECTED: "Bật lại bảo vệ thời gian thực trên {n} máy.",
    GapReason.WRONG_NAME: "Đổi tên {n} máy theo bảng tên gợi ý bên dưới.",
    GapReason.OVER_ALLOCATED: "Đề nghị cấp thêm bản quyền cho {n} máy vượt số được phân bổ, hoặc gỡ bớt.",
}

_STANDING = (
    "Không cài hai phần mềm phòng, chống mã độc trên cùng một máy.",
    "Mở máy và kết nối mạng hằng tuần để phần mềm tự cập nhật.",
    "Báo ngay cho đơn vị đầu mối khi phần mềm cảnh báo mã độc chưa xử lý được.",
)


def actions(parts: Mapping[GapReason, int], number: int = 3) -> list[str]:
    """The things that close most of the gap, the largest first; then standing duties."""
    found = sorted(
        (
            (abs(parts.get(reason, 0)), rank, text)
            for rank, (reason, text) in enumerate(_ACTIONS.items())
        ),
        key=lambda one: (-one[0], one[1]),
    )
    texts = [text.format(n=count(size)) for size, _, text in found if size]
    return [*texts, *_STANDING][:number]


def standard_demands(
    *, office: str, report_due: str = "", completion_due: str = "", roll_up_due: str = ""
) -> tuple[Demand, ...]:
    """The demands of a reminder where the registry has none of its own; each due is a wording."""
    return (
        Demand(
            text=(
                "Rà soát toàn bộ máy tính đang sử dụng, cài đặt đủ số bản quyền được phân bổ và đặt "
                "tên máy theo đúng hướng dẫn; đổi lại tên những máy đang đặt sai"
                + ("; hoàn thành" if completion_due else "")
            ),
            due=completion_due,
            note="kèm theo danh sách phân bổ và hướng dẫn",
        ),
        Demand(
            text=f"Báo cáo kết quả cài đặt về {office} để tổng hợp",
            due=report_due,
            note="kèm theo mẫu báo cáo",
        ),
        Demand(
            text=(
                "Máy tính không đủ cấu hình để cài đặt thì có văn bản phản hồi về "
                f"{office} để điều chuyển bản quyền cho nơi có nhu cầu"
            ),
            due=completion_due,
        ),
        Demand(
            text=(
                f"{office} theo dõi, hỗ trợ các cơ quan, đơn vị trong quá trình cài đặt và báo cáo "
                "kết quả chung"
            ),
            due=roll_up_due,
        ),
    )


def term_demands(*, office: str) -> tuple[Demand, ...]:
    """The demands of a letter about the term where the registry has none of its own."""
    return (
        Demand(
            text=(
                "Rà soát số máy tính đang sử dụng phần mềm, báo nhu cầu bản quyền cho kỳ tiếp theo về "
                f"{office}"
            ),
            note="kèm theo phụ lục",
        ),
        Demand(
            text=(
                "Không gỡ phần mềm phòng, chống mã độc khi bản quyền sắp hết hạn; máy tính hết hạn bản "
                "quyền không được cập nhật dữ liệu nhận diện mã độc"
            )
        ),
        Demand(text=f"{office} tham mưu kinh phí, thủ tục gia hạn trước ngày bản quyền hết hạn"),
    )


def training_demands(*, office: str) -> tuple[Demand, ...]:
    """The demands of a letter about training where the registry has none of its own."""
    return (
        Demand(
            text=(
                "Nơi chưa cử người dự tập huấn có văn bản nêu lý do và cử cán bộ, công chức phụ trách "
                f"tự nghiên cứu tài liệu, liên hệ {office} để được hướng dẫn"
            ),
            note="kèm theo danh sách",
        ),
        Demand(
            text=(
                "Nơi đã dự tập huấn phổ biến lại cho người sử dụng máy tính tại cơ quan, đơn vị mình"
            )
        ),
    )
