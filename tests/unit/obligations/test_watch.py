"""One judgement after another: a change is noticed once, a reminder is given once."""

from __future__ import annotations

import email
import email.policy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from ksc_ledger.alerts.compose import Sender, compose
from ksc_ledger.obligations import Watched, watch
from ksc_ledger.registry import Registry, load
from ksc_ledger.rules.deadlines import Status
from ksc_ledger.state import leases, obligations, open_state, outbox
from ksc_ledger.state.database import reading
from ksc_ledger.state.leases import LeaseLost
from ksc_ledger.state.outbox import Channel, Mail, MailIdentity, Recipient
from ksc_ledger.state.tables import OUTBOX

SCENARIO = Path(__file__).resolve().parents[3] / "scenarios" / "dong_thap" / "registry"
NO_MARTS = Path("/nonexistent/ksc_ledger.duckdb")
REHEARSAL = MailIdentity(domain="ksc.tinh.example", is_rehearsal=True)
REAL = datetime(2026, 1, 1, tzinfo=UTC)
Watch = Callable[..., Watched]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+07:00")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load(SCENARIO)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_state(f"sqlite:///{tmp_path / 'state.sqlite'}")
    yield opened
    opened.dispose()


@pytest.fixture
def look(engine: Engine, registry: Registry) -> Watch:
    def run(now: str, known: Registry = registry) -> Watched:
        lease = leases.acquire(engine, "deadlines:dong_thap", "test", 600, REAL)
        assert lease is not None
        try:
            return watch(engine, lease, known, "dong_thap", NO_MARTS, REHEARSAL, at(now))
        finally:
            leases.release(engine, lease)

    return run


def mails(engine: Engine, *, since: str = "2000-01-01T00:00:00") -> list[tuple[str, str, str, int]]:
    with reading(engine) as connection:
        rows = connection.execute(
            select(OUTBOX).where(OUTBOX.c.created_at >= at(since)).order_by(OUTBOX.c.message_id)
        ).all()
    return [(one.mail_kind, one.recipient_role, one.unit_code, one.step) for one in rows]


def told(engine: Engine, since: str) -> Counter[tuple[str, str]]:
    return Counter((kind, role) for kind, role, _, _ in mails(engine, since=since))


def test_the_first_look_makes_the_rows_and_a_second_one_changes_nothing(
    engine: Engine, look: Watch
) -> None:
    first = look("2022-10-12T08:00:00")
    assert first.has_changed
    assert len(obligations.statuses(engine)) == 28
    assert mails(engine) == []
    again = look("2022-10-12T08:00:00")
    assert not again.has_changed
    assert again.changes == ()


def test_time_alone_that_changes_no_status_wakes_nobody(look: Watch) -> None:
    look("2022-10-12T08:00:00")
    assert not look("2022-10-13T07:30:00").has_changed


def test_a_status_that_changes_is_noticed_once(look: Watch) -> None:
    look("2022-10-13T07:30:00")
    later = look("2022-10-14T07:30:00")  # three working days before the 19th
    assert later.has_changed
    assert Counter((one.before, one.after) for one in later.changes) == {
        ("pending", "due_soon"): 27
    }
    assert not look("2022-10-14T07:30:00").has_changed


def test_a_reminder_goes_to_each_unit_and_once_to_the_level_above(
    engine: Engine, look: Watch
) -> None:
    look("2022-10-14T07:29:59")
    assert mails(engine) == [("deadline_digest", "so", "dtp", 0)]
    look("2022-10-14T07:30:00")
    due = told(engine, "2022-10-14T07:30:00")
    assert due == {("deadline_reminder", "unit"): 27, ("deadline_reminder", "department"): 1}
    assert ("deadline_reminder", "department", "dtp_872", 1) in mails(engine)
    look("2022-10-14T08:30:00")
    assert told(engine, "2022-10-14T08:30:00") == {}


def test_what_came_in_is_not_reminded_of(engine: Engine, look: Watch) -> None:
    look("2022-10-14T07:30:00")
    look("2022-10-18T07:30:00")  # a working day before; nobody who has reported is written to
    reported = {one for one in mails(engine, since="2022-10-18T00:00:00") if one[1] == "unit"}
    assert len([one for one in reported if one[3] == 2]) < 27
    assert ("deadline_reminder", "unit", "dtp_872_30052", 2) in reported
    assert ("deadline_reminder", "unit", "dtp_872_vpub", 2) not in reported


def test_a_breach_is_told_once_although_the_day_after_has_a_notice_of_its_own(
    engine: Engine, look: Watch
) -> None:
    look("2022-10-12T08:00:00")
    look("2022-10-20T17:00:00")
    breaches = [one for one in mails(engine) if one[0] == "deadline_breach"]
    assert sorted(breaches) == [
        ("deadline_breach", "department", "dtp_872", 3),
        ("deadline_breach", "unit", "dtp_872_30052", 3),
        ("deadline_breach", "unit", "dtp_872_30073", 3),
    ]
    before = mails(engine)
    look("2022-10-20T18:00:00")
    assert mails(engine) == before


@pytest.mark.parametrize("now", ["2022-10-19T00:30:00", "2022-10-19T23:59:59"])
def test_a_run_on_the_last_day_breaches_nothing_whatever_the_date_is_in_utc(
    engine: Engine, look: Watch, now: str
) -> None:
    judged = look(now).judged
    assert {one.found.status for one in judged} & {Status.BREACHED, Status.UNDETERMINED} == set()
    assert [one for one in mails(engine) if one[0] == "deadline_breach"] == []


def test_a_group_is_nobody_to_write_to_so_its_own_superior_gets_the_copy(
    engine: Engine, look: Watch
) -> None:
    look("2023-10-20T17:00:00")
    look("2023-10-21T07:30:00")
    since = mails(engine, since="2023-10-21T00:00:00")
    assert [one for one in since if one[:2] == ("deadline_breach", "department")] == [
        ("deadline_breach", "department", "dtp", 3)
    ]


def test_what_is_undetermined_is_asked_about_but_not_accused(engine: Engine, look: Watch) -> None:
    look("2022-10-20T17:00:00")
    about = [one for one in mails(engine) if one[2] == "dtp_872_30061"]
    assert about == [("deadline_reminder", "unit", "dtp_872_30061", 4)]


def test_the_province_gets_at_most_one_digest_a_day(engine: Engine, look: Watch) -> None:
    look("2022-10-20T00:00:00")
    look("2022-10-20T17:00:00")  # one report has come late meanwhile
    digests = [one for one in mails(engine) if one[0] == "deadline_digest"]
    assert digests == [("deadline_digest", "so", "dtp", 0)]
    look("2022-10-21T07:30:00")
    assert [one[0] for one in mails(engine)].count("deadline_digest") == 2
    look("2022-10-22T10:00:00")  # the roll-up came late on the 21st: news
    assert [one[0] for one in mails(engine)].count("deadline_digest") == 3
    look("2022-10-23T10:00:00")  # nothing new, nothing sent
    assert [one[0] for one in mails(engine)].count("deadline_digest") == 3


def test_old_documents_typed_in_today_write_to_nobody(engine: Engine, look: Watch) -> None:
    look("2023-09-01T08:00:00")
    assert {kind for kind, _, _, _ in mails(engine)} == {"deadline_digest"}
    assert {one.status for one in obligations.statuses(engine)} >= {"breached", "met"}


def test_an_earlier_instant_does_not_turn_a_status_back(engine: Engine, look: Watch) -> None:
    look("2022-10-20T17:00:00")
    earlier = look("2022-10-12T08:00:00")
    assert earlier.at == at("2022-10-20T17:00:00")
    assert not earlier.has_changed


def test_an_extended_deadline_is_reminded_of_anew(
    engine: Engine, look: Watch, registry: Registry
) -> None:
    look("2022-10-20T17:00:00")
    extended = registry.model_copy(
        update={
            "obligations": tuple(
                one.model_copy(update={"wording": "chậm nhất ngày 26/10/2022"})
                if one.obligation_code == "tm_2022_bao_cao"
                else one
                for one in registry.obligations
            )
        }
    )
    later = look("2022-10-21T07:30:00", extended)
    changed = {(one.before, one.after) for one in later.changes if one.unit_code == "dtp_872_30052"}
    assert changed == {("breached", "due_soon")}
    assert ("deadline_reminder", "unit", "dtp_872_30052", 1) in mails(
        engine, since="2022-10-21T00:00:00"
    )


def test_an_obligation_that_is_withdrawn_goes(
    engine: Engine, look: Watch, registry: Registry
) -> None:
    look("2022-10-12T08:00:00")
    fewer = registry.model_copy(
        update={
            "obligations": tuple(
                one for one in registry.obligations if one.obligation_code == "tm_2022_tong_hop"
            )
        }
    )
    assert look("2022-10-12T09:00:00", fewer).has_changed
    assert len(obligations.statuses(engine)) == 1


def test_a_watch_whose_lease_was_taken_writes_nothing(engine: Engine, registry: Registry) -> None:
    old = leases.acquire(engine, "deadlines:dong_thap", "first", 60, REAL)
    assert old is not None
    assert leases.acquire(engine, "deadlines:dong_thap", "second", 60, REAL + timedelta(minutes=2))
    with pytest.raises(LeaseLost):
        watch(engine, old, registry, "dong_thap", NO_MARTS, REHEARSAL, at("2022-10-20T17:00:00"))
    assert obligations.statuses(engine) == []
    assert mails(engine) == []


# What people read

SENDER = Sender(address="ksc@tinh.example", name="KSC", reply_to="truc@tinh.example")


def composed(engine: Engine) -> list[tuple[Mail, EmailMessage, str]]:
    found = []
    while mail := outbox.claim_next(engine, Channel.ALERTS, "test", 60, REAL):
        raw = compose(mail, [Recipient(address="a@tinh.example", name="A")], SENDER)
        message = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        plain = message.get_body(("plain",))
        assert plain is not None
        found.append((mail, message, plain.get_content()))
    return found


def test_the_mails_say_what_is_owed_until_when_and_on_what_the_judgement_rests(
    engine: Engine, look: Watch
) -> None:
    look("2022-10-14T07:30:00")
    look("2022-10-20T17:00:00")
    read = composed(engine)
    subjects = Counter(
        re.sub(r"\].*", "]", str(m["Subject"]).removeprefix("[DIỄN TẬP][KSC]")) for _, m, _ in read
    )
    assert subjects.keys() == {"[NHẮC HẠN]", "[QUÁ HẠN]", "[BẢN TIN]"}
    for mail, message, text in read:
        assert "Khong dung duoc mau thu" not in text, mail.kind
        assert str(message["Subject"]).startswith("[DIỄN TẬP][KSC][")
    (breach,) = [
        text
        for mail, _, text in read
        if mail.kind == "deadline_breach" and mail.unit_code == "dtp_872_30052"
    ]
    assert "chậm nhất ngày 19/10/2022" in breach
    assert "23:59 ngày 19/10/2022" in breach
    assert "chưa nhận được văn bản hoặc tệp nào" in " ".join(breach.split())
    (copy,) = [
        text
        for mail, _, text in read
        if mail.kind == "deadline_breach" and mail.role == "department"
    ]
    assert "Số đơn vị: 2" in copy
    digest = next(text for mail, _, text in read if mail.kind == "deadline_digest")
    assert "Số đơn vị: 27" in digest
    assert len({message["Message-ID"] for _, message, _ in read}) == len(read)


def test_a_digest_of_two_days_has_two_subjects(engine: Engine, look: Watch) -> None:
    look("2022-10-14T07:30:00")
    look("2022-10-20T17:00:00")
    subjects = {
        str(message["Subject"])
        for mail, message, _ in composed(engine)
        if mail.kind == "deadline_digest"
    }
    assert len(subjects) == 2
    assert any(subject.endswith("ngày 20/10/2022") for subject in subjects)
