"""Who is reminded when: T-3, T-1, T+1 working days and the breach, once each."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from ksc_ledger.rules.deadlines import (
    Obligation,
    ObligationKind,
    ObligationStatus,
    Policy,
    Status,
    read_deadline,
    reminders_due,
)
from unit.rules.deadline_days import table_calendar

POLICY = Policy(working_calendar=table_calendar())


def vn(text: str) -> datetime:
    return datetime.fromisoformat(f"{text.replace(' ', 'T')}+07:00")


def an_obligation(wording: str = "chậm nhất ngày 19/10/2022") -> Obligation:
    return Obligation(
        obligation_code="thap_muoi_2022_10_2",
        unit_code="dtp_872_cah",
        obligation_kind=ObligationKind.UNIT_REPORT,
        deadline=read_deadline(wording, table_calendar()),
    )


def stages(now: str, status: Status, sent: tuple[str, ...] = (), **options: str) -> list[str]:
    found = reminders_due(
        an_obligation(**options), ObligationStatus(status, None, 0, ""), vn(now), POLICY, sent
    )
    return [reminder.stage for reminder in found]


@pytest.mark.parametrize(
    ("now", "status", "expected"),
    [
        # Wednesday 19/10/2022: three working days before is Friday the 14th, one is Tuesday.
        ("2022-10-13 12:00", Status.PENDING, []),
        ("2022-10-14 07:59:59", Status.DUE_SOON, []),
        ("2022-10-14 08:00", Status.DUE_SOON, ["t-3"]),
        ("2022-10-18 08:00", Status.DUE_SOON, ["t-1"]),
        ("2022-10-19 23:59:59", Status.DUE_SOON, ["t-1"]),
        ("2022-10-20 00:00:00", Status.BREACHED, ["breach"]),
        ("2022-10-20 08:00", Status.BREACHED, ["breach", "t+1"]),
        ("2022-10-20 08:00", Status.UNDETERMINED, ["t+1"]),
        ("2022-10-18 08:00", Status.MET, []),
        ("2022-10-20 08:00", Status.MET_LATE, []),
        ("2022-10-20 08:00", Status.WAIVED, []),
    ],
)
def test_a_stage_comes_on_its_working_day_at_eight(
    now: str, status: Status, expected: list[str]
) -> None:
    assert stages(now, status) == expected


def test_each_stage_is_told_once() -> None:
    key = "thap_muoi_2022_10_2/dtp_872_cah/2022-10-19"
    sent: set[str] = set()
    told = []
    now = vn("2022-10-10 08:00")
    while now < vn("2022-11-10 08:00"):
        late = now > vn("2022-10-19 23:59:59")
        status = Status.BREACHED if late else Status.PENDING
        for one in reminders_due(
            an_obligation(), ObligationStatus(status, None, 0, ""), now, POLICY, sent
        ):
            sent.add(one.key)
            told.append((one.stage, f"{now:%d/%m %H}"))
        now += timedelta(hours=1)
    assert told == [
        ("t-3", "14/10 08"),
        ("t-1", "18/10 08"),
        ("breach", "20/10 00"),
        ("t+1", "20/10 08"),
    ]
    assert sent == {f"{key}/{stage}" for stage in ("t-3", "t-1", "breach", "t+1")}


def test_after_a_standstill_only_the_newest_stage_is_told() -> None:
    assert stages("2022-10-18 09:00", Status.DUE_SOON) == ["t-1"]
    told = ("thap_muoi_2022_10_2/dtp_872_cah/2022-10-19/t-1",)
    assert stages("2022-10-18 10:00", Status.DUE_SOON, told) == []


def test_a_stage_missed_over_the_weekend_is_made_up_for() -> None:
    assert stages("2022-10-17 08:00", Status.DUE_SOON) == ["t-3"]


def test_the_day_after_a_friday_is_a_monday() -> None:
    wording = "chậm nhất ngày 21/10/2022"
    breached = Status.BREACHED
    told = ("thap_muoi_2022_10_2/dtp_872_cah/2022-10-21/breach",)
    assert stages("2022-10-22 00:00", breached, wording=wording) == ["breach"]
    assert stages("2022-10-23 12:00", breached, told, wording=wording) == []
    assert stages("2022-10-24 08:00", breached, told, wording=wording) == ["t+1"]


def test_working_days_jump_over_tet() -> None:
    """The last day is Thursday 15/02/2024, the first working day after Tết."""
    wording = "chậm nhất ngày 15/02/2024"
    assert stages("2024-02-05 08:00", Status.DUE_SOON, wording=wording) == ["t-3"]
    assert stages("2024-02-07 08:00", Status.DUE_SOON, wording=wording) == ["t-1"]


def test_an_extended_deadline_is_reminded_of_anew() -> None:
    told = ("thap_muoi_2022_10_2/dtp_872_cah/2022-10-19/t-3",)
    assert stages(
        "2022-10-26 08:00", Status.DUE_SOON, told, wording="chậm nhất ngày 31/10/2022"
    ) == ["t-3"]


def test_a_reminder_knows_the_day_it_is_of() -> None:
    (reminder,) = reminders_due(
        an_obligation(),
        ObligationStatus(Status.DUE_SOON, None, 0, ""),
        vn("2022-10-17 08:00"),
        POLICY,
    )
    assert (reminder.notice_date, reminder.last_date) == (date(2022, 10, 14), date(2022, 10, 19))
