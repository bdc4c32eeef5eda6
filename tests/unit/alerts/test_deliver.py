from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from ksc_ledger.alerts.deliver import Patience
from ksc_ledger.alerts.roles import Contact, Directory
from ksc_ledger.state import outbox
from ksc_ledger.state.outbox import Channel, Mail, RecipientStatus, Result
from ksc_ledger.state.tables import OUTBOX
from unit.alerts.mails import (
    AT,
    DIRECTORY,
    REHEARSAL,
    Clock,
    Mailbox,
    a_new_mail,
    drain,
    put,
)


def statuses(engine: Engine) -> dict[str, str]:
    return {row.mail_kind: row.status for row in outbox.mails(engine)}


def test_a_mail_goes_to_everybody_who_holds_the_role_once(engine: Engine) -> None:
    put(engine, a_new_mail())
    box = Mailbox()
    assert drain(engine, box, Clock()).counts == {"sent": 1}
    assert drain(engine, box, Clock()).counts == {}
    assert [took for _, took, _ in box.taken] == [("ops@tinh.example", "truc@tinh.example")]
    (row,) = outbox.mails(engine)
    assert (row.status, row.sent_at) == ("sent", AT)


def test_the_oldest_mail_goes_first(engine: Engine) -> None:
    later = a_new_mail(incident_id="incident-0", created_at=AT + timedelta(minutes=1))
    put(engine, later, a_new_mail(incident_id="incident-9"))
    box = Mailbox()
    drain(engine, box, Clock())
    assert [one.partition(".")[0] for one, _, _ in box.taken] == ["<incident-9", "<incident-0"]


def test_of_two_recipients_one_refused_for_good_does_not_hinder_the_other(engine: Engine) -> None:
    put(engine, a_new_mail())
    box = Mailbox()
    box.answers["truc@tinh.example"] = RecipientStatus.REFUSED
    assert drain(engine, box, Clock()).counts == {"sent": 1}
    (row,) = outbox.mails(engine)
    states = {one.address: one.status for one in outbox.recipients_of(engine, row.message_id)}
    assert states == {
        "ops@tinh.example": RecipientStatus.SENT,
        "truc@tinh.example": RecipientStatus.REFUSED,
    }


def test_only_the_recipient_who_is_left_is_tried_again(engine: Engine) -> None:
    put(engine, a_new_mail())
    box, clock = Mailbox(), Clock()
    box.answers["truc@tinh.example"] = RecipientStatus.PENDING
    assert drain(engine, box, clock).counts == {"pending": 1}
    box.answers.clear()
    clock.pass_by(seconds=59)
    assert drain(engine, box, clock).counts == {}
    clock.pass_by(seconds=1)
    assert drain(engine, box, clock).counts == {"sent": 1}
    assert [took for _, took, _ in box.taken] == [("ops@tinh.example",), ("truc@tinh.example",)]
    first, second = (message for _, _, message in box.taken)
    assert b"X-KSC-Delivery" not in first
    assert b"X-KSC-Delivery: retry" in second
    assert second.replace(b"X-KSC-Delivery: retry\r\n", b"") == first


def test_everybody_refused_is_a_dead_mail_that_can_be_seen(engine: Engine) -> None:
    put(engine, a_new_mail())
    box = Mailbox()
    box.answers = dict.fromkeys(["ops@tinh.example", "truc@tinh.example"], RecipientStatus.REFUSED)
    assert drain(engine, box, Clock()).counts == {"dead": 1}
    assert statuses(engine) == {"lost": "dead"}


def test_waiting_doubles_up_to_an_hour(engine: Engine) -> None:
    put(engine, a_new_mail())
    box, clock = Mailbox(), Clock()
    box.answers = dict.fromkeys(["ops@tinh.example", "truc@tinh.example"], RecipientStatus.PENDING)
    waits = []
    for _ in range(9):
        assert drain(engine, box, clock).counts == {"pending": 1}
        with engine.begin() as connection:
            due_at = connection.execute(select(OUTBOX.c.not_before_at)).scalar_one()
        waits.append((due_at - clock.at).total_seconds() / 60)
        clock.at = due_at
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(("age_hours", "status"), [(71.9, "pending"), (72, "dead")])
def test_a_mail_is_given_up_on_after_72_hours_and_not_before(
    engine: Engine, age_hours: float, status: str
) -> None:
    put(engine, a_new_mail())
    box, clock = Mailbox(), Clock(AT + timedelta(hours=age_hours))
    box.answers = dict.fromkeys(["ops@tinh.example", "truc@tinh.example"], RecipientStatus.PENDING)
    drain(engine, box, clock)
    assert statuses(engine) == {"lost": status}


def test_a_dead_mail_can_be_sent_again_under_its_message_id(engine: Engine) -> None:
    (message_id,) = put(engine, a_new_mail())
    box, clock = Mailbox(), Clock(AT + timedelta(hours=72))
    box.answers["truc@tinh.example"] = RecipientStatus.PENDING
    box.answers["ops@tinh.example"] = RecipientStatus.PENDING
    drain(engine, box, clock)
    box.answers.clear()
    assert outbox.requeue(engine, message_id)
    assert not outbox.requeue(engine, message_id)
    drain(engine, box, clock)
    assert [one for one, _, _ in box.taken] == [message_id]
    assert statuses(engine) == {"lost": "sent"}


def test_a_day_without_the_relay_loses_nothing_and_knocks_seldom(engine: Engine) -> None:
    """F54: and the mails of an outage that is over meanwhile become one."""
    box, clock = Mailbox(), Clock()
    box.is_down = True
    put(engine, a_new_mail(), a_new_mail(incident_id="incident-2"))
    knocks: list[int] = []
    for minute in [*range(45), *range(60, 24 * 60, 60)]:
        clock.at = AT + timedelta(minutes=minute)
        if minute == 300:
            put(engine, a_new_mail("still_lost", created_at=clock.at))
            put(engine, a_new_mail("still_lost", incident_id="incident-2", created_at=clock.at))
        if minute == 600:
            put(engine, a_new_mail("back", step=0, created_at=clock.at))
        before = outbox.relay_trouble(engine, Channel.ALERTS)
        drain(engine, box, clock)
        after = outbox.relay_trouble(engine, Channel.ALERTS)
        assert after is not None
        if before is None or after.failure_count > before.failure_count:
            knocks.append(minute)
    assert knocks[:6] == [0, 1, 3, 7, 15, 30]
    trouble = outbox.relay_trouble(engine, Channel.ALERTS)
    assert trouble is not None
    assert trouble.failing_since_at == AT
    box.is_down = False
    clock.pass_by(minutes=15)
    for _ in range(3):
        drain(engine, box, clock)
        clock.pass_by(minutes=15)
    assert outbox.relay_trouble(engine, Channel.ALERTS) is None
    kinds = [(one.split(".")[0], one.split(".")[1]) for one, _, _ in box.taken]
    assert sorted(kinds) == [
        ("<incident-1", "back"),
        ("<incident-2", "lost"),
        ("<incident-2", "still_lost"),
    ]
    (back,) = (one for one in box.seen_by("ops@tinh.example") if "KHÔI PHỤC" in one["Subject"])
    text = back.get_body(("plain",))
    assert text is not None
    assert "thay cho cả hai" in " ".join(text.get_content().split())


def test_back_goes_to_exactly_those_who_have_the_news_of_the_loss(engine: Engine) -> None:
    """F62: the list was edited meanwhile, and one of those told had been refused."""
    put(engine, a_new_mail())
    box = Mailbox()
    box.answers["truc@tinh.example"] = RecipientStatus.REFUSED
    drain(engine, box, Clock())
    put(engine, a_new_mail("back", step=0, created_at=AT + timedelta(hours=1)))
    edited = Directory(
        contacts=(
            Contact(role="ops_team", unit_code="tinh", name="Mới", address="moi@tinh.example"),
        ),
        parents=DIRECTORY.parents,
    )
    box.answers.clear()
    drain(engine, box, Clock(), directory=edited)
    assert box.taken[-1][1] == ("ops@tinh.example",)
    assert "thay cho cả hai" not in str(box.seen_by("ops@tinh.example")[-1].get_body(("plain",)))


def test_somebody_still_waiting_for_the_loss_gets_the_return_instead(engine: Engine) -> None:
    put(engine, a_new_mail())
    box, clock = Mailbox(), Clock()
    box.answers["truc@tinh.example"] = RecipientStatus.PENDING
    drain(engine, box, clock)
    put(engine, a_new_mail("back", step=0, created_at=AT + timedelta(seconds=30)))
    box.answers.clear()
    drain(engine, box, clock)
    clock.pass_by(hours=2)
    drain(engine, box, clock)
    assert box.taken[-1][1] == ("ops@tinh.example", "truc@tinh.example")
    assert statuses(engine) == {"lost": "merged", "back": "sent"}
    assert len(box.seen_by("truc@tinh.example")) == 1


def test_back_waits_while_the_news_of_the_loss_is_being_sent(engine: Engine) -> None:
    put(engine, a_new_mail(), a_new_mail("back", step=0, created_at=AT + timedelta(seconds=1)))
    box, clock = Mailbox(), Clock()
    other = outbox.claim_next(engine, Channel.ALERTS, "other", 300, clock.at)
    assert other is not None
    assert drain(engine, box, clock).counts == {"postponed": 1}
    assert box.taken == []


def test_nobody_holding_the_role_is_an_open_mail_not_a_lost_one(engine: Engine) -> None:
    put(engine, a_new_mail(role="department"))
    box, clock = Mailbox(), Clock()
    assert drain(engine, box, clock).counts == {"pending": 1}
    appointed = replace(
        DIRECTORY,
        contacts=(
            *DIRECTORY.contacts,
            Contact(
                role="department", unit_code="huyen_a", name="Phòng", address="p@huyen.example"
            ),
        ),
    )
    clock.pass_by(minutes=1)
    assert drain(engine, box, clock, directory=appointed).counts == {"sent": 1}
    assert box.taken[0][1] == ("p@huyen.example",)


def test_channels_do_not_share_a_relay(engine: Engine) -> None:
    put(engine, a_new_mail(), a_new_mail("trouble", role="engineers", channel=Channel.ENGINEERS))
    broken, box, clock = Mailbox(), Mailbox(), Clock()
    broken.is_down = True
    assert drain(engine, broken, clock).relay_error == "421 not now"
    assert drain(engine, box, clock, channel=Channel.ENGINEERS).counts == {"sent": 1}
    assert drain(engine, box, clock).relay_error == "421 not now"  # it is left alone for a minute
    clock.pass_by(minutes=1)
    assert drain(engine, box, clock).counts == {"sent": 1}


def test_a_mail_nobody_can_attempt_does_not_hold_up_the_others(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    put(engine, a_new_mail(), a_new_mail(incident_id="incident-2", created_at=AT))

    class Poisoned(Mailbox):
        def send(self, mail: Mail, addresses: Sequence[str], message: bytes) -> list[Result]:
            if mail.incident_id == "incident-1":
                raise ValueError("poison")
            return super().send(mail, addresses, message)

    box = Poisoned()
    with caplog.at_level(logging.ERROR):
        assert drain(engine, box, Clock()).counts == {"failed": 1, "sent": 1}
    assert "poison" in caplog.text


def test_a_rehearsal_mail_never_reaches_a_relay(engine: Engine) -> None:
    put(engine, a_new_mail(), identity=REHEARSAL)
    box = Mailbox()
    assert drain(engine, box, Clock()).counts == {"failed": 1}
    assert box.taken == []


def test_a_drain_ends_by_number_and_by_time(engine: Engine) -> None:
    put(engine, *(a_new_mail(incident_id=f"incident-{number}") for number in range(5)))
    box, clock = Mailbox(), Clock()
    assert drain(engine, box, clock, patience=Patience(limit=2)).counts == {"sent": 2}

    class Slow(Mailbox):
        def send(self, mail: Mail, addresses: Sequence[str], message: bytes) -> list[Result]:
            clock.pass_by(seconds=20)
            return super().send(mail, addresses, message)

    assert drain(engine, Slow(), clock, patience=Patience(seconds=30)).counts == {"sent": 2}


def test_two_drains_at_once_send_each_mail_once(engine: Engine) -> None:
    """F58."""
    put(engine, *(a_new_mail(incident_id=f"incident-{number}") for number in range(20)))
    box = Mailbox()
    threads = [
        threading.Thread(target=drain, args=(engine, box, Clock()), kwargs={"owner": f"d{number}"})
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [message_id for message_id, _, _ in box.taken]
    assert len(ids) == len(set(ids)) == 20


def test_a_zombie_drain_notes_nothing_after_its_claim_was_taken_over(engine: Engine) -> None:
    put(engine, a_new_mail())
    clock, box = Clock(), Mailbox()

    class Hanging(Mailbox):
        def send(self, mail: Mail, addresses: Sequence[str], message: bytes) -> list[Result]:
            clock.pass_by(minutes=6)
            assert drain(engine, box, clock, owner="drain-2").counts == {"sent": 1}
            self.answers = dict.fromkeys(addresses, RecipientStatus.REFUSED)
            return super().send(mail, addresses, message)

    assert drain(engine, Hanging(), clock).counts == {"fenced": 1}
    assert statuses(engine) == {"lost": "sent"}
    assert all(
        one.status is RecipientStatus.SENT
        for one in outbox.recipients_of(engine, outbox.mails(engine)[0].message_id)
    )
