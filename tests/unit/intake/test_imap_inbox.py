"""Reports that come by mail, from a mailbox over TLS into the inbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from corpus.cases import FILES, directory
from ksc_ledger.errors import LedgerError
from ksc_ledger.intake.imap_inbox import Fetched, Mailbox, fetch
from ksc_ledger.intake.inbox import sidecar_of
from ksc_ledger.intake.receive import receive
from ksc_ledger.settings import Places
from unit.intake.imap_server import LOGIN, PASSWORD, FakeImap, Stored, imap_server

SENDERS = {"dtp-872@dongthap.example": "dtp_872"}
REPORT = (FILES / "C05_semicolon.csv").read_bytes()
# A minute past the deadline of 19/10/2022, by the mailbox; the sender's clock said otherwise.
LATE = "19-Oct-2022 17:01:00 +0000"
Fetch = Callable[[dict[int, Stored]], tuple[Fetched, FakeImap]]


def a_mail(
    *attachments: tuple[str, bytes],
    sender: str = "Cán bộ <DTP-872@dongthap.example>",
    internal_date: str = LATE,
    message_id: str = "<m1@dongthap.example>",
) -> Stored:
    message = EmailMessage()
    message["From"] = sender
    message["Message-ID"] = message_id
    message["Date"] = "Mon, 17 Oct 2022 08:00:00 +0700"
    message["Subject"] = "Báo cáo"
    message.set_content("Kính gửi báo cáo.")
    for name, data in attachments:
        kind = ("image", "png") if name.endswith(".png") else ("application", "octet-stream")
        message.add_attachment(data, maintype=kind[0], subtype=kind[1], filename=name)
    return Stored(message.as_bytes(), internal_date)


@pytest.fixture
def fetched(tmp_path: Path) -> Fetch:
    def once(mails: dict[int, Stored]) -> tuple[Fetched, FakeImap]:
        with imap_server(tmp_path, mails) as server:
            return fetch(mailbox_of(server), SENDERS, tmp_path / "inbox"), server

    return once


def mailbox_of(server: FakeImap, **changes: str) -> Mailbox:
    given = {"login": LOGIN, "password": PASSWORD, "ca_file": str(server.ca_file)} | changes
    return Mailbox(host="127.0.0.1", port=server.port, **given)


def sidecar(path: Path) -> dict[str, str]:
    raw: dict[str, str] = json.loads(sidecar_of(path).read_text("utf-8"))
    return raw


def test_an_attachment_is_received_when_the_mailbox_received_it(
    fetched: Fetch, tmp_path: Path
) -> None:
    mails = {7: a_mail(("Báo cáo.csv", REPORT), ("chữ ký.png", b"\x89PNG"))}
    done, _ = fetched(mails)
    (path,) = done.files
    assert path == tmp_path / "inbox" / "dtp_872" / "Báo cáo.csv"
    assert path.read_bytes() == REPORT
    assert sidecar(path)["received_at"] == "2022-10-19T17:01:00+00:00"
    assert path.stat().st_mode & 0o777 == 0o640
    assert mails[7].flags == {"\\Seen"}
    places = Places(tmp_path)
    now = datetime(2022, 10, 20, 3, 0, tzinfo=UTC)
    (receipt,) = receive(places.inbox, places, directory(), now=now)
    assert receipt.is_accepted
    assert receipt.received_at == datetime(2022, 10, 19, 17, 1, tzinfo=UTC)
    assert receipt.message_id == "<m1@dongthap.example>#1"


def test_a_mail_that_is_fetched_twice_is_filed_once(fetched: Fetch, tmp_path: Path) -> None:
    mails = {7: a_mail(("a.csv", REPORT))}
    fetched(mails)
    mails[7].flags.clear()  # the run died before it could say that it had seen it
    done, _ = fetched(mails)
    assert done.files == []
    assert [path.name for path in (tmp_path / "inbox" / "dtp_872").glob("*.csv")] == ["a.csv"]


def test_two_mails_with_the_same_file_name_are_two_files(fetched: Fetch) -> None:
    mails = {
        7: a_mail(("a.csv", REPORT)),
        8: a_mail(("a.csv", REPORT + b"\n"), message_id="<m2@dongthap.example>"),
    }
    done, _ = fetched(mails)
    assert [path.name for path in done.files] == ["a.csv", "2-a.csv"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("..\\..\\x.xlsx", "thu-7-1.xlsx"),
        ("../../x", "thu-7-1"),
        ("CON.xlsx", "thu-7-1.xlsx"),
        (f"{'x' * 300}.csv", "thu-7-1.csv"),
        (".hidden.csv", "thu-7-1-hidden.csv"),
        ("~$khoá.xlsx", "thu-7-1-khoá.xlsx"),
    ],
)
def test_a_name_that_could_lead_somewhere_is_not_used(
    fetched: Fetch, tmp_path: Path, name: str, kept: str
) -> None:
    done, _ = fetched({7: a_mail((name, REPORT))})
    assert [path.relative_to(tmp_path).as_posix() for path in done.files] == [
        f"inbox/dtp_872/{kept}"
    ]


@pytest.mark.parametrize(
    ("mail", "says"),
    [
        (a_mail(("a.csv", REPORT), sender="la@noikhac.example"), "không có trong danh bạ"),
        (
            a_mail(("a.csv", REPORT), sender="dtp-872@dongthap.example, la@noikhac.example"),
            "không có trong danh bạ",
        ),
        (a_mail(), "không có tệp đính kèm"),
        (a_mail(*[(f"{n}.csv", REPORT) for n in range(21)]), "hơn 20 tệp"),
        (Stored(b"\xff\xfe not a mail", LATE), "không có trong danh bạ"),
    ],
)
def test_what_cannot_be_filed_waits_flagged_for_a_person(
    fetched: Fetch, tmp_path: Path, mail: Stored, says: str
) -> None:
    mail.flags.clear()
    mails = {7: mail, 8: a_mail(("b.csv", REPORT))}
    done, _ = fetched(mails)
    assert [path.name for path in done.files] == ["b.csv"]  # others are not held up
    assert len(done.passed_over) == 1
    assert says in done.passed_over[0]
    assert "@" not in done.passed_over[0]
    assert mails[7].flags == {"\\Flagged"}
    again, _ = fetched(mails)
    assert (again.files, again.passed_over) == ([], [])


def test_a_mailbox_with_another_certificate_is_told_nothing(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with (
        imap_server(elsewhere, {}) as other,
        imap_server(tmp_path, {7: a_mail(("a.csv", REPORT))}) as server,
    ):
        mailbox = mailbox_of(server, ca_file=str(other.ca_file))
        with pytest.raises(LedgerError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(mailbox, SENDERS, tmp_path / "inbox")
        assert server.commands == []


@pytest.mark.parametrize("changes", [{"password": "sai"}, {"folder": "Khac"}])
def test_a_wrong_password_and_a_missing_folder_are_told(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    with imap_server(tmp_path, {}) as server, pytest.raises(LedgerError) as told:
        fetch(mailbox_of(server, **changes), SENDERS, tmp_path)
    assert "imap_reports" in told.value.remedy
    assert PASSWORD not in str(told.value)


def test_a_mailbox_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with imap_server(tmp_path, {}) as server:
        closed = mailbox_of(server)
    with pytest.raises(LedgerError) as told:
        fetch(closed, SENDERS, tmp_path / "inbox")
    assert told.value.code == "mailbox_unreadable"
