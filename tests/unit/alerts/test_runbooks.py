"""Whoever gets a mail finds what to do: every kind names a runbook, and that speaks of the mail."""

from __future__ import annotations

from typing import Any

import pytest

from ksc_ledger.alerts import compose as module
from ksc_ledger.alerts.compose import ALL_SUBJECTS, Sender, compose, runbook_of
from ksc_ledger.settings import REPOSITORY
from ksc_ledger.state.outbox import Recipient
from ksc_ledger.watchdog.judging import Check, Notice
from ksc_ledger.watchdog.writing import text_of
from unit.alerts.mails import AT, FACTS, SENDER, a_mail, parsed

FOLDER = REPOSITORY / "docs" / "runbooks"
PAGE = "https://airflow.tinh.example/tinh-hinh"
TO = [Recipient(address="ops@tinh.example")]


def facts_of(kind: str) -> dict[str, Any]:
    return FACTS | ({"dag_id": "build_marts"} if kind in module.LATE_SUBJECTS else {})


def both(sender: Sender, **changes: Any) -> tuple[str, str]:
    message = parsed(compose(a_mail(**changes), TO, sender))
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


@pytest.mark.parametrize("kind", ALL_SUBJECTS)
def test_every_kind_of_mail_has_a_runbook_that_speaks_of_it(kind: str) -> None:
    assert (module._TEMPLATES / f"{kind}.j2").exists()
    runbook = FOLDER / f"{runbook_of(a_mail(kind, facts=facts_of(kind)))}.md"
    text = runbook.read_text("utf-8")
    assert f"[{ALL_SUBJECTS[kind]}]" in text or f"[KSC][{ALL_SUBJECTS[kind]}]" in text


def test_every_dag_that_can_be_late_says_so_in_its_runbook() -> None:
    late = [
        file.stem
        for file in (REPOSITORY / "dags").glob("*.py")
        if "late_after" in file.read_text("utf-8")
    ]
    assert len(late) == 6
    for name in late:
        assert "[CHẠY TRỄ]" in (FOLDER / f"{name}.md").read_text("utf-8")


def test_without_an_address_a_mail_names_the_file() -> None:
    for text in both(SENDER):
        assert "Sổ tay xử lý: docs/runbooks/watch_server_links.md" in text
        assert "http" not in text


def test_with_an_address_a_mail_leads_to_the_runbook_and_to_the_server() -> None:
    sender = Sender(address="a@b.example", name="KSC", reply_to="a@b.example", page=PAGE)
    plain, html = both(sender, server_code="dtp_875")
    assert f"{PAGE}/so-tay/watch_server_links\n" in plain
    assert f"{PAGE}/may-chu/dtp_875\n" in plain
    assert f'href="{PAGE}/so-tay/watch_server_links"' in html
    assert f'href="{PAGE}/may-chu/dtp_875"' in html
    plain, html = both(sender, server_code=None)
    assert "may-chu" not in plain + html


def test_the_watchdogs_mail_names_its_runbook() -> None:
    notice = Notice(number=1, at=AT, episode="e", began=(Check.TICKS,))
    assert "docs/runbooks/watchdog.md" in text_of(notice)
    assert "[TỰ KIỂM TRA]" in (FOLDER / "watchdog.md").read_text("utf-8")
