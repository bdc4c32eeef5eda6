"""From a mailbox into the inbox: attachments of new mails, received when the mailbox received them.

The mailbox's own INTERNALDATE is the instant of arrival: neither the sender's ``Date``, which is
whatever his machine says, nor the time at which we looked. A mail is marked as seen when all its
attachments lie in the inbox; one that is fetched twice gives the same receipt. What cannot be filed
(an unknown sender, no attachment) is flagged, stays unseen, and waits for a person.
"""

from __future__ import annotations

import imaplib
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from ksc_ledger.errors import LedgerError
from ksc_ledger.intake.inbox import check_name, sidecar_of
from ksc_ledger.intake.limits import LIMITS
from ksc_ledger.intake.reasons import Refused, shown

TIMEOUT_SECONDS = 60.0
MAILS_A_RUN = 500
ATTACHMENTS_A_MAIL = 20
# Base64 takes a third more; the rest is the letter around it.
MAIL_BYTES = LIMITS.file_bytes * 2

_DATE = re.compile(rb'INTERNALDATE "([^"]+)"')
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """An IMAP mailbox, always over TLS. ``ca_file``: a certificate authority of one's own."""

    host: str
    port: int
    login: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    ca_file: str | None = None


@dataclass(slots=True)
class Fetched:
    """The files put into the inbox, and what was passed over and why (no address is named)."""

    files: list[Path] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


class _Unfit(Exception):  # noqa: N818 - a verdict on a mail, caught in this module
    """A mail that no unit's report can be taken from."""


def fetch(mailbox: Mailbox, senders: Mapping[str, str], inbox: Path) -> Fetched:
    """File the attachments of unseen mails below ``inbox/<unit_code>/``.

    ``senders`` gives the unit of each address that may send, in lower case. Raises LedgerError when
    the mailbox cannot be read; mails that were filed before stay filed.
    """
    done = Fetched()
    try:
        with _open(mailbox) as server:
            _, found = server.uid("SEARCH", "UNSEEN", "UNFLAGGED")
            uids = found[0].split() if found and found[0] else []
            for uid in [one.decode("ascii") for one in uids[:MAILS_A_RUN]]:
                try:
                    done.files += _file(server, uid, senders, inbox)
                except _Unfit as unfit:
                    done.passed_over.append(f"Thư {uid}: {unfit}")
                    server.uid("STORE", uid, "+FLAGS", r"(\Flagged)")
                else:
                    server.uid("STORE", uid, "+FLAGS", r"(\Seen)")
    except (OSError, imaplib.IMAP4.error) as error:
        raise LedgerError(
            "mailbox_unreadable",
            f"Không đọc được hộp thư nhận báo cáo {mailbox.host}:{mailbox.port} "
            f"({type(error).__name__}: {error}).",
            "Kiểm tra kết nối imap_reports: địa chỉ, cổng TLS, chứng chỉ, tài khoản, mật khẩu.",
        ) from error
    return done


@contextmanager
def _open(mailbox: Mailbox) -> Iterator[imaplib.IMAP4_SSL]:
    context = ssl.create_default_context(cafile=mailbox.ca_file)
    server = imaplib.IMAP4_SSL(
        mailbox.host, mailbox.port, ssl_context=context, timeout=TIMEOUT_SECONDS
    )
    try:
        server.login(mailbox.login, mailbox.password)
        state, _ = server.select(f'"{mailbox.folder}"')
        if state != "OK":
            raise imaplib.IMAP4.error(f"no folder {mailbox.folder}")
        yield server
    finally:
        server.shutdown()


def _file(
    server: imaplib.IMAP4_SSL, uid: str, senders: Mapping[str, str], inbox: Path
) -> list[Path]:
    received_at, size = _facts(server, uid)
    if size > MAIL_BYTES:
        raise _Unfit(f"lớn hơn {MAIL_BYTES // 2**20} MB.")
    message = _message(server, uid)
    unit_code = senders.get(_sender(message))
    if unit_code is None:
        raise _Unfit("địa chỉ gửi không có trong danh bạ (vai trò unit).")
    message_id = shown(str(message.get("Message-ID", "")), 200)
    files = []
    for number, (name, data) in enumerate(_attachments(message), start=1):
        given = _safe_name(name, uid, number)
        path = _place(inbox / unit_code, given, f"{message_id}#{number}")
        if path is not None:
            _write(path, data, received_at, f"{message_id}#{number}", f".{uid}-{number}.part")
            files.append(path)
    return files


def _facts(server: imaplib.IMAP4_SSL, uid: str) -> tuple[datetime, int]:
    _, answer = server.uid("FETCH", uid, "(INTERNALDATE RFC822.SIZE)")
    line = b" ".join(one if isinstance(one, bytes) else one[0] for one in answer if one)
    date, size = _DATE.search(line), _SIZE.search(line)
    if date is None or size is None:
        raise imaplib.IMAP4.error(f"no INTERNALDATE of mail {uid}")
    instant = parsedate_to_datetime(date.group(1).decode("ascii").strip())
    if instant.tzinfo is None:
        raise imaplib.IMAP4.error(f"INTERNALDATE of mail {uid} has no offset")
    return instant.astimezone(UTC), int(size.group(1))


def _message(server: imaplib.IMAP4_SSL, uid: str) -> EmailMessage:
    _, answer = server.uid("FETCH", uid, "(BODY.PEEK[])")
    raw = next((one[1] for one in answer if isinstance(one, tuple)), None)
    if raw is None:
        raise imaplib.IMAP4.error(f"no body of mail {uid}")
    message = message_from_bytes(raw, policy=policy.default)
    if not isinstance(message, EmailMessage):
        raise TypeError("the default policy makes EmailMessages")
    return message


def _sender(message: EmailMessage) -> str:
    """The one address in From; '' where there is none, several, or one that cannot be read."""
    try:
        addresses = message["From"].addresses
    except (AttributeError, ValueError, IndexError):
        return ""
    return addresses[0].addr_spec.lower() if len(addresses) == 1 else ""


def _attachments(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    """What is attached as a file; pictures of a signature are not."""
    try:
        parts = [part for part in message.walk() if part.get_filename()]
        found = [
            (str(part.get_filename()), data)
            for part in parts
            if part.get_content_maintype() != "image"
            and isinstance(data := part.get_payload(decode=True), bytes)
        ]
    except (ValueError, LookupError, AttributeError) as error:
        raise _Unfit(f"không tách được tệp đính kèm ({type(error).__name__}).") from error
    if not found:
        raise _Unfit("không có tệp đính kèm.")
    if len(found) > ATTACHMENTS_A_MAIL:
        raise _Unfit(f"có hơn {ATTACHMENTS_A_MAIL} tệp đính kèm.")
    yield from found


def _safe_name(name: str, uid: str, number: int) -> str:
    """The attachment's name, or one of ours where a name could lead somewhere."""
    try:
        check_name(name)
    except Refused:
        suffix = Path(name).suffix
        return f"thu-{uid}-{number}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
    # Names that begin like this are taken for files that are still being written.
    return f"thu-{uid}-{number}-{name.lstrip('.~$')}" if name[0] in ".~" else name


def _place(folder: Path, name: str, message_id: str) -> Path | None:
    """A free name in the folder; None where this very attachment waits there already."""
    for number in range(1, 1000):
        path = folder / (name if number == 1 else f"{number}-{name}"[-255:])
        if not path.exists():
            return path
        try:
            known = json.loads(sidecar_of(path).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if known.get("message_id") == message_id:
            return None
    raise _Unfit("quá nhiều tệp trùng tên đang chờ.")


def _write(path: Path, data: bytes, received_at: datetime, message_id: str, beside: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sidecar = {"received_at": received_at.isoformat(), "message_id": message_id}
    sidecar_of(path).write_text(json.dumps(sidecar), "utf-8")
    unfinished = path.with_name(beside)
    unfinished.write_bytes(data)
    unfinished.chmod(0o640)
    unfinished.rename(path)
