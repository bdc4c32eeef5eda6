"""The signal for a dead-man switch outside: given at every look at which all is well, and at no other.

A switch that gets none for some minutes alarms; so it also tells of a watchdog that is dead, of a
machine that is off and of a network that is cut, about all of which nobody here could write a mail.
"""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from http import HTTPStatus
from urllib.parse import urlsplit

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings

log = logging.getLogger(__name__)

SECONDS = 10.0
_SCHEMES = frozenset({"http", "https"})


def check(settings: Settings) -> None:
    """Raise LedgerError when the address cannot be meant; nobody is asked."""
    url = settings.heartbeat_url
    if url and not _is_address(url):
        raise LedgerError(
            "heartbeat_url_wrong",
            "KSC_LEDGER_HEARTBEAT_URL không phải là một địa chỉ http hoặc https.",
            "Ghi trọn địa chỉ do dịch vụ giám sát bên ngoài cấp, ví dụ https://hc.tinh.example/ping/….",
        )


def signal(settings: Settings, *, is_well: bool) -> None:
    """Give the signal where one is wanted. Never raises: the log tells of one that could not be given."""
    if not is_well:
        return
    file = settings.heartbeat_file
    if file is not None:
        try:
            file.touch()
        except OSError as error:
            log.error("the heartbeat file %s could not be touched: %s", file, error.strerror)
    if settings.heartbeat_url and not settings.places.rehearsal_mark.exists():
        _ask(settings.heartbeat_url)


def _ask(url: str) -> None:
    # The address is a secret of its own: who knows it could keep the switch quiet. It is not logged.
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - checked scheme
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    except (OSError, ValueError) as error:
        log.error("the heartbeat was not heard: %s", type(error).__name__)
        return
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        log.error("the heartbeat was answered by HTTP %d", status)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname)
