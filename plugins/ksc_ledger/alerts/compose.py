"""From a mail of the outbox to the bytes that go over the wire.

A name from outside (a unit, a server) can make a mail ugly, never break it, forge a header or
hide it: it is cleaned first, and a template that fails gives way to a plain ASCII mail.
"""

from __future__ import annotations

import logging
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ksc_ledger.clock import VIETNAM
from ksc_ledger.state.outbox import Mail, Recipient

log = logging.getLogger(__name__)

# The part of a subject that comes from data.
_LONGEST_PLACE = 78
_LONGEST_NAME = 40
_TEMPLATES = Path(__file__).with_name("templates")

# Right-to-left and other marks that make a text read as something it is not.
_MISLEADING = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]")

REHEARSAL = "[DIỄN TẬP]"
SUBJECTS = {
    "lost": "MẤT KẾT NỐI",
    "escalated": "VẪN MẤT KẾT NỐI",
    "still_lost": "VẪN MẤT KẾT NỐI",
    "back": "KHÔI PHỤC",
    "province_down": "TỈNH MẤT KẾT NỐI",
    "flapping": "CHẬP CHỜN",
    "collector_blind": "MÙ THU THẬP",
    "trouble": "SỰ CỐ TRUY CẬP",
    "digest": "BẢN TIN",
    "self_test": "TỰ KIỂM TRA",
}
# Of mails that no link brings about.
DEADLINE_SUBJECTS = {
    "deadline_reminder": "NHẮC HẠN",
    "deadline_breach": "QUÁ HẠN",
    "deadline_digest": "BẢN TIN",
}
RECEIPT_SUBJECTS = {"receipt": "BIÊN NHẬN"}
# Of mails about what the marts show: keys, infections, a unit's one-pager.
REPORT_SUBJECTS = {"licence": "BẢN QUYỀN", "malware": "MÃ ĐỘC", "unit_sheet": "BẢN TIN"}

# Of the registry's files; the engineers' mail.
CONFIG_SUBJECTS = {"config_invalid": "DANH MỤC SAI"}
# Of runs of this product itself; the engineers' mail.
LATE_SUBJECTS = {"run_late": "CHẠY TRỄ"}
ALL_SUBJECTS = (
    SUBJECTS
    | DEADLINE_SUBJECTS
    | RECEIPT_SUBJECTS
    | REPORT_SUBJECTS
    | CONFIG_SUBJECTS
    | LATE_SUBJECTS
)
# What to do about a mail stands in docs/runbooks/<name>.md; of a late run in that of its DAG.
RUNBOOKS = {
    **dict.fromkeys(SUBJECTS | CONFIG_SUBJECTS, "watch_server_links"),
    **dict.fromkeys(DEADLINE_SUBJECTS, "watch_deadlines"),
    **dict.fromkeys(RECEIPT_SUBJECTS, "receive_unit_reports"),
    "licence": "watch_deadlines",
    "malware": "watch_deadlines",
    "unit_sheet": "write_letters",
}

CAUSES = {
    "server": "máy chủ hoặc trụ sở ngừng hoạt động (không trả lời cả tỉnh lẫn hệ thống giám sát)",
    "link": "đứt kết nối về tỉnh (máy chủ địa phương vẫn trả lời hệ thống giám sát)",
    "province": "máy chủ quản trị của tỉnh không trả lời",
    "certificate": "chứng thư của máy chủ đã thay đổi hoặc hết hạn",
    "credentials": "tài khoản đọc dữ liệu bị từ chối",
    "path": "đường truy cập từ hệ thống giám sát tới máy chủ bị chặn",
    "collector": "hệ thống giám sát không quan sát được",
}
STATES = {
    "new": "chưa từng kết nối",
    "up": "đang kết nối",
    "suspect": "nghi mất kết nối",
    "down": "mất kết nối",
    "recovering": "đang khôi phục",
    "unknown": "không rõ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with a mail. ``name`` is plain ASCII, as our own files are."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who signs the mails and who is answered to.

    ``page``: the address of the page "Tình hình" as readers reach it; blank: mails have no links.
    """

    address: str
    name: str
    reply_to: str
    page: str = ""


def clean(text: str, longest: int | None = None) -> str:
    """Text from outside, fit for one line of a mail: NFC, no control or misleading characters."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = _MISLEADING.sub("", unicodedata.normalize("NFC", text))
    text = "".join(" " if unicodedata.category(one) in _BREAKING else one for one in text)
    text = " ".join(text.split())
    if longest is not None and len(text) > longest:
        text = f"{text[: longest - 1].rstrip()}…"
    return text


_BREAKING = frozenset({"Cc", "Zl", "Zp", "Cs"})


def subject_of(mail: Mail) -> str:
    """The subject: the stable prefix first, so that mail programs keep a thread together."""
    place = clean(str(mail.facts.get("place", mail.server_code or mail.estate_code)))
    tail = clean(place, _LONGEST_PLACE)
    if mail.kind in ("digest", "self_test", "deadline_digest"):
        tail = f"{tail} {_day(mail.created_at)}"
    return f"{_prefix(mail)} {tail}"


def compose(
    mail: Mail,
    recipients: Sequence[Recipient],
    sender: Sender,
    *,
    is_retry: bool = False,
    is_merged: bool = False,
    attachments: Sequence[Attachment] = (),
) -> bytes:
    """Write the mail. The same arguments give the same bytes, line ends are CRLF, all is 7 bit.

    ``is_merged``: the news of the loss was never sent, and this mail carries it.
    """
    text = MIMEMultipart("alternative", boundary=_boundary(mail))
    message = MIMEMultipart("mixed", boundary=f"{_boundary(mail)}_m") if attachments else text
    try:
        subject = subject_of(mail)
        parts = [
            _rendered(mail, kind, sender.page, is_merged=is_merged) for kind in ("plain", "html")
        ]
    except Exception:
        # Whatever is wrong with a template or its facts: a plain mail is better than silence.
        log.exception("no template for %s, sending a plain mail", mail.message_id)
        subject, parts = _plain_mail(mail)
    # The legacy Header: the newer one of Python 3.11 and 3.12 loses blanks of long subjects.
    message["Subject"] = Header(  # type: ignore[assignment]
        subject, "utf-8", maxlinelen=76, header_name="Subject"
    )
    message["From"] = _address(sender.name, sender.address)
    message["To"] = ", ".join(_address(one.name, one.address) for one in recipients)
    message["Reply-To"] = sender.reply_to
    message["Date"] = format_datetime(mail.created_at.astimezone(VIETNAM))
    message["Message-ID"] = mail.message_id
    message["In-Reply-To"] = mail.thread_id
    message["References"] = mail.thread_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Content-Language"] = "vi"
    message["X-KSC-Kind"] = mail.kind
    if is_retry:
        message["X-KSC-Delivery"] = "retry"
    for part in parts:
        text.attach(part)
    if attachments:
        message.attach(text)
    for attachment in attachments:
        file = MIMEApplication(attachment.content)
        file.add_header("Content-Disposition", "attachment", filename=attachment.name)
        message.attach(file)
    return message.as_bytes(policy=compat32.clone(linesep="\r\n"))


def _prefix(mail: Mail) -> str:
    stage = REHEARSAL if mail.is_rehearsal else ""
    return f"{stage}[KSC][{ALL_SUBJECTS[mail.kind]}]"


def _address(name: str, address: str) -> str:
    shown = clean(name, _LONGEST_NAME)
    if not shown:
        return address
    words = Header(shown, "utf-8", maxlinelen=72).encode().split()
    return f"{' '.join(words)} <{address}>"


def _boundary(mail: Mail) -> str:
    return f"=_{mail.incident_id}_{mail.kind}_{mail.step}"


# Vietnamese for readers


def _instant(text: str | None) -> str:
    """An ISO instant of the facts as Vietnamese offices write it."""
    if text is None:
        return "không rõ"
    return f"{datetime.fromisoformat(text).astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"


def _day(at: datetime) -> str:
    return f"ngày {at.astimezone(VIETNAM):%d/%m/%Y}"


def _duration(seconds: int) -> str:
    """Days, hours and minutes, the two largest that matter."""
    minutes = seconds // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    named = [(days, "ngày"), (hours, "giờ"), (minutes, "phút")]
    shown = [f"{count} {unit}" for count, unit in named if count]
    return " ".join(shown[:2]) or "dưới 1 phút"


# One template says the words; two sets of parts make text or HTML of them.


def _text_paragraph(text: str) -> str:
    return "\n".join(textwrap.wrap(clean(text), 76, break_long_words=False)) + "\n"


def _text_row(label: str, value: str) -> str:
    return "\n".join(
        textwrap.wrap(
            clean(f"- {label}: {value}"), 76, subsequent_indent="  ", break_long_words=False
        )
    )


def _text_table(labels: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        "; ".join(f"{label}: {clean(value)}" for label, value in zip(labels, row, strict=True))
        for row in rows
    ]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))


def _html_paragraph(text: str) -> Markup:
    return Markup('<p style="margin:12px 0">{}</p>').format(clean(text))


def _html_row(label: str, value: str) -> Markup:
    return Markup('<p style="margin:0 0 4px"><b>{}:</b> {}</p>').format(clean(label), clean(value))


_HTML_HEAD_CELL = Markup(
    '<th style="border:1px solid #999;padding:4px 8px;text-align:left">{}</th>'
)
_HTML_CELL = Markup('<td style="border:1px solid #999;padding:4px 8px">{}</td>')


def _html_table(labels: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    head = Markup("").join(_HTML_HEAD_CELL.format(label) for label in labels)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(_HTML_CELL.format(clean(one)) for one in row))
        for row in rows
    )
    return Markup(
        '<table style="border-collapse:collapse;margin:0 0 12px"><tr>{}</tr>{}</table>'
    ).format(head, body)


_PARTS: dict[str, dict[str, Callable[..., Any]]] = {
    "plain": {"p": _text_paragraph, "row": _text_row, "table": _text_table},
    "html": {"p": _html_paragraph, "row": _html_row, "table": _html_table},
}


@cache
def _environment(kind: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=kind == "html",  # noqa: S701 - the other one makes plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(_PARTS[kind], layout=f"layout.{kind}.j2")
    environment.filters.update(
        instant=_instant, duration=_duration, cause=CAUSES.__getitem__, state=STATES.__getitem__
    )
    return environment


def runbook_of(mail: Mail) -> str:
    """The name of the runbook that says what to do about a mail."""
    return str(mail.facts["dag_id"]) if mail.kind in LATE_SUBJECTS else RUNBOOKS[mail.kind]


def _ways(mail: Mail, page: str) -> dict[str, str]:
    """Where a reader goes on from here: the runbook, and the server on the page."""
    runbook = runbook_of(mail)
    return {
        "runbook": f"{page}/so-tay/{runbook}" if page else f"docs/runbooks/{runbook}.md",
        "server_page": f"{page}/may-chu/{mail.server_code}" if page and mail.server_code else "",
    }


def _rendered(mail: Mail, kind: str, page: str, *, is_merged: bool) -> MIMEText:
    facts = {
        name: clean(value) if isinstance(value, str) else value
        for name, value in mail.facts.items()
    }
    text = (
        _environment(kind)
        .get_template(f"{mail.kind}.j2")
        .render(
            facts,
            incident_id=mail.incident_id,
            step=mail.step,
            is_rehearsal=mail.is_rehearsal,
            is_merged=is_merged,
            **_ways(mail, page),
        )
    )
    if kind == "plain":
        text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    return MIMEText(unicodedata.normalize("NFC", text), kind, "utf-8")


def _plain_mail(mail: Mail) -> tuple[str, list[MIMEText]]:
    """The mail of last resort: plain ASCII, from the outbox's own columns and bare facts."""
    lines = [f"{name}: {value}" for name, value in sorted(mail.facts.items())]
    text = "\n".join(
        [
            "(Khong dung duoc mau thu; noi dung goc cua canh bao:)",
            f"mail_kind: {mail.kind}",
            f"server_code: {mail.server_code or mail.estate_code}",
            *lines,
            f"incident_id: {mail.incident_id}",
        ]
    )
    stage = _ascii(REHEARSAL) if mail.is_rehearsal else ""
    kind = _ascii(ALL_SUBJECTS.get(mail.kind, mail.kind.upper()))
    place = _ascii(clean(str(mail.facts.get("place", "")), _LONGEST_PLACE))
    subject = f"{stage}[KSC][{kind}] {place or mail.server_code or mail.estate_code}"
    body = "\n".join(clean(line, 500) for line in text.split("\n"))
    return subject, [MIMEText(_ascii(body) + "\n", "plain", "us-ascii")]


def _ascii(text: str) -> str:
    bare = unicodedata.normalize("NFKD", text.replace("Đ", "D").replace("đ", "d"))
    kept = (one for one in bare if not unicodedata.combining(one))
    return "".join(kept).encode("ascii", "replace").decode("ascii")
