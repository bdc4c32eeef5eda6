from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from ksc_ledger.clock import VIETNAM
from ksc_ledger.state import outbox, reading
from ksc_ledger.state.outbox import Channel, MailStatus, Recipient, RecipientStatus, Result
from unit.alerts.mails import AT, LIVE, REHEARSAL, a_new_mail, put

TO = [Recipient(address="a@t.example", name="A"), Recipient(address="b@t.example", name="B")]


def claim(engine: Engine, owner: str = "d1", seconds: float = 300, after: float = 0) -> outbox.Mail:
    mail = outbox.claim_next(engine, Channel.ALERTS, owner, seconds, AT + timedelta(seconds=after))
    assert mail is not None
    return mail


def settle(engine: Engine, mail: outbox.Mail, **states: RecipientStatus) -> MailStatus | None:
    results = [
        Result(address=f"{name}@t.example", status=status) for name, status in states.items()
    ]
    return outbox.settle(engine, mail, results, now=AT, retry_at=AT, is_last_try=False)


def test_a_message_id_is_minted_once_and_names_incident_kind_step_and_role(engine: Engine) -> None:
    (message_id,) = put(engine, a_new_mail())
    assert message_id == "<incident-1.lost.1.ops_team@ksc.tinh.example>"
    mail = claim(engine)
    assert (mail.message_id, mail.thread_id) == (message_id, "<incident-1@ksc.tinh.example>")
    assert mail.facts["place"] == "Huyện Tháp Mười"
    assert not mail.is_rehearsal


def test_a_second_mail_for_one_truth_breaks_the_transaction(engine: Engine) -> None:
    put(engine, a_new_mail())
    with pytest.raises(IntegrityError):
        put(engine, a_new_mail(incident_id="incident-2"), a_new_mail())
    assert len(outbox.mails(engine)) == 1
    put(
        engine,
        a_new_mail(step=2),
        a_new_mail(role="unit"),
        a_new_mail("back"),
        a_new_mail(incident_id="incident-2"),
    )
    assert len(outbox.mails(engine)) == 5


def test_another_domain_does_not_make_another_mail(engine: Engine) -> None:
    put(engine, a_new_mail())
    with pytest.raises(IntegrityError):
        put(
            engine,
            a_new_mail(),
            identity=outbox.MailIdentity(domain="x.example", is_rehearsal=False),
        )


def test_a_mail_of_a_rehearsal_knows_it(engine: Engine) -> None:
    put(engine, a_new_mail(), identity=REHEARSAL)
    assert claim(engine).is_rehearsal


@pytest.mark.parametrize(("after", "is_free"), [(299.9, False), (300, True)])
def test_a_claim_ends_by_time(engine: Engine, after: float, is_free: bool) -> None:
    put(engine, a_new_mail())
    claim(engine)
    later = AT + timedelta(seconds=after)
    again = outbox.claim_next(engine, Channel.ALERTS, "d2", 300, later)
    assert (again is not None) is is_free
    if again is not None:
        assert again.attempt_count == 2


def test_a_claim_that_was_taken_over_can_do_nothing_any_more(engine: Engine) -> None:
    put(engine, a_new_mail())
    zombie = claim(engine)
    heir = claim(engine, "d2", after=300)
    assert outbox.bind(engine, zombie, TO, AT) is None
    assert outbox.bind_ending(engine, zombie, TO, AT, AT) is None
    assert outbox.yield_to_newer(engine, zombie, AT) is None
    assert settle(engine, zombie, a=RecipientStatus.SENT) is None
    assert not outbox.put_back(engine, zombie, AT)
    assert outbox.bind(engine, heir, TO, AT) is not None


def test_the_same_owner_claiming_again_is_fenced_from_its_former_self(engine: Engine) -> None:
    put(engine, a_new_mail())
    former = claim(engine, "d1")
    claim(engine, "d1", after=300)
    assert settle(engine, former, a=RecipientStatus.SENT) is None


def test_recipients_are_bound_once(engine: Engine) -> None:
    put(engine, a_new_mail())
    mail = claim(engine)
    assert outbox.bind(engine, mail, TO, AT) == TO
    assert outbox.bind(engine, mail, [Recipient(address="c@t.example")], AT) == TO
    assert outbox.recipients_of(engine, mail.message_id) == TO


def test_a_mail_nobody_was_bound_to_can_still_be_bound(engine: Engine) -> None:
    put(engine, a_new_mail())
    mail = claim(engine)
    assert outbox.bind(engine, mail, [], AT) == []
    assert outbox.bind(engine, mail, TO, AT) == TO


@pytest.mark.parametrize(
    ("a", "b", "status"),
    [
        ("SENT", "SENT", MailStatus.SENT),
        ("SENT", "PENDING", MailStatus.PENDING),
        ("SENT", "REFUSED", MailStatus.SENT),
        ("REFUSED", "PENDING", MailStatus.PENDING),
        ("REFUSED", "REFUSED", MailStatus.DEAD),
    ],
)
def test_the_status_of_a_mail_follows_from_its_recipients(
    engine: Engine, a: str, b: str, status: MailStatus
) -> None:
    put(engine, a_new_mail())
    mail = claim(engine)
    outbox.bind(engine, mail, TO, AT)
    assert settle(engine, mail, a=RecipientStatus[a], b=RecipientStatus[b]) is status
    (row,) = outbox.mails(engine)
    assert row.status == status.value
    assert (row.sent_at is not None) is ("SENT" in (a, b))


def test_the_instant_of_sending_is_that_of_the_first_recipient(engine: Engine) -> None:
    put(engine, a_new_mail())
    mail = claim(engine)
    outbox.bind(engine, mail, TO, AT)
    settle(engine, mail, a=RecipientStatus.SENT)
    again = claim(engine)
    outbox.settle(
        engine,
        again,
        [Result(address="b@t.example", status=RecipientStatus.SENT)],
        now=AT + timedelta(hours=1),
        retry_at=AT,
        is_last_try=False,
    )
    (row,) = outbox.mails(engine)
    assert (row.status, row.sent_at) == ("sent", AT)


def test_the_instant_of_sending_is_the_same_instant_whatever_zone_it_was_told_in(
    engine: Engine,
) -> None:
    put(engine, a_new_mail())
    mail = claim(engine)
    outbox.bind(engine, mail, TO, AT)
    told_in_vietnam = AT.astimezone(VIETNAM)
    results = [Result(address=one.address, status=RecipientStatus.SENT) for one in TO]
    outbox.settle(engine, mail, results, now=told_in_vietnam, retry_at=AT, is_last_try=False)
    (row,) = outbox.mails(engine)
    assert row.sent_at == AT


def test_only_channels_with_a_mail_to_send_are_waiting(engine: Engine) -> None:
    assert outbox.waiting_channels(engine) == set()
    put(engine, a_new_mail())
    assert outbox.waiting_channels(engine) == {Channel.ALERTS}
    mail = claim(engine)
    outbox.bind(engine, mail, TO, AT)
    settle(engine, mail, a=RecipientStatus.SENT, b=RecipientStatus.SENT)
    assert outbox.waiting_channels(engine) == set()


def test_a_mail_put_back_waits_until_its_time(engine: Engine) -> None:
    put(engine, a_new_mail())
    outbox.put_back(engine, claim(engine), AT + timedelta(minutes=5), "450 later")
    assert outbox.claim_next(engine, Channel.ALERTS, "d1", 1, AT + timedelta(minutes=4.99)) is None
    assert claim(engine, after=300).last_error == "450 later"


def test_a_reminder_gives_way_to_a_later_one_and_any_news_of_loss_to_its_end(
    engine: Engine,
) -> None:
    put(
        engine,
        a_new_mail("lost", created_at=AT),
        a_new_mail("still_lost", step=1, created_at=AT + timedelta(hours=4)),
        a_new_mail("still_lost", step=2, created_at=AT + timedelta(hours=12)),
    )
    lost, first, second = claim(engine), claim(engine), claim(engine)
    assert outbox.yield_to_newer(engine, lost, AT) is None
    assert outbox.yield_to_newer(engine, first, AT) == second.message_id
    (back,) = put(engine, a_new_mail("back", created_at=AT + timedelta(hours=13)))
    assert outbox.yield_to_newer(engine, second, AT) == back
    assert outbox.yield_to_newer(engine, lost, AT) == back
    assert outbox.yield_to_newer(engine, claim(engine), AT) is None
    assert [row.status for row in outbox.mails(engine)] == ["merged", "merged", "merged", "pending"]


def test_another_role_or_incident_is_nobody_to_give_way_to(engine: Engine) -> None:
    put(
        engine,
        a_new_mail("lost"),
        a_new_mail("back", role="unit"),
        a_new_mail("back", incident_id="incident-2"),
    )
    lost = claim(engine)
    while lost.kind != "lost":
        lost = claim(engine)
    assert outbox.yield_to_newer(engine, lost, AT) is None


def test_the_end_is_bound_again_as_it_was_bound_first(engine: Engine) -> None:
    put(engine, a_new_mail())
    outbox.bind(engine, claim(engine), TO, AT)
    put(engine, a_new_mail("back", created_at=AT + timedelta(hours=1)))
    with engine.begin() as connection:
        connection.execute(text("update outbox set claim_until = null where mail_kind = 'lost'"))
        connection.execute(
            text("update outbox set not_before_at = '2030-01-01' where mail_kind = 'lost'")
        )
    back = claim(engine)
    first = outbox.bind_ending(engine, back, [], AT, AT)
    assert first == outbox.Ending(TO, is_merged=True)
    assert outbox.bind_ending(engine, back, [], AT, AT) == first


def test_erasing_a_person_keeps_that_the_role_was_told(engine: Engine) -> None:
    put(engine, a_new_mail(), a_new_mail(step=2))
    for _ in range(2):
        mail = claim(engine)
        outbox.bind(engine, mail, TO, AT)
        if mail.step == 1:
            settle(engine, mail, a=RecipientStatus.SENT, b=RecipientStatus.SENT)
    assert outbox.erase_address(engine, "a@t.example") == 2
    assert outbox.erase_address(engine, "a@t.example") == 0
    with reading(engine) as connection:
        rows = connection.execute(text("select address, name, status from outbox_recipient")).all()
    assert not any("a@t" in address or name == "A" for address, name, _ in rows)
    assert sorted(status for address, _, status in rows if address.startswith("erased")) == [
        "dead",
        "sent",
    ]


def test_the_relays_trouble_counts_from_its_first_failure(engine: Engine) -> None:
    assert outbox.relay_trouble(engine, Channel.ALERTS) is None
    for minutes in (0, 3):
        at = AT + timedelta(minutes=minutes)
        outbox.note_relay_failed(engine, Channel.ALERTS, "421", at, at + timedelta(minutes=1))
    trouble = outbox.relay_trouble(engine, Channel.ALERTS)
    assert trouble is not None
    assert trouble.failing_since_at == AT
    assert trouble.failure_count == 2
    assert trouble.next_try_at == AT + timedelta(minutes=4)
    assert outbox.relay_trouble(engine, Channel.ENGINEERS) is None
    outbox.note_relay_works(engine, Channel.ALERTS)
    assert outbox.relay_trouble(engine, Channel.ALERTS) is None


def test_nothing_to_enqueue_is_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        assert outbox.enqueue(connection, [], LIVE) == []
