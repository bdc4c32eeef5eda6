"""A mail takes the file along that its facts name, and no other."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.alerts.compose import Attachment, Sender, compose
from ksc_ledger.alerts.deliver import Patience, _Drain
from ksc_ledger.alerts.roles import Directory
from ksc_ledger.errors import LedgerError
from ksc_ledger.state.outbox import Channel, Mail, MailStatus, Recipient

SENDER = Sender(address="ledger@ksc.example", name="KSC Ledger", reply_to="truc@ksc.example")
SOMEBODY = [Recipient(address="xa@tinh.example", name="UBND xã")]
FACTS: dict[str, Any] = {
    "place": "Xã Mỹ Đông",
    "as_of": "12/10/2022",
    "installed": "4",
    "allocated": "11",
    "ratio": "36,4%",
    "ok": "0",
    "action_lines": ["Cài đặt phần mềm cho 6 máy còn thiếu.", "Đổi tên 4 máy.", "Việc khác."],
}


def mail(**facts: object) -> Mail:
    return Mail(
        message_id="<sht-1.unit_sheet.0.unit@ksc.example>",
        thread_id="<sht-1@ksc.example>",
        kind="unit_sheet",
        channel=Channel.ALERTS,
        incident_id="sht-1",
        step=0,
        role="unit",
        estate_code="dong_thap",
        unit_code="dtp_872_30058",
        server_code=None,
        facts=FACTS | facts,
        is_rehearsal=True,
        created_at=datetime(2022, 10, 14, 1, tzinfo=UTC),
        status=MailStatus.PENDING,
        attempt_count=1,
        claim_owner=None,
        last_error=None,
    )


def attachments_of(found: Mail, files: Path | None) -> list[Attachment]:
    drain = _Drain(
        engine=None,  # type: ignore[arg-type]
        channel=Channel.ALERTS,
        outlet=None,  # type: ignore[arg-type]
        directory=Directory(contacts=()),
        sender=SENDER,
        now=found.created_at,
        real_clock=lambda: found.created_at,
        patience=Patience(),
        jitter=lambda: 0.0,
        reached=lambda _: None,
        relay_failures=0,
        files=files,
    )
    return drain._attachments(found)


def test_the_one_pager_travels_with_its_mail_and_both_texts_stay() -> None:
    sheet = Attachment(name="2022-10-12-phieu_don_vi-dtp_872_30058.docx", content=b"PK\x03\x04\xff")
    made = compose(mail(), SOMEBODY, SENDER, attachments=[sheet])
    assert made == compose(mail(), SOMEBODY, SENDER, attachments=[sheet])
    message = message_from_bytes(made, policy=policy.default)
    (file,) = message.iter_attachments()
    assert file.get_filename() == sheet.name
    assert file.get_content() == sheet.content
    plain = message.get_body(("plain",))
    html = message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "4/11 máy (36,4%)" in plain.get_content()
    assert "2. Đổi tên 4 máy." in html.get_content()
    assert message["Subject"] == "[DIỄN TẬP][KSC][BẢN TIN] Xã Mỹ Đông"


def test_a_mail_without_a_file_is_as_it_was() -> None:
    message = message_from_bytes(compose(mail(), SOMEBODY, SENDER))
    assert message.get_content_type() == "multipart/alternative"


def test_the_file_is_read_from_the_folder_of_letters(tmp_path: Path) -> None:
    (tmp_path / "dong_thap").mkdir()
    (tmp_path / "dong_thap" / "phieu.docx").write_bytes(b"x")
    (found,) = attachments_of(mail(attachment="dong_thap/phieu.docx"), tmp_path)
    assert (found.name, found.content) == ("phieu.docx", b"x")
    assert attachments_of(mail(), tmp_path) == []


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "dong_thap/../../secret.txt"])
def test_no_file_outside_that_folder_is_taken_along(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("x")
    with pytest.raises(LedgerError) as caught:
        attachments_of(mail(attachment=name), folder)
    assert caught.value.code == "attachment_outside"
