"""What the page says in Vietnamese, and how it shows text that came from outside."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from markupsafe import Markup

from ksc_ledger.clock import VIETNAM
from ksc_ledger.rules.computer_names import REASON_LABELS, NameReason
from ksc_ledger.rules.figures import count, percent, written_date
from ksc_ledger.rules.text import is_invisible

NO_SOURCE = "chưa có nguồn"

STATES: Mapping[str, str] = {
    "unwatched": "chưa theo dõi",
    "new": "chưa từng kết nối",
    "up": "đang kết nối",
    "suspect": "nghi mất kết nối",
    "down": "mất kết nối",
    "recovering": "đang khôi phục",
    "unknown": "không rõ",
}
# A sign beside the word: the state must be told apart without colours.
STATE_SIGNS: Mapping[str, str] = {
    "unwatched": "–",
    "new": "○",
    "up": "●",
    "suspect": "▲",
    "down": "✕",
    "recovering": "↻",
    "unknown": "?",
}
CAUSES: Mapping[str, str] = {
    "server": "máy chủ hoặc trụ sở ngừng hoạt động",
    "link": "đứt kết nối về tỉnh",
    "province": "máy chủ tỉnh không trả lời",
    "certificate": "chứng thư đã thay đổi hoặc hết hạn",
    "credentials": "tài khoản đọc bị từ chối",
    "path": "đường truy cập của hệ thống giám sát bị chặn",
    "collector": "hệ thống giám sát không quan sát được",
}
PARTS: Mapping[str, str] = {
    "ok": "Đạt yêu cầu",
    "wrong_name": "Đặt sai tên",
    "not_protected": "Không bật bảo vệ",
    "stale": "Lâu không kết nối",
    "agent_only": "Mới có tác tử",
    "exempt_hardware": "Không đủ cấu hình (có văn bản)",
    "not_installed": "Chưa cài đặt",
    "over_allocated": "Vượt phân bổ",
}
# What is mended first: what costs least and counts at once.
MENDING: Mapping[str, str] = {
    "wrong_name": "Đổi tên máy theo tên gợi ý",
    "not_protected": "Bật lại bảo vệ thời gian thực",
    "stale": "Mở máy, kết nối mạng để liên lạc với máy chủ",
    "agent_only": "Cài phần mềm bảo vệ",
}
STATUSES: Mapping[str, str] = {
    "pending": "chưa đến hạn",
    "due_soon": "sắp đến hạn",
    "met": "đúng hạn",
    "met_late": "trễ hạn",
    "breached": "quá hạn",
    "waived": "được miễn",
    "undetermined": "chưa kết luận được",
}
KINDS: Mapping[str, str] = {
    "unit_report": "Báo cáo của đơn vị",
    "roll_up": "Tổng hợp báo cáo",
    "full_installation": "Cài đặt đủ số phân bổ",
    "training": "Tập huấn",
    "hardware_feedback": "Phản hồi cấu hình máy",
    "one_off": "Việc khác",
}
OUTCOMES: Mapping[str, str] = {
    "cured": "đã khử",
    "deleted": "đã xóa",
    "quarantined": "đã cách ly",
    "blocked": "đã chặn",
    "notcured": "chưa khử được",
    "passed": "đã bỏ qua",
    "reported": "mới ghi nhận",
}
LETTERS: Mapping[str, str] = {
    "don_doc": "Đôn đốc cài đặt",
    "phan_bo": "Phân bổ bản quyền",
    "term": "Thời hạn bản quyền",
    "training": "Tập huấn",
}
LETTER_FILES: Mapping[str, str] = {
    "docx": "Công văn (.docx)",
    "xlsx": "Phụ lục (.xlsx)",
    "json": "Từng con số và mã số liệu (.json)",
}
CHECKS: Mapping[str, str] = {
    "state": "cơ sở dữ liệu vận hành không đọc được",
    "ticks": "việc theo dõi kết nối không chạy",
    "loads": "không thu thập được máy chủ nào",
    "published": "số liệu không được xuất bản",
    "mails_waiting": "thư không gửi đi được",
    "mails_dead": "có thư bị bỏ hẳn",
    "disk": "sắp hết chỗ trên đĩa",
}
EVENTS: Mapping[str, str] = {
    "is_installed": "đã cài đặt",
    "is_agent_only": "mới có tác tử",
    "is_protected": "đang được bảo vệ",
    "is_correctly_named": "đúng tên",
    "is_name_exempt": "miễn quy tắc tên",
    "has_old_bases": "cơ sở dữ liệu cũ",
    "is_stale": "lâu không kết nối",
    "is_duplicate": "bản ghi trùng",
    "has_antivirus_conflict": "có phần mềm xung đột",
}


def shown(value: object, longest: int = 200) -> Markup | str:
    """Text from outside as a reader may see it: escaped, nothing hidden, nothing that turns around.

    A sign that takes no room (zero width, control, bidi) is shown by its code, so that a name which
    reads like another one cannot be mistaken for it.
    """
    if value is None or value == "":
        return "–"
    text = unicodedata.normalize("NFC", str(value))
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    parts: list[Markup] = []
    for sign in text:
        if is_invisible(sign) or (sign.isspace() and sign != " "):
            parts.append(
                Markup('<span class="hidden-sign" title="ký tự ẩn U+{0}">⟦{0}⟧</span>').format(
                    f"{ord(sign):04X}"
                )
            )
        else:
            parts.append(Markup.escape(sign))
    return Markup('<bdi dir="ltr">{}</bdi>').format(Markup("").join(parts))


def number(value: int | None) -> str:
    """A count; a dash where no source landed."""
    return "–" if value is None else count(int(value))


def ratio(part: int | None, whole: int | None) -> str:
    if part is None or not whole:
        return "–"
    return percent(part / whole)


def day(value: date | None) -> str:
    return "–" if value is None else written_date(value)


def instant(value: datetime | None) -> str:
    """A moment in Vietnamese time: ``10/01/2024 09:10``."""
    return "–" if value is None else f"{value.astimezone(VIETNAM):%d/%m/%Y %H:%M}"


def lasted(value: timedelta | None) -> str:
    """How long, in the two largest units: ``4 giờ 55 phút``, ``3 ngày 2 giờ``."""
    if value is None:
        return "–"
    minutes = max(int(value.total_seconds()) // 60, 0)
    if minutes < 1:
        return "dưới 1 phút"
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    named = ((days, "ngày"), (hours, "giờ"), (minutes, "phút"))
    return " ".join([f"{size} {unit}" for size, unit in named if size][:2])


def reason(code: str | None) -> str:
    """What is wrong with a name, in words; an unknown code as it is."""
    if not code:
        return "–"
    try:
        return REASON_LABELS[NameReason(code)]
    except ValueError:
        return code


def reasons(codes: str | None) -> list[str]:
    return [reason(code) for code in (codes or "").split(",") if code]
