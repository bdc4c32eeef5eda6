"""The watchdog's mail. It uses no template and no registry: little that can be broken."""

from __future__ import annotations

from collections.abc import Sequence
from email.header import Header
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime

from ksc_ledger.alerts.compose import REHEARSAL, SUBJECTS, Sender, clean
from ksc_ledger.clock import VIETNAM
from ksc_ledger.state.outbox import Channel, Mail, MailStatus
from ksc_ledger.watchdog.judging import Check, Notice

WATCHDOG_KIND = "watchdog"
ROLE = "engineers"
_ESTATE = "watchdog"

# What stands still, and what to do.
WORDS: dict[Check, tuple[str, str]] = {
    Check.STATE: (
        "không đọc được cơ sở dữ liệu vận hành",
        "kiểm tra KSC_LEDGER_STATE_URL, ổ đĩa hoặc máy chủ PostgreSQL",
    ),
    Check.TICKS: (
        "việc theo dõi kết nối đã ngừng chạy",
        "kiểm tra bộ lập lịch Airflow và luồng watch_server_links",
    ),
    Check.LOADS: (
        "không có lượt thu thập số liệu mới",
        "kiểm tra bộ lập lịch Airflow và luồng collect_endpoints",
    ),
    Check.PUBLISHED: (
        "bảng số liệu không được công bố mới",
        "kiểm tra luồng build_marts",
    ),
    Check.MAILS_WAITING: (
        "thư cảnh báo chưa gửi được",
        "kiểm tra luồng deliver_mail, máy chủ thư và danh bạ contacts.csv",
    ),
    Check.MAILS_DEAD: (
        "có thư cảnh báo đã bỏ, không gửi được nữa",
        "xem thư trạng thái dead trong fct_mail, sửa nguyên nhân rồi cho gửi lại",
    ),
    Check.DISK: (
        "ổ đĩa sắp hết chỗ",
        "dọn ổ đĩa hoặc mở rộng dung lượng",
    ),
}


def mail_of(notice: Notice, *, domain: str, is_rehearsal: bool) -> Mail:
    """The mail as an outlet takes it. It never lay in the outbox, which may be what is broken."""
    return Mail(
        message_id=f"<watchdog.{notice.name}@{domain}>",
        thread_id=f"<watchdog.{notice.episode}@{domain}>",
        kind=WATCHDOG_KIND,
        channel=Channel.ENGINEERS,
        incident_id=f"watchdog.{notice.episode}",
        step=notice.number,
        role=ROLE,
        estate_code=_ESTATE,
        unit_code=_ESTATE,
        server_code=None,
        facts={},
        is_rehearsal=is_rehearsal,
        created_at=notice.at,
        status=MailStatus.PENDING,
        attempt_count=1,
        claim_owner=None,
        last_error=None,
    )


def subject_of(notice: Notice, *, is_rehearsal: bool) -> str:
    if notice.began:
        tail = f"Hệ thống có sự cố: {WORDS[notice.began[0]][0]}"
        tail += f" và {len(notice.began) - 1} việc khác" if len(notice.began) > 1 else ""
    elif notice.lasting:
        tail = "Hệ thống đã khôi phục một phần"
    else:
        tail = "Hệ thống đã chạy lại bình thường"
    return f"{REHEARSAL if is_rehearsal else ''}[KSC][{SUBJECTS['self_test']}] {tail}"


def text_of(notice: Notice) -> str:
    """The text; every line says what is wrong, since when, and what to do."""
    at = notice.at.astimezone(VIETNAM)
    lines = [f"Thời điểm kiểm tra: {at:%H:%M ngày %d/%m/%Y}.", ""]
    for title, checks, has_remedy in (
        ("Vừa phát hiện:", notice.began, True),
        ("Vẫn còn:", notice.lasting, True),
        ("Đã trở lại bình thường:", notice.ended, False),
    ):
        if checks:
            lines.append(title)
            lines += [_line(check, notice, has_remedy=has_remedy) for check in checks]
            lines.append("")
    lines += [
        "Sổ tay xử lý: docs/runbooks/watchdog.md.",
        "Thư này do tiến trình giám sát độc lập gửi, không đi qua Airflow và hộp thư chờ.",
        "Mỗi sự cố chỉ được báo một lần khi bắt đầu và một lần khi kết thúc.",
    ]
    return "\n".join(lines) + "\n"


def compose(notice: Notice, mail: Mail, addresses: Sequence[str], sender: Sender) -> bytes:
    """Write the mail: the same notice gives the same bytes, so that it may be sent again."""
    message = MIMEText(text_of(notice), "plain", "utf-8")
    subject = subject_of(notice, is_rehearsal=mail.is_rehearsal)
    message["Subject"] = Header(  # type: ignore[assignment]
        subject, "utf-8", maxlinelen=76, header_name="Subject"
    )
    name = Header(clean(sender.name, 40), "utf-8", maxlinelen=72).encode()
    message["From"] = f"{name} <{sender.address}>"
    message["To"] = ", ".join(addresses)
    message["Reply-To"] = sender.reply_to
    message["Date"] = format_datetime(notice.at.astimezone(VIETNAM))
    message["Message-ID"] = mail.message_id
    message["In-Reply-To"] = mail.thread_id
    message["References"] = mail.thread_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Content-Language"] = "vi"
    message["X-KSC-Kind"] = WATCHDOG_KIND
    return message.as_bytes(policy=compat32.clone(linesep="\r\n"))


def _line(check: Check, notice: Notice, *, has_remedy: bool) -> str:
    what, remedy = WORDS[check]
    if not has_remedy:
        return f"- {what}: đã hết"
    return f"- {what}{_measure(check, notice)}. Cách khắc phục: {remedy}."


def _measure(check: Check, notice: Notice) -> str:
    figures = notice.figures
    if check is Check.DISK:
        return f" (còn {figures['free_bytes'] / 1024**3:.1f} GiB)".replace(".", ",")
    if check is Check.MAILS_DEAD:
        return f" ({figures['dead_count']} thư trong 24 giờ qua)"
    seconds = figures.get(f"{check.value}_seconds")
    if check is Check.STATE:
        return ""
    if seconds is None:
        return " (chưa từng có)"
    age = f"{seconds // 3600} giờ {seconds // 60 % 60} phút"
    if check is Check.MAILS_WAITING:
        return f" ({figures['waiting_count']} thư, lâu nhất {age})"
    return f" (lần gần nhất cách đây {age})"
