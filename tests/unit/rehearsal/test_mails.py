"""The summary shows the mails of an outage: its loss and its end, each with subject and path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

from rich.console import Console

from ksc_ledger.alerts.compose import compose
from ksc_ledger.alerts.outlets import FolderOutlet
from ksc_ledger.rehearsal import mails
from ksc_ledger.settings import Places
from ksc_ledger.state.outbox import Recipient
from unit.alerts.mails import SENDER, a_mail

AT = datetime(2024, 1, 10, 3, 0, tzinfo=UTC)


def put(
    home: Path, minutes: int, kind: str, incident: str = "eins", role: str = "ops_team"
) -> None:
    mail = a_mail(
        kind,
        incident_id=incident,
        thread_id=f"<{incident}@ksc.tinh.example>",
        role=role,
        is_rehearsal=True,
        created_at=AT + timedelta(minutes=minutes),
    )
    message = compose(mail, [Recipient(address="truc@tinh.example")], SENDER)
    FolderOutlet(home / "mail").send(mail, ["truc@tinh.example"], message)


def shown(home: Path) -> str:
    paper = StringIO()
    mails.show(Places(home), Console(file=paper, width=80))
    return paper.getvalue()


def test_the_loss_and_the_return_are_shown_with_their_paths(tmp_path: Path) -> None:
    put(tmp_path, 0, "lost")
    put(tmp_path, 0, "lost", role="unit")
    put(tmp_path, 60, "back")
    text = shown(tmp_path)
    assert "[DIỄN TẬP][KSC][MẤT KẾT NỐI] Huyện Tháp Mười" in text
    assert "[DIỄN TẬP][KSC][KHÔI PHỤC] Huyện Tháp Mười" in text
    assert "và 1 thư cho vai trò khác" in text
    lines = [line.strip() for line in text.splitlines() if ".eml" in line]
    assert len(lines) == 2
    assert all(Path(line).is_file() for line in lines)


def test_of_several_outages_the_newest_that_ended_is_shown(tmp_path: Path) -> None:
    put(tmp_path, 0, "lost")
    put(tmp_path, 30, "back")
    put(tmp_path, 60, "lost", incident="zwei")
    put(tmp_path, 90, "back", incident="zwei")
    put(tmp_path, 95, "lost", incident="drei")
    found = mails.link_mails(Places(tmp_path))
    assert {one.thread for one in found} == {"<zwei@ksc.tinh.example>"}
    assert [one.kind for one in found] == ["lost", "back"]


def test_an_outage_that_lasts_is_shown_and_no_outage_is_nothing(tmp_path: Path) -> None:
    assert shown(tmp_path) == ""
    put(tmp_path, 0, "digest")
    assert shown(tmp_path) == ""
    put(tmp_path, 5, "lost")
    assert [one.kind for one in mails.link_mails(Places(tmp_path))] == ["lost"]
