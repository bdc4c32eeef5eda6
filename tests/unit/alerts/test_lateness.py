"""A late run is one mail to the engineers, and another one only when it lasts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from ksc_ledger.alerts.compose import compose, subject_of
from ksc_ledger.alerts.lateness import QUIET, LateRun, note_late_run
from ksc_ledger.registry import Registry, load
from ksc_ledger.settings import REPOSITORY
from ksc_ledger.state import outbox
from ksc_ledger.state.outbox import Channel, Recipient
from unit.alerts.mails import LIVE, SENDER, parsed

NOW = datetime(2024, 1, 10, 3, 0, tzinfo=UTC)
LATE = LateRun(
    dag_id="build_marts",
    dag_name="Dựng kho số liệu",
    run_id="asset_triggered__2024-01-10T02:20:00+00:00",
    state="running",
    waited=timedelta(minutes=40),
    allowed=timedelta(minutes=30),
)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load(REPOSITORY / "scenarios" / "dong_thap" / "registry")


def claimed(engine: Engine) -> outbox.Mail:
    mail = outbox.claim_next(engine, Channel.ENGINEERS, "test", 60, NOW)
    assert mail is not None
    return mail


def text_of(mail: outbox.Mail) -> str:
    message = compose(mail, [Recipient(address="kt@tinh.example")], SENDER)
    plain = parsed(message).get_body(("plain",))
    assert plain is not None
    return " ".join(plain.get_content().split())


def test_the_engineers_are_told_which_run_since_when_and_what_to_do(
    engine: Engine, registry: Registry
) -> None:
    assert note_late_run(engine, registry, LATE, LIVE, NOW)
    mail = claimed(engine)
    assert (mail.kind, mail.role, mail.unit_code) == ("run_late", "engineers", "dtp")
    assert subject_of(mail) == "[KSC][CHẠY TRỄ] Dựng kho số liệu"
    text = text_of(mail)
    assert "chưa xong trong thời gian cho phép" in text
    assert "Vào hàng chờ lúc: 09:20 ngày 10/01/2024" in text
    assert "Đến nay đã: 40 phút" in text
    assert "Thời gian cho phép: 30 phút" in text
    assert "docs/runbooks/build_marts.md" in text


def test_a_run_that_failed_is_not_called_slow(engine: Engine, registry: Registry) -> None:
    note_late_run(engine, registry, replace(LATE, state="failed"), LIVE, NOW)
    assert "đã kết thúc với lỗi" in text_of(claimed(engine))


@pytest.mark.parametrize(
    ("after", "count"),
    [
        (timedelta(), 1),
        (QUIET - timedelta(seconds=1), 1),
        (QUIET, 2),
    ],
)
def test_the_next_runs_behind_it_are_the_same_lateness_for_six_hours(
    engine: Engine, registry: Registry, after: timedelta, count: int
) -> None:
    note_late_run(engine, registry, LATE, LIVE, NOW)
    note_late_run(engine, registry, replace(LATE, run_id="the next"), LIVE, NOW + after)
    assert len(outbox.mails(engine)) == count


def test_airflow_may_say_the_same_run_twice_at_any_time(engine: Engine, registry: Registry) -> None:
    note_late_run(engine, registry, LATE, LIVE, NOW)
    assert note_late_run(engine, registry, LATE, LIVE, NOW + 2 * QUIET) is None
    assert len(outbox.mails(engine)) == 1


def test_another_dag_is_another_lateness(engine: Engine, registry: Registry) -> None:
    note_late_run(engine, registry, LATE, LIVE, NOW)
    assert note_late_run(engine, registry, replace(LATE, dag_id="keep_house"), LIVE, NOW)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "{{ 7 * 7 }}", "a\u202eb\r\nBcc: x@y"]
)
def test_a_hostile_name_stays_text(engine: Engine, registry: Registry, name: str) -> None:
    late = replace(LATE, run_id=name, dag_name=name)
    note_late_run(engine, registry, late, LIVE, NOW)
    message = compose(claimed(engine), [Recipient(address="kt@tinh.example")], SENDER)
    read = parsed(message)
    html = read.get_body(("html",))
    assert html is not None
    assert read["Bcc"] is None
    assert "<script" not in html.get_content()
    assert "49" not in html.get_content()
    assert "\u202e" not in html.get_content()
