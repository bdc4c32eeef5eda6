"""``python -m ksc_ledger.watchdog --once|--every 60``: says by mail what stands still."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ksc_ledger import settings as settings_module
from ksc_ledger.alerts.compose import Sender
from ksc_ledger.alerts.outlets import FolderOutlet, Outlet, Relay, Security, SmtpOutlet
from ksc_ledger.alerts.relays import relay_of
from ksc_ledger.alerts.roles import load_contacts
from ksc_ledger.clock import clock_of
from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.watchdog import switch
from ksc_ledger.watchdog.judging import USUAL_LIMITS, Limits
from ksc_ledger.watchdog.process import Post, alone, look_once
from ksc_ledger.watchdog.writing import ROLE

log = logging.getLogger("ksc_ledger.watchdog")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of ``--once``: 0 all is well, 1 something is told and not over, 2 cannot run."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = settings_module.load()
        switch.check(settings)
        post = post_of(settings, given)
        with alone(settings.places):
            if given.once:
                memory = look_once(
                    settings,
                    post,
                    clock_of(settings.places),
                    datetime.now(UTC),
                    limits_of(settings),
                )
                return 1 if memory.told else 0
            _go_on(settings, post, given.every)
    except LedgerError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _go_on(settings: Settings, post: Post, seconds: float) -> None:
    is_over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_over.set())
    while not is_over.is_set():
        try:
            look_once(
                settings,
                post,
                clock_of(settings.places),
                datetime.now(UTC),
                limits_of(settings),
            )
        except Exception:
            # The process lives on; the heartbeat that is missing tells the switch outside.
            log.exception("a look of the watchdog failed")
        is_over.wait(seconds)


def post_of(settings: Settings, given: argparse.Namespace) -> Post:
    """The folder in a rehearsal, else the watchdog's own relay: Airflow's connections are not asked.

    Raise LedgerError when a live system has no relay.
    """
    is_rehearsal = settings.places.rehearsal_mark.exists()
    if not is_rehearsal and not (given.relay_host or settings.watchdog_relay_host):
        raise LedgerError(
            "watchdog_without_relay",
            "Tiến trình giám sát chưa có máy chủ thư riêng nên không báo được cho ai.",
            "Đặt KSC_LEDGER_WATCHDOG_RELAY_HOST (và _PORT, _SECURITY, _LOGIN, _PASSWORD_FILE nếu cần) "
            "hoặc chạy với --relay-host.",
        )

    def open_outlet() -> AbstractContextManager[Outlet]:
        if is_rehearsal:
            return nullcontext(FolderOutlet(settings.places.mail))
        return SmtpOutlet(_relay(settings, given))

    def addresses() -> list[str]:
        if given.to:
            return sorted(set(given.to))
        contacts = load_contacts(settings.contacts)
        found = sorted({one.address for one in contacts if one.role == ROLE})
        if not found:
            raise LedgerError(
                "watchdog_without_recipients",
                f"Không có ai giữ vai trò {ROLE} trong danh bạ nên thư giám sát không gửi được.",
                f"Thêm dòng vai trò {ROLE} vào contacts.csv hoặc chạy với --to.",
            )
        return found

    if not is_rehearsal:
        _relay(settings, given)  # what is wrong with it is said now and not in the first trouble
    return Post(
        open=open_outlet,
        addresses=addresses,
        sender=Sender(
            address=settings.mail_from,
            name=settings.mail_from_name,
            reply_to=settings.mail_reply_to,
        ),
        domain=settings.mail_domain,
        is_rehearsal=is_rehearsal,
    )


def _relay(settings: Settings, given: argparse.Namespace) -> Relay:
    """What was given on the command line, else the settings; encryption as ``alerts.relays`` has it."""
    password = settings.watchdog_relay_password
    if given.relay_password_file is not None:
        try:
            password = given.relay_password_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise LedgerError(
                "watchdog_password_unreadable",
                f"Không đọc được tệp mật khẩu máy chủ thư {given.relay_password_file}.",
                "Sửa đường dẫn sau --relay-password-file hoặc cấp quyền đọc.",
            ) from error
    return relay_of(
        "của tiến trình giám sát",
        host=given.relay_host or settings.watchdog_relay_host,
        port=given.relay_port or settings.watchdog_relay_port,
        login=given.relay_login or settings.watchdog_relay_login,
        password=password,
        extra={
            "security": given.relay_security or settings.watchdog_relay_security,
            "ca_file": given.relay_ca_file or settings.watchdog_relay_ca_file,
        },
        usual_sender=settings.mail_from,
    )


def limits_of(settings: Settings) -> Limits:
    """How patient the watchdog is, as the settings have it."""
    return replace(
        USUAL_LIMITS,
        tick_age=timedelta(minutes=settings.watchdog_tick_minutes),
        begins_after=timedelta(minutes=settings.watchdog_begins_after_minutes),
        ends_after=timedelta(minutes=settings.watchdog_ends_after_minutes),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ksc_ledger.watchdog",
        description="Giám sát độc lập: báo một lần khi hệ thống ngừng chạy và khi chạy lại.",
    )
    turn = parser.add_mutually_exclusive_group(required=True)
    turn.add_argument("--once", action="store_true", help="xem một lần rồi kết thúc")
    turn.add_argument("--every", type=_seconds, metavar="SECONDS", help="xem lặp lại (giây)")
    parser.add_argument("--to", action="append", metavar="ADDRESS", help="thay cho danh bạ")
    parser.add_argument("--relay-host", help="máy chủ thư riêng của tiến trình giám sát")
    parser.add_argument("--relay-port", type=int)
    parser.add_argument("--relay-security", choices=[one.value for one in Security])
    parser.add_argument("--relay-login")
    parser.add_argument("--relay-password-file", type=Path)
    parser.add_argument("--relay-ca-file", type=Path)
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 600:
        raise argparse.ArgumentTypeError("từ 1 đến 600 giây")
    return value


if __name__ == "__main__":
    sys.exit(main())
