"""The mail relays: connect, encrypt, log in once. A mail is sent only to the address that was given."""

from __future__ import annotations

import smtplib
import socket
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from email.header import Header
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime

from ksc_ledger.alerts.compose import SUBJECTS
from ksc_ledger.alerts.outlets import Relay, RelayDown, Security, SmtpOutlet
from ksc_ledger.alerts.relays import relay_of
from ksc_ledger.clock import VIETNAM
from ksc_ledger.doctor.connections import Connections
from ksc_ledger.doctor.findings import Check, Finding, failed, warned, well
from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.state.outbox import Channel, Mail, MailStatus, RecipientStatus

CONNECTIONS = ("smtp_alerts", "smtp_engineers")
WATCHDOG = "watchdog"
PATIENCE_SECONDS = 10.0


def given_relays(
    settings: Settings, connections: Connections | None
) -> dict[str, Relay | LedgerError]:
    """The relays as they were entered, or what is wrong with the entry."""
    found: dict[str, Relay | LedgerError] = {}
    for name in CONNECTIONS if connections is not None else ():
        assert connections is not None  # noqa: S101 - for the reader of types
        try:
            kept = connections.get(name)
            if kept is None:
                raise LedgerError(
                    "relay_missing",
                    f"Chưa có kết nối thư {name}: thư qua kết nối này không gửi được.",
                    f"Tạo kết nối {name} (loại SMTP) trong Admin → Connections.",
                )
            found[name] = relay_of(
                name,
                host=kept.host,
                port=kept.port,
                login=kept.login,
                password=kept.password,
                extra=kept.extra,
                usual_sender=settings.mail_from,
            )
        except LedgerError as error:
            found[name] = error
    if settings.watchdog_relay_host:
        try:
            found[WATCHDOG] = relay_of(
                "của tiến trình giám sát",
                host=settings.watchdog_relay_host,
                port=settings.watchdog_relay_port,
                login=settings.watchdog_relay_login,
                password=settings.watchdog_relay_password,
                extra={
                    "security": settings.watchdog_relay_security,
                    "ca_file": settings.watchdog_relay_ca_file,
                },
                usual_sender=settings.mail_from,
            )
        except LedgerError as error:
            found[WATCHDOG] = error
    return found


def look_at_relays(
    relays: Mapping[str, Relay | LedgerError],
    settings: Settings,
    send_to: str | None,
    now: datetime,
) -> list[Finding]:
    """One finding for each; a relay that several names mean alike is tried once."""
    found: list[Finding] = []
    tried: dict[Relay, Finding] = {}
    for name, relay in relays.items():
        if isinstance(relay, LedgerError):
            found.append(failed(Check.RELAY, name, relay.code, relay.text, relay.remedy))
            continue
        known = tried.get(relay)
        if known is None:
            known = tried[relay] = _try(name, relay, settings, send_to, now)
        found.append(replace(known, subject=name))
    return found


def _try(
    name: str, relay: Relay, settings: Settings, send_to: str | None, now: datetime
) -> Finding:
    patient = replace(
        relay, timeout_seconds=PATIENCE_SECONDS, deadline_seconds=3 * PATIENCE_SECONDS
    )
    try:
        with SmtpOutlet(patient) as outlet:
            outlet.try_out()
            if send_to is not None:
                return _sent(name, relay, outlet, settings, send_to, now)
    except RelayDown as error:
        return _down(name, relay, error)
    as_whom = f", đăng nhập được bằng {relay.login}" if relay.login else ", không đăng nhập"
    if relay.security is Security.NONE:
        return warned(
            Check.RELAY,
            name,
            "relay_in_the_clear",
            f"{relay.host}:{relay.port} nhận kết nối{as_whom}, nhưng không mã hóa.",
            "Dùng STARTTLS (cổng 587) hoặc TLS (cổng 465) nếu máy chủ thư không nằm trên chính máy này.",
        )
    return well(
        Check.RELAY,
        name,
        f"{relay.host}:{relay.port} nhận kết nối, {relay.security.value}{as_whom}.",
    )


def _down(name: str, relay: Relay, error: RelayDown) -> Finding:
    cause = error.__cause__
    where = f"{relay.host}:{relay.port}"
    if isinstance(cause, socket.gaierror):
        return failed(
            Check.RELAY,
            name,
            "relay_name_unknown",
            f"Không phân giải được tên máy chủ thư {relay.host}.",
            "Kiểm tra tên trong kết nối và dịch vụ DNS.",
        )
    if isinstance(cause, ssl.SSLCertVerificationError):
        return failed(
            Check.RELAY,
            name,
            "relay_certificate",
            f"Chứng thư của máy chủ thư {where} không được tin cậy ({cause.verify_message}); chưa gửi tài "
            "khoản.",
            "Ghi đường dẫn chứng thư của máy chủ thư (hoặc của nơi cấp) vào ca_file trong Extra, và dùng đúng "
            "tên ghi trong chứng thư làm địa chỉ.",
        )
    if isinstance(cause, ssl.SSLError):
        return failed(
            Check.RELAY,
            name,
            "relay_not_tls",
            f"{where} không nói TLS ngay từ đầu.",
            "Cổng 465 là TLS, cổng 587 và 25 là STARTTLS: sửa cổng, hoặc ghi security vào Extra.",
        )
    if isinstance(cause, smtplib.SMTPNotSupportedError):
        what = "STARTTLS" if relay.security is Security.STARTTLS else "đăng nhập (AUTH)"
        return failed(
            Check.RELAY,
            name,
            "relay_not_offered",
            f"Máy chủ thư {where} không hỗ trợ {what}; không gửi gì.",
            "Bật STARTTLS trên máy chủ thư, hoặc chọn cổng khác. Chỉ khi máy chủ thư ở mạng nội bộ và không cần "
            "tài khoản mới ghi security = none.",
        )
    if isinstance(cause, smtplib.SMTPAuthenticationError):
        return failed(
            Check.RELAY,
            name,
            "relay_login_refused",
            f"Máy chủ thư {where} từ chối tài khoản {relay.login!r} ({error}).",
            "Kiểm tra tài khoản và mật khẩu trong kết nối; nhiều hệ thống thư cần mật khẩu ứng dụng riêng.",
        )
    if isinstance(cause, TimeoutError):
        return failed(
            Check.RELAY,
            name,
            "relay_timed_out",
            f"Máy chủ thư {where} không trả lời trong hạn.",
            "Kiểm tra tường lửa từ máy chạy hệ thống tới cổng này.",
        )
    if isinstance(cause, ConnectionRefusedError):
        return failed(
            Check.RELAY,
            name,
            "relay_refused",
            f"Máy chủ thư {where} không nhận kết nối.",
            "Kiểm tra địa chỉ, cổng và dịch vụ thư.",
        )
    return failed(
        Check.RELAY,
        name,
        "relay_unusable",
        f"Máy chủ thư {where} không dùng được: {error}",
        "Xem nhật ký máy chủ thư tại thời điểm này.",
    )


def _sent(
    name: str, relay: Relay, outlet: SmtpOutlet, settings: Settings, address: str, now: datetime
) -> Finding:
    mail, message = _mail(settings, name, address, now)
    (result,) = outlet.send(mail, [address], message)
    if result.status is RecipientStatus.SENT:
        return well(
            Check.RELAY, name, f"{relay.host} đã nhận một thư thử gửi {address}: {result.reply}."
        )
    return failed(
        Check.RELAY,
        name,
        "relay_took_no_mail",
        f"Máy chủ thư {relay.host} không nhận thư thử gửi {address}: {result.reply}.",
        "Kiểm tra địa chỉ người gửi KSC_LEDGER_MAIL_FROM có được phép qua máy chủ thư này, và địa chỉ nhận.",
    )


def _mail(settings: Settings, name: str, address: str, now: datetime) -> tuple[Mail, bytes]:
    identity = f"<doctor.{uuid.uuid4()}@{settings.mail_domain}>"
    text = (
        f"Thư thử của lệnh ksc-ledger doctor lúc {now.astimezone(VIETNAM):%H:%M %d/%m/%Y}, qua kết nối {name}.\n"
        "Nhận được thư này nghĩa là đường gửi thư đã thông. Không cần trả lời.\n"
    )
    message = MIMEText(text, "plain", "utf-8")
    subject = f"[KSC][{SUBJECTS['self_test']}] Thử gửi thư"
    message["Subject"] = Header(  # type: ignore[assignment]
        subject, "utf-8", maxlinelen=76, header_name="Subject"
    )
    message["From"] = settings.mail_from
    message["To"] = address
    message["Reply-To"] = settings.mail_reply_to
    message["Date"] = format_datetime(now.astimezone(VIETNAM))
    message["Message-ID"] = identity
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = "vi"
    mail = Mail(
        message_id=identity,
        thread_id=identity,
        kind="self_test",
        channel=Channel.ENGINEERS,
        incident_id="doctor",
        step=0,
        role="engineers",
        estate_code="doctor",
        unit_code="doctor",
        server_code=None,
        facts={},
        is_rehearsal=False,
        created_at=now,
        status=MailStatus.PENDING,
        attempt_count=1,
        claim_owner=None,
        last_error=None,
    )
    return mail, message.as_bytes(policy=compat32.clone(linesep="\r\n"))
