"""What became of an obligation: the letters' days to the second, and what a breach rests on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.deadlines import (
    Attendance,
    Evidence,
    Obligation,
    ObligationKind,
    ObligationStatus,
    Policy,
    Receipt,
    Sighting,
    Status,
    Waiver,
    WeakHardware,
    read_deadline,
    status_of,
)
from unit.rules.deadline_days import table_calendar

POLICY = Policy(working_calendar=table_calendar())
THAP_MUOI = "chậm nhất ngày 19/10/2022"
VHTT = "chậm nhất ngày 20/10/2022"
KON_PLONG = "trước ngày 16 tháng 01 năm 2024"
TRAINING = "01 ngày (thứ Sáu, ngày 20/10/2023, bắt đầu lúc 08 giờ)"


def vn(text: str) -> datetime:
    """``2022-10-19 23:59`` or with seconds, in Vietnam."""
    return datetime.fromisoformat(f"{text.replace(' ', 'T')}+07:00")


def an_obligation(
    wording: str,
    kind: ObligationKind = ObligationKind.UNIT_REPORT,
    unit_code: str = "dtp_872_pnv",
    opens_at: datetime | None = None,
) -> Obligation:
    return Obligation(
        obligation_code="thap_muoi_2022_10_2",
        unit_code=unit_code,
        obligation_kind=kind,
        deadline=read_deadline(wording, table_calendar()),
        opens_at=opens_at,
    )


def a_sighting(
    at: str,
    installed: int,
    *,
    allocated: int = 12,
    exempt: int = 0,
    is_complete: bool = True,
    is_gated: bool = True,
) -> Sighting:
    return Sighting(
        observed_at=vn(at),
        allocated_count=allocated,
        installed_count=installed,
        gap_count=max(0, allocated - installed),
        exempt_count=exempt,
        snapshot_id=f"s-{at[:10]}",
        is_complete=is_complete,
        is_gated=is_gated,
    )


def received(*at: str, until: str | None = "2030-01-01 00:00", accepted: bool = True) -> Evidence:
    return Evidence(
        receipts=[
            Receipt(received_at=vn(one), document="bao-cao.xlsx", is_accepted=accepted)
            for one in at
        ],
        received_until_at=vn(until) if until else None,
    )


def judged(obligation: Obligation, evidence: Evidence, now: str) -> ObligationStatus:
    return status_of(obligation, evidence, vn(now), POLICY)


# --- Reports: Tháp Mười, 19 October 2022, and the roll-up of 20 October ---------------------------

UNITS_OF_THAP_MUOI = [
    # unit, its report came in at, at 23:59:59 on the 19th, at 00:00:00 on the 20th, a day later
    ("dtp_872_vpub", "2022-10-14 09:00", "met", "met", "met"),
    ("dtp_872_pnv", "2022-10-19 23:58", "met", "met", "met"),
    ("dtp_872_ptp", "2022-10-19 23:59:59", "met", "met", "met"),
    ("dtp_872_tckh", "2022-10-20 00:00:00", "due_soon", "met_late", "met_late"),
    ("dtp_872_tnmt", "2022-10-20 00:01", "due_soon", "breached", "met_late"),
    ("dtp_872_cah", None, "due_soon", "breached", "breached"),
]


@pytest.mark.parametrize(
    ("now", "column"),
    [("2022-10-19 23:59:59", 0), ("2022-10-20 00:00:00", 1), ("2022-10-21 00:00:00", 2)],
)
def test_the_breach_table_of_thap_muoi(now: str, column: int) -> None:
    found = {}
    for unit_code, at, *_ in UNITS_OF_THAP_MUOI:
        evidence = received(*([at] if at else []))
        found[unit_code] = judged(an_obligation(THAP_MUOI, unit_code=unit_code), evidence, now)
    expected = {unit: columns[column] for unit, _, *columns in UNITS_OF_THAP_MUOI}
    assert {unit: status.status.value for unit, status in found.items()} == expected


@pytest.mark.parametrize(
    ("at", "now", "status", "overdue_days"),
    [
        ("2022-10-20 23:59:59", "2022-10-21 00:00:00", Status.MET, 0),
        ("2022-10-21 00:00:00", "2022-10-21 00:00:00", Status.MET_LATE, 1),
        ("2022-10-21 00:01:00", "2022-10-20 23:59:59", Status.DUE_SOON, 0),
        ("2022-10-21 00:01:00", "2022-10-21 00:00:00", Status.BREACHED, 1),
        ("2022-10-24 08:00:00", "2022-10-23 12:00:00", Status.BREACHED, 3),
        ("2022-10-24 08:00:00", "2022-10-24 12:00:00", Status.MET_LATE, 4),
        ("2022-10-24 08:00:00", "2022-12-31 12:00:00", Status.MET_LATE, 4),
    ],
)
def test_the_roll_up_of_the_culture_office(
    at: str, now: str, status: Status, overdue_days: int
) -> None:
    found = judged(an_obligation(VHTT, ObligationKind.ROLL_UP), received(at), now)
    assert (found.status, found.overdue_days) == (status, overdue_days)


@pytest.mark.parametrize(
    ("at", "status"),
    [("2024-01-15 23:59:00", Status.MET), ("2024-01-16 00:01:00", Status.MET_LATE)],
)
def test_a_written_answer_one_minute_before_and_after_the_exclusive_day(
    at: str, status: Status
) -> None:
    """The letter of Kon Plông: done before 16 January is done by the end of the 15th."""
    found = judged(
        an_obligation(KON_PLONG, ObligationKind.ONE_OFF), received(at), "2024-02-01 08:00"
    )
    assert found.status is status
    assert found.met_at == vn(at)


def test_half_past_midnight_on_the_last_day_breaches_nothing() -> None:
    """In UTC it is still the day before, and the day of the letter has only begun (F36)."""
    now = datetime.fromisoformat("2022-10-18T17:30:00+00:00")
    found = status_of(an_obligation(THAP_MUOI), received(), now, POLICY)
    assert (found.status, found.overdue_days) == (Status.DUE_SOON, 0)


@pytest.mark.parametrize(
    ("now", "status"),
    [
        ("2022-10-12 08:00", Status.PENDING),
        ("2022-10-13 23:59:59", Status.PENDING),
        ("2022-10-14 00:00:00", Status.DUE_SOON),  # three working days before Wednesday the 19th
        ("2022-10-16 12:00:00", Status.DUE_SOON),
    ],
)
def test_due_soon_begins_three_working_days_before(now: str, status: Status) -> None:
    assert judged(an_obligation(THAP_MUOI), received(), now).status is status


def test_nothing_that_came_after_now_is_looked_at() -> None:
    found = judged(an_obligation(THAP_MUOI), received("2022-10-18 08:00"), "2022-10-17 08:00")
    assert found.status is Status.DUE_SOON
    assert found.met_at is None


def test_the_first_accepted_report_counts_however_many_follow() -> None:
    evidence = received("2022-10-21 08:00", "2022-10-18 08:00", "2022-10-17 08:00")
    assert judged(an_obligation(THAP_MUOI), evidence, "2022-11-01 08:00").met_at == vn(
        "2022-10-17 08:00"
    )


def test_a_report_from_before_the_document_is_about_something_else() -> None:
    obligation = an_obligation(THAP_MUOI, opens_at=vn("2022-10-12 00:00"))
    found = judged(obligation, received("2022-10-11 23:59:59"), "2022-10-20 08:00")
    assert found.status is Status.BREACHED


@pytest.mark.parametrize("until", [None, "2022-10-19 16:00", "2022-10-19 23:59:59"])
def test_an_inbox_not_read_past_the_deadline_proves_no_breach(until: str | None) -> None:
    found = judged(an_obligation(THAP_MUOI), received(until=until), "2022-10-20 00:00:00")
    assert found.status is Status.UNDETERMINED
    assert found.overdue_days == 0
    assert "Nơi nhận báo cáo" in found.evidence


def test_an_inbox_read_at_the_first_second_after_the_deadline_proves_a_breach() -> None:
    evidence = received(until="2022-10-20 00:00:00")
    found = judged(an_obligation(THAP_MUOI), evidence, "2022-10-20 00:00:00")
    assert found.status is Status.BREACHED
    assert "Đến 00:00 ngày 20/10/2022 chưa nhận được" in found.evidence


def test_a_later_reading_of_the_inbox_is_not_known_yet() -> None:
    found = judged(an_obligation(THAP_MUOI), received(), "2022-10-20 08:00")
    assert "Đến 08:00 ngày 20/10/2022 chưa nhận được" in found.evidence


def test_a_file_in_time_that_failed_its_checks_is_no_breach_but_waits_for_a_person() -> None:
    evidence = received("2022-10-18 10:00", accepted=False)
    found = judged(an_obligation(THAP_MUOI), evidence, "2022-10-21 08:00")
    assert found.status is Status.UNDETERMINED
    assert "bao-cao.xlsx" in found.evidence


def test_a_file_too_late_that_failed_its_checks_is_a_breach() -> None:
    evidence = received("2022-10-20 10:00", accepted=False)
    assert judged(an_obligation(THAP_MUOI), evidence, "2022-10-21 08:00").status is Status.BREACHED


def test_a_deadline_before_its_own_document_is_refused() -> None:
    with pytest.raises(LedgerError, match="đứng trước") as caught:
        an_obligation(THAP_MUOI, opens_at=vn("2022-10-20 00:00"))
    assert caught.value.code == "deadline_before_document"
    an_obligation(THAP_MUOI, opens_at=vn("2022-10-19 23:59:59"))


def test_late_by_an_hour_is_late_but_no_calendar_day() -> None:
    obligation = an_obligation("chậm nhất 17 giờ ngày 19/10/2022")
    found = judged(obligation, received("2022-10-19 18:00"), "2022-10-20 08:00")
    assert (found.status, found.overdue_days) == (Status.MET_LATE, 0)
    assert "trễ trong ngày" in found.evidence


# --- Full installation: Kon Plông, before 16 January 2024 ----------------------------------------


def installation(*sightings: Sighting) -> tuple[Obligation, Evidence]:
    obligation = an_obligation(KON_PLONG, ObligationKind.FULL_INSTALLATION, "ktm_613_vhtt")
    return obligation, Evidence(sightings=sightings)


FULL = "2024-01-08 08:00"


@pytest.mark.parametrize(
    ("sightings", "now", "status"),
    [
        pytest.param(
            [a_sighting(FULL, 12)], "2024-01-16 00:00:00", Status.MET, id="full in good time"
        ),
        pytest.param(
            [a_sighting("2024-01-15 23:59:59", 12)],
            "2024-01-16 00:00:00",
            Status.MET,
            id="full in the last second",
        ),
        pytest.param(
            [a_sighting("2024-01-15 17:00", 11)],
            "2024-01-15 23:59:59",
            Status.DUE_SOON,
            id="one machine short, the day not over",
        ),
        pytest.param(
            [a_sighting("2024-01-15 17:00", 11)],
            "2024-01-16 00:00:00",
            Status.BREACHED,
            id="one machine short when the day is over",
        ),
        pytest.param(
            [a_sighting("2024-01-15 17:00", 11), a_sighting("2024-01-16 00:00:00", 12)],
            "2024-01-16 00:00:00",
            Status.MET_LATE,
            id="full one second too late",
        ),
        pytest.param(
            [a_sighting("2024-01-15 17:00", 11, exempt=1)],
            "2024-01-16 00:00:00",
            Status.MET,
            id="one machine short, with its document",
        ),
        pytest.param(
            [a_sighting("2024-01-15 17:00", 10, exempt=1)],
            "2024-01-16 00:00:00",
            Status.BREACHED,
            id="two machines short, one document",
        ),
        pytest.param(
            [a_sighting("2024-01-15 17:00", 14)],
            "2024-01-16 00:00:00",
            Status.MET,
            id="more than its seats",
        ),
        pytest.param(
            [a_sighting(FULL, 12), a_sighting("2024-01-15 17:00", 9)],
            "2024-01-16 00:00:00",
            Status.MET,
            id="full once stays met",
        ),
        pytest.param(
            [a_sighting(FULL, 3)],
            "2024-01-16 08:00:00",
            Status.UNDETERMINED,
            id="nothing seen near the deadline",
        ),
        pytest.param([], "2024-01-16 08:00:00", Status.UNDETERMINED, id="nothing seen at all"),
        pytest.param(
            [a_sighting(FULL, 3), a_sighting("2024-01-17 08:00", 12)],
            "2024-01-17 09:00:00",
            Status.UNDETERMINED,
            id="full later, unknown whether in time",
        ),
        pytest.param(
            [a_sighting("2024-01-16 08:00", 3)],
            "2024-01-16 08:00:00",
            Status.BREACHED,
            id="seen short a few hours after",
        ),
        pytest.param(
            [a_sighting("2024-01-15 17:00", 11, is_gated=False)],
            "2024-01-16 00:00:00",
            Status.UNDETERMINED,
            id="short, on a load that no gate judged",
        ),
        pytest.param(
            [a_sighting("2024-01-15 17:00", 12, is_gated=False)],
            "2024-01-16 00:00:00",
            Status.UNDETERMINED,
            id="full, on a load that no gate judged",
        ),
        pytest.param(
            [a_sighting("2024-01-15 17:00", 11, is_complete=False)],
            "2024-01-16 00:00:00",
            Status.UNDETERMINED,
            id="short, on half an answer",
        ),
    ],
)
def test_an_installation_is_judged_on_what_was_seen_near_its_deadline(
    sightings: Sequence[Sighting], now: str, status: Status
) -> None:
    assert judged(*installation(*sightings), now).status is status


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ("2024-01-14 23:59:59", Status.BREACHED),  # 24 hours before the last second
        ("2024-01-14 23:59:58", Status.UNDETERMINED),
        ("2024-01-16 23:59:59", Status.BREACHED),
        ("2024-01-17 00:00:00", Status.UNDETERMINED),
    ],
)
def test_near_the_deadline_means_24_hours_before_or_after(at: str, status: Status) -> None:
    assert judged(*installation(a_sighting(at, 3)), "2024-01-17 08:00").status is status


def test_a_breach_says_on_what_it_rests() -> None:
    found = judged(
        *installation(a_sighting("2024-01-15 17:00", 62, allocated=190)), "2024-01-16 00:00:00"
    )
    assert found.evidence == (
        "Kết luận dựa trên 62/190 máy (32,6%), còn thiếu 128 máy, đọc lúc 17:00 ngày 15/01/2024 "
        "(mã số liệu s-2024-01-15)."
    )
    assert found.overdue_days == 1


def test_a_breach_rests_on_the_last_figure_before_the_deadline() -> None:
    found = judged(
        *installation(a_sighting("2024-01-15 08:00", 3), a_sighting("2024-01-15 17:00", 4)),
        "2024-01-16 00:00:00",
    )
    assert "4/12 máy" in found.evidence
    assert "3/12 máy" not in found.evidence


def test_undetermined_names_the_last_known_figure() -> None:
    found = judged(*installation(a_sighting(FULL, 62, allocated=190)), "2024-01-16 00:00:00")
    assert found.status is Status.UNDETERMINED
    assert "62/190 máy (32,6%)" in found.evidence
    assert "08:00 ngày 08/01/2024" in found.evidence


def test_full_later_without_a_figure_near_the_deadline_gives_the_instant_and_accuses_nobody() -> (
    None
):
    found = judged(*installation(a_sighting("2024-01-17 08:00", 12)), "2024-01-20 08:00")
    assert (found.met_at, found.overdue_days) == (vn("2024-01-17 08:00"), 0)


def test_a_breach_that_is_made_good_becomes_late_by_its_days() -> None:
    found = judged(
        *installation(a_sighting("2024-01-15 17:00", 3), a_sighting("2024-01-20 08:00", 12)),
        "2024-03-01 08:00",
    )
    assert (found.status, found.met_at, found.overdue_days) == (
        Status.MET_LATE,
        vn("2024-01-20 08:00"),
        5,
    )
    assert "Kết luận dựa trên 3/12 máy" in found.evidence


# --- Training, hardware answers, waivers ---------------------------------------------------------


def attended(day: date, *, is_present: bool = True) -> Evidence:
    line = Attendance(
        training_date=day, is_present=is_present, source_document="Danh sách điểm danh 20/10/2023"
    )
    return Evidence(attendances=[line])


@pytest.mark.parametrize(
    ("evidence", "now", "status", "overdue_days"),
    [
        (attended(date(2023, 10, 20)), "2023-10-21 08:00", Status.MET, 0),
        (attended(date(2023, 10, 20)), "2023-10-19 08:00", Status.DUE_SOON, 0),
        (attended(date(2023, 10, 27)), "2023-11-01 08:00", Status.MET_LATE, 7),
        (attended(date(2023, 10, 19)), "2023-10-21 08:00", Status.UNDETERMINED, 0),
        (attended(date(2023, 10, 20), is_present=False), "2023-10-20 23:59:59", Status.DUE_SOON, 0),
        (attended(date(2023, 10, 20), is_present=False), "2023-10-21 00:00:00", Status.BREACHED, 1),
        (Evidence(), "2023-10-20 23:59:59", Status.DUE_SOON, 0),
        (Evidence(), "2023-10-21 00:00:00", Status.UNDETERMINED, 0),
    ],
)
def test_training_is_judged_on_the_attendance_list_alone(
    evidence: Evidence, now: str, status: Status, overdue_days: int
) -> None:
    found = judged(an_obligation(TRAINING, ObligationKind.TRAINING), evidence, now)
    assert (found.status, found.overdue_days) == (status, overdue_days)


def test_training_with_a_last_day_may_be_attended_on_any_day_before() -> None:
    obligation = an_obligation("chậm nhất ngày 20/10/2023", ObligationKind.TRAINING)
    found = judged(obligation, attended(date(2023, 10, 12)), "2023-10-25 08:00")
    assert found.status is Status.MET


def hardware(undocumented: int | None, *receipts: str) -> Evidence:
    weak = (
        []
        if undocumented is None
        else [
            WeakHardware(
                observed_at=vn("2024-01-10 08:00"),
                undocumented_count=undocumented,
                snapshot_id="s-hw",
            )
        ]
    )
    return Evidence(
        receipts=[Receipt(received_at=vn(at), document="Công văn phản hồi") for at in receipts],
        received_until_at=vn("2030-01-01 00:00"),
        weak_hardware=weak,
    )


@pytest.mark.parametrize(
    ("evidence", "status"),
    [
        pytest.param(hardware(3), Status.BREACHED, id="three weak machines, no answer"),
        pytest.param(hardware(0), Status.MET, id="no weak machine, nothing to answer"),
        pytest.param(hardware(None), Status.UNDETERMINED, id="hardware never collected"),
        pytest.param(hardware(3, "2024-01-15 23:59:59"), Status.MET, id="answered in time"),
        pytest.param(hardware(3, "2024-01-16 00:00:00"), Status.MET_LATE, id="answered too late"),
    ],
)
def test_an_answer_about_hardware_is_owed_only_where_there_are_weak_machines(
    evidence: Evidence, status: Status
) -> None:
    obligation = an_obligation(KON_PLONG, ObligationKind.HARDWARE_FEEDBACK)
    assert judged(obligation, evidence, "2024-01-16 08:00").status is status


@pytest.mark.parametrize(
    ("now", "status"),
    [("2022-10-24 23:59:59", Status.BREACHED), ("2022-10-25 00:00:00", Status.WAIVED)],
)
def test_a_waiver_holds_from_its_day_on_and_names_its_document(now: str, status: Status) -> None:
    evidence = Evidence(
        received_until_at=vn("2030-01-01 00:00"),
        waivers=[Waiver(waived_date=date(2022, 10, 25), source_document="Công văn 77/UBND-VHTT")],
    )
    found = judged(an_obligation(THAP_MUOI), evidence, now)
    assert found.status is status
    assert ("77/UBND-VHTT" in found.evidence) is (status is Status.WAIVED)


def test_what_was_met_needs_no_waiver() -> None:
    waiver = Waiver(waived_date=date(2022, 10, 13), source_document="Công văn 77/UBND-VHTT")
    receipt = Receipt(received_at=vn("2022-10-18 08:00"), document="bao-cao.xlsx")
    evidence = Evidence(receipts=[receipt], waivers=[waiver])
    assert judged(an_obligation(THAP_MUOI), evidence, "2022-10-20 08:00").status is Status.MET


# --- What holds for any evidence -----------------------------------------------------------------

INSTANTS = st.integers(min_value=0, max_value=20 * 24 * 60).map(
    lambda minutes: vn("2022-10-10 00:00") + timedelta(minutes=minutes)
)


@given(now=INSTANTS, arrivals=st.lists(INSTANTS, max_size=4), read_until=st.none() | INSTANTS)
def test_no_report_is_ever_breached_in_time_or_without_an_inbox_read_past_the_deadline(
    now: datetime, arrivals: list[datetime], read_until: datetime | None
) -> None:
    obligation = an_obligation(THAP_MUOI)
    evidence = Evidence(
        receipts=[Receipt(received_at=at, document="a.xlsx") for at in arrivals],
        received_until_at=read_until,
    )
    found = status_of(obligation, evidence, now, POLICY)
    last = vn("2022-10-19 23:59:59")
    if found.status is Status.BREACHED:
        assert now > last
        assert read_until is not None
        assert read_until > last
        assert not [at for at in arrivals if at <= now]
    known = sorted(at for at in arrivals if at <= now)
    assert found.met_at == (known[0] if known else None)
    assert (found.overdue_days > 0) == (found.status in {Status.BREACHED, Status.MET_LATE})
    assert found.evidence


@given(
    now=INSTANTS,
    seen=st.lists(st.tuples(INSTANTS, st.integers(0, 14), st.booleans()), max_size=5),
)
def test_an_installation_never_rests_on_what_did_not_pass_its_gate(
    now: datetime, seen: list[tuple[datetime, int, bool]]
) -> None:
    obligation = an_obligation(THAP_MUOI, ObligationKind.FULL_INSTALLATION)
    sightings = [
        Sighting(
            observed_at=at,
            allocated_count=12,
            installed_count=installed,
            gap_count=max(0, 12 - installed),
            snapshot_id="s",
            is_gated=is_gated,
        )
        for at, installed, is_gated in seen
    ]
    gated = [one for one in sightings if one.is_gated]
    found = status_of(obligation, Evidence(sightings=sightings), now, POLICY)
    again = status_of(obligation, Evidence(sightings=gated[::-1]), now, POLICY)
    assert (found.status, found.met_at) == (again.status, again.met_at)
    if found.status is Status.MET:
        assert any(one.gap_count == 0 and one.observed_at <= now for one in gated)
    if found.status is Status.BREACHED:
        assert now > vn("2022-10-19 23:59:59")
        assert gated
