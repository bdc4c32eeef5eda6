"""The tasks of ``receive_unit_reports`` as Airflow calls them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corpus.cases import FILES
from ksc_ledger.alerts.compose import RECEIPT_SUBJECTS, Sender, compose
from ksc_ledger.intake.inbox import sidecar_of
from ksc_ledger.settings import REPOSITORY, Places
from ksc_ledger.state import open_state, outbox
from ksc_ledger.state.outbox import Channel, Mail, Recipient

pytestmark = pytest.mark.airflow

SCENARIO = REPOSITORY / "scenarios" / "dong_thap"
AT = "2022-10-19T16:40:00+07:00"
NOW = "2022-10-20T17:00:00+07:00"
Run = Callable[..., Any]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    shutil.copytree(SCENARIO / "registry", tmp_path / "registry")
    monkeypatch.setenv("KSC_LEDGER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KSC_LEDGER_REGISTRY", str(tmp_path / "registry"))
    return Places(tmp_path / "home")


@pytest.fixture
def run(places: Places, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the task ``receive``: what it returns and its event's extra, None where it was skipped."""
    from airflow.sdk.exceptions import AirflowSkipException

    from ksc_ledger.orchestration import receiving
    from ksc_ledger.orchestration.assets import REPORTS_ACCEPTED

    monkeypatch.setattr(receiving, "die_with_parent", lambda: None)

    def once(*, conf: str = NOW, run_type: str = "manual") -> Any:
        event = SimpleNamespace(extra=None)
        context = {
            "dag_run": SimpleNamespace(conf={"as_of_at": conf} if conf else {}, run_type=run_type),
            "run_id": "test",
            "outlet_events": {REPORTS_ACCEPTED: event},
            "ti": SimpleNamespace(xcom_push=lambda **_: None),
        }
        monkeypatch.setattr(receiving, "get_current_context", lambda: context)
        try:
            return receiving.receive_reports(), event.extra
        except AirflowSkipException:
            assert event.extra is None
            return None

    return once


def send(places: Places, corpus_file: str, *, unit: str = "dtp_872", at: str = AT) -> Path:
    folder = places.inbox / unit
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / corpus_file
    path.write_bytes((FILES / corpus_file).read_bytes())
    sidecar_of(path).write_text(json.dumps({"received_at": at}), "utf-8")
    return path


def mails(places: Places) -> list[Mail]:
    engine = open_state(f"sqlite:///{places.state_database}")
    found = []
    for channel in Channel:
        while mail := outbox.claim_next(engine, channel, "test", 1e9, outbox_now()):
            found.append(mail)
    engine.dispose()
    return found


def outbox_now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def text_of(mail: Mail) -> str:
    from email import message_from_bytes, policy

    sender = Sender(address="ksc@tinh.example", name="KSC", reply_to="truc@tinh.example")
    raw = compose(mail, [Recipient(address="donvi@tinh.example")], sender)
    message = message_from_bytes(raw, policy=policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    return f"{message['Subject']}\n{body.get_content()}"


def test_files_are_judged_answered_once_and_wake_the_marts(places: Places, run: Run) -> None:
    send(places, "C05_semicolon.csv")
    send(places, "C01_utf8_bom.csv", unit="dtp_872_pnv")
    received, extra = run()
    assert extra == {"as_of_at": "2022-10-20T10:00:00+00:00"}
    assert received["failed"] == []
    assert sum(received[name] for name in received if name != "failed") == 2
    assert run() is None  # nothing waits any more, and nobody is woken
    found = mails(places)
    assert {mail.kind for mail in found} == set(RECEIPT_SUBJECTS)
    assert sorted(mail.unit_code for mail in found) == ["dtp_872", "dtp_872_pnv"]
    (verdicts,) = places.verdicts.glob("*.jsonl")
    lines = [json.loads(line) for line in verdicts.read_text("utf-8").splitlines()]
    assert {line["suite"] for line in lines} == {"reports.unit_reports"}
    assert all(line["load_id"].startswith("dtp_872") for line in lines)


def test_a_receipt_names_the_cell_to_mend(places: Places, run: Run) -> None:
    send(places, "C04_tcvn3.csv")
    run()
    (mail,) = mails(places)
    text = text_of(mail)
    assert text.startswith("[KSC][BIÊN NHẬN] ")
    assert "Chưa tiếp nhận được số liệu" in text
    assert "16:40 ngày 19/10/2022" in text
    assert "Cách sửa" in text
    assert "Mã thư: rcp-" in text
    assert "sự cố" not in text  # nothing has happened to anybody


def test_a_run_that_died_before_it_answered_is_made_good(
    places: Places, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ksc_ledger.orchestration import receiving

    send(places, "C05_semicolon.csv")
    with monkeypatch.context() as patched:
        patched.setattr(receiving, "_answer", lambda *_: None)
        run()
    assert run() is None
    assert len(mails(places)) == 1


def test_a_folder_of_nobody_is_told_to_the_engineers(places: Places, run: Run) -> None:
    send(places, "C05_semicolon.csv", unit="nobody")
    run()
    (mail,) = mails(places)
    assert (mail.channel, mail.role, mail.unit_code) == (Channel.ENGINEERS, "engineers", "dtp")


def test_an_error_of_ours_is_red_after_all_others_were_answered(
    places: Places, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from ksc_ledger.intake import receive
    from ksc_ledger.orchestration import receiving

    send(places, "C05_semicolon.csv")

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(receive, "examine", broken)
    received, extra = run()
    assert extra is not None
    assert len(received["failed"]) == 1
    with pytest.raises(AirflowFailException, match="lỗi khi xử lý 1 tệp"):
        receiving.confirm(received)
    receiving.confirm({"failed": []})


def test_a_rule_that_cannot_be_evaluated_leaves_the_files_where_they_are(
    places: Places, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ksc_ledger.quality.suites import BrokenExpectation

    shutil.copytree(REPOSITORY / "expectations", tmp_path / "rules")
    suite = tmp_path / "rules" / "reports" / "unit_reports.json"
    suite.write_text(suite.read_text("utf-8").replace('"report_age_days"', '"no_such_column"'))
    monkeypatch.setenv("KSC_LEDGER_EXPECTATIONS", str(tmp_path / "rules"))
    path = send(places, "C05_semicolon.csv")
    with pytest.raises(BrokenExpectation):
        run()
    assert path.exists()
    assert not list(places.quarantine.rglob("*"))
    assert mails(places) == []


def test_a_backfill_takes_nothing(places: Places, run: Run) -> None:
    path = send(places, "C05_semicolon.csv")
    assert run(run_type="backfill") is None
    assert run(run_type="DagRunType.backfill") is None
    assert path.exists()


def test_while_a_rehearsal_is_driven_only_the_driver_is_obeyed(places: Places, run: Run) -> None:
    from datetime import datetime

    from ksc_ledger.clock import RehearsalClock

    places.home.mkdir(parents=True, exist_ok=True)
    places.rehearsal_mark.touch()
    RehearsalClock(places.clock_file).set(datetime.fromisoformat(NOW), is_driven=True)
    path = send(places, "C05_semicolon.csv")
    assert run(conf="") is None
    assert path.exists()
    assert run() is not None
    (mail,) = mails(places)
    assert mail.is_rehearsal
    assert text_of(mail).startswith("[DIỄN TẬP][KSC][BIÊN NHẬN] ")


def test_no_mailbox_is_asked_in_a_rehearsal_or_without_a_connection(
    places: Places, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException

    from ksc_ledger.orchestration import receiving

    run()  # sets the context

    def missing(name: str) -> None:
        raise AirflowNotFoundException(name)

    monkeypatch.setattr(receiving.BaseHook, "get_connection", missing)
    with pytest.raises(AirflowSkipException, match="imap_reports"):
        receiving.fetch_mailbox()
    places.rehearsal_mark.touch()
    with pytest.raises(AirflowSkipException, match="diễn tập"):
        receiving.fetch_mailbox()


def test_seats_are_those_of_the_unit_and_of_all_below_it(places: Places, tmp_path: Path) -> None:
    from datetime import date

    from ksc_ledger import settings
    from ksc_ledger.orchestration.receiving import directory_of
    from ksc_ledger.registry import in_force

    seats = directory_of(in_force(settings.load()).registry).allocated(date(2022, 10, 12))
    assert (seats["dtp_872"], seats["dtp_872_vpub"], seats["dtp_872_pnv"]) == (330, 24, 12)


@pytest.mark.parametrize(
    ("received", "status"),
    [
        ("2022-10-19T23:59:59+07:00", "met"),
        ("2022-10-20T00:00:01+07:00", "met_late"),
    ],
)
def test_a_report_owed_is_met_when_its_file_was_received(
    places: Places, run: Run, tmp_path: Path, received: str, status: str
) -> None:
    """Nothing of the unit stands in the officers' own register of receipts."""
    from datetime import datetime

    from ksc_ledger import settings
    from ksc_ledger.obligations.statuses import judge
    from ksc_ledger.orchestration.deadlines import _filed
    from ksc_ledger.registry import in_force

    register = tmp_path / "registry" / "dong_thap" / "receipts.csv"
    lines = register.read_text("utf-8").splitlines(keepends=True)
    register.write_text("".join(one for one in lines if "dtp_872_ptp" not in one), "utf-8")
    inbox = SCENARIO / "inbox" / "dtp_872_ptp"
    (file,) = (path for path in inbox.iterdir() if "gửi lại" not in path.name)
    folder = places.inbox / "dtp_872_ptp"
    folder.mkdir(parents=True)
    path = folder / file.name
    path.write_bytes(file.read_bytes())
    sidecar_of(path).write_text(json.dumps({"received_at": received}), "utf-8")
    taken, _ = run()
    assert taken["accepted"] == 1
    registry = in_force(settings.load()).registry
    now = datetime.fromisoformat("2022-10-21T08:00:00+07:00")
    judged = judge(
        registry,
        "dong_thap",
        places.marts_file,
        now,
        _filed(registry, "dong_thap", places),
    )
    (found,) = (
        one.found
        for one in judged
        if one.duty.rule.unit_code == "dtp_872_ptp"
        and one.duty.row.obligation_code == "tm_2022_bao_cao"
    )
    assert found.status.value == status
    assert found.met_at == datetime.fromisoformat(received)
    assert file.name in found.evidence
